//! An error with its causes in one sentence.

/// The error and what caused it, joined by colons. A cause that the error before it has already told is not told again.
pub fn why(error: &anyhow::Error) -> String {
    let mut sentence = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if sentence.is_empty() {
            sentence = cause;
        } else if !sentence.contains(&cause) {
            sentence = format!("{sentence}: {cause}");
        }
    }
    sentence
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;

    use super::*;

    #[test]
    fn each_cause_is_told_once() {
        let error = anyhow!("connection refused").context("the store does not answer: connection refused");
        assert_eq!(why(&error.context("cannot start")), "cannot start: the store does not answer: connection refused");
    }
}
