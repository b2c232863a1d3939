//! What everybody is told: the frame, written by the leader when something changed.

use sale::{
    Frame, SaleState, Timestamp,
    frame::{BUCKET, Histogram, ItemLeft, Trouble, poll_after_ms},
};
use stores::{database::sales::StockedSale, queue_store::Observation};

/// Ticks start anew above this much for every life of the store, so that they never run backwards after a loss.
const TICKS_PER_EPOCH: u64 = 1_000_000;

/// The frame that says what the leader knows now.
pub fn compose(known: &StockedSale, seen: &Observation, trouble: Option<Trouble>, now: Timestamp) -> Frame {
    let sale = &known.sale;
    let state = known.state(now);
    let calling = state == SaleState::Open && trouble.is_none();
    Frame {
        sale: sale.id.clone(),
        state,
        trouble,
        epoch: sale.epoch,
        tick: 0,
        changed_at: now,
        opens_at: sale.opens_at,
        serving: seen.serving,
        last_number: seen.last_number,
        waiting: seen.waiting,
        histogram: Histogram { bucket: BUCKET, live: seen.histogram.clone() },
        rate_per_minute: if calling { sale.admission.per_minute } else { 0 },
        items: seen
            .stock
            .iter()
            .map(|count| ItemLeft {
                id: count.item.clone(),
                left: u64::try_from(count.free).unwrap_or(0),
                held: u64::try_from(count.held).unwrap_or(0),
            })
            .collect(),
        poll_after_ms: poll_after_ms(seen.waiting),
        message: sale.message.clone(),
    }
}

/// The frame to publish after `last`; `None` when it says nothing new. As long as nobody knows whether `last` is stored,
/// its tick is spent all the same, and the next frame has to be written whatever it says.
pub fn next(last: Option<&Frame>, is_stored: bool, mut frame: Frame) -> Option<Frame> {
    if is_stored && last.is_some_and(|last| last.has_same_content(&frame)) {
        return None;
    }
    let floor = u64::try_from(frame.epoch).unwrap_or(0).saturating_mul(TICKS_PER_EPOCH);
    frame.tick = last.map_or(0, |last| last.tick).saturating_add(1).max(floor);
    Some(frame)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_with_the_same_content_is_not_written_again() {
        let empty = Frame::empty("s".parse().unwrap());
        let first = next(None, true, Frame { epoch: 2, ..empty.clone() }).unwrap();
        assert_eq!(first.tick, 2_000_000);
        let later = Frame { changed_at: Timestamp::from_millis(5), epoch: 2, ..empty.clone() };
        assert_eq!(next(Some(&first), true, later.clone()), None);
        assert_eq!(next(Some(&first), true, Frame { waiting: 1, ..later.clone() }).unwrap().tick, 2_000_001);
        assert_eq!(next(Some(&first), true, Frame { epoch: 3, ..empty }).unwrap().tick, 3_000_000);
        assert_eq!(
            next(Some(&first), false, later).unwrap().tick,
            2_000_001,
            "nobody knows whether the first is stored"
        );
    }
}
