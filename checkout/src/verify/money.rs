//! The payments of this database against the provider's own books.

use std::collections::{BTreeMap, HashMap};

use sale::{OrderId, OrderState, PaymentState, SaleId, Timestamp, ids::parse_charge_key};
use stores::{
    StoreError,
    database::{
        audit::{self, Sent},
        orders, sales,
    },
    payments::{Charge, ChargeState, PaymentProvider, Refund, Span},
};

use super::{Look, Verifier};

/// Attempts that are compared at once.
const PAGE: i64 = 500;
/// How far the provider's clock may be from ours.
const CLOCKS_APART_MS: i64 = 60_000;

/// What the provider says about a span.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Books {
    pub charges: Vec<Charge>,
    pub refunds: Vec<Refund>,
}

/// Reads the provider's books, page by page.
pub async fn read_books(
    provider: &dyn PaymentProvider,
    from: Timestamp,
    until: Timestamp,
) -> Result<Books, StoreError> {
    let (span, mut books, mut cursor) = (Span { from, until }, Books::default(), None);
    loop {
        let page = provider.list(span, cursor.as_deref(), until).await?;
        books.charges.extend(page.charges);
        books.refunds.extend(page.refunds);
        cursor = page.next;
        if cursor.is_none() {
            return Ok(books);
        }
    }
}

/// Compares the payments of a sale, or of all, with the books since the sale was made.
pub(super) async fn look(verifier: &Verifier, sale: Option<&SaleId>, look: &mut Look) -> Result<(), StoreError> {
    let database = &verifier.database;
    let from = match sale {
        None => Timestamp::default(),
        Some(sale) => {
            let Some(stocked) = sales::load(database, sale).await? else { return Ok(()) };
            stocked.sale.created_at.plus_millis(-CLOCKS_APART_MS)
        }
    };
    let until = database.now().plus_millis(CLOCKS_APART_MS);
    let books = read_books(verifier.provider.as_ref(), from, until).await?;
    let mut charges: HashMap<_, _> =
        books.charges.into_iter().map(|charge| (charge.provider_id.clone(), charge)).collect();
    let mut after = None;
    loop {
        let sent = audit::sent(database, sale, after, PAGE).await?;
        let Some(last) = sent.last() else { break };
        after = Some(last.order);
        compare(&sent, &mut charges, look);
    }
    let unknown: Vec<_> = charges.into_values().filter(|charge| charge.state == ChargeState::Captured).collect();
    for (key, order) in unknown.iter().filter_map(order_of) {
        let of_sale = orders::view(database, order).await?.map(|order| order.sale);
        if sale.is_none_or(|sale| of_sale.as_ref() == Some(sale)) {
            look.find("charge_without_payment", &key, "");
        }
    }
    Ok(())
}

fn order_of(charge: &Charge) -> Option<(String, OrderId)> {
    let key = charge.key.clone()?;
    let (order, _) = parse_charge_key(&key)?;
    Some((key, order))
}

/// Each order's attempts against what the provider knows. What is found is taken out of `charges`.
fn compare(sent: &[Sent], charges: &mut HashMap<String, Charge>, look: &mut Look) {
    let mut paid: BTreeMap<_, (OrderState, u32)> = BTreeMap::new();
    for payment in sent {
        let charge = charges.remove(&payment.provider_id);
        look.count("charges", u64::from(charge.is_some()));
        let is_captured = charge.as_ref().is_some_and(|charge| charge.state == ChargeState::Captured);
        let is_kept = charge.as_ref().is_some_and(|charge| is_captured && charge.refunded < charge.money.amount.max(1));
        let kept = paid.entry(payment.order).or_insert((payment.order_state, 0));
        kept.1 = kept.1.saturating_add(u32::from(is_kept && payment.state != PaymentState::RefundPending));
        if payment.state == PaymentState::Captured && !is_captured {
            look.find("captured_here_only", &payment.payment, "the provider knows of no captured charge");
        }
        if let Some(charge) = &charge
            && (charge.money.amount != payment.amount || charge.money.currency.as_str() != payment.currency)
        {
            look.find("other_amount", &payment.payment, format!("{:?}", charge.money));
        }
    }
    for (order, (state, kept)) in paid {
        match (state, kept) {
            (OrderState::Paid, 1) | (OrderState::PaymentUnknown | OrderState::NeedsReview, _) => {}
            (OrderState::Paid, _) => look.find("paid_not_once", &order, format!("{kept} captured charges")),
            (_, 0) => {}
            _ => look.find("charged_not_paid", &order, format!("{} with {kept} captured charges", state.as_str())),
        }
    }
}
