//! An installation: one embedded process, or two processes of every role on real engines.

use std::{collections::BTreeMap, process::Stdio};

use tempfile::TempDir;

use crate::{
    client::Client,
    engines::Engines,
    process::{Process, openrun},
};

/// The roles that answer requests, then those that have loops only.
const ROLES: [&str; 7] = ["waiting-room", "checkout", "admission", "relay", "payments", "stock", "mail"];

pub(crate) struct Installation {
    pub(crate) client: Client,
    /// Where the line answers.
    pub(crate) fronts: Vec<String>,
    /// Where the checkout and the seller's calls answer.
    pub(crate) shops: Vec<String>,
    pub(crate) processes: Vec<Process>,
    /// An operator's bearer token.
    pub(crate) token: String,
    environment: BTreeMap<String, String>,
    /// Kept, because a database in a folder goes with it.
    _engines: Option<Engines>,
    folder: TempDir,
}

impl Installation {
    /// One process that does everything, on the embedded adapters.
    pub(crate) async fn embedded(settings: &[(&str, &str)]) -> Self {
        let mut installation = Self::empty(None, settings);
        let folder = installation.folder.path();
        let process = Process::start("openrun", &[], folder, &installation.environment);
        installation.fronts.push(process.url.clone());
        installation.shops.push(process.url.clone());
        installation.processes.push(process);
        installation.ready().await;
        installation
    }

    /// Two processes of every role.
    pub(crate) async fn live(engines: Engines, settings: &[(&str, &str)]) -> Self {
        let mut installation = Self::empty(Some(engines), settings);
        for role in ROLES {
            for nth in ["a", "b"] {
                let name = format!("{role}-{nth}");
                let process = Process::start(&name, &[role], installation.folder.path(), &installation.environment);
                match role {
                    "waiting-room" => installation.fronts.push(process.url.clone()),
                    "checkout" => installation.shops.push(process.url.clone()),
                    _ => {}
                }
                installation.processes.push(process);
            }
        }
        installation.ready().await;
        installation
    }

    /// Two processes that do everything.
    pub(crate) async fn pair(engines: Engines, settings: &[(&str, &str)]) -> Self {
        let mut installation = Self::empty(Some(engines), settings);
        for name in ["a", "b"] {
            let process = Process::start(name, &[], installation.folder.path(), &installation.environment);
            installation.fronts.push(process.url.clone());
            installation.shops.push(process.url.clone());
            installation.processes.push(process);
        }
        installation.ready().await;
        installation
    }

    /// Keys that all processes share, and nothing that runs.
    fn empty(engines: Option<Engines>, settings: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().expect("make a folder for the installation");
        let keys = folder.path().join("keys.json");
        let mut environment: BTreeMap<String, String> =
            settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        environment.insert("OPENRUN_KEYS_FILE".to_owned(), keys.display().to_string());
        environment.insert("OPENRUN_DATA_DIR".to_owned(), folder.path().join("data").display().to_string());
        environment.insert("OPENRUN_PUBLIC_URL".to_owned(), "http://localhost:8080".to_owned());
        environment.extend(engines.as_ref().map(Engines::variables).unwrap_or_default());
        let mut installation = Self {
            client: Client::new(),
            fronts: Vec::new(),
            shops: Vec::new(),
            processes: Vec::new(),
            token: String::new(),
            environment,
            _engines: engines,
            folder,
        };
        installation.run(&["keys", "init"]);
        let token = installation.run(&["token", "--role", "operator"]);
        installation.token.push_str(token.trim());
        installation
    }

    pub(crate) async fn ready(&mut self) {
        for process in &mut self.processes {
            process.ready(&self.client).await;
        }
    }

    /// Runs a command of the program to its good end and gives what it printed.
    pub(crate) fn run(&self, arguments: &[&str]) -> String {
        let (good, out, words) = self.try_run(arguments);
        assert!(good, "openrun {} failed: {words}\n{out}", arguments.join(" "));
        out
    }

    /// Runs a command: whether it ended well, what it printed, and what it said.
    pub(crate) fn try_run(&self, arguments: &[&str]) -> (bool, String, String) {
        let mut command = openrun(self.folder.path(), &self.environment);
        let done = command.args(arguments).stdin(Stdio::null()).output().expect("run openrun");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (done.status.success(), text(&done.stdout), text(&done.stderr))
    }
}
