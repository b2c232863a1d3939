//! The frame: the public document that the leader publishes when something changed.

use sale::{
    Frame, SaleState, Timestamp,
    frame::{BUCKET, Histogram, ItemLeft, Trouble, poll_after_ms},
};
use stores::{database::sales::StockedSale, queue_store::Observation};

/// Every epoch begins with ticks above those of the epoch before, so that they never decrease after a loss.
const TICKS_PER_EPOCH: u64 = 1_000_000;

/// The frame of the leader's latest observation.
pub fn compose(stocked: &StockedSale, observed: &Observation, trouble: Option<Trouble>, now: Timestamp) -> Frame {
    let sale = &stocked.sale;
    let state = stocked.state(now);
    let calling = state == SaleState::Open && trouble.is_none();
    Frame {
        sale: sale.id.clone(),
        state,
        trouble,
        epoch: sale.epoch,
        tick: 0,
        changed_at: now,
        opens_at: sale.opens_at,
        serving: observed.serving,
        last_number: observed.last_number,
        waiting: observed.waiting,
        histogram: Histogram { bucket: BUCKET, live: observed.histogram.clone() },
        rate_per_minute: if calling { sale.admission.per_minute } else { 0 },
        items: observed.stock.iter().map(ItemLeft::from).collect(),
        poll_after_ms: poll_after_ms(observed.waiting),
        message: sale.message.clone(),
    }
}

/// The frame to publish after `last`; `None` when its content is the same. Without a reply nobody knows whether `last`
/// is stored: its tick is used up, and the next frame has to be published whatever its content.
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
    fn a_frame_with_the_same_content_is_not_published_again() {
        let empty = Frame::empty("s".parse().unwrap());
        let first = next(None, true, Frame { epoch: 2, ..empty.clone() }).unwrap();
        assert_eq!(first.tick, 2_000_000);
        let later = Frame { changed_at: Timestamp::from_millis(5), epoch: 2, ..empty.clone() };
        assert_eq!(next(Some(&first), true, later.clone()), None);
        assert_eq!(next(Some(&first), true, Frame { waiting: 1, ..later.clone() }).unwrap().tick, 2_000_001);
        assert_eq!(next(Some(&first), true, Frame { epoch: 3, ..empty }).unwrap().tick, 3_000_000);
        assert_eq!(next(Some(&first), false, later).unwrap().tick, 2_000_001, "the first may not be stored");
    }
}
