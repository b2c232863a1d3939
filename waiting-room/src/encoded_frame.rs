//! The frame of a sale, encoded once: every response of every connection shares the same bytes.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use bytes::Bytes;
use http::HeaderValue;
use sale::{Frame, Rank, standing::PrefixSums};

/// A frame with the bytes of each form in which it is sent.
#[derive(Debug)]
pub struct EncodedFrame {
    pub frame: Frame,
    /// Whether the admission leader published it, so that every process shows the same.
    is_published: bool,
    prefix_sums: PrefixSums,
    pub json: Bytes,
    pub etag: HeaderValue,
    /// As a server-sent event.
    pub event: Bytes,
    /// The event as a chunk of HTTP/1.1.
    pub chunk: Bytes,
}

impl EncodedFrame {
    /// A frame of the admission leader; `json` are the bytes that it published.
    pub fn published(frame: Frame, json: Bytes) -> Self {
        let etag = format!("\"{}-{}\"", frame.epoch, frame.tick);
        Self::encode(frame, true, json, &etag)
    }

    /// A frame that this process composed itself: before the first published one, and while a store is unavailable. Its
    /// tick does not identify it, so the `ETag` contains a hash of its content.
    pub fn unpublished(frame: Frame) -> Self {
        let json = serde_json::to_vec(&frame).unwrap_or_default();
        let mut hash = DefaultHasher::new();
        json.hash(&mut hash);
        let etag = format!("\"{}-{}-{:016x}\"", frame.epoch, frame.tick, hash.finish());
        Self::encode(frame, false, json.into(), &etag)
    }

    fn encode(frame: Frame, is_published: bool, json: Bytes, etag: &str) -> Self {
        let mut event = format!("event: frame\nid: {}\ndata: ", frame.tick).into_bytes();
        event.extend_from_slice(&json);
        event.extend_from_slice(b"\n\n");
        let mut chunk = format!("{:x}\r\n", event.len()).into_bytes();
        let event_start = chunk.len();
        chunk.extend_from_slice(&event);
        chunk.extend_from_slice(b"\r\n");
        let chunk = Bytes::from(chunk);
        let event = chunk.slice(event_start..event_start + event.len());
        let etag = HeaderValue::from_str(etag).unwrap_or(HeaderValue::from_static("\"\""));
        Self { prefix_sums: PrefixSums::of(&frame), frame, is_published, json, etag, event, chunk }
    }

    /// Whether this process cannot read the leader's frames, while another process may already have shown fewer people
    /// ahead.
    pub const fn is_stale(&self) -> bool {
        !self.is_published && self.frame.trouble.is_some()
    }

    /// The most people that can be ahead of a rank, as [`sale::standing::ahead`] computes it.
    pub fn ahead(&self, rank: Rank) -> Option<u64> {
        self.prefix_sums.ahead(&self.frame, rank)
    }
}

#[cfg(test)]
mod tests {
    use sale::frame::Trouble;

    use super::*;

    #[test]
    fn unpublished_frames_with_different_content_have_different_etags() {
        let etag = |frame| EncodedFrame::unpublished(frame).etag;
        let empty = Frame::empty("s".parse().unwrap());
        let restoring = Frame { trouble: Some(Trouble::Restoring), waiting: 3, ..empty.clone() };
        assert_eq!(etag(empty.clone()), etag(empty.clone()));
        assert_ne!(etag(empty.clone()), etag(restoring));
        assert_ne!(etag(empty.clone()), etag(Frame { waiting: 1, ..empty }));
    }
}
