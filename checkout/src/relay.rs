//! The relay: carries events from the outbox to the event log.
//!
//! One process at a time, by a lease. It is only thrift that there is one: two relays, or one that died between the log
//! and the outbox, put the same events on the log again, and a repeated event changes nothing.

use std::{sync::Arc, time::Duration};

use futures::{FutureExt as _, future::BoxFuture};
use sale::Timestamp;
use stores::{
    StoreError,
    database::{
        Database, cases,
        leases::{self, Claim},
        outbox,
    },
    events::EventLog,
    failpoint::{self, Point},
    outage::OutageLog,
};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

/// Rows published at once. What is written meanwhile travels with the next batch, so batches grow with the load.
const BATCH: i64 = 500;

/// How late a row is seen that another process wrote.
const IDLE: Duration = Duration::from_millis(25);

/// How long the lease of a process that died keeps others out.
const LEASE_MS: i64 = 5_000;

/// A third of the lease, so that one slow answer of the database does not lose it.
const RENEW_AFTER_MS: i64 = LEASE_MS / 3;

/// How often a process without the lease tries to take it.
const RETRY_LEASE_AFTER: Duration = Duration::from_secs(1);

const FIRST_BACK_OFF: Duration = Duration::from_millis(50);
const LONGEST_BACK_OFF: Duration = Duration::from_secs(1);

/// How long a batch that is under way at the stop may take. With a log that is down it would be the time of a delivery.
const STOP_GRACE: Duration = Duration::from_secs(1);

/// How often the rows are counted, and those of the embedded log marked and pruned.
const TIDY_AFTER_MS: i64 = 1_000;

/// The embedded log keeps what was read for a week, as Kafka does.
const KEEP_READ_MS: i64 = 7 * 24 * 60 * 60 * 1_000;

/// The relay of one process.
pub struct Relay {
    database: Database,
    log: Arc<dyn EventLog>,
    claim: Claim,
}

/// What one run over the outbox came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum RunOutcome {
    Published,
    NothingToPublish,
    /// Another process holds the lease.
    NotLeader,
}

/// When what is due next.
#[derive(Default)]
struct Due {
    /// Until when this process holds the lease, and when to renew it.
    lease_until: Timestamp,
    renew_lease_at: Timestamp,
    tidy_at: Timestamp,
}

impl Relay {
    /// `process` is a name that no other process has.
    pub fn new(database: Database, log: Arc<dyn EventLog>, process: &str) -> Self {
        Self { database, log, claim: Claim { name: "relay", holder: process.to_owned() } }
    }

    /// Publishes events until `stop`. No `Periodic`: it is woken by new rows, backs off, and gives a batch that is under way
    /// at the stop its own time to end.
    pub fn run(&self, stop: CancellationToken) -> BoxFuture<'_, ()> {
        self.run_until(stop).boxed()
    }

    async fn run_until(&self, stop: CancellationToken) {
        let outage = OutageLog::new("the relay");
        let mut listener = self.database.outbox_notifier().listen();
        let mut due = Due::default();
        let mut back_off = FIRST_BACK_OFF;
        while !stop.is_cancelled() {
            let outcome = tokio::select! {
                outcome = self.run_once(&mut due) => outcome,
                () = stop_grace(&stop) => break,
            };
            match &outcome {
                Ok(_) => {
                    outage.record_recovery();
                    back_off = FIRST_BACK_OFF;
                }
                Err(trouble) => {
                    outage.record_failure(trouble);
                    back_off = LONGEST_BACK_OFF.min(back_off * 2);
                }
            }
            let rest = async {
                match outcome {
                    Ok(RunOutcome::Published) => {}
                    Ok(RunOutcome::NothingToPublish) => listener.wait(IDLE).await,
                    Ok(RunOutcome::NotLeader) => sleep(RETRY_LEASE_AFTER).await,
                    Err(_) => sleep(back_off).await,
                }
            };
            tokio::select! { () = rest => {} () = stop.cancelled() => {} }
        }
        if let Err(trouble) = leases::release(&self.database, &self.claim).await {
            outage.record_failure(&trouble);
        }
    }

    /// Publishes what waits, once. Dropped on its way it leaves at worst events that are on the log and in the outbox.
    async fn run_once(&self, due: &mut Due) -> Result<RunOutcome, StoreError> {
        let now = self.database.now();
        if !self.keep_lease(due, now).await? {
            return Ok(RunOutcome::NotLeader);
        }
        if now >= due.tidy_at {
            due.tidy_at = now.plus_millis(TIDY_AFTER_MS);
            self.tidy(now).await?;
        }
        if self.log.needs_relay() { self.publish().await } else { Ok(RunOutcome::NothingToPublish) }
    }

    async fn keep_lease(&self, due: &mut Due, now: Timestamp) -> Result<bool, StoreError> {
        if now >= due.renew_lease_at || now >= due.lease_until {
            let lease = leases::acquire(&self.database, &self.claim, now, now.plus_millis(LEASE_MS)).await?;
            due.lease_until = lease.map_or(Timestamp::default(), |lease| lease.until);
            due.renew_lease_at = now.plus_millis(RENEW_AFTER_MS);
        }
        Ok(now < due.lease_until)
    }

    async fn publish(&self) -> Result<RunOutcome, StoreError> {
        let (ids, records): (Vec<_>, Vec<_>) = outbox::unpublished(&self.database, BATCH).await?.into_iter().unzip();
        if records.is_empty() {
            return Ok(RunOutcome::NothingToPublish);
        }
        failpoint::reached(Point::EventWritten);
        self.log.append(&records).await?;
        failpoint::reached(Point::EventPublished);
        metrics::counter!("openrun_events_published_total").increment(ids.len() as u64);
        outbox::remove(&self.database, &ids).await?;
        Ok(RunOutcome::Published)
    }

    async fn tidy(&self, now: Timestamp) -> Result<(), StoreError> {
        if !self.log.needs_relay() {
            outbox::mark_read_by_all(&self.database, now).await?;
            outbox::prune(&self.database, now.plus_millis(-KEEP_READ_MS)).await?;
        }
        let waiting = u32::try_from(outbox::unpublished_count(&self.database).await?).unwrap_or(u32::MAX);
        metrics::gauge!("openrun_outbox_events").set(waiting);
        let open = u32::try_from(cases::open_count(&self.database).await?).unwrap_or(u32::MAX);
        metrics::gauge!("openrun_cases_open").set(open);
        Ok(())
    }
}

async fn stop_grace(stop: &CancellationToken) {
    stop.cancelled().await;
    sleep(STOP_GRACE).await;
}
