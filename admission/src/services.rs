//! The stores that admission works with.

use std::sync::Arc;

use stores::{database::Database, queue_store::SaleQueueStore};

#[derive(Clone)]
pub struct Services {
    pub database: Database,
    pub queue: Arc<dyn SaleQueueStore>,
    /// The name of this process among those that may lead.
    pub leader: String,
}
