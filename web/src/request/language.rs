//! The language of a request: the visible switch (`?lang=`), the cookie that it left, what the browser accepts.

use http::{HeaderMap, header};
use sale::Language;

use super::{Site, text};
use crate::language::negotiate;

impl Site {
    pub(super) fn language(&self, headers: &HeaderMap, query: Option<&str>) -> Language {
        let chosen = chosen_language(query).map(Language::tag).or_else(|| self.language_cookie(headers));
        negotiate(chosen, text(headers, &header::ACCEPT_LANGUAGE))
    }
}

/// The language of the visible switch, if the address names one.
pub fn chosen_language(query: Option<&str>) -> Option<Language> {
    query?.split('&').find_map(|pair| pair.strip_prefix("lang=")).and_then(Language::parse)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::tests::{headers, site};

    #[test]
    fn the_language_is_the_switch_then_the_cookie_then_the_browser() {
        let both = headers(&[("cookie", "x=1; __Host-openrun-lang=en"), ("accept-language", "ko-KR,en;q=0.5")]);
        assert_eq!(site().language(&both, Some("a=1&lang=ko")), Language::Ko);
        assert_eq!(site().language(&both, None), Language::En);
        assert_eq!(site().language(&headers(&[("accept-language", "fr, en-GB")]), None), Language::En);
    }
}
