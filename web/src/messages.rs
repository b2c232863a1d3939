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

use std::fmt::Display;

use ::sale::Language;
use serde::Serialize;

pub(crate) use self::{checkout::CheckoutMessages, console::ConsoleMessages, line::LineMessages, sales::SalesMessages};
use self::{
    common::CommonMessages, error_page::ErrorMessages, line::LinePageMessages, order::OrderMessages,
    sale::SaleMessages, sale_state::SaleStateMessages,
};
use crate::format::grouped;

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

/// A plain value however a template hands it over: templates pass what they loop over by reference.
pub(crate) trait Plain<T> {
    /// The value itself.
    fn plain(self) -> T;
}

impl<T: Copy> Plain<T> for T {
    fn plain(self) -> T {
        self
    }
}

impl<T: Copy> Plain<T> for &T {
    fn plain(self) -> T {
        *self
    }
}

impl<T: Copy> Plain<T> for &&T {
    fn plain(self) -> T {
        **self
    }
}

/// A sentence with one or two placeholders, written `{}`.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Message(pub(crate) &'static str);

impl Message {
    /// Fills the placeholder.
    pub(crate) fn with(&self, value: impl Display) -> String {
        self.0.replacen("{}", &value.to_string(), 1)
    }

    /// Fills both placeholders, in the order of the language.
    pub(crate) fn with_two(&self, first: impl Display, second: impl Display) -> String {
        let mut parts = self.0.splitn(3, "{}");
        let mut next = || parts.next().unwrap_or_default();
        format!("{}{first}{}{second}{}", next(), next(), next())
    }
}

/// A sentence about a number, written `{n}`. Scripts get both forms and choose the same way.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Plural {
    /// For exactly one.
    pub(crate) one: &'static str,
    /// For everything else.
    pub(crate) other: &'static str,
}

impl Plural {
    /// A language (or sentence) without a plural.
    pub(crate) const fn same(text: &'static str) -> Self {
        Self { one: text, other: text }
    }

    /// The whole sentence for `n`.
    pub(crate) fn of(&self, n: impl Plain<u64>) -> String {
        let n = n.plain();
        self.form(n).replace("{n}", &grouped(n))
    }

    /// What stands before the number, for pages that print the number larger than its sentence.
    pub(crate) fn before(&self, n: impl Plain<u64>) -> &'static str {
        self.form(n.plain()).split("{n}").next().unwrap_or_default()
    }

    /// What stands after the number.
    pub(crate) fn after(&self, n: impl Plain<u64>) -> &'static str {
        self.form(n.plain()).split("{n}").nth(1).unwrap_or_default()
    }

    const fn form(&self, n: u64) -> &'static str {
        if n == 1 { self.one } else { self.other }
    }
}

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
