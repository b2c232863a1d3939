//! Sales in every state and the people in them, brought about through the API alone.

use harness::http::Request;
use sale::{Admission, sale::Mode, testing::SaleBuilder};
use serde_json::{Value, json};

use crate::shop::{Shop, until};

/// Somebody with a place in a sale, by cookie or by bearer token.
#[derive(Clone, Debug, Default)]
pub(crate) struct Buyer {
    pub sale: String,
    /// The session's cookie, of a browser only.
    pub session: Option<String>,
    pub ticket: String,
    pub pass: String,
}

impl Buyer {
    /// The cookies of this browser.
    pub(crate) fn cookies(&self) -> String {
        let session = self.session.as_deref().unwrap_or_default();
        format!("openrun={session}; openrun-t-{0}={1}; openrun-p-{0}={2}", self.sale, self.ticket, self.pass)
    }
}

pub(crate) struct World {
    pub shop: Shop,
    /// Open; nothing in it ends while the table runs. In it:
    pub anna: Buyer,
    /// the same with a cookie,
    pub bora: Buyer,
    /// whose pass bought `held` under the key `first`,
    pub chul: Buyer,
    pub held: String,
    /// whose order is being paid under the key `pay`, without an answer,
    pub dana: Buyer,
    pub paying: String,
    /// and whose order is paid.
    pub emil: Buyer,
    pub paid: String,
    /// In `other`, also open, with a pass.
    pub finn: Buyer,
    /// In `slow`, where nobody is called; the second with a cookie, the third left.
    pub gigi: Buyer,
    pub hana: Buyer,
    pub ivan: Buyer,
    /// In `short`: an unused pass whose time is over, and a pass whose order was not paid in time.
    pub june: Buyer,
    pub karl: Buyer,
    pub lapsed: String,
    /// In `closed`, which is; in `gone`, where all is sold, with a pass that came too late.
    pub lena: Buyer,
    pub mina: Buyer,
    /// A session of the console.
    pub console: String,
}

const SALES: [&str; 8] = ["open", "other", "slow", "short", "later", "closed", "gone", "few"];

/// What `POST /v1/sales` takes.
pub(crate) fn sale(id: &str) -> Value {
    let sale = SaleBuilder::open_for_long(id.parse().unwrap()).units(500).item("sock", 500).with(|sale| {
        sale.per_buyer_limit = 2;
        sale.hold_seconds = 3_600;
        sale.enter_seconds = 900;
        sale.admission = Admission { mode: Mode::Manual, per_minute: 60_000, max_active: 1_000, overcall: 1.0 };
    });
    sale.request()
}

pub(crate) fn one_pair() -> Value {
    json!({"lines": [{"item": "pair", "quantity": 1}]})
}

impl World {
    pub(crate) fn new() -> Self {
        let shop = Shop::start();
        make_sales(&shop);
        let enter = |sale: &str, key: &str| enter(&shop, join(&shop, sale, key));
        let (chul, dana, emil) = (enter("open", "chul"), enter("open", "dana"), enter("open", "emil"));
        let (june, karl) = (enter("short", "june"), enter("short", "karl"));
        let (first, mina) = (enter("gone", "first"), enter("gone", "mina"));
        let bought = reserve(&shop, &first);
        pay(&shop, &first, &bought, "sandbox_ok", "paid");
        let held = reserve(&shop, &chul);
        let paying = reserve(&shop, &dana);
        pay(&shop, &dana, &paying, "sandbox_leave", "payment_processing");
        let paid = reserve(&shop, &emil);
        pay(&shop, &emil, &paid, "sandbox_ok", "paid");
        let lapsed = reserve(&shop, &karl);
        let lena = join(&shop, "closed", "lena");
        shop.call("POST", "/v1/sales/closed/close", None);
        let ivan = join(&shop, "slow", "ivan");
        let left = Request::new("DELETE", "/v1/sales/slow/tickets/self").bearer(&ivan.ticket);
        assert_eq!(shop.ask(&left).status, 204);
        let world = Self {
            anna: enter("open", "anna"),
            bora: self::enter(&shop, join_by_cookie(&shop, "open")),
            finn: enter("other", "finn"),
            gigi: join(&shop, "slow", "gigi"),
            hana: join_by_cookie(&shop, "slow"),
            console: sign_in(&shop),
            chul,
            held,
            dana,
            paying,
            emil,
            paid,
            ivan,
            june,
            karl,
            lapsed,
            lena,
            mina,
            shop,
        };
        world.settle();
        world
    }

    /// Waits until the short sale is over for those in it, and every state is known everywhere.
    fn settle(&self) {
        until("the hold and the passes of `short` have ended", || {
            let live = self.shop.call("GET", "/v1/sales/short/live", None);
            let order = self.order(&self.lapsed, &self.karl);
            (live["active"] == 0 && live["units"]["held"] == 0 && order == "expired").then_some(())
        });
        for (sale, state) in [("closed", "closed"), ("gone", "sold_out")] {
            until(sale, || {
                let frame = self.shop.ask(&Request::new("GET", format!("/v1/sales/{sale}/frame")));
                let known = self.shop.call("GET", &format!("/v1/sales/{sale}"), None);
                (frame.json()["state"] == state && known["state"] == state).then_some(())
            });
        }
        let mut last = self.snapshot();
        let mut same = 0;
        until("nothing moves any more", || {
            let now = self.snapshot();
            same = if now == last { same + 1 } else { 0 };
            last = now;
            (same > 5).then_some(())
        });
    }

    pub(crate) fn order(&self, order: &str, buyer: &Buyer) -> String {
        order_state(&self.shop, order, &buyer.pass)
    }

    /// The sales, and what happens in the two that most rows are about.
    pub(crate) fn glance(&self) -> Value {
        let live = |sale: &str| self.shop.call("GET", &format!("/v1/sales/{sale}/live"), None);
        json!([self.shop.call("GET", "/v1/sales", None), live("open"), live("slow")])
    }

    /// All that a refused request must leave as it is.
    pub(crate) fn snapshot(&self) -> Value {
        let sales: Vec<Value> = SALES
            .iter()
            .map(|sale| {
                let path = format!("/v1/sales/{sale}");
                json!([self.shop.call("GET", &path, None), self.shop.call("GET", &format!("{path}/live"), None)])
            })
            .collect();
        let count = self.shop.call("GET", "/v1/sales", None)["data"].as_array().map_or(0, Vec::len);
        let standing = |buyer: &Buyer| {
            let path = format!("/v1/sales/{}/tickets/self", buyer.sale);
            let request = Request::new("GET", path).bearer(&buyer.ticket).header("cookie", buyer.cookies());
            self.shop.ask(&request).json()["state"].clone()
        };
        let buyers = [&self.anna, &self.bora, &self.chul, &self.finn, &self.gigi, &self.hana, &self.ivan, &self.mina];
        let orders = [(&self.held, &self.chul), (&self.paying, &self.dana), (&self.paid, &self.emil)];
        json!({"sales": sales, "count": count, "buyers": buyers.map(standing),
            "orders": orders.map(|(order, buyer)| self.order(order, buyer))})
    }
}

fn make_sales(shop: &Shop) {
    let change = |id: &str, changes: Value| {
        let mut document = sale(id);
        for (key, value) in changes.as_object().unwrap() {
            document[key] = value.clone();
        }
        shop.call("POST", "/v1/sales", Some(document));
    };
    let one = json!([sale("x")["items"][0]]);
    let mut last = one.clone();
    last[0]["units"] = json!(1);
    change("open", json!({}));
    change("other", json!({}));
    change("slow", json!({"admission": {"per_minute": 0}}));
    change("short", json!({"hold_seconds": 5, "pass_seconds": 5}));
    change("later", json!({"opens_at": "2099-01-01T00:00:00Z"}));
    change("closed", json!({"admission": {"per_minute": 0}}));
    // One unit, and one call more than there are units.
    change("gone", json!({"items": last, "per_buyer_limit": 1}));
    change("few", json!({"items": last, "per_buyer_limit": 5}));
}

/// A place for a client without cookies.
pub(crate) fn join(shop: &Shop, sale: &str, key: &str) -> Buyer {
    let answer = shop.ask(&Request::new("POST", format!("/v1/sales/{sale}/tickets")).key(key));
    assert_eq!(answer.status, 201, "{}", answer.text());
    assert!(answer.header("location").is_some());
    let ticket = answer.json()["ticket"].as_str().unwrap().to_owned();
    Buyer { sale: sale.to_owned(), ticket, ..Buyer::default() }
}

/// A place for a browser, which has opened the page of the sale before.
pub(crate) fn join_by_cookie(shop: &Shop, sale: &str) -> Buyer {
    let page = shop.ask(&Request::new("GET", format!("/sales/{sale}")));
    let session = page.cookies().into_iter().find(|(name, _)| name == "openrun").unwrap().1;
    let request = Request::new("POST", format!("/v1/sales/{sale}/tickets"))
        .header("cookie", format!("openrun={session}"))
        .header("sec-fetch-site", "same-origin");
    let answer = shop.ask(&request);
    assert_eq!(answer.status, 201, "{}", answer.text());
    let ticket = answer.json()["ticket"].as_str().unwrap().to_owned();
    Buyer { sale: sale.to_owned(), session: Some(session), ticket, pass: String::new() }
}

/// Awaits the turn and enters.
pub(crate) fn enter(shop: &Shop, buyer: Buyer) -> Buyer {
    let mut request = Request::new("POST", format!("/v1/sales/{}/passes", buyer.sale)).bearer(&buyer.ticket);
    if buyer.session.is_some() {
        request = request.header("cookie", buyer.cookies()).header("sec-fetch-site", "same-origin");
    }
    let pass = until("the turn came", || {
        let answer = shop.ask(&request);
        (answer.status == 201).then(|| answer.json()["pass"].as_str().unwrap().to_owned())
    });
    Buyer { pass, ..buyer }
}

/// Reserves one pair under the key `first`.
pub(crate) fn reserve(shop: &Shop, buyer: &Buyer) -> String {
    let path = format!("/v1/sales/{}/orders", buyer.sale);
    let answer = shop.ask(&Request::new("POST", path).bearer(&buyer.pass).key("first").json(one_pair()));
    assert_eq!(answer.status, 201, "{}", answer.text());
    let id = answer.json()["id"].as_str().unwrap().to_owned();
    assert_eq!(answer.header("location"), Some(format!("/v1/orders/{id}").as_str()));
    id
}

/// Pays under the key `pay` and awaits the state.
pub(crate) fn pay(shop: &Shop, buyer: &Buyer, order: &str, method: &str, state: &str) {
    let request = Request::new("POST", format!("/v1/orders/{order}/payments"));
    let answer = shop.ask(&request.bearer(&buyer.pass).key("pay").json(json!({"method": method})));
    assert_eq!(answer.status, 202, "{}", answer.text());
    until(state, || (order_state(shop, order, &buyer.pass) == state).then_some(()));
}

fn order_state(shop: &Shop, order: &str, pass: &str) -> String {
    let answer = shop.ask(&Request::new("GET", format!("/v1/orders/{order}")).bearer(pass));
    answer.json()["state"].as_str().unwrap_or_default().to_owned()
}

/// A session of the console, by a one-time link.
fn sign_in(shop: &Shop) -> String {
    let invitation = Request::new("POST", "/v1/sellers").bearer(&shop.operator);
    let link = shop.ask(&invitation.json(json!({"email": "seller@example.com"}))).json();
    let url = link["sign_in_url"].as_str().unwrap();
    let path = url.split_once("/console").map(|(_, rest)| format!("/console{rest}")).unwrap();
    let answer = shop.ask(&Request::new("POST", path).header("sec-fetch-site", "same-origin"));
    let cookie = answer.cookies().into_iter().find(|(name, _)| name == "openrun-console");
    cookie.unwrap_or_else(|| panic!("{} {}", answer.status, answer.text())).1
}
