//! Stories of the checkout: a shop without HTTP, on the embedded stores and on live ones.
//!
//! Cases that need PostgreSQL and Redis have `live_` in their names and fail with a sentence when
//! `OPENRUN_TEST_DATABASE_URL` or `OPENRUN_TEST_QUEUE_URL` is not set.

#[cfg(test)]
mod crashes;
#[cfg(test)]
mod late;
#[cfg(test)]
mod mails;
#[cfg(test)]
mod payments;
#[cfg(test)]
mod process;
#[cfg(test)]
mod races;
#[cfg(test)]
mod review;
#[cfg(test)]
mod shop;
#[cfg(test)]
mod stuck;
#[cfg(test)]
mod unreliable;
#[cfg(test)]
mod walk;
