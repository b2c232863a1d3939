//! Which language a page speaks: the person's own choice first, then `Accept-Language`, then English.

use crate::words::{self, Words};

/// A language that every page exists in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Lang {
    /// Korean, in plain 합니다체.
    Ko,
    /// English.
    En,
}

impl Lang {
    /// Every language, in the order of the switch at the top of each page.
    pub const ALL: [Self; 2] = [Self::Ko, Self::En];

    /// The language for a request: `chosen` (the `lang` parameter or the cookie that remembers it), else the best of
    /// the `Accept-Language` header.
    pub fn of(chosen: Option<&str>, accept_language: Option<&str>) -> Self {
        chosen.and_then(Self::from_tag).or_else(|| accept_language.and_then(best)).unwrap_or(Self::En)
    }

    /// Reads a BCP 47 tag by its primary subtag, so `ko-KR` is Korean.
    pub fn from_tag(tag: &str) -> Option<Self> {
        let primary = tag.trim().split(['-', '_']).next()?;
        Self::ALL.into_iter().find(|lang| primary.eq_ignore_ascii_case(lang.tag()))
    }

    /// The BCP 47 tag, as in `lang="ko"`.
    pub const fn tag(self) -> &'static str {
        match self {
            Self::Ko => "ko",
            Self::En => "en",
        }
    }

    /// What the language calls itself.
    pub const fn own_name(self) -> &'static str {
        match self {
            Self::Ko => "한국어",
            Self::En => "English",
        }
    }

    /// All texts of this language.
    pub(crate) const fn words(self) -> &'static Words {
        match self {
            Self::Ko => &words::ko::WORDS,
            Self::En => &words::en::WORDS,
        }
    }
}

impl From<Lang> for sale::Language {
    fn from(lang: Lang) -> Self {
        match lang {
            Lang::Ko => Self::Ko,
            Lang::En => Self::En,
        }
    }
}

/// The language with the highest weight in an `Accept-Language` header; the first of equals wins.
fn best(header: &str) -> Option<Lang> {
    let mut found: Option<(Lang, f32)> = None;
    for part in header.split(',') {
        let mut pieces = part.split(';');
        let Some(lang) = pieces.next().and_then(Lang::from_tag) else { continue };
        let weight = pieces.find_map(|piece| piece.trim().strip_prefix("q=")?.parse::<f32>().ok()).unwrap_or(1.0);
        if weight > found.map_or(0.0, |(_, best)| best) {
            found = Some((lang, weight));
        }
    }
    found.map(|(lang, _)| lang)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn choice_beats_header_and_header_beats_nothing() {
        assert_eq!(Lang::of(Some("ko"), Some("en")), Lang::Ko);
        assert_eq!(Lang::of(Some("xx"), Some("ko-KR,ko;q=0.9,en;q=0.8")), Lang::Ko);
        assert_eq!(Lang::of(None, Some("fr, en;q=0.3, ko;q=0.7")), Lang::Ko);
        assert_eq!(Lang::of(None, Some("ko;q=0")), Lang::En);
        assert_eq!(Lang::of(None, Some("de")), Lang::En);
        assert_eq!(Lang::of(None, None), Lang::En);
    }
}
