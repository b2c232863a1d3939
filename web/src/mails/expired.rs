//! The order was not paid in time.

use sale::Language;

use super::Texts;

pub(super) fn texts(language: Language) -> Texts {
    match language {
        Language::Ko => Texts {
            subject: "결제 시간이 끝났습니다",
            opening: "결제 시간이 끝나 주문이 종료되었습니다. 청구된 금액은 없습니다. 보관 중이던 상품은 다음 분께 넘어갔습니다.".to_owned(),
        },
        Language::En => Texts {
            subject: "The time to pay has run out",
            opening: "The time to pay has run out and the order has ended. Nothing was charged. The items went to the next person in line.".to_owned(),
        },
    }
}
