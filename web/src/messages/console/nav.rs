//! The links on top of every page of the console.

/// Every page of the console.
#[derive(Debug)]
pub(crate) struct ConsoleNavMessages {
    pub(crate) name: &'static str,
    pub(crate) sales: &'static str,
    pub(crate) mailbox: &'static str,
    pub(crate) sign_out: &'static str,
}

pub(super) const KO: ConsoleNavMessages =
    ConsoleNavMessages { name: "콘솔", sales: "판매", mailbox: "메일함", sign_out: "로그아웃" };

pub(super) const EN: ConsoleNavMessages =
    ConsoleNavMessages { name: "Console", sales: "Sales", mailbox: "Mailbox", sign_out: "Sign out" };
