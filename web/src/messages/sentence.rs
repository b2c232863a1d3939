//! Sentences with values in them.

use std::fmt::Display;

use serde::Serialize;

use crate::{number::grouped, plain::Plain};

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
