//! Identifiers. Each is parsed once, at the edge, and is well formed from then on.

use std::{fmt, str::FromStr, sync::Arc};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use rand::RngExt as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::clock::Timestamp;

/// A generation of the queue store's contents; raised in the database whenever the store was lost.
pub type Epoch = i64;

/// The first epoch of a sale: nothing could have been lost before it.
pub const FIRST_EPOCH: Epoch = 1;

/// A random number that belongs to each epoch. A database that was restored to an older state reaches the same epoch a
/// second time; the nonce distinguishes the two. All zeros before the first epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct EpochNonce(u64);

impl EpochNonce {
    pub fn random() -> Self {
        Self(rand::rng().random())
    }

    pub const fn from_bits(bits: i64) -> Self {
        Self(bits.cast_unsigned())
    }

    /// The value of the database column.
    pub const fn as_bits(self) -> i64 {
        self.0.cast_signed()
    }
}

impl fmt::Display for EpochNonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl FromStr for EpochNonce {
    type Err = BadId;

    fn from_str(text: &str) -> Result<Self, BadId> {
        u64::from_str_radix(text, 16).map(Self).map_err(|_| BadId)
    }
}

/// A period of leadership in the admission of a sale; every new leader has a higher one.
pub type Term = i64;

/// The text is not a valid identifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an id is 1 to 64 of a-z, 0-9 and -")]
pub struct BadId;

/// Bytes of the longest id of a sale or an item.
pub const LONGEST_ID: usize = 64;

fn slug(text: &str) -> Result<Arc<str>, BadId> {
    let fits = (1..=LONGEST_ID).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    if fits { Ok(text.into()) } else { Err(BadId) }
}

macro_rules! slug_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        #[serde(transparent)]
        pub struct $name(Arc<str>);

        impl $name {
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = BadId;
            fn from_str(text: &str) -> Result<Self, BadId> {
                slug(text).map(Self)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

slug_id! {
    /// A sale: `[a-z0-9-]{1,64}`.
    SaleId
}
slug_id! {
    /// An item of a sale: `[a-z0-9-]{1,64}`.
    ItemId
}

/// Sixteen bytes from their 22 characters of base64url.
fn decode_16(text: &str) -> Option<[u8; 16]> {
    let mut bytes = [0; 16];
    let written = URL_SAFE_NO_PAD.decode_slice(text, &mut bytes).ok()?;
    (written == 16).then_some(bytes)
}

fn digest_16(label: &str, parts: &[&[u8]]) -> [u8; 16] {
    let mut hash = Sha256::new();
    hash.update(label.as_bytes());
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash.finalize()[..16]);
    bytes
}

/// A buyer's session: the secret in the cookie. It is never stored, logged or part of a token; the rest of the system
/// knows the [`BuyerId`] alone.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct SessionId([u8; 16]);

impl SessionId {
    pub fn random() -> Self {
        Self(rand::rng().random())
    }

    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    pub fn parse(text: &str) -> Option<Self> {
        decode_16(text).map(Self)
    }

    /// The cookie's value.
    pub fn expose(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.0)
    }

    /// The buyer of this session.
    pub fn buyer(&self) -> BuyerId {
        BuyerId(digest_16("openrun buyer", &[&self.0]))
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionId(hidden)")
    }
}

/// A buyer in stores, tickets and passes: a hash of the session, which is useless as a cookie.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BuyerId([u8; 16]);

impl BuyerId {
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    pub fn parse(text: &str) -> Option<Self> {
        decode_16(text).map(Self)
    }
}

impl fmt::Display for BuyerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Uuid);

        impl $name {
            /// A version 7 UUID of `made_at` whose random bits are a hash of `parts`: the same arguments give the same
            /// id in every process and after every crash.
            pub fn derive(made_at: Timestamp, parts: &[&[u8]]) -> Self {
                let hash = digest_16(stringify!($name), parts);
                let mut random = [0; 10];
                random.copy_from_slice(&hash[..10]);
                let millis = u64::try_from(made_at.as_millis()).unwrap_or(0);
                Self(uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid())
            }

            pub fn parse(text: &str) -> Option<Self> {
                Uuid::try_parse(text).ok().map(Self)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.hyphenated().fmt(f)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                Self::parse(&String::deserialize(deserializer)?)
                    .ok_or_else(|| serde::de::Error::custom("expected a UUID"))
            }
        }
    };
}

uuid_id! {
    /// An order, derived from the pass and the buyer's idempotency key.
    OrderId
}
uuid_id! {
    /// A pass (`jti`), derived from its ticket.
    PassId
}
uuid_id! {
    /// What a buyer buys at once: an order in each sale. The purchase of a single order has the id of that order.
    PurchaseId
}
uuid_id! {
    /// A payment attempt, derived from its order and attempt number.
    PaymentId
}
uuid_id! {
    /// A fact on the event log.
    EventId
}

impl PurchaseId {
    /// The purchase of this order alone.
    pub const fn of(order: OrderId) -> Self {
        Self(order.0)
    }
}

/// The nth hold of an order: `{order}:{n}`. The first one is taken when the order is placed; each later one for money
/// that was captured after the previous hold had ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HoldId {
    pub order: OrderId,
    /// Counted from 1.
    pub n: u32,
}

impl HoldId {
    /// The hold that is taken when the order is placed.
    pub const fn first(order: OrderId) -> Self {
        Self { order, n: 1 }
    }

    /// The hold after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self { order: self.order, n: self.n.saturating_add(1) }
    }

    pub fn parse(text: &str) -> Option<Self> {
        let (order, n) = text.split_once(':')?;
        Some(Self { order: OrderId::parse(order)?, n: n.parse().ok().filter(|n| *n > 0)? })
    }
}

impl PaymentId {
    /// The id of an attempt: it depends on the purchase and the attempt's number alone, not on the time.
    pub fn of(purchase: OrderId, attempt: u32) -> Self {
        let made_at = purchase.0.get_timestamp().map_or(0, |time| {
            let (seconds, nanos) = time.to_unix();
            seconds.saturating_mul(1_000).saturating_add(u64::from(nanos / 1_000_000))
        });
        let made_at = Timestamp::from_millis(i64::try_from(made_at).unwrap_or(0));
        Self::derive(made_at, &[purchase.0.as_bytes(), &attempt.to_be_bytes()])
    }
}

/// The provider's key of an attempt to pay: `pay:{order}:{attempt}`.
pub fn charge_key(order: OrderId, attempt: u32) -> String {
    format!("pay:{order}:{attempt}")
}

/// The order and the attempt of a provider's key.
pub fn parse_charge_key(key: &str) -> Option<(OrderId, u32)> {
    let (order, attempt) = key.strip_prefix("pay:")?.split_once(':')?;
    Some((OrderId::parse(order)?, attempt.parse().ok()?))
}

impl fmt::Display for HoldId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.order, self.n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sale_ids_are_lower_case_slugs() {
        for good in ["a", "sneaker-2026", &"x".repeat(64)] {
            assert!(good.parse::<SaleId>().is_ok(), "{good}");
        }
        for bad in ["", "Sneaker", "a_b", "a/b", "a b", &"x".repeat(65), "운동화"] {
            assert!(bad.parse::<SaleId>().is_err(), "{bad}");
        }
    }

    #[test]
    fn the_same_parts_give_the_same_id() {
        let now = Timestamp::from_millis(1_780_000_000_000);
        let first = OrderId::derive(now, &[b"pass", b"key"]);
        assert_eq!(first, OrderId::derive(now, &[b"pass", b"key"]));
        assert_ne!(first, OrderId::derive(now, &[b"passk", b"ey"]));
        assert_eq!(OrderId::parse(&first.to_string()), Some(first));
        let hold = HoldId::first(first);
        assert_eq!(
            (hold.to_string(), HoldId::parse(&hold.next().to_string())),
            (format!("{first}:1"), Some(hold.next()))
        );
        for bad in [first.to_string(), format!("{first}:"), format!("{first}:0"), format!("{first}:-1")] {
            assert_eq!(HoldId::parse(&bad), None, "{bad}");
        }
    }

    #[test]
    fn a_payment_is_identified_by_its_purchase_and_attempt() {
        let purchase = OrderId::derive(Timestamp::from_millis(1_780_000_000_123), &[b"pass", b"key"]);
        let first = PaymentId::of(purchase, 1);
        assert_eq!(first, PaymentId::of(OrderId::parse(&purchase.to_string()).unwrap(), 1));
        assert_ne!(first, PaymentId::of(purchase, 2));
        assert_eq!(first.to_string()[..13], purchase.to_string()[..13], "both are of one millisecond");
    }

    #[test]
    fn a_buyer_does_not_reveal_its_session() {
        let session = SessionId::from_bytes([7; 16]);
        assert_ne!(session.expose(), session.buyer().to_string());
        assert_eq!(SessionId::parse(&session.expose()).map(|s| s.buyer()), Some(session.buyer()));
        assert_eq!(format!("{session:?}"), "SessionId(hidden)");
    }
}
