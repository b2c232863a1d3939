//! `/console/mailbox`: the mails of an installation without a mail server.

/// The mailbox.
#[derive(Debug)]
pub(crate) struct ConsoleMailboxMessages {
    pub(crate) none: &'static str,
    pub(crate) to: &'static str,
    pub(crate) subject: &'static str,
    pub(crate) at: &'static str,
    pub(crate) what: &'static str,
}

pub(super) const KO: ConsoleMailboxMessages = ConsoleMailboxMessages {
    none: "아직 보낸 메일이 없습니다.",
    to: "받는 사람",
    subject: "제목",
    at: "보낸 시각",
    what: "메일 서버를 설정하기 전까지 메일을 보내지 않고 여기에 보관합니다.",
};

pub(super) const EN: ConsoleMailboxMessages = ConsoleMailboxMessages {
    none: "No mail has been sent yet.",
    to: "To",
    subject: "Subject",
    at: "Sent",
    what: "Mails are kept here instead of being sent, until a mail server is set.",
};
