//! An edition: what a room shows as long as neither its frame nor its sale changes, with the molds of its pages.

use std::sync::Arc;

use parking_lot::RwLock;
use stores::database::sales::StockedSale;
use web::{
    Lang,
    mold::Mold,
    pages::{LineShape, SaleState},
};

use crate::room::Shown;

pub struct Edition {
    pub shown: Arc<Shown>,
    pub known: Arc<StockedSale>,
    /// Few: an edition is a moment of a sale, and only forms that somebody asked for are cast.
    molds: RwLock<Vec<Cast>>,
}

/// A form and its mold; without one, the page is rendered for each.
type Cast = (Form, Option<Arc<Mold>>);

/// A page of an edition: all who see it see the same, except for what is said to each alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    Sale { lang: Lang, state: SaleState, has_ticket: bool },
    Line { lang: Lang, state: SaleState, shape: LineShape },
}

impl Edition {
    pub const fn new(shown: Arc<Shown>, known: Arc<StockedSale>) -> Self {
        Self { shown, known, molds: RwLock::new(Vec::new()) }
    }

    /// The mold of a form; whoever asks first casts it, and the others wait for that.
    pub fn mold(&self, form: Form, cast: impl FnOnce() -> Option<Mold>) -> Option<Arc<Mold>> {
        if let Some((_, mold)) = found(&self.molds.read(), form) {
            return mold.clone();
        }
        let mut molds = self.molds.write();
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
    use sale::{
        Admission, Frame, Sale, Text, Timestamp,
        sale::{Kind, Mode},
    };

    use super::*;

    fn known() -> StockedSale {
        let at = Timestamp::default();
        let sale = Sale {
            id: "s".parse().unwrap(),
            kind: Kind::OpenRun,
            name: Text { ko: "s".to_owned(), en: "s".to_owned() },
            opens_at: at,
            closes_at: None,
            items: Vec::new(),
            per_buyer_limit: 1,
            hold_seconds: 600,
            enter_seconds: 120,
            pass_seconds: 600,
            admission: Admission { mode: Mode::Manual, per_minute: 0, max_active: 1, overcall: 0.0 },
            message: None,
            paused: false,
            closing: false,
            closed: false,
            epoch: 0,
            version: 1,
            created_at: at,
        };
        StockedSale { sale, stock: Vec::new(), ceiling: 0, cursor: 0 }
    }

    #[test]
    fn a_form_is_cast_once() {
        let shown = Arc::new(Shown::unwritten(Frame::empty("s".parse().unwrap())));
        let edition = Edition::new(shown, Arc::new(known()));
        let mut casts = 0;
        for lang in [Lang::Ko, Lang::En, Lang::Ko, Lang::En] {
            let form = Form::Line { lang, state: SaleState::Open, shape: LineShape::Waiting };
            edition.mold(form, || {
                casts += 1;
                None
            });
        }
        assert_eq!(casts, 2);
    }
}
