//! The order was not paid in time.

use sale::Language;

use super::Texts;

pub(super) fn texts(language: Language) -> Texts {
    match language {
        Language::Ko => Texts {
            subject: "결제 시간이 지났습니다",
            opening: "결제 시간이 지나 주문이 끝났습니다. 청구된 금액은 없습니다. 보관 중이던 상품은 다음 분께 돌아갔습니다.".to_owned(),
        },
        Language::En => Texts {
            subject: "The time to pay has run out",
            opening: "The time to pay has run out and the order has ended. Nothing was charged. What was held for you went to the next in line.".to_owned(),
        },
    }
}
