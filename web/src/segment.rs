//! A segment: a part of a page that is the same for everybody, as text and deflated, with its checksum.

use crc32fast::Hasher;
use flate2::{Compress, Compression, FlushCompress};

/// The polynomial of gzip's CRC-32, its lowest power first.
const POLYNOMIAL: u32 = 0xedb8_8320;
/// x⁰ among such polynomials.
const ONE: u32 = 1 << 31;
/// The length fields of an empty stored block, with which a flush ends. They are cut off, and the length of the stored block
/// that follows the segment takes their place.
const EMPTY_STORED: [u8; 4] = [0, 0, 0xff, 0xff];

#[derive(Debug)]
pub(crate) struct Segment {
    text: String,
    deflated: Vec<u8>,
    crc: u32,
    /// x to the power of the text's length in bits: the factor for a checksum that this text follows.
    crc_shift: u32,
}

impl Segment {
    /// `None` for an empty text. The compressor is borrowed, because making one costs more than a segment.
    pub(crate) fn compress(text: &str, compressor: &mut Compress) -> Option<Self> {
        let mut shift = Hasher::new_with_initial_len(ONE, 0);
        shift.combine(&Hasher::new_with_initial_len(0, text.len() as u64));
        Some(Self {
            text: text.to_owned(),
            deflated: deflate(text.as_bytes(), compressor)?,
            crc: crc32fast::hash(text.as_bytes()),
            crc_shift: shift.finalize(),
        })
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Deflated, up to and without the length of the stored block that follows.
    pub(crate) fn deflated(&self) -> &[u8] {
        &self.deflated
    }

    /// The checksum of a text with the checksum `before` followed by this one.
    pub(crate) fn crc_after(&self, before: u32) -> u32 {
        multiply(before, self.crc_shift) ^ self.crc
    }
}

/// The product of two polynomials modulo [`POLYNOMIAL`]. Without branches: the bits are random, and a mispredicted branch
/// costs more than the step.
fn multiply(one: u32, mut other: u32) -> u32 {
    let mut product = 0;
    for bit in (0..u32::BITS).rev() {
        product ^= other & (one >> bit & 1).wrapping_neg();
        other = (other >> 1) ^ (POLYNOMIAL & (other & 1).wrapping_neg());
    }
    product
}

/// Makes raw deflate streams, as they are inside a gzip file.
pub(crate) fn compressor() -> Compress {
    Compress::new(Compression::best(), false)
}

/// The full flush resets the window, so the next segment does not refer to this one.
fn deflate(text: &[u8], compressor: &mut Compress) -> Option<Vec<u8>> {
    // Enough for incompressible text, so that one call does it all.
    let mut deflated = Vec::with_capacity(text.len() + text.len() / 8 + 64);
    let flushed = compressor.compress_vec(text, &mut deflated, FlushCompress::Full);
    let is_whole = flushed.is_ok() && !text.is_empty() && deflated.ends_with(&EMPTY_STORED);
    deflated.truncate(deflated.len().saturating_sub(EMPTY_STORED.len()));
    deflated.shrink_to_fit();
    is_whole.then_some(deflated)
}
