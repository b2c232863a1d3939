//! What every page has around its own content: language, nonce, server time, the address for the language switch.

use crate::{
    language::Lang,
    moment::{Moment, Precision, countdown},
    money::Money,
    words::{Plain, Words},
};

/// The frame of a page. Every page struct has one.
#[derive(Clone, Debug)]
pub struct Shell {
    /// The language of the whole page.
    pub lang: Lang,
    /// The CSP nonce of this response; see [`csp`].
    pub nonce: String,
    /// A path (with query) that GET answers, for the language switch. After a failed POST: the page to go back to.
    pub path: String,
    /// The server's clock at rendering; scripts carry it on.
    pub now: Moment,
}

impl Shell {
    /// The texts of the page's language.
    pub(crate) const fn words(&self) -> &'static Words {
        self.lang.words()
    }

    /// The same page in another language.
    pub(crate) fn in_language(&self, lang: impl Plain<Lang>) -> String {
        let joint = if self.path.contains('?') { '&' } else { '?' };
        format!("{}{joint}lang={}", self.path, lang.plain().tag())
    }

    /// A moment to the minute, as a `<time>` element.
    pub(crate) fn plan(&self, moment: impl Plain<Moment>) -> String {
        moment.plain().html(self.lang, Precision::Minute)
    }

    /// A moment to the second, as a `<time>` element.
    pub(crate) fn fact(&self, moment: impl Plain<Moment>) -> String {
        moment.plain().html(self.lang, Precision::Second)
    }

    /// The server's time of day, as a `<time>` element.
    pub(crate) fn clock(&self) -> String {
        self.now.clock_html(self.lang)
    }

    /// An amount in the page's language.
    pub(crate) fn money(&self, money: &Money) -> String {
        money.words(self.lang)
    }

    /// The figures of a countdown as they stand now.
    pub(crate) fn until(&self, moment: impl Plain<Moment>) -> String {
        countdown(moment.plain().seconds_after(self.now), self.lang)
    }
}

/// The `Content-Security-Policy` for a page rendered with this nonce.
pub fn csp(nonce: &str) -> String {
    format!(
        "default-src 'none'; style-src 'nonce-{nonce}'; script-src 'nonce-{nonce}'; connect-src 'self'; \
         img-src 'self' data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )
}
