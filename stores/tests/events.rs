//! Contract of the event log, on every adapter. Cases that need a Kafka are named `live_kafka`.
//!
//! `cfg(test)` is always true here; it tells the lints that helpers of tests may unwrap.

#[cfg(test)]
#[path = "events/backlog.rs"]
mod backlog;
#[cfg(test)]
#[path = "events/fixture.rs"]
mod fixture;
#[cfg(test)]
#[path = "events/groups.rs"]
mod groups;
#[cfg(test)]
#[path = "events/redelivery.rs"]
mod redelivery;
