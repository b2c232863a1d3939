//! `/console/sales/{sale}/orders`: the orders of a sale.

/// The orders of a sale.
#[derive(Debug)]
pub(crate) struct ConsoleOrdersMessages {
    pub(crate) order: &'static str,
    pub(crate) state: &'static str,
    pub(crate) units: &'static str,
    pub(crate) total: &'static str,
    pub(crate) placed: &'static str,
    pub(crate) none: &'static str,
    pub(crate) more: &'static str,
}

pub(super) const KO: ConsoleOrdersMessages = ConsoleOrdersMessages {
    order: "주문",
    state: "상태",
    units: "수량",
    total: "합계",
    placed: "주문 시각",
    none: "아직 주문이 없습니다.",
    more: "이전 주문 보기",
};

pub(super) const EN: ConsoleOrdersMessages = ConsoleOrdersMessages {
    order: "Order",
    state: "State",
    units: "Units",
    total: "Total",
    placed: "Placed",
    none: "There is no order yet.",
    more: "Older orders",
};
