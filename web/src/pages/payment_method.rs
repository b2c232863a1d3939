//! What a payment method is called. Callers name methods by id.

use crate::words::CheckoutWords;

/// Name and one sentence for a method; a method that the texts do not know is called by its id.
pub(crate) fn method_words<'a>(words: &CheckoutWords, id: &'a str) -> [&'a str; 2] {
    match id {
        "sandbox_ok" => words.sandbox_ok,
        "sandbox_declined" => words.sandbox_declined,
        "sandbox_declined_once" => words.sandbox_declined_once,
        "sandbox_leave" => words.sandbox_leave,
        "sandbox_timeout" => words.sandbox_timeout,
        "sandbox_slow" => words.sandbox_slow,
        "sandbox_random" => words.sandbox_random,
        other => [other, ""],
    }
}

/// Whether the methods are of the sandbox, so that the page says that nothing is charged.
pub(crate) fn is_test(methods: &[String]) -> bool {
    methods.iter().any(|method| method.starts_with("sandbox_"))
}
