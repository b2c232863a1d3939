//! What several pages say.

use super::Plural;

/// What several pages say.
#[derive(Debug)]
pub(crate) struct CommonMessages {
    pub(crate) languages: &'static str,
    pub(crate) kst: &'static str,
    pub(crate) days: Plural,
    pub(crate) units: Plural,
    pub(crate) seconds: Plural,
    pub(crate) minutes: Plural,
    pub(crate) all_sales: &'static str,
    pub(crate) to_sale: &'static str,
    pub(crate) to_place: &'static str,
    pub(crate) to_checkout: &'static str,
    pub(crate) to_order: &'static str,
    pub(crate) join: &'static str,
    pub(crate) join_again: &'static str,
    pub(crate) trace: &'static str,
    pub(crate) reload: &'static str,
    pub(crate) footer: &'static str,
}

pub(super) const KO: CommonMessages = CommonMessages {
    languages: "언어",
    kst: "한국\u{a0}시각",
    days: Plural::same("{n}일"),
    units: Plural::same("{n}개"),
    seconds: Plural::same("{n}초"),
    minutes: Plural::same("{n}분"),
    all_sales: "모든 판매 보기",
    to_sale: "판매 페이지로 돌아가기",
    to_place: "내 순서 보기",
    to_checkout: "주문하러 가기",
    to_order: "내 주문 보기",
    join: "줄 서기",
    join_again: "다시 줄 서기",
    trace: "문의 시 참조 번호:",
    reload: "새로고침",
    footer: "오픈런이 순서를 지킵니다. 브라우저마다 한 자리이며, 상품은 중복 없이 한 번만 판매됩니다.",
};

pub(super) const EN: CommonMessages = CommonMessages {
    languages: "Language",
    kst: "KST",
    days: Plural { one: "{n} day", other: "{n} days" },
    units: Plural { one: "{n} unit", other: "{n} units" },
    seconds: Plural { one: "{n} second", other: "{n} seconds" },
    minutes: Plural { one: "{n} minute", other: "{n} minutes" },
    all_sales: "All sales",
    to_sale: "Back to the sale",
    to_place: "See my place in line",
    to_checkout: "Go to checkout",
    to_order: "See my order",
    join: "Join the line",
    join_again: "Join the line again",
    trace: "Support reference:",
    reload: "Reload this page",
    footer: "Openrun keeps the line: one place per browser, and every unit is sold once.",
};
