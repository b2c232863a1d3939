//! One file per page. Buyers' pages in the order in which a buyer meets them, then the seller's console.

mod sales;
pub use sales::{Demo, SaleRow, SalesPage};

mod sale;
pub use self::sale::{ItemCard, SalePage, SaleVisitor};

mod line;
pub use line::{LinePage, LineShape, LineView, LineVisitor, Slower};

mod checkout;
pub use checkout::{CheckoutPage, CheckoutState, Choice, QuantityFault};

mod order;
pub use order::{HistoryEntry, OrderPage};

mod error_page;
pub use error_page::{ErrorPage, NextLink};

mod docs;
pub use docs::{Call, CallGroup, DocsPage};

pub mod console;

mod held_order;
pub use held_order::{HeldOrder, OrderLine};

mod payment_method;
mod tone;

pub(crate) use tone::Tone;

use crate::messages::Messages;

/// Renders a template into a string. Only a value whose `Display` fails could stop it, and none of ours does.
pub(crate) fn rendered(template: &impl askama::Template) -> String {
    let mut page = String::with_capacity(40_000);
    if template.render_into(&mut page).is_err() {
        page.clear();
    }
    page
}

/// A time limit in whole minutes, or in seconds where it is not a multiple of a minute.
pub(crate) fn time_limit(messages: &Messages, seconds: u64) -> String {
    if seconds >= 60 && seconds.is_multiple_of(60) {
        messages.common.minutes.of(seconds / 60)
    } else {
        messages.common.seconds.of(seconds)
    }
}

/// JSON for a `<script type="application/json">`: nothing in it can end the element.
pub(crate) fn script_json(value: &serde_json::Value) -> String {
    value.to_string().replace('<', "\\u003c")
}
