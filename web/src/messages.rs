//! Every sentence of every page, one file per page with both languages side by side.
//!
//! A page's texts are a struct with a constant for each language, so a missing sentence does not compile.

mod checkout;
mod common;
mod console;
mod error_page;
mod line;
mod order;
mod sale;
mod sale_state;
mod sales;
mod sentence;

use ::sale::Language;

pub(crate) use self::{checkout::CheckoutMessages, console::ConsoleMessages, line::LineMessages, sales::SalesMessages};
use self::{
    common::CommonMessages,
    error_page::ErrorMessages,
    line::LinePageMessages,
    order::OrderMessages,
    sale::SaleMessages,
    sale_state::SaleStateMessages,
    sentence::{Message, Plural},
};

/// All texts of a language.
pub(crate) const fn messages(language: Language) -> &'static Messages {
    match language {
        Language::Ko => &KO,
        Language::En => &EN,
    }
}

/// All texts of a language.
#[derive(Debug)]
pub(crate) struct Messages {
    pub(crate) common: CommonMessages,
    pub(crate) sale_state: SaleStateMessages,
    pub(crate) sales: SalesMessages,
    pub(crate) sale: SaleMessages,
    pub(crate) line: LineMessages,
    pub(crate) line_page: LinePageMessages,
    pub(crate) checkout: CheckoutMessages,
    pub(crate) order: OrderMessages,
    pub(crate) error_page: ErrorMessages,
    pub(crate) console: ConsoleMessages,
}

static KO: Messages = Messages {
    common: common::KO,
    sale_state: sale_state::KO,
    sales: sales::KO,
    sale: sale::KO,
    line: line::KO,
    line_page: line::KO_PAGE,
    checkout: checkout::KO,
    order: order::KO,
    error_page: error_page::KO,
    console: console::KO,
};

static EN: Messages = Messages {
    common: common::EN,
    sale_state: sale_state::EN,
    sales: sales::EN,
    sale: sale::EN,
    line: line::EN,
    line_page: line::EN_PAGE,
    checkout: checkout::EN,
    order: order::EN,
    error_page: error_page::EN,
    console: console::EN,
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plural_has_the_form_of_its_number() {
        assert_eq!(EN.line.ahead.of(1), "1 person ahead");
        assert_eq!(EN.line.ahead.of(4213), "4,213 people ahead");
        assert_eq!(KO.line.ahead.of(12), "앞에 12명");
    }
}
