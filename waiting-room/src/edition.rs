//! An edition: what a room shows as long as neither its frame nor its sale changes, with the molds of its pages.

use std::sync::Arc;

use parking_lot::RwLock;
use sale::{Language, SaleState};
use stores::database::sales::StockedSale;
use web::{mold::Mold, pages::LineShape};

use crate::room::Shown;

pub struct Edition {
    pub shown: Arc<Shown>,
    pub known: Arc<StockedSale>,
    pub molds: Molds,
}

impl Edition {
    pub fn new(shown: Arc<Shown>, known: Arc<StockedSale>) -> Self {
        Self { shown, known, molds: Molds::default() }
    }
}

/// A page of an edition: all who see it see the same, except for what is said to each alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    Sale { language: Language, state: SaleState, has_ticket: bool },
    Line { language: Language, state: SaleState, shape: LineShape },
}

/// The molds of the forms that somebody has asked for. Few: an edition is a moment of a sale.
#[derive(Default)]
pub struct Molds(RwLock<Vec<Cast>>);

/// A form and its mold; without one, the page is rendered for each.
type Cast = (Form, Option<Arc<Mold>>);

impl Molds {
    /// The mold of a form; whoever asks first casts it, and the others wait for that.
    pub fn of(&self, form: Form, cast: impl FnOnce() -> Option<Mold>) -> Option<Arc<Mold>> {
        if let Some((_, mold)) = found(&self.0.read(), form) {
            return mold.clone();
        }
        let mut molds = self.0.write();
        if let Some((_, mold)) = found(&molds, form) {
            return mold.clone();
        }
        let mold = cast().map(Arc::new);
        molds.push((form, mold.clone()));
        mold
    }
}

fn found(molds: &[Cast], form: Form) -> Option<&Cast> {
    molds.iter().find(|(cast, _)| *cast == form)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_cast_once() {
        let molds = Molds::default();
        let mut casts = 0;
        for language in [Language::Ko, Language::En, Language::Ko, Language::En] {
            let form = Form::Line { language, state: SaleState::Open, shape: LineShape::Waiting };
            molds.of(form, || {
                casts += 1;
                None
            });
        }
        assert_eq!(casts, 2);
    }
}
