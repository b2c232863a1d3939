//! Every page in every state that people can meet, in both languages. The tests read them, the gallery writes them out.

use sale::{Language, SaleState, Timestamp, standing::Eta, testing::won};
use web::{
    ErrorCode, Layout,
    pages::{Demo, ErrorPage, ItemCard, LinePage, LineView, NextLink, SalePage, SaleRow, SalesPage, Slower},
};

mod console;
mod order;

/// A page as a visitor would get it.
pub(crate) struct Sample {
    /// Page and state, as in `line-called`.
    pub(crate) name: String,
    /// The HTML.
    pub(crate) html: String,
}

/// The moment at which every sample was rendered: Saturday, 21 November 2026, 18:00:12 in Korea.
pub(crate) const NOW: Timestamp = Timestamp::from_millis(1_795_251_612_000);

/// Every sample in a language.
pub(crate) fn all(language: Language) -> Vec<Sample> {
    let mut samples = Vec::new();
    samples.extend(sales(language));
    samples.extend(sale(language));
    samples.extend(line(language));
    samples.extend(order::checkout(language));
    samples.extend(order::order(language));
    samples.extend(errors(language));
    samples.extend(console::all(language));
    samples
}

fn sample(name: impl Into<String>, html: String) -> Sample {
    Sample { name: name.into(), html }
}

fn layout(language: Language, path: &str) -> Layout {
    Layout { language, nonce: "bm9uY2U".to_owned(), path: path.to_owned(), now: NOW }
}

fn pick(language: Language, ko: &str, en: &str) -> String {
    match language {
        Language::Ko => ko.to_owned(),
        Language::En => en.to_owned(),
    }
}

fn after(seconds: i64) -> Timestamp {
    NOW.plus_seconds(seconds)
}

fn sale_name(language: Language) -> String {
    pick(language, "한정판 운동화", "Limited sneaker")
}

fn items(language: Language, left: u64) -> Vec<ItemCard> {
    let card = |name, price, left| ItemCard { name, price: won(price), units: 1000, left };
    vec![
        card(pick(language, "흰색 한 켤레", "One pair, white"), 189_000, left),
        card(pick(language, "먹색 한 켤레", "One pair, ink"), 199_000, left / 2),
    ]
}

fn sales(language: Language) -> Vec<Sample> {
    let row = |id: &str, name, state, opens, left| SaleRow {
        id: id.to_owned(),
        name,
        state,
        opens_at: after(opens),
        items: items(language, left),
    };
    let rows = vec![
        row("sneaker", sale_name(language), SaleState::Open, -90, 312),
        row("vase", pick(language, "백자 달항아리", "Moon jar"), SaleState::Scheduled, 93_600, 1000),
        row("lamp", pick(language, "황동 등", "Brass lamp"), SaleState::Paused, -3600, 40),
        row("print", pick(language, "판화 100점", "A hundred prints"), SaleState::SoldOut, -7200, 0),
        row("book", pick(language, "사진집", "Book of photographs"), SaleState::Closed, -86_400, 12),
    ];
    let page = |sales, demo| SalesPage { layout: layout(language, "/"), sales, demo }.render();
    let demo = Demo { console_url: "/console/sign-in/demo".to_owned() };
    vec![
        sample("sales", page(rows.clone(), None)),
        sample("sales-demo", page(rows, Some(demo))),
        sample("sales-none", page(Vec::new(), None)),
    ]
}

fn sale(language: Language) -> Vec<Sample> {
    let page = |state, opens, left, number| {
        SalePage {
            layout: layout(language, "/sales/sneaker"),
            sale: "sneaker".to_owned(),
            name: sale_name(language),
            state,
            opens_at: after(opens),
            items: items(language, left),
            per_buyer_limit: 1,
            enter_seconds: 120,
            hold_seconds: 300,
            waiting: 8431,
            number,
            join_key: "01JD0000000000000000000000".to_owned(),
        }
        .render()
    };
    vec![
        sample("sale-scheduled", page(SaleState::Scheduled, 754, 1000, None)),
        sample("sale-scheduled-days", page(SaleState::Scheduled, 187_000, 1000, None)),
        sample("sale-lobby", page(SaleState::Lobby, 58, 1000, None)),
        sample("sale-open", page(SaleState::Open, -90, 312, None)),
        sample("sale-open-in-hands", page(SaleState::Open, -90, 0, None)),
        sample("sale-in-line", page(SaleState::Open, -90, 312, Some(4213))),
        sample("sale-paused", page(SaleState::Paused, -90, 312, None)),
        sample("sale-draining", page(SaleState::Draining, -90, 3, None)),
        sample("sale-sold-out", page(SaleState::SoldOut, -900, 0, None)),
        sample("sale-closed", page(SaleState::Closed, -9000, 12, None)),
    ]
}

/// The waiting page of somebody with the number 4,213; `change` makes the state.
fn line_page(language: Language, view: LineView, change: impl FnOnce(&mut LinePage)) -> String {
    let mut page = LinePage {
        layout: layout(language, "/sales/sneaker/line"),
        sale: "sneaker".to_owned(),
        sale_name: sale_name(language),
        ticket: "01JD1111111111111111111111".to_owned(),
        number: 4213,
        epoch: "1".to_owned(),
        sale_state: SaleState::Open,
        view,
        at_front: false,
        slower: None,
        trouble: false,
        message: None,
        left: 912,
        held: 31,
        opens_at: after(58),
        enter_seconds: 120,
        join_key: "01JD0000000000000000000000".to_owned(),
    };
    change(&mut page);
    page.render()
}

/// Every state of the waiting page.
pub(crate) fn line(language: Language) -> Vec<Sample> {
    let waiting =
        |ahead, eta: Option<(u64, u64)>| LineView::Waiting { ahead, eta: eta.map(|(p50, p90)| Eta { p50, p90 }) };
    let message = pick(language, "현장 수령은 오늘만 됩니다.", "Pick-up in the shop is possible today only.");
    let plain = |view| line_page(language, view, |_| {});
    let of_sale = |view, state| line_page(language, view, |page| page.sale_state = state);
    let none_free = |page: &mut LinePage| (page.left, page.held) = (0, 31);
    let all_sold = |page: &mut LinePage| (page.sale_state, page.left, page.held) = (SaleState::SoldOut, 0, 0);
    vec![
        sample("line-lobby", of_sale(LineView::Lobby, SaleState::Lobby)),
        sample("line-waiting", plain(waiting(312, Some((200, 290))))),
        sample("line-waiting-one", plain(waiting(1, Some((5, 30))))),
        sample("line-next", plain(waiting(0, Some((2, 20))))),
        sample("line-front", line_page(language, waiting(0, None), |page| page.at_front = true)),
        sample("line-unlikely", line_page(language, waiting(4212, None), |page| page.message = Some(message))),
        sample("line-in-hands", line_page(language, waiting(12, None), none_free)),
        sample(
            "line-slower",
            line_page(language, waiting(312, Some((900, 1500))), |page| page.slower = Some(Slower::Rate)),
        ),
        sample("line-trouble", line_page(language, waiting(312, None), |page| page.trouble = true)),
        sample("line-paused", of_sale(LineView::Paused { ahead: 312 }, SaleState::Paused)),
        sample("line-called", plain(LineView::Called { until: after(113) })),
        sample("line-late", plain(LineView::Late)),
        sample("line-admitted", plain(LineView::Admitted)),
        sample("line-consumed", plain(LineView::Consumed { order: Some("01JD2222222222222222222222".to_owned()) })),
        sample("line-expired", plain(LineView::Expired)),
        sample("line-left", plain(LineView::Left)),
        sample("line-sold-out", line_page(language, LineView::SoldOut, all_sold)),
        sample("line-closed", of_sale(LineView::Closed, SaleState::Closed)),
    ]
}

/// Every code of the API, since nearly each can meet a person, and every place that an error leads to.
fn errors(language: Language) -> Vec<Sample> {
    let page = |code, next| {
        let trace_id = "4bf92f3577b34da6a3ce929d0e0e4736".to_owned();
        ErrorPage { layout: layout(language, "/"), code, next, trace_id }.render()
    };
    let (sale, order) = (|| "sneaker".to_owned(), "01JD2222222222222222222222".to_owned());
    let links = [
        ("sales", NextLink::Sales),
        ("line", NextLink::Line(sale())),
        ("checkout", NextLink::Checkout(sale())),
        ("order", NextLink::Order(order)),
        ("console", NextLink::Console),
        ("again", NextLink::Again("/".to_owned())),
    ];
    let codes = ErrorCode::ALL
        .iter()
        .map(|&code| sample(format!("error-{}", code.as_str()), page(code, NextLink::Sale(sale()))));
    let links = links
        .into_iter()
        .map(|(name, next)| sample(format!("error-leads-to-{name}"), page(ErrorCode::StoreUnavailable, next)));
    codes.chain(links).collect()
}
