//! Wakes the readers of the outbox in this process.

use std::{sync::Arc, time::Duration};

use tokio::{sync::watch, time::timeout};

/// The wait before the first read after a notification: its commit takes a moment. Each further wait is twice as long.
const FIRST_WAIT: Duration = Duration::from_millis(2);

/// Notifies readers when events are written. That is a moment before they are committed, so readers read several times.
/// Only an optimisation: writes by other processes do not notify, and readers poll anyway.
#[derive(Clone, Debug, Default)]
pub struct OutboxNotifier(Arc<watch::Sender<()>>);

impl OutboxNotifier {
    pub fn notify(&self) {
        self.0.send_replace(());
    }

    pub fn listen(&self) -> OutboxListener {
        OutboxListener { notifications: self.0.subscribe(), next_wait: FIRST_WAIT }
    }
}

/// A reader of the outbox; a notification that came while it was busy is not lost.
#[derive(Debug)]
pub struct OutboxListener {
    notifications: watch::Receiver<()>,
    next_wait: Duration,
}

impl OutboxListener {
    /// Returns when it is time to read: at the next notification, soon after the last one, and after `at_most` in any
    /// case.
    pub async fn wait(&mut self, at_most: Duration) {
        let notified = timeout(self.next_wait.min(at_most), self.notifications.changed()).await.is_ok();
        self.next_wait = if notified { FIRST_WAIT } else { at_most.min(self.next_wait * 2).max(FIRST_WAIT) };
    }
}
