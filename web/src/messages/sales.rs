//! `/`: the list of sales.

use super::Message;

/// The list of sales.
#[derive(Debug)]
pub(crate) struct SalesMessages {
    pub(crate) title: &'static str,
    pub(crate) none: &'static str,
    pub(crate) do_scheduled: &'static str,
    pub(crate) do_open: &'static str,
    pub(crate) do_paused: &'static str,
    pub(crate) do_over: &'static str,
    pub(crate) opens: &'static str,
    pub(crate) left_of: Message,
    pub(crate) demo_title: &'static str,
    pub(crate) demo_join: &'static str,
    pub(crate) demo_pay: &'static str,
    pub(crate) demo_console: &'static str,
    pub(crate) console_link: &'static str,
}

pub(super) const KO: SalesMessages = SalesMessages {
    title: "판매",
    none: "지금은 진행 중인 판매가 없습니다.",
    do_scheduled: "오픈 시각 보기",
    do_open: "판매 페이지로 가기",
    do_paused: "판매 페이지로 가기",
    do_over: "판매 페이지 보기",
    opens: "오픈",
    left_of: Message("{}개 남음 (전체 {}개)"),
    demo_title: "데모입니다. 이렇게 해 보십시오.",
    demo_join: "아래 판매에서 줄을 서 보십시오. 가상의 구매자들이 함께 줄을 서며, 1분 안에 차례가 옵니다.",
    demo_pay: "상품을 확보하고 결제 결과를 골라 보십시오. 성공, 거절, 중단이 있으며, 결제되지 않은 상품은 다음 분께 넘어갑니다.",
    demo_console: "콘솔을 나란히 열고 호출 속도를 바꾸면 줄의 속도가 달라집니다.",
    console_link: "콘솔 열기",
};

pub(super) const EN: SalesMessages = SalesMessages {
    title: "Sales",
    none: "There is no sale at the moment.",
    do_scheduled: "See when it opens",
    do_open: "Go to the sale",
    do_paused: "Go to the sale",
    do_over: "See the sale",
    opens: "Opens",
    left_of: Message("{} of {} left"),
    demo_title: "This is the demo. Try this:",
    demo_join: "Join the line of the sale below. Simulated buyers stand in it too, and your turn comes in less than a minute.",
    demo_pay: "Reserve a unit, then pick a test outcome: paid, declined, or abandoned. An unpaid unit goes to the next person in line.",
    demo_console: "Open the console next to this page, change the rate, and watch the line speed up or slow down.",
    console_link: "Open the console",
};
