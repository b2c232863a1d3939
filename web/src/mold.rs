//! Molds: a page made once for many visitors, with holes where it speaks to one of them alone.
//!
//! A mold is cast from the page as a *model* gets it: a visitor whose values are drawn at random, so that their texts
//! stand nowhere else. Where they stand the mold has holes, and what lies between is packed once. Whoever comes fills
//! in the texts of their own, which the same functions wrote.
//!
//! Packed, a page is one gzip stream of ready pieces. Each is deflated by itself, so it refers to nothing before it, and
//! ends inside the head of a stored block, so the texts that follow go in as they are. The checksum is put together from
//! those of the pieces.

pub(crate) mod model;
mod piece;
mod texts;

use std::sync::Arc;

use crc32fast::Hasher;
use flate2::Compress;

pub(crate) use self::piece::{Piece, packer};
pub use self::texts::Texts;
use crate::assets::{self, Asset};

/// A gzip header that tells nothing: no name, no time, no system.
const HEAD: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];
/// The last block of a deflate stream, with nothing in it.
const END: [u8; 2] = [3, 0];
/// The most that one stored block carries.
const LARGEST_STORED: usize = u16::MAX as usize;
/// The assets of the pages that have molds; each is packed once for all of them.
const ASSETS: [&Asset; 3] = [&assets::STYLE, &assets::SALE, &assets::LINE];
/// A shorter text is not made shorter by packing it.
const SHORTEST_PACKED: usize = 48;
/// What the texts of a visitor take in all, about.
const TEXTS_BYTES: usize = 512;

/// A page with holes.
#[derive(Debug)]
pub struct Mold {
    sections: Vec<Section>,
    plain_bytes: usize,
    packed_bytes: usize,
}

/// A packed piece, and the texts after it that go in as they are.
#[derive(Debug)]
struct Section {
    piece: Arc<Piece>,
    stored: Vec<Stored>,
}

#[derive(Debug)]
enum Stored {
    /// Too short to be packed.
    Fixed(String),
    /// A place for one of the visitor's texts.
    Hole(usize),
}

impl Stored {
    fn text<'t>(&'t self, texts: &'t Texts) -> &'t str {
        match self {
            Self::Fixed(text) => text,
            Self::Hole(nth) => texts.nth(*nth),
        }
    }
}

impl Mold {
    /// Casts a mold from the page of a model and the texts that are the model's own.
    ///
    /// `None` where that cannot be done: the model's texts overlap, or the page begins with one.
    pub(crate) fn cast(html: &str, model: &Texts) -> Option<Self> {
        let mut mold = Self { sections: Vec::new(), plain_bytes: TEXTS_BYTES, packed_bytes: TEXTS_BYTES };
        let (mut rest, mut packer) = (html, packer());
        while let Some((at, asset)) = first_asset(rest) {
            mold.take_text(&rest[..at], model, &mut packer)?;
            mold.add_piece(Arc::clone(asset.piece()?));
            rest = &rest[at + asset.text().len()..];
        }
        mold.take_text(rest, model, &mut packer)?;
        Some(mold)
    }

    fn take_text(&mut self, html: &str, model: &Texts, packer: &mut Compress) -> Option<()> {
        let mut holes: Vec<(usize, usize)> =
            model.each().flat_map(|(nth, text)| html.match_indices(text).map(move |(at, _)| (at, nth))).collect();
        holes.sort_unstable();
        let mut done = 0;
        for (at, nth) in holes {
            self.take_fixed(html.get(done..at)?, packer)?;
            self.sections.last_mut()?.stored.push(Stored::Hole(nth));
            done = at + model.nth(nth).len();
        }
        self.take_fixed(html.get(done..)?, packer)
    }

    fn take_fixed(&mut self, text: &str, packer: &mut Compress) -> Option<()> {
        match self.sections.last_mut() {
            Some(last) if text.len() < SHORTEST_PACKED => {
                self.plain_bytes += text.len();
                self.packed_bytes += text.len();
                last.stored.push(Stored::Fixed(text.to_owned()));
            }
            _ => self.add_piece(Arc::new(Piece::of(text, packer)?)),
        }
        Some(())
    }

    fn add_piece(&mut self, piece: Arc<Piece>) {
        self.plain_bytes += piece.text().len();
        self.packed_bytes += piece.packed().len() + size_of::<u32>();
        self.sections.push(Section { piece, stored: Vec::new() });
    }

    /// The page as it is.
    pub fn plain(&self, texts: &Texts) -> String {
        let mut page = String::with_capacity(self.plain_bytes);
        for section in &self.sections {
            page.push_str(section.piece.text());
            for stored in &section.stored {
                page.push_str(stored.text(texts));
            }
        }
        page
    }

    /// The page as a gzip file.
    pub fn packed(&self, texts: &Texts) -> Vec<u8> {
        let mut file = Vec::with_capacity(self.packed_bytes);
        file.extend_from_slice(&HEAD);
        let (mut sum, mut bytes, mut between) = (0, 0_u64, String::with_capacity(TEXTS_BYTES));
        for section in &self.sections {
            file.extend_from_slice(section.piece.packed());
            between.clear();
            between.extend(section.stored.iter().map(|stored| stored.text(texts)));
            store(&mut file, between.as_bytes());
            let mut hasher = Hasher::new_with_initial(section.piece.sum_after(sum));
            hasher.update(between.as_bytes());
            sum = hasher.finalize();
            bytes += (section.piece.text().len() + between.len()) as u64;
        }
        file.extend_from_slice(&END);
        file.extend_from_slice(&sum.to_le_bytes());
        // The length is told in four bytes, however long the page.
        file.extend_from_slice(&bytes.to_le_bytes()[..4]);
        file
    }
}

/// Writes what a stored block has after the bits that say that it is one; a text too long for it goes on in others.
fn store(file: &mut Vec<u8>, text: &[u8]) {
    let (first, rest) = text.split_at(text.len().min(LARGEST_STORED));
    let [low, high, ..] = first.len().to_le_bytes();
    file.extend_from_slice(&[low, high, !low, !high]);
    file.extend_from_slice(first);
    if !rest.is_empty() {
        file.push(0);
        store(file, rest);
    }
}

fn first_asset(html: &str) -> Option<(usize, &'static Asset)> {
    ASSETS.into_iter().filter_map(|asset| Some((find(html, asset.text())?, asset))).min_by_key(|(at, _)| *at)
}

/// Finds a long text by its beginning: preparing a search for all of it takes longer than the search.
fn find(html: &str, text: &str) -> Option<usize> {
    let beginning = text.get(..32).unwrap_or(text);
    html.match_indices(beginning).map(|(at, _)| at).find(|at| html[*at..].starts_with(text))
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use flate2::read::GzDecoder;

    use super::*;

    fn texts(list: &[&str]) -> Texts {
        let mut texts = Texts::default();
        for text in list {
            texts.add(text);
        }
        texts
    }

    fn unpacked(file: &[u8]) -> String {
        let mut page = String::new();
        GzDecoder::new(file).read_to_string(&mut page).unwrap();
        page
    }

    #[test]
    fn a_mold_says_what_is_filled_in_packed_and_plain() {
        let filler = "what is the same for everybody is packed once ".repeat(40);
        let page = |name: &str, number: &str| format!("<p>{filler}{name}, {number}:{number}</p>{filler}{name}");
        let mold = Mold::cast(&page("Mx Model", "8211"), &texts(&["Mx Model", "8211", ""])).unwrap();
        let long = "x".repeat(3 * LARGEST_STORED + 1);
        for (name, number) in [("Ada", "1"), ("", ""), ("한 켤레", "1,234,567"), (&long, "2")] {
            let own = texts(&[name, number, "never asked for"]);
            assert_eq!(mold.plain(&own), page(name, number));
            assert_eq!(unpacked(&mold.packed(&own)), page(name, number));
        }
        assert!(mold.packed(&texts(&["Ada", "1"])).len() < filler.len() / 4);
    }

    #[test]
    fn a_page_that_begins_with_a_hole_or_whose_holes_overlap_makes_no_mold() {
        assert!(Mold::cast("number 8211", &texts(&["8211"])).is_some());
        assert!(Mold::cast("8211 is the number", &texts(&["8211"])).is_none());
        assert!(Mold::cast("number 8211", &texts(&["ber 82", "8211"])).is_none());
    }
}
