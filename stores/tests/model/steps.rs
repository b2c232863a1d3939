//! The steps that proptest draws. Few buyers and few units, so that steps conflict.

use proptest::{collection::vec, option, prelude::*};
use stores::queue_store::HoldEnding;

/// A buyer's ticket: the latest one, one before it, or a number that was never given to this buyer.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Which {
    Latest,
    Earlier,
    Odd { number: u64, older: bool },
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Sent {
    Next,
    Again,
    Late,
    NewTerm,
    OldTerm,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Loss {
    /// Redis loses everything of the sale.
    Everything,
    /// Redis loses one key; the number picks it.
    OneKey(usize),
    /// Nothing is lost, and yet a new epoch begins.
    Nothing,
}

#[derive(Clone, Debug)]
pub(crate) enum Step {
    Join { buyers: Vec<(u8, Option<Which>)> },
    Standing { requests: Vec<(u8, Which)> },
    Call { sent: Sent, calls: u64, beyond: u64, window_ms: i64 },
    Sweep,
    Enter { n: u8, which: Which, pass_ms: i64 },
    Leave { n: u8, which: Which },
    Sell(Sell),
    Observe { nth: u64 },
    EndGracePeriod,
    Publish { is_old: bool },
    Pass { ms: i64 },
    Lose(Loss),
    Forget,
}

#[derive(Clone, Debug)]
pub(crate) enum Sell {
    Reserve { n: u8, which: Which, hold: u8, pairs: u32, laces: Option<u32>, limit: u32 },
    Reacquire { n: u8, hold: u8, nth: u32, pairs: u32, limit: u32 },
    End { hold: u8, nth: u32, ending: HoldEnding },
    Restock { lace: bool, total: u32, version: i64 },
    UnknownItem { n: u8 },
}

fn buyer() -> impl Strategy<Value = u8> {
    1_u8..=7
}

fn which() -> impl Strategy<Value = Which> {
    prop_oneof![
        8 => Just(Which::Latest),
        1 => Just(Which::Earlier),
        1 => (0_u64..40, any::<bool>()).prop_map(|(number, older)| Which::Odd { number, older }),
    ]
}

fn sent() -> impl Strategy<Value = Sent> {
    prop_oneof![
        8 => Just(Sent::Next),
        2 => Just(Sent::Again),
        1 => Just(Sent::Late),
        1 => Just(Sent::NewTerm),
        1 => Just(Sent::OldTerm),
    ]
}

fn ending() -> impl Strategy<Value = HoldEnding> {
    prop_oneof![
        Just(HoldEnding::Committed),
        Just(HoldEnding::Released),
        Just(HoldEnding::NeverPlaced),
        Just(HoldEnding::Inactive)
    ]
}

fn loss() -> impl Strategy<Value = Loss> {
    prop_oneof![Just(Loss::Everything), (0_usize..11).prop_map(Loss::OneKey), Just(Loss::Nothing)]
}

fn sell() -> impl Strategy<Value = Sell> {
    let take = (buyer(), which(), 0_u8..6, 0_u32..4, option::of(0_u32..3), 1_u32..5);
    prop_oneof![
        5 => take.prop_map(|(n, which, hold, pairs, laces, limit)| Sell::Reserve { n, which, hold, pairs, laces, limit }),
        1 => (buyer(), 0_u8..6, 2_u32..4, 0_u32..4, 1_u32..5)
            .prop_map(|(n, hold, nth, pairs, limit)| Sell::Reacquire { n, hold, nth, pairs, limit }),
        3 => (0_u8..6, 1_u32..4, ending()).prop_map(|(hold, nth, ending)| Sell::End { hold, nth, ending }),
        1 => (any::<bool>(), 0_u32..12, 0_i64..6)
            .prop_map(|(lace, total, version)| Sell::Restock { lace, total, version }),
        1 => buyer().prop_map(|n| Sell::UnknownItem { n }),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => vec((buyer(), option::of(which())), 1..5).prop_map(|buyers| Step::Join { buyers }),
        5 => vec((buyer(), which()), 1..4).prop_map(|requests| Step::Standing { requests }),
        6 => (sent(), 0_u64..4, 0_u64..6, 1_i64..300)
            .prop_map(|(sent, calls, beyond, window_ms)| Step::Call { sent, calls, beyond, window_ms }),
        2 => Just(Step::Sweep),
        6 => (buyer(), which(), 1_i64..400).prop_map(|(n, which, pass_ms)| Step::Enter { n, which, pass_ms }),
        2 => (buyer(), which()).prop_map(|(n, which)| Step::Leave { n, which }),
        10 => sell().prop_map(Step::Sell),
        2 => (0_u64..9).prop_map(|nth| Step::Observe { nth }),
        1 => Just(Step::EndGracePeriod),
        1 => any::<bool>().prop_map(|is_old| Step::Publish { is_old }),
        3 => (1_i64..200).prop_map(|ms| Step::Pass { ms }),
        1 => loss().prop_map(Step::Lose),
        1 => Just(Step::Forget),
    ]
}

pub(crate) fn walk() -> impl Strategy<Value = Vec<Step>> {
    vec(step(), 1..80)
}
