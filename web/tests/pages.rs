//! Every page in every state and language.

use std::io::Write;

use flate2::{Compression, write::GzEncoder};
use sale::Language;

#[path = "pages/samples.rs"]
mod samples;

use samples::Sample;

/// One request, one packet flight: what a phone gets before it has to answer.
const WAITING_PAGE_BYTES: usize = 14 * 1024;

fn everything() -> impl Iterator<Item = (Language, Sample)> {
    Language::ALL
        .into_iter()
        .flat_map(|language| samples::all(language).into_iter().map(move |sample| (language, sample)))
}

/// The page without head, scripts, the language switch and what stands in fields: what the page itself says.
fn said(html: &str) -> String {
    let body = html.split_once("</header>").map_or(html, |(_, body)| body);
    let mut text = String::new();
    let mut rest = body;
    while let Some((before, after)) = rest.split_once("<script") {
        text.push_str(before);
        rest = after.split_once("</script>").map_or("", |(_, after)| after);
    }
    text.push_str(rest);
    text.split('<').map(|piece| piece.split_once('>').map_or(piece, |(_, text)| text)).collect::<Vec<_>>().join(" ")
}

fn is_hangul(letter: char) -> bool {
    ('가'..='힣').contains(&letter)
}

#[test]
fn every_page_is_whole_and_in_its_language() {
    for (language, sample) in everything() {
        let html = &sample.html;
        let name = format!("{} {}", sample.name, language.tag());
        assert!(html.starts_with(&format!("<!doctype html>\n<html lang=\"{}\"", language.tag())), "{name}: start");
        assert!(html.trim_end().ends_with("</html>"), "{name}: end");
        assert!(!html.contains("{{") && !html.contains("{%"), "{name}: template left over");
        assert_eq!(html.matches("<h1").count(), 1, "{name}: one h1");
        assert_eq!(html.matches("<main").count(), 1, "{name}: one main");
        for other in Language::ALL {
            assert!(
                html.contains(&format!("lang={}\" lang=\"{0}\"", other.tag())),
                "{name}: switch to {}",
                other.tag()
            );
        }
    }
}

#[test]
fn no_gap_is_left_in_a_sentence() {
    for (language, sample) in everything() {
        let text = said(&sample.html);
        assert!(!text.contains("{}") && !text.contains("{n}"), "{} {}: {text}", sample.name, language.tag());
    }
}

#[test]
fn no_page_mixes_languages() {
    for sample in samples::all(Language::En) {
        let text = said(&sample.html);
        assert!(!text.chars().any(is_hangul), "{}: {text}", sample.name);
    }
    for sample in samples::all(Language::Ko) {
        let text = said(&sample.html);
        assert!(text.chars().any(is_hangul), "{}: {text}", sample.name);
        for word in [" the ", " your ", " and ", " is ", " are ", " was "] {
            assert!(!text.contains(word), "{}: {word} in {text}", sample.name);
        }
        let words: Vec<_> = text.split_whitespace().collect();
        let is_number = |word: &str| word.ends_with(|last: char| last.is_ascii_digit());
        let unit = words.windows(2).find(|pair| is_number(pair[0]) && ["s", "min", "h"].contains(&pair[1]));
        assert_eq!(unit, None, "{}: a unit in English", sample.name);
    }
}

#[test]
fn nobody_is_shouted_at() {
    for (language, sample) in everything() {
        assert!(!said(&sample.html).contains('!'), "{} {}", sample.name, language.tag());
    }
}

/// A style or script without the nonce would be blocked; an inline handler or style attribute too.
#[test]
fn everything_inline_carries_the_nonce() {
    for (language, sample) in everything() {
        let name = format!("{} {}", sample.name, language.tag());
        for piece in sample.html.split("<script").skip(1).chain(sample.html.split("<style").skip(1)) {
            let allowed = piece.starts_with(" nonce=\"bm9uY2U\"") || piece.starts_with(" type=\"application/json\"");
            assert!(allowed, "{name}: {}", piece.chars().take(80).collect::<String>());
        }
        let markup = sample.html.split_once("</style>").map_or("", |(_, markup)| markup);
        let markup = markup.split("<script").next().unwrap_or_default();
        assert!(!markup.contains(" style=") && !markup.contains(" onclick="), "{name}: blocked by the policy");
        assert!(!markup.contains("src=\"http") && !markup.contains("//cdn"), "{name}: a third party");
    }
}

#[test]
fn the_waiting_page_fits_into_fourteen_kilobytes() {
    for language in Language::ALL {
        for sample in samples::line(language) {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
            encoder.write_all(sample.html.as_bytes()).unwrap();
            let size = encoder.finish().unwrap().len();
            assert!(size <= WAITING_PAGE_BYTES, "{} {}: {size} bytes", sample.name, language.tag());
        }
    }
}

/// Nobody knows how many come back before somebody who had been called in a lost life of the line.
#[test]
fn who_stands_at_the_front_again_is_not_told_to_be_next() {
    for (language, next) in [(Language::Ko, "바로 다음 차례입니다</p>"), (Language::En, "You are next</p>")] {
        let samples = samples::line(language);
        let tells = |name| samples.iter().find(|sample| sample.name == name).unwrap().html.contains(next);
        assert!(tells("line-next"));
        assert!(!tells("line-front"));
    }
}

/// The waiting page carries the blocks of all views; only those of its own are shown, also without the script.
#[test]
fn only_the_blocks_of_the_view_are_shown() {
    for (language, sample) in
        Language::ALL.into_iter().flat_map(|language| samples::line(language).into_iter().map(move |s| (language, s)))
    {
        let view = sample.html.split("data-view=\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap();
        for block in sample.html.split("data-when=\"").skip(1) {
            let (views, rest) = block.split_once('"').unwrap();
            let hidden = rest.split('>').next().unwrap().contains("hidden");
            let shown = views.split(' ').any(|one| one == view);
            assert_eq!(shown, !hidden, "{} {}: block of {views}", sample.name, language.tag());
        }
    }
}

/// What a buyer writes or a seller names cannot become markup, in text, attributes or script data.
#[test]
fn foreign_text_stays_text() {
    use sale::SaleState;
    use web::{
        Layout,
        pages::{LinePage, LineView},
    };
    let evil = "</script><img src=x onerror=alert(1)>\"'";
    let page = LinePage {
        layout: Layout { language: Language::En, nonce: "n".into(), path: "/\"><b>".into(), now: samples::NOW },
        sale: "sneaker".into(),
        sale_name: evil.into(),
        ticket: evil.into(),
        number: 1,
        epoch: evil.into(),
        sale_state: SaleState::Open,
        view: LineView::Late,
        at_front: false,
        slower: None,
        trouble: false,
        message: Some(evil.into()),
        left: 0,
        held: 0,
        opens_at: samples::NOW,
        enter_seconds: 120,
        join_key: evil.into(),
    };
    let html = page.render();
    assert!(!html.contains("<img"), "{html}");
    assert!(!html.contains("/\"><b>"));
}

/// The words of a few pages as a person reads them, so that a change of a sentence is seen in review.
#[test]
fn the_words_of_key_pages() {
    let key = [
        "sale-scheduled",
        "sale-open",
        "checkout-declined",
        "order-paid",
        "order-payment_unknown",
        "error-store_unavailable",
    ];
    for (language, sample) in everything().filter(|(_, sample)| key.contains(&sample.name.as_str())) {
        let text = said(&sample.html);
        let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        insta::assert_snapshot!(format!("{}-{}", sample.name, language.tag()), lines.join("\n"));
    }
}
