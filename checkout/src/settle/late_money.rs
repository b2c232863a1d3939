//! Money that came after the units had gone back: units again if there are any within the limit, else the money.

use sale::{OrderId, Timestamp};
use stores::{
    StoreError,
    database::{Database, late_payment::LatePayment, settle::Decision},
    queue_store::{HoldEnd, HoldEnding, ReservationOutcome, StockGate},
};

use super::decide;

/// What became of money that came late.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LateMoney {
    /// The order is paid; the gate has to be told that its new hold is sold.
    Sold,
    /// Not enough is left, or the buyer has reached the limit: the money is owed back.
    OwedBack,
    /// The gate is of an epoch that is over: try again.
    EpochMoved,
    /// Settled by somebody else.
    Nothing,
}

/// Takes units again, at the gate first, or owes the money back.
///
/// The gate is asked while the order is locked, because it does not remember a hold that has ended: two workers that ask
/// one after the other would take twice. This happens rarely enough for a transaction that waits for the gate.
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
    let wanted = late.wanted().await?;
    let taken = if wanted.is_closed {
        ReservationOutcome::SoldOut
    } else {
        gate.reacquire(&wanted.key, &wanted.take, now).await?
    };
    let Some(has_room) = late.has_room(&wanted).await? else { return Ok(LateMoney::EpochMoved) };
    if taken == ReservationOutcome::Reserved && has_room {
        late.sell(&wanted.take, now).await?;
        return Ok(LateMoney::Sold);
    }
    late.owe_back(now).await?;
    if taken == ReservationOutcome::Reserved {
        gate.end_holds(&wanted.key, &[HoldEnd { hold: wanted.take.hold, ending: HoldEnding::Released }]).await?;
    }
    Ok(LateMoney::OwedBack)
}
