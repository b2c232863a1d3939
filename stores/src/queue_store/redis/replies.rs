//! What scripts reply, read back; and what the store keeps as text, written.

use std::{collections::HashMap, str::FromStr};

use bytes::Bytes;
use redis::Value;
use sale::{HoldId, Timestamp, frame::BUCKET, sale::Line as OrderLine};

use super::server::STORE;
use crate::{
    StoreError,
    queue_store::{
        CallOutcome, EnterOutcome, GateHold, HoldsCursor, HoldsPage, JoinOutcome, Observation, PublishOutcome,
        ReservationOutcome, StockCount, TicketStatus, epoch_state::bucket_of,
    },
};

type Parsed<T> = Result<T, StoreError>;

fn malformed(what: &str) -> StoreError {
    StoreError::unexpected(STORE, format!("a malformed {what}"))
}

fn array(value: Value) -> Parsed<Vec<Value>> {
    if let Value::Array(values) = value { Ok(values) } else { Err(malformed("list")) }
}

fn signed(value: &Value) -> Parsed<i64> {
    if let Value::Int(number) = value { Ok(*number) } else { Err(malformed("number")) }
}

pub(super) fn count(value: &Value) -> Parsed<u64> {
    u64::try_from(signed(value)?).map_err(|_| malformed("count"))
}

fn text(value: &Value) -> Parsed<&str> {
    let Value::BulkString(bytes) = value else { return Err(malformed("text")) };
    std::str::from_utf8(bytes).map_err(|_| malformed("text"))
}

fn parsed<T: FromStr>(text: &str) -> Parsed<T> {
    text.parse().map_err(|_| malformed("number"))
}

/// A status as code and argument; `tickets.lua` defines the codes.
fn status(code: &Value, argument: &Value) -> Parsed<TicketStatus> {
    Ok(match signed(code)? {
        0 => TicketStatus::Waiting,
        1 => TicketStatus::Called { until: Timestamp::from_millis(signed(argument)?) },
        2 => TicketStatus::Late,
        3 => TicketStatus::Admitted,
        4 => TicketStatus::Consumed { hold: HoldId::parse(text(argument)?).ok_or_else(|| malformed("hold"))? },
        5 => TicketStatus::Left,
        6 => TicketStatus::Expired,
        _ => return Err(malformed("status")),
    })
}

pub(super) fn statuses(reply: Value) -> Parsed<Vec<TicketStatus>> {
    array(reply)?.as_chunks::<2>().0.iter().map(|[code, argument]| status(code, argument)).collect()
}

pub(super) fn joined(reply: Value) -> Parsed<Vec<JoinOutcome>> {
    let mut joined = Vec::new();
    for [what, number, moment, code, argument] in array(reply)?.as_chunks::<5>().0 {
        let (number, moment) = (count(number)?, signed(moment)?);
        match signed(what)? {
            0 => {
                let joined_at = Timestamp::from_millis(moment);
                let numbers = number..number.saturating_add(count(argument)?);
                joined.extend(numbers.map(|number| JoinOutcome::New { number, joined_at }));
            }
            1 => joined.push(JoinOutcome::Existing {
                number,
                joined_at: (moment >= 0).then(|| Timestamp::from_millis(moment)),
                status: status(code, argument)?,
            }),
            2 => joined.push(JoinOutcome::AllocationReached),
            _ => return Err(malformed("reply to join")),
        }
    }
    Ok(joined)
}

pub(super) fn entered(reply: Value) -> Parsed<Vec<EnterOutcome>> {
    let entered = |[code, argument]: &[Value; 2]| match status(code, argument)? {
        TicketStatus::Admitted => Ok(EnterOutcome::Admitted { expires_at: Timestamp::from_millis(signed(argument)?) }),
        status @ (TicketStatus::Waiting | TicketStatus::Late) => Ok(EnterOutcome::NotCalled(status)),
        status @ (TicketStatus::Consumed { .. } | TicketStatus::Left | TicketStatus::Expired) => {
            Ok(EnterOutcome::Gone(status))
        }
        TicketStatus::Called { .. } => Err(malformed("reply to enter")),
    };
    array(reply)?.as_chunks::<2>().0.iter().map(entered).collect()
}

pub(super) fn published(reply: &Value) -> Parsed<PublishOutcome> {
    match reply {
        Value::Int(1) => Ok(PublishOutcome::Stored),
        Value::Int(0) => Ok(PublishOutcome::StaleTerm),
        _ => Err(malformed("reply to publish")),
    }
}

pub(super) fn called(reply: Value) -> Parsed<CallOutcome> {
    match &array(reply)?[..] {
        [Value::Int(1), called, serving] => {
            Ok(CallOutcome::Called { called: count(called)?, serving: count(serving)? })
        }
        [Value::Int(0), term, _] => Ok(CallOutcome::StaleTerm { term: signed(term)? }),
        _ => Err(malformed("reply to call")),
    }
}

pub(super) fn reserved(reply: Value) -> Parsed<Vec<ReservationOutcome>> {
    array(reply)?.as_chunks::<2>().0.iter().map(reserved_one).collect()
}

fn reserved_one([what, hold]: &[Value; 2]) -> Parsed<ReservationOutcome> {
    match signed(what)? {
        3 => Ok(ReservationOutcome::HoldEnded),
        4 => match text(hold)? {
            "" => Ok(ReservationOutcome::PassUsed { hold: None }),
            hold => {
                Ok(ReservationOutcome::PassUsed { hold: Some(HoldId::parse(hold).ok_or_else(|| malformed("hold"))?) })
            }
        },
        5 => Ok(ReservationOutcome::PassExpired),
        _ => reacquired(what),
    }
}

pub(super) fn reacquired(reply: &Value) -> Parsed<ReservationOutcome> {
    match signed(reply)? {
        0 => Ok(ReservationOutcome::Reserved),
        1 => Ok(ReservationOutcome::SoldOut),
        2 => Ok(ReservationOutcome::LimitReached),
        _ => Err(malformed("reply to reserve")),
    }
}

pub(super) fn frame(reply: Value) -> Parsed<Option<Bytes>> {
    if reply == Value::Nil {
        return Ok(None);
    }
    if let Value::BulkString(bytes) = reply { Ok(Some(bytes.into())) } else { Err(malformed("frame")) }
}

pub(super) fn numbers(reply: Value) -> Parsed<Vec<u64>> {
    array(reply)?.iter().map(|number| parsed(text(number)?)).collect()
}

pub(super) fn observation(reply: Value) -> Parsed<Observation> {
    let values = array(reply)?;
    let Ok([last, serving, waiting, called, active, without_hold, called_total, admitted_total, nth, stock, buckets]) =
        <[Value; 11]>::try_from(values)
    else {
        return Err(malformed("observation"));
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

fn stock_counts(stock: Value) -> Parsed<Vec<StockCount>> {
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
            Ok(StockCount { item: item.parse().map_err(|_| malformed("item"))?, free, held, sold })
        })
        .collect()
}

fn histogram(buckets: Value, last_number: u64, serving: u64) -> Parsed<Vec<u64>> {
    if last_number == 0 {
        return Ok(Vec::new());
    }
    let length = usize::try_from(bucket_of(last_number) + 1).map_err(|_| malformed("histogram"))?;
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

pub(super) fn holds_page(reply: Value) -> Parsed<HoldsPage> {
    let [next, found] = <[Value; 2]>::try_from(array(reply)?).map_err(|_| malformed("page of holds"))?;
    let next = Some(text(&next)?).filter(|next| *next != "0").map(|next| HoldsCursor(next.to_owned()));
    let mut holds = Vec::new();
    for [hold, held] in array(found)?.as_chunks::<2>().0 {
        let hold = text(hold)?;
        if hold == "." {
            continue;
        }
        let Value::BulkString(held) = held else { return Err(malformed("hold")) };
        holds.push(gate_hold(hold, held)?);
    }
    Ok(HoldsPage { holds, next })
}

fn gate_hold(hold: &str, held: &[u8]) -> Parsed<GateHold> {
    let (_buyer, rest) = held.split_first_chunk::<16>().ok_or_else(|| malformed("hold"))?;
    let mut words = std::str::from_utf8(rest).map_err(|_| malformed("hold"))?.split_whitespace();
    let taken_at = Timestamp::from_millis(parsed(words.next().unwrap_or_default())?);
    let mut lines = Vec::new();
    while let (Some(item), Some(quantity)) = (words.next(), words.next()) {
        lines.push(OrderLine { item: item.parse().map_err(|_| malformed("item"))?, quantity: parsed(quantity)? });
    }
    Ok(GateHold { hold: HoldId::parse(hold).ok_or_else(|| malformed("hold id"))?, taken_at, lines })
}
