//! Encodes values as the scripts read them.

use crate::queue_store::{
    HoldEnding, HoldsCursor,
    epoch_state::{Participant, Stage, StoredHold},
};

/// The value of a hold, as `stock.lua` writes it.
pub(super) fn hold_bytes(hold: &StoredHold) -> Vec<u8> {
    let mut bytes = hold.buyer.as_bytes().to_vec();
    bytes.extend_from_slice(hold.taken_at.as_millis().to_string().as_bytes());
    for line in &hold.lines {
        bytes.extend_from_slice(format!(" {} {}", line.item, line.quantity).as_bytes());
    }
    bytes
}

/// The value of a participant, as `tickets.lua` reads it.
pub(super) fn participant_text(Participant { number, stage }: Participant) -> String {
    match stage {
        Stage::Uncounted => format!("S {number}"),
        Stage::Called { until, second } => format!("C {number} {} {}", until.as_millis(), if second { 2 } else { 1 }),
        Stage::Late => format!("L {number}"),
        Stage::Returned => format!("R {number}"),
        Stage::Admitted { expires_at } => format!("A {number} {}", expires_at.as_millis()),
        Stage::Consumed { expires_at, hold } => format!("U {number} {} {hold}", expires_at.as_millis()),
        Stage::Left => format!("X {number}"),
        Stage::Expired => format!("E {number}"),
    }
}

/// The ending as `end_holds.lua` reads it.
pub(super) const fn ending_letter(ending: HoldEnding) -> &'static str {
    match ending {
        HoldEnding::Committed => "C",
        HoldEnding::Released => "R",
        HoldEnding::NeverPlaced => "N",
        HoldEnding::Inactive => "I",
    }
}

/// The cursor as `holds_page.lua` reads it.
pub(super) fn cursor(from: &HoldsCursor) -> &str {
    if *from == HoldsCursor::default() { "0" } else { &from.0 }
}
