//! Stories measure time, so one with a crowd of buyers runs alone on the machine.

use tokio::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};

static MACHINE: RwLock<()> = RwLock::const_new(());

/// For a story with a crowd.
pub async fn exclusive() -> RwLockWriteGuard<'static, ()> {
    MACHINE.write().await
}

/// For a story of a few visitors.
pub async fn shared() -> RwLockReadGuard<'static, ()> {
    MACHINE.read().await
}
