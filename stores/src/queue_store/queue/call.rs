//! Calling, and publishing the frame: the steps of the admission leader.

use sale::{Term, Timestamp};

/// A batch of calls by one leader. A repeated `seq` of the same term returns the stored outcome; an earlier term is
/// refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallBatch {
    pub term: Term,
    pub seq: u64,
    /// The most tickets to call.
    pub calls: u64,
    /// No number above it is called: it was written to the database first.
    pub up_to: u64,
    /// When the window of the called tickets ends.
    pub until: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallOutcome {
    /// So many were called; `serving` is the highest number ever called.
    Called { called: u64, serving: u64 },
    /// The leader of this later term has called already.
    StaleTerm { term: Term },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PublishOutcome {
    Stored,
    /// A leader of a later term exists, and only its frames count, because no two frames have the same tick.
    StaleTerm,
}
