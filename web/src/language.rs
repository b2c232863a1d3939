//! The languages of pages, and which one a request gets.

use sale::Language;

/// The language of a request: `chosen` (the `lang` parameter or the cookie that remembers it), else the best of the
/// `Accept-Language` header, else English.
pub(crate) fn negotiate(chosen: Option<&str>, accept_language: Option<&str>) -> Language {
    chosen.and_then(Language::parse).or_else(|| accept_language.and_then(best)).unwrap_or(Language::En)
}

/// What the language calls itself.
pub(crate) const fn own_name(language: Language) -> &'static str {
    match language {
        Language::Ko => "한국어",
        Language::En => "English",
    }
}

/// The language with the highest weight in an `Accept-Language` header; the first of equals wins.
fn best(header: &str) -> Option<Language> {
    let mut found: Option<(Language, f32)> = None;
    for part in header.split(',') {
        let mut pieces = part.split(';');
        let Some(language) = pieces.next().and_then(Language::parse) else { continue };
        let weight = pieces.find_map(|piece| piece.trim().strip_prefix("q=")?.parse::<f32>().ok()).unwrap_or(1.0);
        if weight > found.map_or(0.0, |(_, best)| best) {
            found = Some((language, weight));
        }
    }
    found.map(|(language, _)| language)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn choice_beats_header_and_header_beats_nothing() {
        assert_eq!(negotiate(Some("ko"), Some("en")), Language::Ko);
        assert_eq!(negotiate(Some("xx"), Some("ko-KR,ko;q=0.9,en;q=0.8")), Language::Ko);
        assert_eq!(negotiate(None, Some("fr, en;q=0.3, ko;q=0.7")), Language::Ko);
        assert_eq!(negotiate(None, Some("ko;q=0")), Language::En);
        assert_eq!(negotiate(None, Some("de")), Language::En);
        assert_eq!(negotiate(None, None), Language::En);
    }
}
