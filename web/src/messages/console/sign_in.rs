//! `/console/sign-in`.

/// Signing in by a link.
#[derive(Debug)]
pub(crate) struct ConsoleSignInMessages {
    pub(crate) title: &'static str,
    pub(crate) how: &'static str,
    pub(crate) command: &'static str,
    pub(crate) demo: &'static str,
    pub(crate) confirm_title: &'static str,
    pub(crate) confirm_what: &'static str,
    pub(crate) confirm_do: &'static str,
    pub(crate) used_title: &'static str,
    pub(crate) used_what: &'static str,
}

pub(super) const KO: ConsoleSignInMessages = ConsoleSignInMessages {
    title: "콘솔 로그인",
    how: "콘솔은 한 번만 쓸 수 있는 링크로 열립니다. 운영자가 다음 명령으로 링크를 만듭니다.",
    command: "openrun seller add EMAIL",
    demo: "데모에서는 시작할 때 링크가 화면에 출력됩니다.",
    confirm_title: "콘솔 로그인",
    confirm_what: "링크는 한 번만 쓸 수 있습니다. 링크를 열 때가 아니라 버튼을 누를 때 사용됩니다.",
    confirm_do: "로그인",
    used_title: "더 이상 쓸 수 없는 링크입니다",
    used_what: "이미 사용했거나 만료되었습니다. 새 링크를 요청해 주십시오.",
};

pub(super) const EN: ConsoleSignInMessages = ConsoleSignInMessages {
    title: "Sign in to the console",
    how: "The console opens with a link that works once. The operator of this installation creates one with this command:",
    command: "openrun seller add EMAIL",
    demo: "In the demo, the link is printed where it was started.",
    confirm_title: "Sign in to the console",
    confirm_what: "The link works once. It is used up when you press the button, not when you open it.",
    confirm_do: "Sign in",
    used_title: "This link no longer works",
    used_what: "It was already used or has expired. Please ask for a new one.",
};
