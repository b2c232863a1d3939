//! The payment was declined for good.

use sale::Language;

use super::Texts;

pub(super) fn texts(language: Language) -> Texts {
    match language {
        Language::Ko => Texts {
            subject: "결제가 거절되었습니다",
            opening: "결제가 거절되어 주문이 종료되었습니다. 청구된 금액은 없습니다. 보관 중이던 상품은 다음 분께 넘어갔습니다.".to_owned(),
        },
        Language::En => Texts {
            subject: "Your payment was declined",
            opening: "Your payment was declined and the order has ended. Nothing was charged. The items went to the next person in line.".to_owned(),
        },
    }
}
