//! The order was placed.

use sale::{Language, Timestamp};

use super::Texts;
use crate::format::utc;

pub(super) fn texts(language: Language, hold_until: Option<Timestamp>) -> Texts {
    match language {
        Language::Ko => Texts {
            subject: "주문이 접수되었습니다",
            opening: match hold_until.map(utc) {
                Some(until) => {
                    format!("주문이 접수되었습니다. 상품은 {until}까지 보관됩니다. 그 전에 결제해 주시기 바랍니다.")
                }
                None => "주문이 접수되었습니다. 지금 상태는 아래 주소에서 확인하실 수 있습니다.".to_owned(),
            },
        },
        Language::En => Texts {
            subject: "Your order was placed",
            opening: match hold_until.map(utc) {
                Some(until) => {
                    format!("Your order was placed. Your items are held until {until}. Please pay before then.")
                }
                None => "Your order was placed. The address below shows its current state.".to_owned(),
            },
        },
    }
}
