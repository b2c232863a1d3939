//! The seller of one sale: makes it, steers it, reads its figures.

use std::collections::BTreeMap;

use sale::{SaleId, testing::SaleBuilder};
use serde::Deserialize;
use serde_json::Value;

use crate::{
    client::Client,
    http::{Answer, Request},
    installation::Installation,
};

/// What the sale promises.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    pub units: u32,
    pub per_buyer_limit: u32,
    pub per_minute: u32,
    pub max_active: u32,
    /// How many more than there are units may be called.
    pub overcall: f64,
    pub hold_seconds: u32,
    pub enter_seconds: u32,
    pub pass_seconds: u32,
}

impl Terms {
    /// Ten units, sold as fast as people come; who does not act is waited for some seconds.
    pub const USUAL: Self = Self {
        units: 10,
        per_buyer_limit: 1,
        per_minute: 6_000,
        max_active: 200,
        overcall: 0.0,
        hold_seconds: 5,
        enter_seconds: 5,
        pass_seconds: 60,
    };

    /// A sale of one item on these terms.
    fn sale(&self, id: SaleId) -> SaleBuilder {
        SaleBuilder::open_for_long(id).units(self.units).with(|sale| {
            sale.per_buyer_limit = self.per_buyer_limit;
            sale.hold_seconds = self.hold_seconds;
            sale.enter_seconds = self.enter_seconds;
            sale.pass_seconds = self.pass_seconds;
            sale.admission.per_minute = self.per_minute;
            sale.admission.max_active = self.max_active;
            sale.admission.overcall = self.overcall;
        })
    }
}

/// `GET /v1/sales/{sale}/live`.
#[derive(Clone, Debug, Deserialize)]
pub struct Live {
    pub waiting: u64,
    pub called: u64,
    pub active: u64,
    pub called_total: u64,
    pub units: Units,
    pub orders: BTreeMap<String, u64>,
    pub conservation: i64,
}

/// Where the units are.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Units {
    pub total: i64,
    pub free: i64,
    pub held: i64,
    pub sold: i64,
}

/// An order as the list shows it.
#[derive(Clone, Debug, Deserialize)]
pub struct ListedOrder {
    pub id: String,
    pub state: String,
    pub hold_until: Option<String>,
    pub payment: Option<ListedPayment>,
    pub lines: Vec<ListedLine>,
}

/// Its last attempt.
#[derive(Clone, Debug, Deserialize)]
pub struct ListedPayment {
    pub state: String,
}

/// What was ordered.
#[derive(Clone, Debug, Deserialize)]
pub struct ListedLine {
    pub quantity: u32,
}

/// Whoever may steer the sale.
#[derive(Clone)]
pub struct Seller {
    /// Its id.
    pub sale: String,
    client: Client,
    shops: Vec<String>,
    token: String,
}

impl Seller {
    /// Opens a sale of one item, at once.
    pub async fn open(installation: &Installation, terms: &Terms) -> Self {
        let seller = Self {
            sale: format!("story-{:012x}", rand::random::<u64>() >> 16),
            client: installation.client.clone(),
            shops: installation.shops.clone(),
            token: installation.token.clone(),
        };
        let sale = terms.sale(seller.sale.parse().expect("the id of a sale"));
        let made = seller.ask(Request::post("/v1/sales").json(sale.request())).await;
        assert_eq!(made.status, 201, "the sale was not made: {}", made.json());
        seller
    }

    /// Asks as an operator, until there is an answer.
    pub async fn ask(&self, ask: Request) -> Answer {
        let ask = ask.bearer(&self.token);
        let answer = self.client.ask_patiently(&self.shops, rand::random_range(0..self.shops.len()), &ask).await;
        answer.unwrap_or_else(|lost| panic!("the seller got no answer: {lost}"))
    }

    /// The figures, when there is an answer just now; from one process or the other.
    pub async fn try_live(&self, nth: usize) -> Option<Live> {
        let ask = Request::get(format!("/v1/sales/{}/live", self.sale)).bearer(&self.token);
        let answer = self.client.ask(&self.shops[nth % self.shops.len()], &ask).await.ok()?;
        answer.status.is_success().then(|| serde_json::from_value(answer.json()).expect("read the figures"))
    }

    /// The figures.
    pub async fn live(&self) -> Live {
        let answer = self.ask(Request::get(format!("/v1/sales/{}/live", self.sale))).await;
        serde_json::from_value(answer.json()).expect("read the figures")
    }

    /// Pauses, resumes, closes.
    pub async fn switch(&self, switch: &str) -> Value {
        let answer = self.ask(Request::post(format!("/v1/sales/{}/{switch}", self.sale))).await;
        assert_eq!(answer.status, 200, "{switch}: {}", answer.json());
        answer.json()
    }

    /// Changes rate and cap.
    pub async fn admission(&self, settings: Value) -> Value {
        let ask = Request::new("PUT", format!("/v1/sales/{}/admission", self.sale)).json(settings);
        let answer = self.ask(ask).await;
        assert_eq!(answer.status, 200, "admission: {}", answer.json());
        answer.json()
    }

    /// The state that everybody is told.
    pub async fn state(&self) -> String {
        self.ask(Request::get(format!("/v1/sales/{}", self.sale))).await.field("state")
    }

    /// All orders of the sale.
    pub async fn orders(&self) -> Vec<ListedOrder> {
        let mut orders = Vec::new();
        let mut path = format!("/v1/sales/{}/orders", self.sale);
        loop {
            let page = self.ask(Request::get(path)).await.json();
            let listed = page["data"].as_array().cloned().expect("a list has data");
            orders.extend(listed.into_iter().map(|order| serde_json::from_value(order).expect("read an order")));
            match page["next_cursor"].as_str() {
                Some(cursor) => path = format!("/v1/sales/{}/orders?cursor={cursor}", self.sale),
                None => return orders,
            }
        }
    }

    /// `GET /v1/sales/{sale}/verify`.
    pub async fn verify(&self) -> Value {
        self.ask(Request::get(format!("/v1/sales/{}/verify", self.sale))).await.json()
    }
}
