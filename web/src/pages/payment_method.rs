//! The names of payment methods. Callers pass their ids.

use crate::messages::CheckoutMessages;

/// Name and description of a method; an unknown one is shown by its id.
pub(crate) fn method_messages<'a>(messages: &CheckoutMessages, id: &'a str) -> [&'a str; 2] {
    match id {
        "sandbox_ok" => messages.sandbox_ok,
        "sandbox_declined" => messages.sandbox_declined,
        "sandbox_declined_once" => messages.sandbox_declined_once,
        "sandbox_leave" => messages.sandbox_leave,
        "sandbox_timeout" => messages.sandbox_timeout,
        "sandbox_slow" => messages.sandbox_slow,
        "sandbox_random" => messages.sandbox_random,
        other => [other, ""],
    }
}

/// Whether the methods are of the sandbox, so that the page says that nothing is charged.
pub(crate) fn is_test(methods: &[String]) -> bool {
    methods.iter().any(|method| method.starts_with("sandbox_"))
}
