//! What the database knows of a sale: the contents of a new epoch.

use sale::{
    BuyerId, HoldId, Timestamp,
    sale::{Line, Place},
};

use super::StockCount;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// No number at or below it is given again.
    pub allocated_up_to: u64,
    /// No number above it was ever called.
    pub called_up_to: u64,
    /// The version of the sale that `stock` belongs to; a restock of an earlier one changes nothing.
    pub version: i64,
    pub stock: Vec<StockCount>,
    /// Holds that have not ended.
    pub holds: Vec<SnapshotHold>,
    /// Units that each buyer holds or has bought.
    pub buyers: Vec<(BuyerId, u32)>,
    pub passes: Vec<SnapshotPass>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotHold {
    pub hold: HoldId,
    pub buyer: BuyerId,
    pub lines: Vec<Line>,
    /// Whether its buyer counts as active (not while the payment is unknown).
    pub active: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotPass {
    pub place: Place,
    pub expires_at: Timestamp,
    /// The hold that it was used for.
    pub hold: Option<HoldId>,
    /// Given back by leaving.
    pub ended: bool,
}
