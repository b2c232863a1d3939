//! The queue store in Redis 7, shared by every process.
//!
//! All keys of a sale carry the hash tag `{sale}`, so they are in one slot. Every key but the first also carries the epoch
//! and its nonce: a new epoch is filled beside the old one and never mixes with it.
//!
//! | key | type | contents |
//! |---|---|---|
//! | `openrun:{sale}:epoch` | hash | the current epoch: `epoch`, `nonce` and `state`, the name of its first key below; `run_id`: the server process on which it was filled. Written last |
//! | `openrun:{sale}:EPOCH-NONCE:state` | hash | `inherited_up_to` (numbers given in earlier epochs), `counter`, `serving`, `grace_ended`, `last_join_time`, `called_total`, `admitted_total`; the last batch of calls: `term`, `seq`, `last_called`, `last_serving` |
//! | `…:queue` | sorted set | waiting tickets: score the number, member the buyer's 16 bytes. The only cost of a waiting ticket |
//! | `…:participants` | hash | buyer → the stage of a buyer who does more than wait; `tickets.lua` defines the letters |
//! | `…:called` | sorted set | called tickets: score the end of the window, member the buyer |
//! | `…:active` | sorted set | admitted buyers: a pass (member the ticket's number, score its end) or, once the pass is used, a hold (member its id, score +inf) |
//! | `…:buckets` | hash | bucket → live tickets above `serving` that were never called |
//! | `…:join_times` | sorted set | score a number, member the time (ms) at which it and the following ones joined; at most ten a second |
//! | `…:stock` | hash | `.` the items in order; per item `f:` free, `h:` held, `s:` sold, `v:` the version that its total belongs to |
//! | `…:holds` | hash | hold → buyer's 16 bytes, when it was reserved, item and quantity of each line |
//! | `…:buyers` | hash | buyer → units held and bought; never expires |
//! | `…:frame` | string | the frame, from its first publication on |
//! | `…:departed` | list | numbers above `serving` that were given up, from the first one on. For display only: without it, a ticket that left is shown as waiting |
//!
//! **Missing never means zero.** Redis removes a collection with its last member, so each collection keeps a placeholder
//! member `.` (in sorted sets with score 0, below all others), and every step first checks that all keys of its epoch
//! exist. A step also compares `state`, and with it epoch and nonce, with the key of its caller, and `run_id` with that of
//! the server it runs on, which was read when the connection was opened: after a restart, a fail-over or a restored
//! backup they differ. In all these cases the step returns LOST.
//!
//! **Counting buckets.** A bucket counts waiting tickets above `serving`, so a ticket leaves it when it is called or
//! given up, and a late ticket that returned is in none. A new epoch cannot know which of the earlier tickets still wait:
//! it counts every number between the highest called and the highest allocated one until the grace period ends, because
//! a shown place must not rise when holders return one by one. After that only the returned ones count; later ones are
//! requeued uncounted (stage `S`).
//!
//! Steps are Lua scripts: `epoch.lua` precedes each of them, `tickets.lua` or `stock.lua` those that need it.

mod encoding;
mod fill;
mod keys;
mod replies;
mod scripts;
mod server;

use async_trait::async_trait;
use bytes::Bytes;
use redis::Value;
use sale::{BuyerId, Epoch, ItemId, SaleId, Term, Timestamp, sale::Place};

use self::{keys::Keys, scripts::Scripts, server::Server};
use super::{HOLDS_PER_PAGE, JOIN_TIME_RESOLUTION_MS, MAX_SWEPT, epoch_state::EpochState};
use crate::{
    StoreError,
    queue_store::{
        CallBatch, CallOutcome, EnterOutcome, EnterRequest, HoldEnd, HoldsCursor, HoldsPage, JoinOutcome, JoinRequest,
        Observation, PublishOutcome, Queue, QueueKey, Reservation, ReservationOutcome, Snapshot, StockGate,
        TicketClaims, TicketStatus,
    },
};

/// The queue store in the Redis server at a URL.
#[derive(Debug)]
pub struct RedisQueueStore {
    server: Server,
    scripts: Scripts,
}

impl RedisQueueStore {
    /// Connects at the first use.
    ///
    /// # Errors
    /// When `url` does not name a Redis server.
    pub fn open(url: &str) -> Result<Self, redis::RedisError> {
        Ok(Self { server: Server::open(url)?, scripts: Scripts::load() })
    }

    /// Runs one step in the epoch of `key`; `arguments` adds the arguments after epoch and run id.
    async fn run(
        &self,
        script: &redis::Script,
        key: &QueueKey,
        arguments: impl FnOnce(&mut redis::ScriptInvocation<'_>) + Send,
    ) -> Result<Value, StoreError> {
        let link = self.server.link().await?;
        let mut call = script.prepare_invoke();
        Keys::of(key).add_to(&mut call);
        call.arg(key.epoch).arg(&link.run_id);
        arguments(&mut call);
        let reply = call.invoke_async(&mut link.connection.clone()).await;
        reply.map_err(|error| self.server.store_error(&link, error))
    }
}

#[async_trait]
impl Queue for RedisQueueStore {
    async fn current_key(&self, sale: &SaleId) -> Result<QueueKey, StoreError> {
        let link = self.server.link().await?;
        let stored = redis::cmd("HMGET")
            .arg(Keys::epoch_of(sale))
            .arg(&["epoch", "nonce"])
            .query_async::<(Option<Epoch>, Option<String>)>(&mut link.connection.clone())
            .await
            .map_err(|error| self.server.store_error(&link, error))?;
        let (Some(epoch), Some(nonce)) = stored else { return Err(StoreError::Lost) };
        let key = QueueKey { sale: sale.clone(), epoch, nonce: nonce.parse().map_err(|_| StoreError::Lost)? };
        self.run(&self.scripts.check_epoch, &key, |_| {}).await?;
        Ok(key)
    }

    async fn join(
        &self,
        key: &QueueKey,
        requests: &[JoinRequest],
        allocated_up_to: u64,
        now: Timestamp,
    ) -> Result<Vec<JoinOutcome>, StoreError> {
        let reply = self
            .run(&self.scripts.join, key, |call| {
                call.arg(allocated_up_to).arg(now.as_millis()).arg(JOIN_TIME_RESOLUTION_MS);
                call.arg(requests.iter().flat_map(|request| *request.buyer.as_bytes()).collect::<Vec<u8>>());
                for (which, request) in (1..).zip(requests) {
                    if let Some(TicketClaims { number, epoch }) = request.ticket {
                        call.arg(format!("{which} {number} {epoch}"));
                    }
                }
            })
            .await?;
        replies::joined(reply)
    }

    async fn standing(
        &self,
        key: &QueueKey,
        requests: &[(BuyerId, TicketClaims)],
        now: Timestamp,
    ) -> Result<Vec<TicketStatus>, StoreError> {
        let reply = self
            .run(&self.scripts.standing, key, |call| {
                call.arg(now.as_millis());
                for (buyer, carried) in requests {
                    call.arg(&buyer.as_bytes()[..]).arg(carried.number).arg(carried.epoch);
                }
            })
            .await?;
        replies::statuses(reply)
    }

    async fn call(&self, key: &QueueKey, batch: CallBatch, _now: Timestamp) -> Result<CallOutcome, StoreError> {
        let reply = self
            .run(&self.scripts.call, key, |call| {
                call.arg(batch.term).arg(batch.seq).arg(batch.calls).arg(batch.up_to).arg(batch.until.as_millis());
            })
            .await?;
        replies::called(reply)
    }

    async fn sweep(&self, key: &QueueKey, now: Timestamp) -> Result<u64, StoreError> {
        let reply = self
            .run(&self.scripts.sweep, key, |call| {
                call.arg(now.as_millis()).arg(MAX_SWEPT);
            })
            .await?;
        replies::count(&reply)
    }

    async fn enter(
        &self,
        key: &QueueKey,
        requests: &[EnterRequest],
        now: Timestamp,
    ) -> Result<Vec<EnterOutcome>, StoreError> {
        let reply = self
            .run(&self.scripts.enter, key, |call| {
                call.arg(now.as_millis());
                for request in requests {
                    call.arg(&request.place.buyer.as_bytes()[..]).arg(request.place.number);
                    call.arg(request.ticket_epoch).arg(request.expires_at.as_millis());
                }
            })
            .await?;
        replies::entered(reply)
    }

    async fn leave(&self, key: &QueueKey, places: &[Place], now: Timestamp) -> Result<Vec<TicketStatus>, StoreError> {
        let reply = self
            .run(&self.scripts.leave, key, |call| {
                call.key(Keys::departed_of(key)).arg(now.as_millis());
                for place in places {
                    call.arg(&place.buyer.as_bytes()[..]).arg(place.number);
                }
            })
            .await?;
        replies::statuses(reply)
    }

    async fn observe(&self, key: &QueueKey, nth: u64) -> Result<Observation, StoreError> {
        let reply = self
            .run(&self.scripts.observe, key, |call| {
                call.arg(nth);
            })
            .await?;
        replies::observation(reply)
    }

    async fn end_grace_period(&self, key: &QueueKey) -> Result<(), StoreError> {
        self.run(&self.scripts.end_grace_period, key, |_| {}).await.map(drop)
    }

    async fn publish(&self, key: &QueueKey, term: Term, frame: Bytes) -> Result<PublishOutcome, StoreError> {
        let reply = self
            .run(&self.scripts.publish, key, |call| {
                call.key(Keys::frame_of(key)).arg(term).arg(&frame[..]);
            })
            .await?;
        replies::published(&reply)
    }

    async fn frame(&self, key: &QueueKey) -> Result<Option<Bytes>, StoreError> {
        let reply = self
            .run(&self.scripts.frame, key, |call| {
                call.key(Keys::frame_of(key));
            })
            .await?;
        replies::frame(reply)
    }

    async fn departed(&self, key: &QueueKey, seen: u64) -> Result<Vec<u64>, StoreError> {
        let reply = self
            .run(&self.scripts.departed, key, |call| {
                call.key(Keys::departed_of(key)).arg(seen);
            })
            .await?;
        replies::numbers(reply)
    }

    async fn rebuild(&self, key: &QueueKey, snapshot: &Snapshot, now: Timestamp) -> Result<(), StoreError> {
        // One connection from the first key to the last: if the server dies in between, the epoch does not begin.
        let link = self.server.link().await?;
        let state = EpochState::begin(key, snapshot, now);
        let filled = fill::fill(&link, key, &state, &self.scripts.begin_epoch).await;
        filled.map_err(|error| self.server.store_error(&link, error))
    }
}

#[async_trait]
impl StockGate for RedisQueueStore {
    async fn reserve(
        &self,
        key: &QueueKey,
        requests: &[Reservation],
        now: Timestamp,
    ) -> Result<Vec<ReservationOutcome>, StoreError> {
        let reply = self
            .run(&self.scripts.reserve, key, |call| {
                call.arg(now.as_millis());
                for request in requests {
                    write_reservation(call, request);
                }
            })
            .await?;
        replies::reserved(reply)
    }

    async fn reacquire(
        &self,
        key: &QueueKey,
        request: &Reservation,
        now: Timestamp,
    ) -> Result<ReservationOutcome, StoreError> {
        let reply = self
            .run(&self.scripts.reacquire, key, |call| {
                call.arg(now.as_millis());
                write_reservation(call, request);
            })
            .await?;
        replies::reacquired(&reply)
    }

    async fn end_holds(&self, key: &QueueKey, ends: &[HoldEnd]) -> Result<(), StoreError> {
        self.run(&self.scripts.end_holds, key, |call| {
            for end in ends {
                call.arg(end.hold.to_string()).arg(encoding::ending_letter(end.ending));
            }
        })
        .await
        .map(drop)
    }

    async fn restock(&self, key: &QueueKey, item: &ItemId, total: u32, version: i64) -> Result<(), StoreError> {
        self.run(&self.scripts.restock, key, |call| {
            call.arg(item.as_str()).arg(total).arg(version);
        })
        .await
        .map(drop)
    }

    async fn holds_page(&self, key: &QueueKey, from: &HoldsCursor) -> Result<HoldsPage, StoreError> {
        let reply = self
            .run(&self.scripts.holds_page, key, |call| {
                call.arg(encoding::cursor(from)).arg(HOLDS_PER_PAGE);
            })
            .await?;
        replies::holds_page(reply)
    }

    async fn forget(&self, sale: &SaleId) -> Result<(), StoreError> {
        let link = self.server.link().await?;
        fill::forget(&link, sale).await.map_err(|error| self.server.store_error(&link, error))
    }
}

/// A request as `stock.lua` reads it.
fn write_reservation(call: &mut redis::ScriptInvocation<'_>, request: &Reservation) {
    call.arg(request.hold.to_string()).arg(&request.place.buyer.as_bytes()[..]).arg(request.place.number);
    call.arg(request.limit).arg(request.lines.len());
    for line in &request.lines {
        call.arg(line.item.as_str()).arg(line.quantity);
    }
}
