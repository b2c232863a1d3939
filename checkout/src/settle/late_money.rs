//! Money that was captured after the units were freed: the units are reserved again if there are any within the limit, else
//! the money is refunded.

use sale::{OrderId, Timestamp};
use stores::{
    StoreError,
    database::{Database, late_payment::LatePayment, settle::Decision},
    queue_store::{HoldEnd, HoldEnding, ReservationOutcome, StockGate},
};

use super::decide;

/// The outcome of a late payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LateMoney {
    /// The order is paid; the gate has to be synchronised with its new hold.
    Sold,
    /// Not enough is left, or the buyer has reached the limit: a refund is owed.
    OwedBack,
    /// The gate is of an epoch that is over: try again.
    EpochMoved,
    /// Another worker has settled it.
    Nothing,
}

/// Reserves the units again, at the gate first, or owes a refund.
///
/// The gate is called while the order is locked, because it does not remember a hold that has ended: two workers that call
/// one after the other would reserve twice. This happens rarely enough for a transaction that waits for the gate.
pub async fn reacquire(
    database: &Database,
    gate: &dyn StockGate,
    order: OrderId,
    now: Timestamp,
) -> Result<LateMoney, StoreError> {
    let Some(mut late) = LatePayment::lock(database, order).await? else { return Ok(LateMoney::Nothing) };
    if decide(late.hold(), late.payments(), now) != Decision::Late {
        return Ok(LateMoney::Nothing);
    }
    let reacquisition = late.reacquisition().await?;
    let outcome = if reacquisition.is_closed {
        ReservationOutcome::SoldOut
    } else {
        gate.reacquire(&reacquisition.key, &reacquisition.reservation, now).await?
    };
    let Some(has_room) = late.has_room(&reacquisition).await? else { return Ok(LateMoney::EpochMoved) };
    if outcome == ReservationOutcome::Reserved && has_room {
        late.sell(&reacquisition.reservation, now).await?;
        return Ok(LateMoney::Sold);
    }
    late.owe_back(now).await?;
    if outcome == ReservationOutcome::Reserved {
        let released = HoldEnd { hold: reacquisition.reservation.hold, ending: HoldEnding::Released };
        gate.end_holds(&reacquisition.key, &[released]).await?;
    }
    Ok(LateMoney::OwedBack)
}
