//! `/console`: the seller's sales.

/// The list of sales.
#[derive(Debug)]
pub(crate) struct ConsoleSalesMessages {
    pub(crate) none: &'static str,
    pub(crate) create: &'static str,
    pub(crate) reset: &'static str,
    pub(crate) reset_what: &'static str,
    pub(crate) reset_do: &'static str,
}

pub(super) const KO: ConsoleSalesMessages = ConsoleSalesMessages {
    none: "아직 판매가 없습니다.",
    create: "판매 만들기",
    reset: "데모 초기화",
    reset_what: "데모의 판매, 주문, 메일을 모두 지우고 처음부터 시작합니다.",
    reset_do: "모두 지우고 다시 시작",
};

pub(super) const EN: ConsoleSalesMessages = ConsoleSalesMessages {
    none: "There is no sale yet.",
    create: "Create a sale",
    reset: "Reset the demo",
    reset_what: "Removes every sale, order and mail of the demo and starts it from the beginning.",
    reset_do: "Remove everything and start again",
};
