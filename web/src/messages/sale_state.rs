//! The label of each state of a sale.

use sale::SaleState;

use crate::plain::Plain;

/// A label for each state.
#[derive(Debug)]
pub(crate) struct SaleStateMessages {
    pub(crate) scheduled: &'static str,
    pub(crate) lobby: &'static str,
    pub(crate) open: &'static str,
    pub(crate) paused: &'static str,
    pub(crate) draining: &'static str,
    pub(crate) sold_out: &'static str,
    pub(crate) closed: &'static str,
}

impl SaleStateMessages {
    pub(crate) fn label(&self, state: impl Plain<SaleState>) -> &'static str {
        match state.plain() {
            SaleState::Scheduled => self.scheduled,
            SaleState::Lobby => self.lobby,
            SaleState::Open => self.open,
            SaleState::Paused => self.paused,
            SaleState::Draining => self.draining,
            SaleState::SoldOut => self.sold_out,
            SaleState::Closed => self.closed,
        }
    }
}

pub(super) const KO: SaleStateMessages = SaleStateMessages {
    scheduled: "오픈 예정",
    lobby: "입장 대기",
    open: "판매 중",
    paused: "일시 중지",
    draining: "마무리 중",
    sold_out: "품절",
    closed: "종료",
};

pub(super) const EN: SaleStateMessages = SaleStateMessages {
    scheduled: "Opens soon",
    lobby: "Lobby",
    open: "Open",
    paused: "Paused",
    draining: "Ending",
    sold_out: "Sold out",
    closed: "Closed",
};
