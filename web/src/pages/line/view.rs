//! What the waiting page shows, by where the ticket stands.

use sale::{Timestamp, standing::Eta};

use crate::{format::waiting_time, messages::LineMessages, precompressed::placeholder};

/// Where a ticket stands, as its owner sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LineView {
    /// The sale has not opened; the ticket waits.
    Lobby,
    /// In the line.
    Waiting {
        /// People ahead at most.
        ahead: u64,
        /// How long it takes, where that can be estimated.
        eta: Option<Eta>,
    },
    /// In the line, and the seller has paused.
    Paused {
        /// People ahead at most.
        ahead: u64,
    },
    /// It is this person's turn.
    Called {
        /// Until when to enter.
        until: Timestamp,
    },
    /// Missed the turn once; called again next.
    Late,
    /// Has a pass and has not reserved.
    Admitted,
    /// Has reserved with it.
    Consumed {
        /// The order, if the caller knows it.
        order: Option<String>,
    },
    /// Missed both turns.
    Expired,
    /// Left by own choice.
    Left,
    /// Every unit is sold.
    SoldOut,
    /// The sale is over.
    Closed,
}

/// Views whose page differs between visitors in numbers alone, so that they share a precompressed template.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LineShape {
    /// The sale has not opened.
    Lobby,
    /// In the line, with people ahead and without an estimate.
    Waiting,
    /// In the line, with people ahead and an estimate.
    WaitingForKnownTime,
    /// In the line, with people ahead, and the seller has paused.
    Paused,
    /// Every unit is sold.
    SoldOut,
    /// The sale is over.
    Closed,
}

impl LineView {
    /// Snake case; the script uses the same names.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Lobby => "lobby",
            Self::Waiting { .. } => "waiting",
            Self::Paused { .. } => "paused",
            Self::Called { .. } => "called",
            Self::Late => "late",
            Self::Admitted => "admitted",
            Self::Consumed { .. } => "consumed",
            Self::Expired => "expired",
            Self::Left => "left",
            Self::SoldOut => "sold_out",
            Self::Closed => "closed",
        }
    }

    /// The template that this view shares with others; `None` where its page differs in more than numbers.
    pub const fn shape(&self) -> Option<LineShape> {
        match self {
            Self::Waiting { ahead: 0 | 1, .. } | Self::Paused { ahead: 0 | 1 } => None,
            Self::Lobby => Some(LineShape::Lobby),
            Self::Waiting { eta: Some(_), .. } => Some(LineShape::WaitingForKnownTime),
            Self::Waiting { eta: None, .. } => Some(LineShape::Waiting),
            Self::Paused { .. } => Some(LineShape::Paused),
            Self::SoldOut => Some(LineShape::SoldOut),
            Self::Closed => Some(LineShape::Closed),
            Self::Called { .. } | Self::Late | Self::Admitted | Self::Consumed { .. } | Self::Expired | Self::Left => {
                None
            }
        }
    }

    /// The same view with placeholders.
    pub(super) fn placeholder(&self) -> Self {
        match self {
            Self::Waiting { eta, .. } => {
                let p50 = placeholder::number();
                let eta = eta.map(|_| Eta { p50, p90: p50.saturating_add(placeholder::number()) });
                Self::Waiting { ahead: placeholder::number(), eta }
            }
            Self::Paused { .. } => Self::Paused { ahead: placeholder::number() },
            other => other.clone(),
        }
    }

    pub(super) const fn ahead(&self) -> Option<u64> {
        if let Self::Waiting { ahead, .. } | Self::Paused { ahead } = self { Some(*ahead) } else { None }
    }

    pub(super) const fn eta(&self) -> Option<Eta> {
        if let Self::Waiting { eta, .. } = self { *eta } else { None }
    }

    pub(super) fn time(&self, messages: &LineMessages) -> String {
        match (self, self.eta()) {
            (Self::Paused { .. }, _) => messages.eta_paused.to_owned(),
            (_, Some(eta)) => waiting_time(messages, eta.p50, eta.p90),
            (_, None) => messages.eta_unknown.to_owned(),
        }
    }

    pub(super) const fn heading(&self, messages: &LineMessages) -> &'static str {
        match self {
            Self::Lobby => messages.lobby,
            Self::Waiting { .. } => messages.waiting,
            Self::Paused { .. } => messages.paused,
            Self::Called { .. } => messages.called,
            Self::Late => messages.late,
            Self::Admitted => messages.admitted,
            Self::Consumed { .. } => messages.consumed,
            Self::Expired => messages.expired,
            Self::Left => messages.left,
            Self::SoldOut => messages.sold_out,
            Self::Closed => messages.closed,
        }
    }
}

/// How many units are left, as one sentence.
pub(super) fn stock(messages: &LineMessages, view: &LineView, left: u64, held: u64) -> String {
    let ahead = view.ahead().unwrap_or(0);
    match (left, held) {
        (0, 0) => String::new(),
        (0, _) => messages.stock_in_hands.to_owned(),
        (left, held) if ahead >= left.saturating_add(held) => messages.stock_unlikely.of(left),
        (left, _) => messages.stock_about.of(left),
    }
}
