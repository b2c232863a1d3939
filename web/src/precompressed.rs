//! Precompressed page templates: the HTML that all visitors share is rendered and compressed once, and the values of one
//! visitor are spliced in.
//!
//! A template is compiled from a page that was rendered with placeholders, random values that occur nowhere else. Each place
//! of a placeholder becomes a slot; the HTML between the slots becomes segments, compressed once. Rendering copies the
//! segments and puts a visitor's values into the slots. The same functions format placeholders and values.
//!
//! A rendered gzip file is one deflate stream. Each segment is deflated by itself, so it refers to nothing before it, and
//! ends inside the header of a stored block, which carries the values that follow uncompressed. The checksum of the file is
//! combined from those of the segments.

pub(crate) mod placeholder;
mod slot_values;

use std::sync::Arc;

use crc32fast::Hasher;
use flate2::Compress;

pub use self::slot_values::SlotValues;
use crate::{
    assets::{self, Asset},
    segment::{Segment, compressor},
};

/// A gzip header without a name, a time and a system.
const GZIP_HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];
/// The last block of a deflate stream, empty.
const LAST_BLOCK: [u8; 2] = [3, 0];
/// Bytes that one stored block carries at most.
const MAX_STORED_BLOCK: usize = u16::MAX as usize;
/// The assets of the pages that have templates; each is compressed once for all of them.
const ASSETS: [&Asset; 3] = [&assets::STYLE, &assets::SALE, &assets::LINE];
/// Compressing makes no text of fewer bytes smaller.
const MIN_COMPRESSED: usize = 48;
/// About the bytes of all values of a visitor.
const SLOT_VALUES_BYTES: usize = 512;

/// A page with slots.
#[derive(Debug)]
pub struct PrecompressedTemplate {
    parts: Vec<Part>,
    /// About the bytes of a page as HTML, to reserve them at once.
    html_bytes: usize,
    /// The same as a gzip file.
    gzip_bytes: usize,
}

/// A compressed segment, and what follows it uncompressed.
#[derive(Debug)]
struct Part {
    segment: Arc<Segment>,
    inline: Vec<Inline>,
}

#[derive(Debug)]
enum Inline {
    /// Shared HTML that is too short to be compressed.
    Text(String),
    /// The place of one of the visitor's values.
    Slot(usize),
}

impl Inline {
    fn text<'t>(&'t self, values: &'t SlotValues) -> &'t str {
        match self {
            Self::Text(text) => text,
            Self::Slot(slot) => values.get(*slot),
        }
    }
}

impl PrecompressedTemplate {
    /// Compiles a page that was rendered with `placeholders`.
    ///
    /// `None` when placeholders overlap, or the page begins with one.
    pub(crate) fn compile(html: &str, placeholders: &SlotValues) -> Option<Self> {
        let mut template = Self { parts: Vec::new(), html_bytes: SLOT_VALUES_BYTES, gzip_bytes: SLOT_VALUES_BYTES };
        let (mut rest, mut compressor) = (html, compressor());
        while let Some((at, asset)) = first_asset(rest) {
            template.add_html(&rest[..at], placeholders, &mut compressor)?;
            template.add_segment(Arc::clone(asset.segment()?));
            rest = &rest[at + asset.text().len()..];
        }
        template.add_html(rest, placeholders, &mut compressor)?;
        Some(template)
    }

    fn add_html(&mut self, html: &str, placeholders: &SlotValues, compressor: &mut Compress) -> Option<()> {
        let mut slots: Vec<(usize, usize)> = placeholders
            .iter()
            .flat_map(|(slot, text)| html.match_indices(text).map(move |(at, _)| (at, slot)))
            .collect();
        slots.sort_unstable();
        let mut done = 0;
        for (at, slot) in slots {
            self.add_text(html.get(done..at)?, compressor)?;
            self.parts.last_mut()?.inline.push(Inline::Slot(slot));
            done = at + placeholders.get(slot).len();
        }
        self.add_text(html.get(done..)?, compressor)
    }

    fn add_text(&mut self, text: &str, compressor: &mut Compress) -> Option<()> {
        match self.parts.last_mut() {
            Some(last) if text.len() < MIN_COMPRESSED => {
                self.html_bytes += text.len();
                self.gzip_bytes += text.len();
                last.inline.push(Inline::Text(text.to_owned()));
            }
            _ => self.add_segment(Arc::new(Segment::compress(text, compressor)?)),
        }
        Some(())
    }

    fn add_segment(&mut self, segment: Arc<Segment>) {
        self.html_bytes += segment.text().len();
        self.gzip_bytes += segment.deflated().len() + size_of::<u32>();
        self.parts.push(Part { segment, inline: Vec::new() });
    }

    /// The page as HTML.
    pub fn render(&self, values: &SlotValues) -> String {
        let mut page = String::with_capacity(self.html_bytes);
        for part in &self.parts {
            page.push_str(part.segment.text());
            for inline in &part.inline {
                page.push_str(inline.text(values));
            }
        }
        page
    }

    /// The page as a gzip file.
    pub fn render_gzip(&self, values: &SlotValues) -> Vec<u8> {
        let mut file = Vec::with_capacity(self.gzip_bytes);
        file.extend_from_slice(&GZIP_HEADER);
        let (mut crc, mut bytes, mut inline) = (0, 0_u64, String::with_capacity(SLOT_VALUES_BYTES));
        for part in &self.parts {
            file.extend_from_slice(part.segment.deflated());
            inline.clear();
            inline.extend(part.inline.iter().map(|inline| inline.text(values)));
            write_stored_block(&mut file, inline.as_bytes());
            let mut hasher = Hasher::new_with_initial(part.segment.crc_after(crc));
            hasher.update(inline.as_bytes());
            crc = hasher.finalize();
            bytes += (part.segment.text().len() + inline.len()) as u64;
        }
        file.extend_from_slice(&LAST_BLOCK);
        file.extend_from_slice(&crc.to_le_bytes());
        // Gzip keeps the lowest four bytes of the length.
        file.extend_from_slice(&bytes.to_le_bytes()[..4]);
        file
    }
}

/// Writes the length and the bytes of a stored block whose type bits are written already; a longer text continues in
/// further blocks.
fn write_stored_block(file: &mut Vec<u8>, text: &[u8]) {
    let (first, rest) = text.split_at(text.len().min(MAX_STORED_BLOCK));
    let [low, high, ..] = first.len().to_le_bytes();
    file.extend_from_slice(&[low, high, !low, !high]);
    file.extend_from_slice(first);
    if !rest.is_empty() {
        file.push(0);
        write_stored_block(file, rest);
    }
}

fn first_asset(html: &str) -> Option<(usize, &'static Asset)> {
    ASSETS.into_iter().filter_map(|asset| Some((find(html, asset.text())?, asset))).min_by_key(|(at, _)| *at)
}

/// Searches for the first bytes of a long text, because preparing a search for all of it takes longer than the search.
fn find(html: &str, text: &str) -> Option<usize> {
    let beginning = text.get(..32).unwrap_or(text);
    html.match_indices(beginning).map(|(at, _)| at).find(|at| html[*at..].starts_with(text))
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use flate2::read::GzDecoder;

    use super::*;

    fn values(list: &[&str]) -> SlotValues {
        let mut values = SlotValues::default();
        for value in list {
            values.add(value);
        }
        values
    }

    fn unpacked(file: &[u8]) -> String {
        let mut page = String::new();
        GzDecoder::new(file).read_to_string(&mut page).unwrap();
        page
    }

    #[test]
    fn a_template_renders_its_values_compressed_or_not() {
        let filler = "shared HTML is compressed once ".repeat(40);
        let page = |name: &str, number: &str| format!("<p>{filler}{name}, {number}:{number}</p>{filler}{name}");
        let template =
            PrecompressedTemplate::compile(&page("Mx Placeholder", "8211"), &values(&["Mx Placeholder", "8211", ""]))
                .unwrap();
        let long = "x".repeat(3 * MAX_STORED_BLOCK + 1);
        for (name, number) in [("Ada", "1"), ("", ""), ("한 켤레", "1,234,567"), (&long, "2")] {
            let own = values(&[name, number, "a slot that no page has"]);
            assert_eq!(template.render(&own), page(name, number));
            assert_eq!(unpacked(&template.render_gzip(&own)), page(name, number));
        }
        assert!(template.render_gzip(&values(&["Ada", "1"])).len() < filler.len() / 4);
    }

    #[test]
    fn a_page_that_begins_with_a_slot_or_whose_slots_overlap_does_not_compile() {
        assert!(PrecompressedTemplate::compile("number 8211", &values(&["8211"])).is_some());
        assert!(PrecompressedTemplate::compile("8211 is the number", &values(&["8211"])).is_none());
        assert!(PrecompressedTemplate::compile("number 8211", &values(&["ber 82", "8211"])).is_none());
    }
}
