//! Renders an error with its causes as one sentence.

/// The error and its causes, joined by colons. A cause that the previous message already contains is skipped.
pub fn error_chain(error: &anyhow::Error) -> String {
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
    fn each_cause_is_written_once() {
        let error = anyhow!("connection refused").context("the store does not answer: connection refused");
        assert_eq!(
            error_chain(&error.context("cannot start")),
            "cannot start: the store does not answer: connection refused"
        );
    }
}
