//! The line in Redis 7, shared by every process.
//!
//! All keys of a sale carry the hash tag `{sale}`, so they live in one slot. Every key but the first carries the epoch and
//! its nonce too: a new life is filled beside the old one and never mixes with it.
//!
//! | key | type | holds |
//! |---|---|---|
//! | `openrun:{sale}:life` | hash | `epoch`, `nonce` and `line`, the name of its first key below: which life counts; `run_id`: the server process that it was filled on. Written last |
//! | `openrun:{sale}:EPOCH-NONCE:line` | hash | `born` (the counter at birth), `counter`, `serving`, `settled`, `moment`, `called_total`, `admitted_total`; the last batch: `term`, `seq`, `answer_called`, `answer_serving` |
//! | `…:seats` | sorted set | who waits: score the number, member the buyer's 16 bytes. All that a waiting ticket costs |
//! | `…:desk` | hash | buyer → where somebody is who is not plainly waiting; `place.lua` tells the letters |
//! | `…:called` | sorted set | who may enter: score the end of the window, member the buyer |
//! | `…:active` | sorted set | who is inside: a pass (member the ticket's number, score its end) or, once that is used, a hold (member its id, score +inf) |
//! | `…:buckets` | hash | bucket → live tickets above `serving` that were never called |
//! | `…:moments` | sorted set | score a number, member the moment (ms) at which it and those after it joined; at most ten a second |
//! | `…:stock` | hash | `.` the items in order; per item `f:` free, `h:` held, `s:` sold, `v:` the version its total is of |
//! | `…:holds` | hash | hold → buyer's 16 bytes, when it was taken, item and quantity of each line |
//! | `…:buyers` | hash | buyer → units held and bought; never expires |
//! | `…:frame` | string | the frame, from its first publication on |
//! | `…:departed` | list | numbers above `serving` that were given up, from the first one on. Only for showing: without it somebody who left is shown as waiting |
//!
//! **Missing never means zero.** Redis drops a collection with its last member, so each collection keeps a member `.`
//! that is nobody's (in sorted sets with score 0, below everything), and every step first checks that all keys of its
//! life exist. A step also compares `line`, and so epoch and nonce, with what its caller names, and `run_id` with that of
//! the server it runs on, which the connection read when it was made: after a restart, a fail-over or an old backup they
//! differ. Either way the answer is LOST.
//!
//! **Counting buckets.** A bucket counts seats above `serving`, so a seat leaves it when it is called or given up, and
//! who was late and came back is in none. A new life cannot know who of the older tickets still waits: it counts every
//! number between the cursor and the ceiling as waiting until `settle`, because a shown place must not rise when they
//! come back one by one. After that only those count who came; later ones are seated as strays (`S` at the desk).
//!
//! Steps are Lua scripts: `life.lua` stands before each of them, `place.lua` or `gate.lua` before those that need it.

mod answers;
mod fill;
mod keys;
mod server;
mod steps;

use async_trait::async_trait;
use bytes::Bytes;
use redis::Value;
use sale::{BuyerId, Epoch, ItemId, SaleId, Term, Timestamp, sale::Place};

use self::{keys::Keys, server::Server, steps::Steps};
use super::{HOLDS_AT_ONCE, MOMENT_MS, SWEEP_MOST, life::Life};
use crate::{
    StoreError,
    queue_store::{
        Batch, Called, Carried, End, Enter, Entered, HoldsFrom, Join, Joined, Observation, Published, Queue, QueueKey,
        Seat, Snapshot, SomeHolds, StockGate, Take, Taken,
    },
};

/// How errors name it.
const STORE: &str = "queue store";

/// The line in the Redis that a URL names.
#[derive(Debug)]
pub struct RedisQueueStore {
    server: Server,
    steps: Steps,
}

impl RedisQueueStore {
    /// Connects at the first use.
    pub fn open(url: &str) -> Result<Self, redis::RedisError> {
        Ok(Self { server: Server::open(url)?, steps: Steps::load() })
    }

    /// Runs one step in the life that the caller names; `arguments` adds what comes after epoch and run id.
    async fn run(
        &self,
        script: &redis::Script,
        key: &QueueKey,
        arguments: impl FnOnce(&mut redis::ScriptInvocation<'_>) + Send,
    ) -> Result<Value, StoreError> {
        let link = self.server.link().await?;
        let mut call = script.prepare_invoke();
        Keys::of(key).name_in(&mut call);
        call.arg(key.epoch).arg(&link.run_id);
        arguments(&mut call);
        let answer = call.invoke_async(&mut link.connection.clone()).await;
        answer.map_err(|fault| self.server.trouble(&link, fault))
    }
}

#[async_trait]
impl Queue for RedisQueueStore {
    async fn life(&self, sale: &SaleId) -> Result<QueueKey, StoreError> {
        let link = self.server.link().await?;
        let stored = redis::cmd("HMGET")
            .arg(Keys::life_of(sale))
            .arg(&["epoch", "nonce"])
            .query_async::<(Option<Epoch>, Option<String>)>(&mut link.connection.clone())
            .await
            .map_err(|fault| self.server.trouble(&link, fault))?;
        let (Some(epoch), Some(nonce)) = stored else { return Err(StoreError::Lost) };
        let key = QueueKey { sale: sale.clone(), epoch, nonce: nonce.parse().map_err(|_| StoreError::Lost)? };
        self.run(&self.steps.check, &key, |_| {}).await?;
        Ok(key)
    }

    async fn join(
        &self,
        key: &QueueKey,
        asks: &[Join],
        ceiling: u64,
        now: Timestamp,
    ) -> Result<Vec<Joined>, StoreError> {
        let answer = self
            .run(&self.steps.join, key, |call| {
                call.arg(ceiling).arg(now.as_millis()).arg(MOMENT_MS);
                call.arg(asks.iter().flat_map(|ask| *ask.buyer.as_bytes()).collect::<Vec<u8>>());
                for (which, ask) in (1..).zip(asks) {
                    if let Some(Carried { number, epoch }) = ask.ticket {
                        call.arg(format!("{which} {number} {epoch}"));
                    }
                }
            })
            .await?;
        answers::joined(answer)
    }

    async fn standing(
        &self,
        key: &QueueKey,
        asks: &[(BuyerId, Carried)],
        now: Timestamp,
    ) -> Result<Vec<Seat>, StoreError> {
        let answer = self
            .run(&self.steps.standing, key, |call| {
                call.arg(now.as_millis());
                for (buyer, carried) in asks {
                    call.arg(&buyer.as_bytes()[..]).arg(carried.number).arg(carried.epoch);
                }
            })
            .await?;
        answers::seats(answer)
    }

    async fn call(&self, key: &QueueKey, batch: Batch, _now: Timestamp) -> Result<Called, StoreError> {
        let answer = self
            .run(&self.steps.call, key, |call| {
                call.arg(batch.term).arg(batch.seq).arg(batch.calls).arg(batch.up_to).arg(batch.until.as_millis());
            })
            .await?;
        answers::called(answer)
    }

    async fn sweep(&self, key: &QueueKey, now: Timestamp) -> Result<u64, StoreError> {
        let answer = self
            .run(&self.steps.sweep, key, |call| {
                call.arg(now.as_millis()).arg(SWEEP_MOST);
            })
            .await?;
        answers::count(&answer)
    }

    async fn enter(&self, key: &QueueKey, asks: &[Enter], now: Timestamp) -> Result<Vec<Entered>, StoreError> {
        let answer = self
            .run(&self.steps.enter, key, |call| {
                call.arg(now.as_millis());
                for ask in asks {
                    call.arg(&ask.place.buyer.as_bytes()[..]).arg(ask.place.number);
                    call.arg(ask.ticket_epoch).arg(ask.expires_at.as_millis());
                }
            })
            .await?;
        answers::entered(answer)
    }

    async fn leave(&self, key: &QueueKey, places: &[Place], now: Timestamp) -> Result<Vec<Seat>, StoreError> {
        let answer = self
            .run(&self.steps.leave, key, |call| {
                call.key(Keys::departed_of(key)).arg(now.as_millis());
                for place in places {
                    call.arg(&place.buyer.as_bytes()[..]).arg(place.number);
                }
            })
            .await?;
        answers::seats(answer)
    }

    async fn observe(&self, key: &QueueKey, nth: u64) -> Result<Observation, StoreError> {
        let answer = self
            .run(&self.steps.observe, key, |call| {
                call.arg(nth);
            })
            .await?;
        answers::observation(answer)
    }

    async fn settle(&self, key: &QueueKey) -> Result<(), StoreError> {
        self.run(&self.steps.settle, key, |_| {}).await.map(drop)
    }

    async fn publish(&self, key: &QueueKey, term: Term, frame: Bytes) -> Result<Published, StoreError> {
        let answer = self
            .run(&self.steps.publish, key, |call| {
                call.key(Keys::frame_of(key)).arg(term).arg(&frame[..]);
            })
            .await?;
        answers::published(&answer)
    }

    async fn frame(&self, key: &QueueKey) -> Result<Option<Bytes>, StoreError> {
        let answer = self
            .run(&self.steps.frame, key, |call| {
                call.key(Keys::frame_of(key));
            })
            .await?;
        answers::frame(answer)
    }

    async fn departed(&self, key: &QueueKey, seen: u64) -> Result<Vec<u64>, StoreError> {
        let answer = self
            .run(&self.steps.departed, key, |call| {
                call.key(Keys::departed_of(key)).arg(seen);
            })
            .await?;
        answers::numbers(answer)
    }

    async fn rebuild(&self, key: &QueueKey, snapshot: &Snapshot, now: Timestamp) -> Result<(), StoreError> {
        // One connection from the first key to the last: should the server die in between, nothing is begun.
        let link = self.server.link().await?;
        let life = Life::begin(key, snapshot, now);
        let filled = fill::fill(&link, key, &life, &self.steps.begin).await;
        filled.map_err(|fault| self.server.trouble(&link, fault))
    }
}

#[async_trait]
impl StockGate for RedisQueueStore {
    async fn take(&self, key: &QueueKey, asks: &[Take], now: Timestamp) -> Result<Vec<Taken>, StoreError> {
        let answer = self
            .run(&self.steps.take, key, |call| {
                call.arg(now.as_millis());
                for ask in asks {
                    write_take(call, ask);
                }
            })
            .await?;
        answers::taken(answer)
    }

    async fn retake(&self, key: &QueueKey, ask: &Take, now: Timestamp) -> Result<Taken, StoreError> {
        let answer = self
            .run(&self.steps.retake, key, |call| {
                call.arg(now.as_millis());
                write_take(call, ask);
            })
            .await?;
        answers::retaken(&answer)
    }

    async fn end(&self, key: &QueueKey, ends: &[End]) -> Result<(), StoreError> {
        self.run(&self.steps.end, key, |call| {
            for end in ends {
                call.arg(end.hold.to_string()).arg(answers::ending_letter(end.ending));
            }
        })
        .await
        .map(drop)
    }

    async fn restock(&self, key: &QueueKey, item: &ItemId, total: u32, version: i64) -> Result<(), StoreError> {
        self.run(&self.steps.restock, key, |call| {
            call.arg(item.as_str()).arg(total).arg(version);
        })
        .await
        .map(drop)
    }

    async fn some_holds(&self, key: &QueueKey, from: &HoldsFrom) -> Result<SomeHolds, StoreError> {
        let answer = self
            .run(&self.steps.holds, key, |call| {
                call.arg(answers::cursor(from)).arg(HOLDS_AT_ONCE);
            })
            .await?;
        answers::some_holds(answer)
    }

    async fn forget(&self, sale: &SaleId) -> Result<(), StoreError> {
        let link = self.server.link().await?;
        fill::forget(&link, sale).await.map_err(|fault| self.server.trouble(&link, fault))
    }
}

/// An ask as `gate.lua` reads it.
fn write_take(call: &mut redis::ScriptInvocation<'_>, ask: &Take) {
    call.arg(ask.hold.to_string()).arg(&ask.place.buyer.as_bytes()[..]).arg(ask.place.number);
    call.arg(ask.limit).arg(ask.lines.len());
    for line in &ask.lines {
        call.arg(line.item.as_str()).arg(line.quantity);
    }
}
