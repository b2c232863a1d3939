//! The threads of the connections: one per core, each with a runtime of its own, so that a request which the process can
//! answer by itself is read, answered and written by one thread. A runtime that shares its tasks among threads spends a
//! fifth of its time on that. Everything else in the process runs beside them on the common runtime.

use std::{io, num::NonZero, thread};

use tokio::runtime::{Builder, Handle};

use crate::lifecycle::Lifecycle;

/// Starts them, as many as the machine has cores, and gives their runtimes. Each ends once the process has stopped and the
/// last task of it has ended, whichever thread that ran on: what one of them opened, all may use.
///
/// # Errors
/// The system gives no more threads or files.
pub fn start(lifecycle: &Lifecycle) -> io::Result<Vec<Handle>> {
    let count = thread::available_parallelism().map_or(1, NonZero::get);
    (0..count).map(|nth| start_one(nth, lifecycle.clone())).collect()
}

fn start_one(nth: usize, lifecycle: Lifecycle) -> io::Result<Handle> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let handle = runtime.handle().clone();
    thread::Builder::new().name(format!("connections-{nth}")).spawn(move || {
        runtime.block_on(async {
            lifecycle.soft.cancelled().await;
            lifecycle.tracker.wait().await;
        });
    })?;
    Ok(handle)
}
