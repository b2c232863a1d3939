//! The request of a reservation: its body, what can be validated without the sale, and its lines at the sale's prices.

use std::collections::HashSet;

use sale::{
    Currency, ItemId, Language, OrderId, Pass, SaleState, Timestamp,
    keys::Ring,
    sale::{Line, quantity},
    secret::{hex, seal},
};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use stores::{
    database::{place::PricedLine, sales::StockedSale},
    mail::is_address,
};
use utoipa::ToSchema;
use web::{ErrorCode, FieldError};

use crate::CheckoutError;

/// Above it a quantity is a mistake.
const MAX_QUANTITY: i64 = 100_000;
/// Lines of one order at most.
const MAX_LINES: usize = 100;

/// The body of `POST /v1/sales/{sale}/orders`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[schema(examples(
    json!({"lines": [{"item": "pair", "quantity": 1}]}),
    json!({"lines": [{"item": "pair", "quantity": 2}], "contact": {"email": "you@example.com", "locale": "en"}})
))]
pub struct ReserveBody {
    pub lines: Vec<RequestedLine>,
    #[serde(default)]
    pub contact: Option<RequestedContact>,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize, ToSchema)]
pub struct RequestedLine {
    pub item: String,
    pub quantity: i64,
}

/// Where to write about the order.
#[derive(Clone, PartialEq, Eq, Deserialize, ToSchema)]
pub struct RequestedContact {
    pub email: String,
    #[serde(default)]
    pub locale: Option<String>,
}

impl std::fmt::Debug for RequestedContact {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RequestedContact(hidden)")
    }
}

/// A request that is valid by itself, whatever the sale is.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct ValidatedRequest {
    /// Sorted by item.
    pub(super) lines: Vec<Line>,
    /// The index of each in the body.
    indexes: Vec<usize>,
    email: Option<String>,
    pub(super) locale: Language,
}

impl ValidatedRequest {
    pub(super) fn parse(body: &ReserveBody) -> Result<Self, Vec<FieldError>> {
        let mut errors = Vec::new();
        let mut seen = HashSet::new();
        let mut lines = Vec::with_capacity(body.lines.len().min(MAX_LINES));
        if body.lines.is_empty() || body.lines.len() > MAX_LINES {
            return Err(vec![FieldError::new("/lines", ErrorCode::InvalidField)]);
        }
        for (at, line) in body.lines.iter().enumerate() {
            match parse_line(at, line) {
                Ok(line) if seen.insert(line.item.clone()) => lines.push((line, at)),
                Ok(_) => errors.push(FieldError::new(format!("/lines/{at}/item"), ErrorCode::InvalidField)),
                Err(error) => errors.push(error),
            }
        }
        lines.sort_by(|(a, _), (b, _)| a.item.cmp(&b.item));
        let (lines, indexes) = lines.into_iter().unzip();
        let (email, locale) = match &body.contact {
            None => (None, Some(Language::default())),
            Some(contact) => {
                if !is_address(&contact.email) {
                    errors.push(FieldError::new("/contact/email", ErrorCode::InvalidField));
                }
                let locale = contact.locale.as_deref().map_or(Some(Language::default()), Language::parse);
                (Some(contact.email.clone()), locale)
            }
        };
        match locale {
            Some(locale) if errors.is_empty() => Ok(Self { lines, indexes, email, locale }),
            Some(_) => Err(errors),
            None => {
                errors.push(FieldError::new("/contact/locale", ErrorCode::InvalidField));
                Err(errors)
            }
        }
    }

    pub(super) fn seal_contact(&self, ring: &Ring, order: OrderId) -> Option<Vec<u8>> {
        self.email.as_deref().map(|email| seal(ring, &contact_place(order), email))
    }

    /// Tells a repeated key with another request from the same request again.
    pub(super) fn hash(&self) -> String {
        #[derive(Serialize)]
        struct Canonical<'a> {
            lines: &'a [Line],
            email: Option<&'a str>,
            locale: Language,
        }
        let canonical = Canonical { lines: &self.lines, email: self.email.as_deref(), locale: self.locale };
        let text = serde_json::to_string(&canonical).unwrap_or_default();
        hex(&Sha256::digest(text))
    }
}

/// Where an order's sealed address lies; see [`sale::secret`].
pub(crate) fn contact_place(order: OrderId) -> String {
    format!("orders.contact:{order}")
}

fn parse_line(at: usize, line: &RequestedLine) -> Result<Line, FieldError> {
    let item = line
        .item
        .parse::<ItemId>()
        .map_err(|_| FieldError::new(format!("/lines/{at}/item"), ErrorCode::UnknownItem))?;
    let quantity = Some(line.quantity)
        .filter(|quantity| (1..=MAX_QUANTITY).contains(quantity))
        .and_then(|quantity| u32::try_from(quantity).ok())
        .ok_or_else(|| FieldError::new(format!("/lines/{at}/quantity"), ErrorCode::InvalidQuantity))?;
    Ok(Line { item, quantity })
}

/// The lines at the sale's prices; or why the sale refuses the request now.
pub(super) fn priced_lines(
    stocked: &StockedSale,
    pass: &Pass,
    request: &ValidatedRequest,
    now: Timestamp,
) -> Result<(Vec<PricedLine>, Currency), CheckoutError> {
    let sale = &stocked.sale;
    match stocked.state(now) {
        SaleState::Open | SaleState::Paused | SaleState::Draining => {}
        SaleState::SoldOut => return Err(CheckoutError::SoldOut),
        SaleState::Closed => return Err(CheckoutError::SaleClosed),
        SaleState::Scheduled | SaleState::Lobby => return Err(CheckoutError::SaleNotOpen),
    }
    if pass.check_time(now).is_err() {
        return Err(CheckoutError::PassExpired);
    }
    let mut priced = Vec::with_capacity(request.lines.len());
    let mut errors = Vec::new();
    for (line, at) in request.lines.iter().zip(&request.indexes) {
        match sale.item(&line.item) {
            Some(item) => {
                priced.push(PricedLine {
                    item: item.id.clone(),
                    name: item.name.clone(),
                    quantity: line.quantity,
                    unit_amount: item.price.amount,
                });
            }
            None => errors.push(FieldError::new(format!("/lines/{at}/item"), ErrorCode::UnknownItem)),
        }
    }
    if !errors.is_empty() {
        return Err(CheckoutError::Invalid(errors));
    }
    if quantity(&request.lines) > sale.per_buyer_limit {
        return Err(CheckoutError::LimitReached);
    }
    sale.currency().map(|currency| (priced, currency)).ok_or(CheckoutError::SoldOut)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(lines: &[(&str, i64)], email: Option<&str>) -> ReserveBody {
        ReserveBody {
            lines: lines
                .iter()
                .map(|(item, quantity)| RequestedLine { item: (*item).to_owned(), quantity: *quantity })
                .collect(),
            contact: email.map(|email| RequestedContact { email: email.to_owned(), locale: Some("en".to_owned()) }),
        }
    }

    #[test]
    fn what_makes_no_sense_is_named_field_by_field() {
        let rows = [
            (body(&[], None), "/lines", ErrorCode::InvalidField),
            (body(&[("pair", 0)], None), "/lines/0/quantity", ErrorCode::InvalidQuantity),
            (body(&[("pair", -1)], None), "/lines/0/quantity", ErrorCode::InvalidQuantity),
            (body(&[("pair", 1_000_000_000)], None), "/lines/0/quantity", ErrorCode::InvalidQuantity),
            (body(&[("Pair!", 1)], None), "/lines/0/item", ErrorCode::UnknownItem),
            (body(&[("pair", 1), ("pair", 1)], None), "/lines/1/item", ErrorCode::InvalidField),
            (body(&[("pair", 1)], Some("nobody")), "/contact/email", ErrorCode::InvalidField),
            (body(&[("pair", 1)], Some("a@b@c")), "/contact/email", ErrorCode::InvalidField),
            (body(&[("pair", 1)], Some("a@b\r\nBcc: c@d")), "/contact/email", ErrorCode::InvalidField),
            (body(&[("pair", 1)], Some(&format!("{}@x", "a".repeat(253)))), "/contact/email", ErrorCode::InvalidField),
        ];
        for (body, pointer, code) in rows {
            assert_eq!(ValidatedRequest::parse(&body).err(), Some(vec![FieldError::new(pointer, code)]), "{body:?}");
        }
    }

    #[test]
    fn the_order_of_lines_does_not_make_another_request() {
        let parse = |lines| ValidatedRequest::parse(&body(lines, Some("buyer@example.com"))).unwrap();
        assert_eq!(parse(&[("a", 1), ("b", 2)]).hash(), parse(&[("b", 2), ("a", 1)]).hash());
        assert_ne!(parse(&[("a", 1)]).hash(), parse(&[("a", 2)]).hash());
    }
}
