//! A message of the log, and the events that it may hold.

use sale::Event;

/// An event of this program has about 300 bytes.
const MAX_BODY_BYTES: usize = 16 * 1024;

/// A message with its position in the log.
#[derive(Debug)]
pub(super) struct Message {
    /// Row id or offset, ascending within a partition.
    pub(super) position: i64,
    /// The position as dead letters and logs show it.
    pub(super) position_name: String,
    /// The unparsed message, for the dead letters.
    pub(super) body: Vec<u8>,
    pub(super) event: Result<Event, Poison>,
}

/// Why a message cannot be handled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Poison {
    TooLarge,
    Unknown,
    WrongKey,
}

impl Poison {
    pub(super) const fn reason(self) -> &'static str {
        match self {
            Self::TooLarge => "larger than any event of this program",
            Self::Unknown => "not an event that this program knows",
            Self::WrongKey => "its key is not the id of its order",
        }
    }
}

impl Message {
    pub(super) fn parse(position: i64, position_name: String, key: Option<&[u8]>, body: &[u8]) -> Self {
        Self { position, position_name, body: body.to_vec(), event: parse_event(key, body) }
    }
}

fn parse_event(key: Option<&[u8]>, body: &[u8]) -> Result<Event, Poison> {
    if body.len() > MAX_BODY_BYTES {
        return Err(Poison::TooLarge);
    }
    let event = Event::parse(body).ok_or(Poison::Unknown)?;
    if key == Some(event.order.to_string().as_bytes()) { Ok(event) } else { Err(Poison::WrongKey) }
}
