//! A new life is written beside the old one and begun last of all; a forgotten sale loses all its lives.

use redis::{Cmd, RedisError, Script, aio::MultiplexedConnection, cmd};
use sale::SaleId;

use super::{
    answers,
    keys::{self, Keys},
    server::Link,
};
use crate::queue_store::{QueueKey, life::Life};

/// Members per command: small enough to hold nobody else up.
const CHUNK: usize = 1_000;

/// How long the keys of an older life stay, and those of one that never began.
const OLD_LIFE_SECONDS: i64 = 3_600;

/// Writes every key of `life` and begins it. A life that was begun already stays as it is.
pub(super) async fn fill(link: &Link, key: &QueueKey, life: &Life, begin: &Script) -> Result<(), RedisError> {
    let mut connection = link.connection.clone();
    let keys = Keys::of(key);
    let stored: (Option<i64>, Option<String>) =
        cmd("HMGET").arg(Keys::life_of(&key.sale)).arg("epoch").arg("run_id").query_async(&mut connection).await?;
    let begun = stored.0.is_some_and(|epoch| epoch >= key.epoch) && stored.1.as_ref() == Some(&link.run_id);
    if !begun {
        clear(&mut connection, key, &keys).await?;
        for command in commands(&keys, life) {
            command.exec_async(&mut connection).await?;
        }
    }
    let mut call = begin.prepare_invoke();
    keys.name_in(&mut call);
    call.arg(key.epoch).arg(&link.run_id);
    // Each with the member that is nobody's.
    call.arg(life.desk.len() + 1).arg(life.holds.len() + 1).arg(life.buyers.len() + 1);
    call.arg(key.nonce.to_string());
    let before: Vec<String> = call.invoke_async(&mut connection).await?;
    if let Some(before) = life_before(key, &before).filter(|before| before != key) {
        expire(&mut connection, &before).await?;
    }
    Ok(())
}

/// The life that this one replaced, as `begin.lua` tells it.
fn life_before(key: &QueueKey, told: &[String]) -> Option<QueueKey> {
    let [epoch, nonce] = told else { return None };
    Some(QueueKey { sale: key.sale.clone(), epoch: epoch.parse().ok()?, nonce: nonce.parse().ok()? })
}

/// Empty keys, each with the member that is nobody's; they end by themselves unless the life begins.
async fn clear(connection: &mut MultiplexedConnection, key: &QueueKey, keys: &Keys) -> Result<(), RedisError> {
    let mut pipe = redis::pipe();
    pipe.atomic().cmd("UNLINK").arg(keys.contents()).arg(Keys::frame_of(key)).ignore();
    for which in [keys::SEATS, keys::CALLED, keys::ACTIVE, keys::MOMENTS] {
        pipe.cmd("ZADD").arg(keys.get(which)).arg(0).arg(".").ignore();
    }
    for which in [keys::LINE, keys::DESK, keys::BUCKETS, keys::STOCK, keys::HOLDS, keys::BUYERS] {
        pipe.cmd("HSET").arg(keys.get(which)).arg(".").arg("").ignore();
    }
    for name in keys.contents() {
        pipe.cmd("EXPIRE").arg(name).arg(OLD_LIFE_SECONDS).ignore();
    }
    pipe.exec_async(connection).await
}

/// What fills the keys.
fn commands(keys: &Keys, life: &Life) -> Vec<Cmd> {
    let mut commands = vec![line_command(keys, life), stock_command(keys, life)];
    let buckets = life.buckets.iter().map(|(bucket, live)| (bucket.to_string().into_bytes(), live.to_string()));
    commands.extend(chunked("HSET", keys.get(keys::BUCKETS), buckets));
    let desk = life.desk.iter().map(|(buyer, entry)| (buyer.as_bytes().to_vec(), answers::entry_text(*entry)));
    commands.extend(chunked("HSET", keys.get(keys::DESK), desk));
    let holds = life.holds.iter().map(|(hold, held)| (hold.to_string().into_bytes(), answers::held_bytes(held)));
    commands.extend(chunked("HSET", keys.get(keys::HOLDS), holds));
    let buyers = life.buyers.iter().map(|(buyer, units)| (buyer.as_bytes().to_vec(), units.to_string()));
    commands.extend(chunked("HSET", keys.get(keys::BUYERS), buyers));
    let passes = life.active_passes.iter().map(|(until, number)| (until.as_millis().to_string(), number.to_string()));
    commands.extend(chunked("ZADD", keys.get(keys::ACTIVE), passes));
    let holding = life.active_holds.iter().map(|hold| ("+inf", hold.to_string()));
    commands.extend(chunked("ZADD", keys.get(keys::ACTIVE), holding));
    commands
}

fn line_command(keys: &Keys, life: &Life) -> Cmd {
    let mut command = cmd("HSET");
    command.arg(keys.get(keys::LINE));
    for (field, value) in [("born", life.born), ("counter", life.counter), ("serving", life.serving)] {
        command.arg(field).arg(value);
    }
    for field in ["settled", "called_total", "admitted_total", "seq", "answer_called", "answer_serving"] {
        command.arg(field).arg(0);
    }
    command.arg("moment").arg(-1).arg("term").arg(life.last_batch.term);
    command
}

fn stock_command(keys: &Keys, life: &Life) -> Cmd {
    let items: Vec<_> = life.stock.iter().map(|shelf| shelf.item.as_str()).collect();
    let mut command = cmd("HSET");
    command.arg(keys.get(keys::STOCK)).arg(".").arg(items.join(" "));
    for shelf in &life.stock {
        for (letter, value) in [('f', shelf.free), ('h', shelf.held), ('s', shelf.sold), ('v', shelf.version)] {
            command.arg(format!("{letter}:{}", shelf.item)).arg(value);
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
        pipe.cmd("EXPIRE").arg(name).arg(OLD_LIFE_SECONDS).ignore();
    }
    for name in [Keys::frame_of(key), Keys::departed_of(key)] {
        pipe.cmd("EXPIRE").arg(name).arg(OLD_LIFE_SECONDS).ignore();
    }
    pipe.exec_async(connection).await
}

/// Removes every key of a sale, first of all the one that says which life counts.
pub(super) async fn forget(link: &Link, sale: &SaleId) -> Result<(), RedisError> {
    let mut connection = link.connection.clone();
    cmd("UNLINK").arg(Keys::life_of(sale)).exec_async(&mut connection).await?;
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
