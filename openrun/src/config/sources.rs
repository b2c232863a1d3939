//! The sources of a configuration.

use std::{collections::BTreeMap, path::PathBuf};

use super::role::Role;

/// The file that is read from the working directory when no other is named.
pub const FILE_NAME: &str = "openrun.toml";

/// The sources that a configuration is read from, beside the defaults.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// `--config`; without it [`FILE_NAME`] is read when it is there.
    pub file: Option<PathBuf>,
    /// The `OPENRUN_*` variables, from [`environment`](super::environment).
    pub environment: BTreeMap<String, String>,
    /// `--role`; empty is all of them.
    pub roles: Vec<Role>,
    /// The demo has a data folder of its own.
    pub demo: bool,
}
