//! Stories measure time, so a crowd has the machine for itself.

use tokio::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};

static MACHINE: RwLock<()> = RwLock::const_new(());

/// For a story with a crowd.
pub async fn alone() -> RwLockWriteGuard<'static, ()> {
    MACHINE.write().await
}

/// For a story of a few visitors.
pub async fn beside_others() -> RwLockReadGuard<'static, ()> {
    MACHINE.read().await
}
