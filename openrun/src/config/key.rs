//! A key of the configuration.

/// A key of the configuration, without its type.
#[derive(Debug)]
pub(super) struct Key {
    /// As in the file; `sandbox.seed` in a section.
    pub(super) name: &'static str,
    /// The value when no layer sets it, written as a variable would have it.
    pub(super) default: &'static str,
}

impl Key {
    /// `sandbox.seed` → `OPENRUN_SANDBOX_SEED`.
    pub(super) fn variable(&self) -> String {
        format!("OPENRUN_{}", self.name.replace('.', "_").to_uppercase())
    }
}
