//! Contract of the queue store, on every adapter. Cases that need a Redis are named `live_redis`.
//!
//! `cfg(test)` is always true here; it tells the lints that helpers of tests may unwrap.

#[cfg(test)]
#[path = "contract/epochs.rs"]
mod epochs;
#[cfg(test)]
#[path = "contract/fixture.rs"]
mod fixture;
#[cfg(test)]
#[path = "contract/holds.rs"]
mod holds;
#[cfg(test)]
#[path = "contract/places.rs"]
mod places;
#[cfg(test)]
#[path = "contract/server.rs"]
mod server;
#[cfg(test)]
#[path = "contract/stock.rs"]
mod stock;
