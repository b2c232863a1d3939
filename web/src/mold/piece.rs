//! A piece of a page that is the same for everybody: as it is, deflated, and what it adds to the checksum.

use crc32fast::Hasher;
use flate2::{Compress, Compression, FlushCompress};

/// The polynomial of gzip's CRC-32, its lowest power first.
const POLYNOMIAL: u32 = 0xedb8_8320;
/// x⁰ among such polynomials.
const ONE: u32 = 1 << 31;
/// What a flush ends with: the length of an empty stored block, which the next text takes the place of.
const EMPTY_STORED: [u8; 4] = [0, 0, 0xff, 0xff];

#[derive(Debug)]
pub(crate) struct Piece {
    text: String,
    packed: Vec<u8>,
    sum: u32,
    /// x to the power of the text's bits: what a checksum is multiplied by when the text follows.
    shift: u32,
}

impl Piece {
    /// `None` for an empty text. The packer is only lent, because making one costs more than a piece.
    pub(crate) fn of(text: &str, packer: &mut Compress) -> Option<Self> {
        let mut shift = Hasher::new_with_initial_len(ONE, 0);
        shift.combine(&Hasher::new_with_initial_len(0, text.len() as u64));
        Some(Self {
            text: text.to_owned(),
            packed: deflated(text.as_bytes(), packer)?,
            sum: crc32fast::hash(text.as_bytes()),
            shift: shift.finalize(),
        })
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Deflated, up to where a stored block tells its length.
    pub(crate) fn packed(&self) -> &[u8] {
        &self.packed
    }

    /// The checksum of a text with the checksum `before` and this one after it.
    pub(crate) fn sum_after(&self, before: u32) -> u32 {
        multiply(before, self.shift) ^ self.sum
    }
}

/// Without branches: whether a bit is set is a matter of chance, and a wrong guess costs more than the step.
fn multiply(one: u32, mut other: u32) -> u32 {
    let mut product = 0;
    for bit in (0..u32::BITS).rev() {
        product ^= other & (one >> bit & 1).wrapping_neg();
        other = (other >> 1) ^ (POLYNOMIAL & (other & 1).wrapping_neg());
    }
    product
}

/// A packer of pieces: raw deflate, as it stands within a gzip file.
pub(crate) fn packer() -> Compress {
    Compress::new(Compression::best(), false)
}

/// The full flush makes the packer forget the text, so the next piece does not refer to it.
fn deflated(text: &[u8], packer: &mut Compress) -> Option<Vec<u8>> {
    // Room for what cannot be made shorter, so that one call does it all.
    let mut packed = Vec::with_capacity(text.len() + text.len() / 8 + 64);
    let flushed = packer.compress_vec(text, &mut packed, FlushCompress::Full);
    let is_whole = flushed.is_ok() && !text.is_empty() && packed.ends_with(&EMPTY_STORED);
    packed.truncate(packed.len().saturating_sub(EMPTY_STORED.len()));
    packed.shrink_to_fit();
    is_whole.then_some(packed)
}
