//! The ticket: a signed place in a sale's queue, carried by the buyer.
//!
//! It is the authority on the buyer's place: after the queue store has lost everything, its holder is requeued at the
//! number of the ticket. Layout before base64url: version (1 byte), key id (4), flags (1), epoch (8), number (8),
//! joined at (8), buyer (16), sale (the rest), and the first 16 bytes of an HMAC-SHA-256 over all of it.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::Mac as _;
use subtle::ConstantTimeEq as _;

use crate::{
    clock::Timestamp,
    ids::{BuyerId, Epoch, LONGEST_ID, PassId, SaleId},
    keys::{Ring, Secret},
};

const VERSION: u8 = 1;
const MAC_BYTES: usize = 16;
const HEAD_BYTES: usize = 46;
const FLAG_BOUND: u8 = 1;
/// A ticket of the longest sale id; longer texts are refused.
const MAX_BYTES: usize = HEAD_BYTES + LONGEST_ID + MAC_BYTES;

/// A place in the queue of `sale`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ticket {
    pub sale: SaleId,
    /// Identifies the ticket within its sale: given in the order of arrival, from 1, and never to anybody else. Its
    /// position in the order of calls is its [`rank`](crate::rank).
    pub number: u64,
    pub buyer: BuyerId,
    /// The epoch in which the number was given.
    pub epoch: Epoch,
    pub joined_at: Timestamp,
    /// Whether it is valid only together with the session cookie that it was made for.
    pub bound: bool,
}

impl Ticket {
    /// The ticket's public id, which reveals nothing but sale and number.
    pub fn id(&self) -> String {
        format!("{}.{}", self.sale, self.number)
    }

    /// The id of the one pass that this ticket can ever become. It does not depend on the time of joining, which is
    /// lost with the queue store.
    pub fn pass_id(&self) -> PassId {
        PassId::derive(
            Timestamp::default(),
            &[self.sale.as_str().as_bytes(), &self.number.to_be_bytes(), self.buyer.as_bytes()],
        )
    }

    pub fn sign(&self, ring: &Ring) -> String {
        let key = ring.current();
        let sale = self.sale.as_str().as_bytes();
        let mut bytes = [0; MAX_BYTES];
        bytes[0] = VERSION;
        bytes[1..5].copy_from_slice(&key.id.to_be_bytes());
        bytes[5] = if self.bound { FLAG_BOUND } else { 0 };
        bytes[6..14].copy_from_slice(&self.epoch.to_be_bytes());
        bytes[14..22].copy_from_slice(&self.number.to_be_bytes());
        bytes[22..30].copy_from_slice(&self.joined_at.as_millis().to_be_bytes());
        bytes[30..HEAD_BYTES].copy_from_slice(self.buyer.as_bytes());
        let end = HEAD_BYTES + sale.len();
        bytes[HEAD_BYTES..end].copy_from_slice(sale);
        let mac = mac(&key.secret, &bytes[..end]);
        bytes[end..end + MAC_BYTES].copy_from_slice(&mac);
        URL_SAFE_NO_PAD.encode(&bytes[..end + MAC_BYTES])
    }

    /// Reads a ticket that a key of `ring` signed; `None` for everything else.
    pub fn verify(ring: &Ring, text: &str) -> Option<Self> {
        let mut bytes = [0; MAX_BYTES];
        let length = URL_SAFE_NO_PAD.decode_slice(text, &mut bytes).ok()?;
        let (signed, given) = bytes[..length].split_last_chunk::<MAC_BYTES>()?;
        if signed.len() <= HEAD_BYTES || signed[0] != VERSION {
            return None;
        }
        let key = ring.find(u32::from_be_bytes(signed[1..5].try_into().ok()?))?;
        if !bool::from(mac(&key.secret, signed).ct_eq(given)) {
            return None;
        }
        Some(Self {
            bound: signed[5] & FLAG_BOUND != 0,
            epoch: i64::from_be_bytes(signed[6..14].try_into().ok()?),
            number: u64::from_be_bytes(signed[14..22].try_into().ok()?),
            joined_at: Timestamp::from_millis(i64::from_be_bytes(signed[22..30].try_into().ok()?)),
            buyer: BuyerId::from_bytes(signed[30..46].try_into().ok()?),
            sale: std::str::from_utf8(&signed[HEAD_BYTES..]).ok()?.parse().ok()?,
        })
    }
}

fn mac(secret: &Secret, bytes: &[u8]) -> [u8; MAC_BYTES] {
    let mut mac = secret.mac();
    mac.update(bytes);
    let mut short = [0; MAC_BYTES];
    short.copy_from_slice(&mac.finalize().into_bytes()[..MAC_BYTES]);
    short
}

/// The session of a client without cookies: derived from its idempotency key, the same in every process.
pub fn session_of_key(secret: &Secret, sale: &SaleId, key: &str) -> crate::ids::SessionId {
    let mut input = sale.as_str().as_bytes().to_vec();
    input.push(0);
    input.extend_from_slice(key.as_bytes());
    crate::ids::SessionId::from_bytes(mac(secret, &input))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::Keys;

    fn ticket() -> Ticket {
        Ticket {
            sale: "sneaker".parse().unwrap(),
            number: 42,
            buyer: BuyerId::from_bytes([3; 16]),
            epoch: 7,
            joined_at: Timestamp::from_millis(1_780_000_000_123),
            bound: true,
        }
    }

    #[test]
    fn a_ticket_survives_a_rotation_of_keys() {
        let mut keys = Keys::generate();
        let signed = ticket().sign(&keys.tickets);
        keys.rotate();
        assert_eq!(Ticket::verify(&keys.tickets, &signed), Some(ticket()));
    }

    #[test]
    fn a_ticket_of_the_longest_sale_id_reads_back_and_a_longer_text_is_refused() {
        let keys = Keys::generate();
        let longest = Ticket { sale: "s".repeat(LONGEST_ID).parse().unwrap(), ..ticket() };
        let signed = longest.sign(&keys.tickets);
        assert_eq!(Ticket::verify(&keys.tickets, &signed), Some(longest));
        assert_eq!(Ticket::verify(&keys.tickets, &format!("{signed}AAAA")), None);
    }

    #[test]
    fn an_edited_or_forged_ticket_is_refused() {
        let keys = Keys::generate();
        let signed = ticket().sign(&keys.tickets);
        for at in 0..signed.len() {
            let mut edited = signed.clone().into_bytes();
            edited[at] = if edited[at] == b'A' { b'B' } else { b'A' };
            let edited = String::from_utf8(edited).unwrap();
            assert_eq!(Ticket::verify(&keys.tickets, &edited), None, "byte {at}");
        }
        assert_eq!(Ticket::verify(&Keys::generate().tickets, &signed), None);
        for text in ["", "a", "....", &"A".repeat(5000)] {
            assert_eq!(Ticket::verify(&keys.tickets, text), None);
        }
    }

    #[test]
    fn a_key_identifies_one_session_per_sale() {
        let secret = Secret::from_bytes([1; 32]);
        let (a, b) = ("a".parse().unwrap(), "b".parse().unwrap());
        assert_eq!(session_of_key(&secret, &a, "k"), session_of_key(&secret, &a, "k"));
        assert_ne!(session_of_key(&secret, &a, "k"), session_of_key(&secret, &b, "k"));
    }
}
