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
    /// The program at this path. Its processes run in folders of their own, so the path is made absolute.
    pub fn at(path: impl AsRef<Path>) -> Self {
        Self { path: std::path::absolute(path).expect("a path") }
    }

    /// A command of it, in a world of its own: nothing of the outer environment reaches it.
    pub fn command(&self, folder: &Path, environment: &BTreeMap<String, String>) -> Command {
        let mut command = Command::new(&self.path);
        command.env_clear().envs(environment).current_dir(folder).stdin(Stdio::null());
        command
    }
}
