//! The buyer cancelled the order.

use sale::Language;

use super::Texts;

pub(super) fn texts(language: Language) -> Texts {
    match language {
        Language::Ko => Texts {
            subject: "주문이 취소되었습니다",
            opening: "요청하신 대로 주문이 취소되었습니다. 청구된 금액은 없습니다.".to_owned(),
        },
        Language::En => Texts {
            subject: "Your order was cancelled",
            opening: "As you asked, the order was cancelled. Nothing was charged.".to_owned(),
        },
    }
}
