//! How the sandbox behaves.

/// Shares lie within 0 to 1 and concern `sandbox_random` only.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SandboxSettings {
    pub latency_ms: u32,
    /// Charges that the bank works on at the same time; 0 is any number.
    pub at_once: u32,
    pub decline_share: f64,
    pub leave_share: f64,
    pub timeout_share: f64,
    pub seed: u64,
}

impl Default for SandboxSettings {
    fn default() -> Self {
        Self { latency_ms: 300, at_once: 0, decline_share: 0.0, leave_share: 0.0, timeout_share: 0.0, seed: 0 }
    }
}

/// What the shares come to is more than there is.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[error("come to {0} together; expected at most 1 (default 0 each)")]
pub struct SharesTooLarge(f64);

impl SandboxSettings {
    /// Refuses what cannot be together, in a sentence that goes on after the names of the shares.
    pub fn validate(&self) -> Result<(), SharesTooLarge> {
        let sum = self.decline_share + self.leave_share + self.timeout_share;
        // A little more than 1 is what adding tenths gives.
        if sum > 1.0 + 1e-9 { Err(SharesTooLarge(sum)) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shares_are_at_most_everything() {
        let settings = |decline_share, leave_share, timeout_share| SandboxSettings {
            decline_share,
            leave_share,
            timeout_share,
            ..SandboxSettings::default()
        };
        assert_eq!(settings(0.7, 0.2, 0.1).validate(), Ok(()));
        assert!(settings(0.7, 0.2, 0.2).validate().is_err());
    }
}
