//! The program under test.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// Where the binary `openrun` lies.
#[derive(Clone, Debug)]
pub struct Program {
    path: PathBuf,
}

impl Program {
    /// The program at this path.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// A command of it, in a world of its own: nothing of the outer environment reaches it.
    pub fn command(&self, folder: &Path, environment: &BTreeMap<String, String>) -> Command {
        let mut command = Command::new(&self.path);
        command.env_clear().envs(environment).current_dir(folder).stdin(Stdio::null());
        command
    }
}
