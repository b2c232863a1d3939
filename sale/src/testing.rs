//! Values for tests of this crate and of those above it, behind the feature `testing`. The usual value of each field of
//! [`Sale`], [`Ticket`] and [`Pass`] is here, once; a test sets only the fields that it is about.

#![expect(clippy::expect_used, reason = "a constant that does not parse is a bug in this file")]

use serde_json::{Value, json};

use crate::{
    BuyerId, Currency, Epoch, Item, ItemId, Money, Pass, Sale, SaleId, Text, Ticket, Timestamp,
    sale::{Admission, Kind, Mode, Place},
};

/// The item that a sale of [`SaleBuilder::new`] sells.
pub const ITEM: &str = "pair";
/// The price of one unit, in won.
pub const PRICE: i64 = 189_000;

/// Builds a sale: open for a second, a hundred units of one item, one unit for each buyer.
#[derive(Clone, Debug)]
pub struct SaleBuilder {
    sale: Sale,
}

impl SaleBuilder {
    /// A sale that was created at `now`.
    pub fn new(id: SaleId, now: Timestamp) -> Self {
        let sale = Sale {
            id,
            kind: Kind::OpenRun,
            name: text("한정판 운동화", "Limited sneaker"),
            opens_at: now.plus_millis(-1_000),
            closes_at: None,
            items: vec![item(ITEM, 100)],
            per_buyer_limit: 1,
            hold_seconds: 300,
            enter_seconds: 120,
            pass_seconds: 600,
            admission: Admission { mode: Mode::Manual, per_minute: 600, max_active: 200, overcall: 0.0 },
            message: None,
            paused: false,
            closing: false,
            closed_at: None,
            hidden: false,
            owner: String::new(),
            epoch: 0,
            version: 1,
            created_at: now,
        };
        Self { sale }
    }

    /// A sale that was created at the start of 2026, for tests with the real clock.
    pub fn open_for_long(id: SaleId) -> Self {
        Self::new(id, Timestamp::from_millis(1_767_225_600_000))
    }

    /// Sets the units of each item.
    #[must_use]
    pub fn units(mut self, units: u32) -> Self {
        for item in &mut self.sale.items {
            item.units = units;
        }
        self
    }

    /// Adds an item.
    #[must_use]
    pub fn item(mut self, id: &str, units: u32) -> Self {
        self.sale.items.push(item(id, units));
        self
    }

    /// Sets the fields that the test is about.
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(&mut Sale)) -> Self {
        change(&mut self.sale);
        self
    }

    pub fn build(self) -> Sale {
        self.sale
    }

    /// The body of the `POST /v1/sales` that creates it.
    pub fn request(&self) -> Value {
        let sale = &self.sale;
        json!({
            "id": sale.id, "kind": sale.kind, "name": sale.name, "opens_at": sale.opens_at, "closes_at": sale.closes_at,
            "items": sale.items, "per_buyer_limit": sale.per_buyer_limit, "hold_seconds": sale.hold_seconds,
            "enter_seconds": sale.enter_seconds, "pass_seconds": sale.pass_seconds, "admission": sale.admission,
        })
    }
}

fn item(id: &str, units: u32) -> Item {
    let id: ItemId = id.parse().expect("the id of an item");
    Item { id, name: text("한 켤레", "One pair"), price: won(PRICE), units }
}

/// An amount in Korean won.
pub fn won(amount: i64) -> Money {
    Money { amount, currency: Currency::parse("KRW").expect("a currency") }
}

fn text(ko: &str, en: &str) -> Text {
    Text { ko: ko.to_owned(), en: en.to_owned() }
}

/// The `n`th buyer; two numbers are two buyers.
pub fn buyer(n: u64) -> BuyerId {
    BuyerId::from_bytes(u128::from(n).to_be_bytes())
}

/// The ticket of a place whose number was given in `epoch`; it is valid without a session cookie.
pub fn ticket(sale: &SaleId, place: Place, epoch: Epoch, joined_at: Timestamp) -> Ticket {
    Ticket { sale: sale.clone(), number: place.number, buyer: place.buyer, epoch, joined_at, bound: false }
}

/// The pass that the ticket of this place becomes; it is valid without a session cookie.
pub fn pass(sale: &SaleId, place: Place, issued_at: Timestamp, expires_at: Timestamp) -> Pass {
    Pass {
        id: ticket(sale, place, 0, issued_at).pass_id(),
        sale: sale.clone(),
        buyer: place.buyer,
        number: place.number,
        issued_at,
        expires_at,
        bound: false,
    }
}
