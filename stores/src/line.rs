//! The store behind both [`Queue`](crate::queue::Queue) and [`StockGate`](crate::gate::StockGate): Redis, or this
//! process's memory. `OPENRUN_QUEUE_URL` picks it.

use crate::{gate::StockGate, queue::Queue};

/// Both ports of one store.
pub trait Line: Queue + StockGate {}

impl<T: Queue + StockGate> Line for T {}
