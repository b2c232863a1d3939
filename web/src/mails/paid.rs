//! The payment is confirmed.

use sale::Language;

use super::Texts;

pub(super) fn texts(language: Language) -> Texts {
    match language {
        Language::Ko => Texts {
            subject: "결제가 완료되었습니다",
            opening: "결제가 확인되었습니다. 주문하신 상품은 고객님의 것입니다.".to_owned(),
        },
        Language::En => Texts {
            subject: "Your payment is confirmed",
            opening: "Your payment is confirmed. The items are yours.".to_owned(),
        },
    }
}
