//! Settle: what a payment's end means for the units and the order.
//!
//! The decision is a pure function of the locked rows, so it may be asked for by every event, however often and in
//! whatever order, and by the loop that looks for orders left behind: only the first one moves anything.

mod late_money;

use std::collections::HashMap;

use sale::{HoldState, OrderId, PaymentState, SaleId, Timestamp, order::VoidFor};
use stores::{
    StoreError,
    database::{
        Database,
        holds::HoldRow,
        payments::PaymentRow,
        settle::{self, Cause, Decision, Unpaid},
    },
    queue_store::{HoldEnd, HoldEnding},
};

pub use self::late_money::{LateMoney, reacquire};

/// What became of an order that had to follow its payments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Settled {
    /// Nothing to do, or not yet.
    Nothing,
    /// Units and order have moved; if the hold ended, the gate of the sale has to be told.
    Moved(Option<(SaleId, HoldEnd)>),
    /// Money came after the units had gone back: call [`reacquire`].
    Late,
}

/// Lets orders follow their payments, all in one transaction, and tells of each what became of it. No order may be named
/// twice.
pub async fn settle(database: &Database, causes: &[Cause], now: Timestamp) -> Result<Vec<Settled>, StoreError> {
    let locked = settle::lock(database, causes).await?;
    let decide_one = |order: &settle::LockedOrder| decide(&order.hold, &order.payments, now);
    let decisions: Vec<_> = locked.orders().iter().map(decide_one).collect();
    let became =
        |(order, decision): (&settle::LockedOrder, &Decision)| (order.hold.id.order, settled(&order.hold, *decision));
    let mut outcomes: HashMap<OrderId, Settled> = locked.orders().iter().zip(&decisions).map(became).collect();
    locked.carry_out(database, &decisions, now).await?;
    Ok(causes.iter().map(|cause| outcomes.remove(&cause.order).unwrap_or(Settled::Nothing)).collect())
}

fn settled(hold: &HoldRow, decision: Decision) -> Settled {
    let ended = |ending| Settled::Moved(Some((hold.sale.clone(), HoldEnd { hold: hold.id, ending })));
    match decision {
        Decision::Nothing | Decision::KeepSold(_) => Settled::Nothing,
        Decision::Commit(_) => ended(HoldEnding::Committed),
        Decision::Release(_) => ended(HoldEnding::Released),
        Decision::HoldAgain => Settled::Moved(None),
        Decision::Late => Settled::Late,
    }
}

/// What the order of this hold, its latest, has to do after what its payments have come to.
fn decide(hold: &HoldRow, payments: &[PaymentRow], now: Timestamp) -> Decision {
    let captured = payments.iter().find(|payment| payment.state == PaymentState::Captured);
    match (hold.state, captured) {
        (HoldState::Committed | HoldState::Returned, Some(payment)) => Decision::KeepSold(payment.id),
        (HoldState::Held | HoldState::Paying, Some(payment)) => Decision::Commit(payment.id),
        (HoldState::Released | HoldState::Expired, Some(_)) => Decision::Late,
        (HoldState::Paying, None) => payments.last().map_or(Decision::Nothing, |last| unpaid(last, hold.deadline, now)),
        (_, None) => Decision::Nothing,
    }
}

/// What follows from the last attempt of an order that nothing has paid for.
fn unpaid(last: &PaymentRow, deadline: Timestamp, now: Timestamp) -> Decision {
    match (last.state, last.void_for) {
        (PaymentState::Declined, _) if last.last => Decision::Release(Unpaid::Declined),
        (PaymentState::Voided | PaymentState::Declined, Some(VoidFor::Cancel)) => Decision::Release(Unpaid::Cancelled),
        (PaymentState::Voided, Some(VoidFor::Deadline)) => Decision::Release(Unpaid::Expired),
        (PaymentState::Declined | PaymentState::Voided, _) if now < deadline => Decision::HoldAgain,
        (PaymentState::Declined | PaymentState::Voided, _) => Decision::Release(Unpaid::Expired),
        _ => Decision::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use sale::{HoldId, ids::PaymentId};
    use stores::testing;

    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_000);

    fn hold(state: HoldState, deadline_ms: i64) -> HoldRow {
        HoldRow {
            id: HoldId::first(OrderId::derive(NOW, &[])),
            sale: "s".parse().unwrap(),
            buyer: None,
            state,
            deadline: Timestamp::from_millis(deadline_ms),
        }
    }

    fn payment(attempt: u32, state: PaymentState) -> PaymentRow {
        let order = OrderId::derive(NOW, &[]);
        PaymentRow { id: PaymentId::of(order, attempt), attempt, ..testing::attempt(order, state) }
    }

    #[test]
    fn an_order_follows_its_payments() {
        use Decision as D;
        use HoldState as H;
        use PaymentState as P;
        let voided = |reason| PaymentRow { void_for: Some(reason), ..payment(1, P::Voided) };
        let last = PaymentRow { last: true, ..payment(1, P::Declined) };
        let first = payment(1, P::Captured).id;
        let expired = D::Release(Unpaid::Expired);
        let rows = [
            (hold(H::Paying, 2_000), vec![payment(1, P::Captured)], D::Commit(first)),
            (hold(H::Paying, 500), vec![payment(1, P::Captured)], D::Commit(first)),
            (hold(H::Held, 2_000), vec![payment(1, P::Captured)], D::Commit(first)),
            (hold(H::Paying, 2_000), vec![payment(1, P::Captured), payment(2, P::Created)], D::Commit(first)),
            (hold(H::Paying, 2_000), vec![last.clone()], D::Release(Unpaid::Declined)),
            (hold(H::Paying, 2_000), vec![payment(1, P::Declined)], D::HoldAgain),
            (hold(H::Paying, 1_000), vec![payment(1, P::Declined)], expired),
            (hold(H::Held, 2_000), vec![payment(1, P::Declined)], D::Nothing),
            (hold(H::Paying, 500), vec![voided(VoidFor::Deadline)], expired),
            (hold(H::Paying, 2_000), vec![voided(VoidFor::Cancel)], D::Release(Unpaid::Cancelled)),
            (hold(H::Paying, 2_000), vec![payment(1, P::Voided)], D::HoldAgain),
            (hold(H::Paying, 500), vec![payment(1, P::Unknown)], D::Nothing),
            (hold(H::Paying, 500), vec![payment(1, P::Authorised)], D::Nothing),
            (hold(H::Paying, 500), vec![], D::Nothing),
            (hold(H::Expired, 500), vec![payment(1, P::Captured)], D::Late),
            (hold(H::Released, 500), vec![payment(1, P::Captured)], D::Late),
            (hold(H::Released, 500), vec![payment(1, P::RefundPending)], D::Nothing),
            (hold(H::Released, 500), vec![last], D::Nothing),
            (hold(H::Committed, 500), vec![payment(1, P::Captured)], D::KeepSold(first)),
            (
                hold(H::Committed, 500),
                vec![payment(1, P::Declined), payment(2, P::Captured)],
                D::KeepSold(payment(2, P::Captured).id),
            ),
            (hold(H::Committed, 500), vec![payment(1, P::Voided)], D::Nothing),
            (hold(H::Returned, 500), vec![payment(1, P::Captured)], D::KeepSold(first)),
        ];
        for (hold, payments, expected) in rows {
            assert_eq!(decide(&hold, &payments, NOW), expected, "{hold:?} {payments:?}");
        }
    }
}
