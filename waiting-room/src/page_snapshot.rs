//! What this process shows of a sale as long as neither its frame nor its row changes, with the precompressed templates
//! of its pages.

use std::sync::Arc;

use parking_lot::RwLock;
use sale::{Language, SaleState};
use stores::database::sales::StockedSale;
use web::{pages::LineShape, precompressed::PrecompressedTemplate};

use crate::encoded_frame::EncodedFrame;

/// A frame and a sale of one moment, with the pages that were rendered from them.
pub struct PageSnapshot {
    pub encoded: Arc<EncodedFrame>,
    pub stocked: Arc<StockedSale>,
    pub templates: TemplateCache,
}

impl PageSnapshot {
    /// A snapshot without any template; each is compiled on its first request.
    pub fn new(encoded: Arc<EncodedFrame>, stocked: Arc<StockedSale>) -> Self {
        Self { encoded, stocked, templates: TemplateCache::default() }
    }

    /// The most people that can be ahead of a ticket; `None` where only the queue store knows.
    pub fn ahead(&self, number: u64) -> Option<u64> {
        self.encoded.ahead(self.stocked.sale.kind.rank(number)?)
    }
}

/// Identifies the template of a page. Visitors with the same key see the same page, except for their own values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TemplateKey {
    Sale { language: Language, state: SaleState, has_ticket: bool },
    Line { language: Language, state: SaleState, shape: LineShape },
}

/// The templates that were requested so far. They are few, because a snapshot lives as long as its frame.
#[derive(Default)]
pub struct TemplateCache(RwLock<Vec<Entry>>);

/// A key and its template; `None` when the page has to be rendered for each visitor.
type Entry = (TemplateKey, Option<Arc<PrecompressedTemplate>>);

impl TemplateCache {
    /// The template of a key. The first request compiles it while the others wait.
    pub fn get_or_compile(
        &self,
        key: TemplateKey,
        compile: impl FnOnce() -> Option<PrecompressedTemplate>,
    ) -> Option<Arc<PrecompressedTemplate>> {
        if let Some((_, template)) = find(&self.0.read(), key) {
            return template.clone();
        }
        let mut entries = self.0.write();
        if let Some((_, template)) = find(&entries, key) {
            return template.clone();
        }
        let template = compile().map(Arc::new);
        entries.push((key, template.clone()));
        template
    }
}

fn find(entries: &[Entry], key: TemplateKey) -> Option<&Entry> {
    entries.iter().find(|(cached, _)| *cached == key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_is_compiled_once() {
        let templates = TemplateCache::default();
        let mut compiled = 0;
        for language in [Language::Ko, Language::En, Language::Ko, Language::En] {
            let key = TemplateKey::Line { language, state: SaleState::Open, shape: LineShape::Waiting };
            templates.get_or_compile(key, || {
                compiled += 1;
                None
            });
        }
        assert_eq!(compiled, 2);
    }
}
