//! The payment was declined for good.

use sale::Language;

use super::Texts;

pub(super) fn texts(language: Language) -> Texts {
    match language {
        Language::Ko => Texts {
            subject: "결제가 승인되지 않았습니다",
            opening: "결제가 승인되지 않아 주문이 끝났습니다. 청구된 금액은 없습니다. 보관 중이던 상품은 다음 분께 돌아갔습니다.".to_owned(),
        },
        Language::En => Texts {
            subject: "Your payment was declined",
            opening: "Your payment was declined and the order has ended. Nothing was charged. What was held for you went to the next in line.".to_owned(),
        },
    }
}
