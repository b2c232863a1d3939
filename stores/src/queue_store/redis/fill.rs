//! Fills a new epoch beside the old one and switches to it last; removes a sale with all its epochs.

use redis::{Cmd, RedisError, Script, aio::MultiplexedConnection, cmd};
use sale::SaleId;

use super::{
    encoding,
    keys::{self, Keys},
    server::Link,
};
use crate::queue_store::{QueueKey, epoch_state::EpochState};

/// Members per command: small enough not to block other clients.
const CHUNK: usize = 1_000;

/// How long the keys of an earlier epoch stay, and those of an epoch that never began.
const OLD_EPOCH_SECONDS: i64 = 3_600;

/// Writes every key of `state` and begins its epoch. An epoch that has begun already stays as it is.
pub(super) async fn fill(link: &Link, key: &QueueKey, state: &EpochState, begin: &Script) -> Result<(), RedisError> {
    let mut connection = link.connection.clone();
    let keys = Keys::of(key);
    let stored: (Option<i64>, Option<String>) =
        cmd("HMGET").arg(Keys::epoch_of(&key.sale)).arg("epoch").arg("run_id").query_async(&mut connection).await?;
    let begun = stored.0.is_some_and(|epoch| epoch >= key.epoch) && stored.1.as_ref() == Some(&link.run_id);
    if !begun {
        clear(&mut connection, key, &keys).await?;
        for command in commands(&keys, state) {
            command.exec_async(&mut connection).await?;
        }
    }
    let mut call = begin.prepare_invoke();
    keys.add_to(&mut call);
    call.arg(key.epoch).arg(&link.run_id);
    // Each with its placeholder member.
    call.arg(state.participants.len() + 1).arg(state.holds.len() + 1).arg(state.buyers.len() + 1);
    call.arg(key.nonce.to_string());
    let reply: Vec<String> = call.invoke_async(&mut connection).await?;
    if let Some(previous) = previous_key(key, &reply).filter(|previous| previous != key) {
        expire(&mut connection, &previous).await?;
    }
    Ok(())
}

/// The key of the epoch that this one replaced, as `begin_epoch.lua` returns it.
fn previous_key(key: &QueueKey, reply: &[String]) -> Option<QueueKey> {
    let [epoch, nonce] = reply else { return None };
    Some(QueueKey { sale: key.sale.clone(), epoch: epoch.parse().ok()?, nonce: nonce.parse().ok()? })
}

/// Creates empty keys, each with its placeholder member; they expire unless the epoch begins.
async fn clear(connection: &mut MultiplexedConnection, key: &QueueKey, keys: &Keys) -> Result<(), RedisError> {
    let mut pipe = redis::pipe();
    pipe.atomic().cmd("UNLINK").arg(keys.contents()).arg(Keys::frame_of(key)).ignore();
    for which in [keys::QUEUE, keys::CALLED, keys::ACTIVE, keys::JOIN_TIMES] {
        pipe.cmd("ZADD").arg(keys.get(which)).arg(0).arg(".").ignore();
    }
    for which in [keys::STATE, keys::PARTICIPANTS, keys::BUCKETS, keys::STOCK, keys::HOLDS, keys::BUYERS] {
        pipe.cmd("HSET").arg(keys.get(which)).arg(".").arg("").ignore();
    }
    for name in keys.contents() {
        pipe.cmd("EXPIRE").arg(name).arg(OLD_EPOCH_SECONDS).ignore();
    }
    pipe.exec_async(connection).await
}

/// The commands that fill the keys.
fn commands(keys: &Keys, state: &EpochState) -> Vec<Cmd> {
    let mut commands = vec![state_command(keys, state), stock_command(keys, state)];
    let buckets = state.buckets.iter().map(|(bucket, live)| (bucket.to_string().into_bytes(), live.to_string()));
    commands.extend(chunked("HSET", keys.get(keys::BUCKETS), buckets));
    let participants = state
        .participants
        .iter()
        .map(|(buyer, participant)| (buyer.as_bytes().to_vec(), encoding::participant_text(*participant)));
    commands.extend(chunked("HSET", keys.get(keys::PARTICIPANTS), participants));
    let holds = state.holds.iter().map(|(hold, held)| (hold.to_string().into_bytes(), encoding::hold_bytes(held)));
    commands.extend(chunked("HSET", keys.get(keys::HOLDS), holds));
    let buyers = state.buyers.iter().map(|(buyer, units)| (buyer.as_bytes().to_vec(), units.to_string()));
    commands.extend(chunked("HSET", keys.get(keys::BUYERS), buyers));
    let passes = state.active_passes.iter().map(|(until, number)| (until.as_millis().to_string(), number.to_string()));
    commands.extend(chunked("ZADD", keys.get(keys::ACTIVE), passes));
    let holding = state.active_holds.iter().map(|hold| ("+inf", hold.to_string()));
    commands.extend(chunked("ZADD", keys.get(keys::ACTIVE), holding));
    commands
}

fn state_command(keys: &Keys, state: &EpochState) -> Cmd {
    let mut command = cmd("HSET");
    command.arg(keys.get(keys::STATE));
    for (field, value) in
        [("inherited_up_to", state.inherited_up_to), ("counter", state.counter), ("serving", state.serving)]
    {
        command.arg(field).arg(value);
    }
    for field in ["grace_ended", "called_total", "admitted_total", "seq", "last_called", "last_serving"] {
        command.arg(field).arg(0);
    }
    command.arg("last_join_time").arg(-1).arg("term").arg(state.last_batch.term);
    command
}

fn stock_command(keys: &Keys, state: &EpochState) -> Cmd {
    let items: Vec<_> = state.stock.iter().map(|row| row.item.as_str()).collect();
    let mut command = cmd("HSET");
    command.arg(keys.get(keys::STOCK)).arg(".").arg(items.join(" "));
    for row in &state.stock {
        for (letter, value) in [('f', row.free), ('h', row.held), ('s', row.sold), ('v', row.version)] {
            command.arg(format!("{letter}:{}", row.item)).arg(value);
        }
    }
    command
}

/// One command per [`CHUNK`] pairs.
fn chunked<A: redis::ToRedisArgs, B: redis::ToRedisArgs>(
    name: &str,
    key: &str,
    pairs: impl Iterator<Item = (A, B)>,
) -> Vec<Cmd> {
    let mut commands = Vec::new();
    for (at, (first, second)) in pairs.enumerate() {
        if at % CHUNK == 0 {
            let mut command = cmd(name);
            command.arg(key);
            commands.push(command);
        }
        if let Some(command) = commands.last_mut() {
            command.arg(first).arg(second);
        }
    }
    commands
}

async fn expire(connection: &mut MultiplexedConnection, key: &QueueKey) -> Result<(), RedisError> {
    let mut pipe = redis::pipe();
    for name in Keys::of(key).contents() {
        pipe.cmd("EXPIRE").arg(name).arg(OLD_EPOCH_SECONDS).ignore();
    }
    for name in [Keys::frame_of(key), Keys::departed_of(key)] {
        pipe.cmd("EXPIRE").arg(name).arg(OLD_EPOCH_SECONDS).ignore();
    }
    pipe.exec_async(connection).await
}

/// Removes every key of a sale, the epoch key first.
pub(super) async fn forget(link: &Link, sale: &SaleId) -> Result<(), RedisError> {
    let mut connection = link.connection.clone();
    cmd("UNLINK").arg(Keys::epoch_of(sale)).exec_async(&mut connection).await?;
    let mut cursor = 0_u64;
    loop {
        let (next, found): (u64, Vec<Vec<u8>>) = cmd("SCAN")
            .arg(cursor)
            .arg("MATCH")
            .arg(Keys::pattern_of(sale))
            .arg("COUNT")
            .arg(CHUNK)
            .query_async(&mut connection)
            .await?;
        if !found.is_empty() {
            cmd("UNLINK").arg(found).exec_async(&mut connection).await?;
        }
        if next == 0 {
            return Ok(());
        }
        cursor = next;
    }
}
