//! What every page has around its own content: language, nonce, server time, the address for the language switch. Values
//! are formatted through it, in the page's language.

use sale::{Language, Money, Timestamp};

use crate::{
    format::{self, Precision, clock_element, countdown, seconds_until, time_element},
    language::own_name,
    messages::{Messages, messages},
    plain::Plain,
};

/// The layout of a page. Every page struct has one.
#[derive(Clone, Debug)]
pub struct Layout {
    /// The language of the whole page.
    pub language: Language,
    /// The CSP nonce of this response; see [`csp`].
    pub nonce: String,
    /// A path (with query) that GET answers, for the language switch. After a POST: the page that showed the form.
    pub path: String,
    /// The server's clock at rendering; scripts carry it on.
    pub now: Timestamp,
}

impl Layout {
    /// The texts of the page's language.
    pub(crate) const fn messages(&self) -> &'static Messages {
        messages(self.language)
    }

    /// The same page in another language.
    pub(crate) fn in_language(&self, language: impl Plain<Language>) -> String {
        let joint = if self.path.contains('?') { '&' } else { '?' };
        format!("{}{joint}lang={}", self.path, language.plain().tag())
    }

    /// Every language with what it calls itself, for the switch at the top of the page.
    pub(crate) fn languages() -> [(Language, &'static str); Language::ALL.len()] {
        Language::ALL.map(|language| (language, own_name(language)))
    }

    /// A time to the minute, as a `<time>` element.
    pub(crate) fn to_minute(&self, at: impl Plain<Timestamp>) -> String {
        time_element(at.plain(), self.language, Precision::Minute)
    }

    /// A time to the second, as a `<time>` element.
    pub(crate) fn to_second(&self, at: impl Plain<Timestamp>) -> String {
        time_element(at.plain(), self.language, Precision::Second)
    }

    /// The server's time of day, as a `<time>` element.
    pub(crate) fn clock(&self) -> String {
        clock_element(self.now, self.language)
    }

    /// An amount in the page's language.
    pub(crate) fn money(&self, money: &Money) -> String {
        format::amount(*money, self.language)
    }

    /// The figures of a countdown as they stand now.
    pub(crate) fn countdown(&self, at: impl Plain<Timestamp>) -> String {
        countdown(seconds_until(at.plain(), self.now), self.language)
    }
}

/// The `Content-Security-Policy` for a page rendered with this nonce.
pub fn csp(nonce: &str) -> String {
    format!(
        "default-src 'none'; style-src 'nonce-{nonce}'; script-src 'nonce-{nonce}'; connect-src 'self'; \
         img-src 'self' data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )
}
