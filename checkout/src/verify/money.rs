//! The payments of this database against the provider's own books.

use std::collections::{BTreeMap, HashMap, HashSet};

use sale::{OrderState, PaymentState, SaleId, Timestamp, ids::parse_charge_key};
use stores::{
    StoreError,
    database::{
        Database,
        money_moves::{self, Account},
        refunds, sales,
    },
    payments::{Charge, ChargeState, PaymentProvider, Refund, RefundProgress, Span},
};

use super::report::Reading;

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
pub(super) async fn check(
    database: &Database,
    provider: &dyn PaymentProvider,
    sale: Option<&SaleId>,
    reading: &mut Reading,
) -> Result<(), StoreError> {
    let from = match sale {
        None => Timestamp::default(),
        Some(sale) => {
            let Some(stocked) = sales::load(database, sale).await? else { return Ok(()) };
            stocked.sale.created_at.plus_millis(-CLOCKS_APART_MS)
        }
    };
    let until = database.now().plus_millis(CLOCKS_APART_MS);
    let books = read_books(provider, from, until).await?;
    let mut charges: HashMap<_, _> =
        books.charges.into_iter().map(|charge| (charge.provider_id.clone(), charge)).collect();
    let (mut after, mut of_these) = (None, HashSet::new());
    loop {
        let accounts = money_moves::accounts(database, sale, after, PAGE).await?;
        let Some(last) = accounts.last() else { break };
        after = Some(last.order);
        of_these.extend(accounts.iter().map(|account| account.provider_id.clone()));
        compare(&accounts, &mut charges, reading);
    }
    unknown_charges(database, sale, charges.into_values(), reading).await?;
    let refunds = books.refunds.into_iter().filter(|refund| of_these.contains(&refund.charge_id));
    unknown_refunds(database, refunds, reading).await
}

/// Charges that the provider has captured and this database has forgotten.
async fn unknown_charges(
    database: &Database,
    sale: Option<&SaleId>,
    charges: impl Iterator<Item = Charge>,
    reading: &mut Reading,
) -> Result<(), StoreError> {
    let captured = charges.filter(|charge| charge.captured > 0);
    let ours: Vec<_> = captured
        .filter_map(|charge| {
            let (order, _) = charge.key.as_deref().and_then(parse_charge_key)?;
            Some((order, charge))
        })
        .collect();
    let orders: Vec<_> = ours.iter().map(|(order, _)| *order).collect();
    let of_sale = match sale {
        Some(sale) => Some(money_moves::of_sale(database, sale, &orders).await?),
        None => None,
    };
    for (order, charge) in ours {
        if of_sale.as_ref().is_none_or(|orders| orders.contains(&order)) {
            reading.find("charge_without_payment", &charge.provider_id, format!("{:?} for {order}", charge.money));
        }
    }
    Ok(())
}

/// Refunds of our charges that the provider has made and this database does not know of.
async fn unknown_refunds(
    database: &Database,
    refunds: impl Iterator<Item = Refund>,
    reading: &mut Reading,
) -> Result<(), StoreError> {
    let done: Vec<_> = refunds.filter(|refund| refund.progress == RefundProgress::Done).collect();
    reading.count("refunds", done.len() as u64);
    let keys: Vec<_> = done.iter().filter_map(|refund| refund.key.clone()).collect();
    let known = refunds::known(database, &keys).await?;
    for refund in done.iter().filter(|refund| refund.key.as_ref().is_none_or(|key| !known.contains(key))) {
        let id = refund.provider_id.as_ref().or(refund.key.as_ref()).cloned().unwrap_or_default();
        reading.find("refund_without_record", &id, format!("{:?} of {}", refund.money, refund.charge_id));
    }
    Ok(())
}

/// Each order's attempts against what the provider knows. What is found is taken out of `charges`.
fn compare(accounts: &[Account], charges: &mut HashMap<String, Charge>, reading: &mut Reading) {
    let mut paid: BTreeMap<_, (OrderState, u32)> = BTreeMap::new();
    for account in accounts {
        let charge = charges.remove(&account.provider_id);
        reading.count("charges", u64::from(charge.is_some()));
        compare_amounts(account, charge.as_ref(), reading);
        let is_kept =
            charge.is_some_and(|charge| charge.state == ChargeState::Captured && !is_given_back(account, &charge));
        let kept = paid.entry(account.order).or_insert((account.order_state, 0));
        kept.1 = kept.1.saturating_add(u32::from(is_kept && account.state != PaymentState::RefundPending));
    }
    for (order, (state, kept)) in paid {
        match (state, kept) {
            (OrderState::PaymentUnknown | OrderState::NeedsReview, _) => {}
            (state, 1) if state.is_paid() => {}
            (state, _) if state.is_paid() => reading.find("paid_not_once", &order, format!("{kept} captured charges")),
            (_, 0) => {}
            _ => reading.find("charged_not_paid", &order, format!("{} with {kept} captured charges", state.as_str())),
        }
    }
}

/// Where nothing was to pay, the provider has nothing to give back: our own row says it.
fn is_given_back(account: &Account, charge: &Charge) -> bool {
    match charge.money.amount {
        0 => account.state == PaymentState::Refunded,
        amount => charge.refunded >= amount,
    }
}

/// The payment's own row, the moves written down about it, and the provider's charge: three sayings about one sum.
fn compare_amounts(account: &Account, charge: Option<&Charge>, reading: &mut Reading) {
    if account.row != account.moves {
        let detail = format!("the payment says {:?}, its moves {:?}", account.row, account.moves);
        reading.find("money_moves", &account.payment, detail);
    }
    let Some(charge) = charge else {
        if account.moves.captured > 0 {
            reading.find("captured_here_only", &account.payment, "the provider does not list this charge");
        }
        return;
    };
    if charge.money != account.money {
        reading.find("other_amount", &account.payment, format!("{:?}", charge.money));
    }
    // While a call is under way the provider is ahead of us.
    if !account.state.is_open() && charge.captured != account.moves.captured {
        let detail = format!("the provider has taken {}, the moves say {}", charge.captured, account.moves.captured);
        reading.find("captured_amount", &account.payment, detail);
    }
    if account.state != PaymentState::RefundPending && charge.refunded != account.moves.refunded {
        let detail = format!("the provider gave back {}, the moves say {}", charge.refunded, account.moves.refunded);
        reading.find("refunded_amount", &account.payment, detail);
    }
}
