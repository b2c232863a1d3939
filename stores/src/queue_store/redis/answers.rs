//! What scripts answer, read back; and what the store keeps as text, written.

use std::{collections::HashMap, str::FromStr};

use bytes::Bytes;
use redis::Value;
use sale::{HoldId, Timestamp, frame::BUCKET, sale::Line as OrderLine};

use super::STORE;
use crate::{
    StoreError,
    queue_store::{
        Called, Ending, Entered, GateHold, HoldsFrom, Joined, Observation, Published, Seat, SomeHolds, StockCount,
        Taken,
        life::{Entry, Held, Stage, bucket_of},
    },
};

type Answer<T> = Result<T, StoreError>;

fn bad(what: &str) -> StoreError {
    StoreError::unexpected(STORE, format!("a bad {what}"))
}

fn array(value: Value) -> Answer<Vec<Value>> {
    if let Value::Array(values) = value { Ok(values) } else { Err(bad("list")) }
}

fn signed(value: &Value) -> Answer<i64> {
    if let Value::Int(number) = value { Ok(*number) } else { Err(bad("number")) }
}

pub(super) fn count(value: &Value) -> Answer<u64> {
    u64::try_from(signed(value)?).map_err(|_| bad("count"))
}

fn text(value: &Value) -> Answer<&str> {
    let Value::BulkString(bytes) = value else { return Err(bad("text")) };
    std::str::from_utf8(bytes).map_err(|_| bad("text"))
}

fn parsed<T: FromStr>(text: &str) -> Answer<T> {
    text.parse().map_err(|_| bad("number in a text"))
}

/// A place as code and argument; `place.lua` names the codes.
fn seat(code: &Value, argument: &Value) -> Answer<Seat> {
    Ok(match signed(code)? {
        0 => Seat::Waiting,
        1 => Seat::Called { until: Timestamp::from_millis(signed(argument)?) },
        2 => Seat::Late,
        3 => Seat::Admitted,
        4 => Seat::Consumed { hold: HoldId::parse(text(argument)?).ok_or_else(|| bad("hold"))? },
        5 => Seat::Left,
        6 => Seat::Expired,
        _ => return Err(bad("place")),
    })
}

pub(super) fn seats(answer: Value) -> Answer<Vec<Seat>> {
    array(answer)?.as_chunks::<2>().0.iter().map(|[code, argument]| seat(code, argument)).collect()
}

pub(super) fn joined(answer: Value) -> Answer<Vec<Joined>> {
    let mut joined = Vec::new();
    for [what, number, moment, code, argument] in array(answer)?.as_chunks::<5>().0 {
        let (number, moment) = (count(number)?, signed(moment)?);
        match signed(what)? {
            0 => {
                let joined_at = Timestamp::from_millis(moment);
                let numbers = number..number.saturating_add(count(argument)?);
                joined.extend(numbers.map(|number| Joined::New { number, joined_at }));
            }
            1 => joined.push(Joined::Seated {
                number,
                joined_at: (moment >= 0).then(|| Timestamp::from_millis(moment)),
                seat: seat(code, argument)?,
            }),
            2 => joined.push(Joined::CeilingReached),
            _ => return Err(bad("answer to a join")),
        }
    }
    Ok(joined)
}

pub(super) fn entered(answer: Value) -> Answer<Vec<Entered>> {
    let entered = |[code, argument]: &[Value; 2]| match seat(code, argument)? {
        Seat::Admitted => Ok(Entered::Admitted { expires_at: Timestamp::from_millis(signed(argument)?) }),
        seat @ (Seat::Waiting | Seat::Late) => Ok(Entered::NotCalled(seat)),
        seat @ (Seat::Consumed { .. } | Seat::Left | Seat::Expired) => Ok(Entered::Gone(seat)),
        Seat::Called { .. } => Err(bad("answer to an enter")),
    };
    array(answer)?.as_chunks::<2>().0.iter().map(entered).collect()
}

pub(super) fn published(answer: &Value) -> Answer<Published> {
    match answer {
        Value::Int(1) => Ok(Published::Stored),
        Value::Int(0) => Ok(Published::OldTerm),
        _ => Err(bad("answer to a frame")),
    }
}

pub(super) fn called(answer: Value) -> Answer<Called> {
    match &array(answer)?[..] {
        [Value::Int(1), called, serving] => Ok(Called::Batch { called: count(called)?, serving: count(serving)? }),
        [Value::Int(0), term, _] => Ok(Called::OldTerm { term: signed(term)? }),
        _ => Err(bad("answer to a call")),
    }
}

pub(super) fn taken(answer: Value) -> Answer<Vec<Taken>> {
    array(answer)?.as_chunks::<2>().0.iter().map(taken_one).collect()
}

fn taken_one([what, hold]: &[Value; 2]) -> Answer<Taken> {
    match signed(what)? {
        3 => Ok(Taken::Ended),
        4 => match text(hold)? {
            "" => Ok(Taken::PassUsed { hold: None }),
            hold => Ok(Taken::PassUsed { hold: Some(HoldId::parse(hold).ok_or_else(|| bad("hold"))?) }),
        },
        5 => Ok(Taken::PassEnded),
        _ => retaken(what),
    }
}

pub(super) fn retaken(answer: &Value) -> Answer<Taken> {
    match signed(answer)? {
        0 => Ok(Taken::Taken),
        1 => Ok(Taken::SoldOut),
        2 => Ok(Taken::LimitReached),
        _ => Err(bad("answer to a take")),
    }
}

pub(super) fn frame(answer: Value) -> Answer<Option<Bytes>> {
    if answer == Value::Nil {
        return Ok(None);
    }
    if let Value::BulkString(bytes) = answer { Ok(Some(bytes.into())) } else { Err(bad("frame")) }
}

pub(super) fn numbers(answer: Value) -> Answer<Vec<u64>> {
    array(answer)?.iter().map(|number| parsed(text(number)?)).collect()
}

pub(super) fn observation(answer: Value) -> Answer<Observation> {
    let values = array(answer)?;
    let Ok([last, serving, waiting, called, active, without_hold, called_total, admitted_total, nth, stock, buckets]) =
        <[Value; 11]>::try_from(values)
    else {
        return Err(bad("observation"));
    };
    let (last_number, serving) = (count(&last)?, count(&serving)?);
    Ok(Observation {
        last_number,
        serving,
        waiting: count(&waiting)?,
        called: count(&called)?,
        active: count(&active)?,
        without_hold: count(&without_hold)?,
        called_total: count(&called_total)?,
        admitted_total: count(&admitted_total)?,
        nth_number: count(&nth)?,
        stock: stock_counts(stock)?,
        histogram: histogram(buckets, last_number, serving)?,
    })
}

fn stock_counts(stock: Value) -> Answer<Vec<StockCount>> {
    let values = array(stock)?;
    let mut fields = HashMap::new();
    for [field, value] in values.as_chunks::<2>().0 {
        fields.insert(text(field)?, text(value)?);
    }
    let units = |letter: char, item: &str| match fields.get(format!("{letter}:{item}").as_str()) {
        Some(units) => parsed(units),
        None => Err(StoreError::Lost),
    };
    let items = fields.get(".").ok_or(StoreError::Lost)?;
    items
        .split_whitespace()
        .map(|item| {
            let (free, held, sold) = (units('f', item)?, units('h', item)?, units('s', item)?);
            Ok(StockCount { item: item.parse().map_err(|_| bad("item"))?, free, held, sold })
        })
        .collect()
}

fn histogram(buckets: Value, last_number: u64, serving: u64) -> Answer<Vec<u64>> {
    if last_number == 0 {
        return Ok(Vec::new());
    }
    let length = usize::try_from(bucket_of(last_number) + 1).map_err(|_| bad("histogram"))?;
    let mut live = vec![0; length];
    for [bucket, tickets] in array(buckets)?.as_chunks::<2>().0 {
        let Ok(bucket) = text(bucket)?.parse::<u64>() else { continue };
        let uncalled = ((bucket + 1) * BUCKET).saturating_sub(serving);
        if let Some(place) = usize::try_from(bucket).ok().and_then(|at| live.get_mut(at)) {
            *place = parsed::<u64>(text(tickets)?)?.min(uncalled);
        }
    }
    Ok(live)
}

/// Where `holds.lua` begins.
pub(super) fn cursor(from: &HoldsFrom) -> &str {
    if *from == HoldsFrom::default() { "0" } else { &from.0 }
}

pub(super) fn some_holds(answer: Value) -> Answer<SomeHolds> {
    let [next, found] = <[Value; 2]>::try_from(array(answer)?).map_err(|_| bad("part of the holds"))?;
    let next = Some(text(&next)?).filter(|next| *next != "0").map(|next| HoldsFrom(next.to_owned()));
    let mut holds = Vec::new();
    for [hold, held] in array(found)?.as_chunks::<2>().0 {
        let hold = text(hold)?;
        if hold == "." {
            continue;
        }
        let Value::BulkString(held) = held else { return Err(bad("hold")) };
        holds.push(gate_hold(hold, held)?);
    }
    Ok(SomeHolds { holds, next })
}

fn gate_hold(hold: &str, held: &[u8]) -> Answer<GateHold> {
    let (_buyer, rest) = held.split_first_chunk::<16>().ok_or_else(|| bad("hold"))?;
    let mut words = std::str::from_utf8(rest).map_err(|_| bad("hold"))?.split_whitespace();
    let taken_at = Timestamp::from_millis(parsed(words.next().unwrap_or_default())?);
    let mut lines = Vec::new();
    while let (Some(item), Some(quantity)) = (words.next(), words.next()) {
        lines.push(OrderLine { item: item.parse().map_err(|_| bad("item"))?, quantity: parsed(quantity)? });
    }
    Ok(GateHold { hold: HoldId::parse(hold).ok_or_else(|| bad("hold id"))?, taken_at, lines })
}

/// A hold as `gate.lua` writes it.
pub(super) fn held_bytes(held: &Held) -> Vec<u8> {
    let mut bytes = held.buyer.as_bytes().to_vec();
    bytes.extend_from_slice(held.taken_at.as_millis().to_string().as_bytes());
    for line in &held.lines {
        bytes.extend_from_slice(format!(" {} {}", line.item, line.quantity).as_bytes());
    }
    bytes
}

/// A desk entry as `place.lua` reads it.
pub(super) fn entry_text(Entry { number, stage }: Entry) -> String {
    match stage {
        Stage::Stray => format!("S {number}"),
        Stage::Called { until, second } => format!("C {number} {} {}", until.as_millis(), if second { 2 } else { 1 }),
        Stage::Late => format!("L {number}"),
        Stage::Returned => format!("R {number}"),
        Stage::Admitted { expires_at } => format!("A {number} {}", expires_at.as_millis()),
        Stage::Consumed { expires_at, hold } => format!("U {number} {} {hold}", expires_at.as_millis()),
        Stage::Left => format!("X {number}"),
        Stage::Expired => format!("E {number}"),
    }
}

/// How `end.lua` names it.
pub(super) const fn ending_letter(ending: Ending) -> &'static str {
    match ending {
        Ending::Committed => "C",
        Ending::Released => "R",
        Ending::NeverPlaced => "N",
        Ending::Inactive => "I",
    }
}
