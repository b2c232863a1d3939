//! A page rendered from its precompressed template is the page itself, byte for byte, compressed or not.

use std::io::Read as _;

use flate2::read::GzDecoder;
use proptest::{collection::vec, option, prelude::*, sample::select};
use sale::{Language, SaleState, Timestamp, standing::Eta, testing::won};
use web::{
    Layout,
    pages::{ItemCard, LinePage, LineView, LineVisitor, SalePage, SaleVisitor},
    precompressed::{PrecompressedTemplate, SlotValues},
};

/// One request, one packet flight: what a phone gets before it has to answer.
const WAITING_PAGE_BYTES: usize = 14 * 1024;

fn language() -> impl Strategy<Value = Language> {
    select(Language::ALL.as_slice())
}

fn state() -> impl Strategy<Value = SaleState> {
    select(SaleState::ALL)
}

/// From before the opening to after it, days and fractions of a second away.
fn layout(path: &'static str) -> impl Strategy<Value = Layout> {
    let now = prop_oneof![OPENING - 100_000..OPENING + 1_000, OPENING - 1_000_000_000..OPENING + 1_000_000_000];
    (language(), "[-_0-9A-Za-z]{16}", now).prop_map(|(language, nonce, now)| Layout {
        language,
        nonce,
        path: path.to_owned(),
        now: Timestamp::from_millis(now),
    })
}

const OPENING: i64 = 1_795_251_600_000;

/// Few and many, because sentences differ.
fn number() -> impl Strategy<Value = u64> {
    prop_oneof![0..5_u64, 900..1_100_u64, 0..10_000_000_u64]
}

/// What sellers write, with what HTML and JSON must not take for their own.
fn name() -> impl Strategy<Value = String> {
    prop_oneof!["[ -~가-힣]{1,40}", Just("</script><b>\"O'Hara\" & 1,234".to_owned())]
}

fn item() -> impl Strategy<Value = ItemCard> {
    (name(), 0..10_000_000_i64, number(), number()).prop_map(|(name, amount, units, left)| ItemCard {
        name,
        price: won(amount),
        units,
        left,
    })
}

prop_compose! {
    fn sale_page()(
        layout in layout("/sales/sneaker"),
        name in name(),
        state in state(),
        items in vec(item(), 0..4),
        (per_buyer_limit, enter_seconds, hold_seconds, waiting) in (number(), number(), number(), number()),
        number in option::of(number()),
        join_key in "[-_0-9A-Za-z]{22}",
    ) -> SalePage {
        let (sale, opens_at) = ("sneaker".to_owned(), Timestamp::from_millis(OPENING));
        SalePage { layout, sale, name, state, opens_at, items, per_buyer_limit, enter_seconds, hold_seconds, waiting, number, join_key }
    }
}

fn view() -> impl Strategy<Value = LineView> {
    let eta = option::of((number(), number()).prop_map(|(p50, p90)| Eta { p50, p90 }));
    prop_oneof![
        Just(LineView::Lobby),
        (2..5_000_000_u64, eta).prop_map(|(ahead, eta)| LineView::Waiting { ahead, eta }),
        (2..5_000_u64).prop_map(|ahead| LineView::Waiting { ahead, eta: None }),
        (2..5_000_000_u64).prop_map(|ahead| LineView::Paused { ahead }),
        Just(LineView::SoldOut),
        Just(LineView::Closed),
    ]
}

prop_compose! {
    fn line_page()(
        layout in layout("/sales/sneaker/line"),
        sale_name in name(),
        view in view(),
        sale_state in state(),
        message in option::of(name()),
        trouble in any::<bool>(),
        (number, epoch, left, held, enter_seconds) in (number(), number(), number(), number(), number()),
        join_key in "[-_0-9A-Za-z]{22}",
    ) -> LinePage {
        LinePage {
            layout, sale_name, view, sale_state, message, trouble, number, left, held, enter_seconds, join_key,
            sale: "sneaker".to_owned(),
            ticket: format!("sneaker.{number}"),
            epoch: epoch.to_string(),
            at_front: false,
            slower: None,
            opens_at: Timestamp::from_millis(OPENING),
        }
    }
}

fn sale_values(page: &SalePage) -> SlotValues {
    SaleVisitor {
        language: page.layout.language,
        nonce: &page.layout.nonce,
        now: page.layout.now,
        opens_at: page.opens_at,
        number: page.number,
        join_key: &page.join_key,
    }
    .slot_values()
}

fn line_values(page: &LinePage) -> SlotValues {
    LineVisitor {
        language: page.layout.language,
        nonce: &page.layout.nonce,
        now: page.layout.now,
        opens_at: page.opens_at,
        ticket: &page.ticket,
        number: page.number,
        view: &page.view,
        left: page.left,
        held: page.held,
        join_key: &page.join_key,
    }
    .slot_values()
}

fn is_the_page(template: &PrecompressedTemplate, values: &SlotValues, page: &str) -> Result<(), TestCaseError> {
    prop_assert_eq!(template.render(values), page);
    let mut unpacked = String::new();
    GzDecoder::new(template.render_gzip(values).as_slice()).read_to_string(&mut unpacked)?;
    prop_assert_eq!(unpacked, page);
    Ok(())
}

proptest! {
    /// The template is compiled from one visitor's page and rendered for another.
    #[test]
    fn the_page_of_a_sale_is_the_same_from_its_template(compiled_from in sale_page(), other in sale_page()) {
        let template = compiled_from.clone().precompile().unwrap();
        is_the_page(&template, &sale_values(&compiled_from), &compiled_from.render())?;
        let layout = Layout { language: compiled_from.layout.language, ..other.layout };
        let number = compiled_from.number.and(other.number.or(Some(0)));
        let next = SalePage { layout, number, join_key: other.join_key, ..compiled_from };
        is_the_page(&template, &sale_values(&next), &next.render())?;
    }

    #[test]
    fn the_page_of_a_line_is_the_same_from_its_template(compiled_from in line_page(), other in line_page(), ahead in 2..9_000_u64) {
        let template = compiled_from.clone().precompile().unwrap();
        is_the_page(&template, &line_values(&compiled_from), &compiled_from.render())?;
        let view = match compiled_from.view.clone() {
            LineView::Waiting { eta, .. } => LineView::Waiting { ahead, eta: eta.map(|_| Eta { p50: other.number, p90: other.left }) },
            LineView::Paused { .. } => LineView::Paused { ahead },
            same => same,
        };
        prop_assert_eq!(view.shape(), compiled_from.view.shape());
        let layout = Layout { language: compiled_from.layout.language, ..other.layout };
        let next = LinePage { layout, number: other.number, ticket: other.ticket, view, join_key: other.join_key, ..compiled_from };
        let values = line_values(&next);
        is_the_page(&template, &values, &next.render())?;
    }
}

#[test]
fn the_waiting_page_from_its_template_fits_into_fourteen_kilobytes() {
    for language in Language::ALL {
        let layout = Layout {
            language,
            nonce: "n".repeat(16),
            path: "/sales/sneaker/line".to_owned(),
            now: Timestamp::from_millis(OPENING + 1),
        };
        let page = LinePage {
            layout,
            sale: "sneaker".to_owned(),
            sale_name: "한정판 운동화".to_owned(),
            ticket: "sneaker.123456".to_owned(),
            number: 123_456,
            epoch: "1".to_owned(),
            sale_state: SaleState::Open,
            view: LineView::Waiting { ahead: 120_000, eta: Some(Eta { p50: 7_000, p90: 9_000 }) },
            at_front: false,
            slower: None,
            trouble: false,
            message: Some("현장 수령은 오늘만 됩니다.".to_owned()),
            left: 912,
            held: 31,
            opens_at: Timestamp::from_millis(OPENING),
            enter_seconds: 120,
            join_key: "k".repeat(22),
        };
        let gzip = page.clone().precompile().unwrap().render_gzip(&line_values(&page));
        println!("{}: {} of {}", language.tag(), gzip.len(), page.render().len());
        assert!(gzip.len() <= WAITING_PAGE_BYTES, "{}: {} bytes", language.tag(), gzip.len());
    }
}
