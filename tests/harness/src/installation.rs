//! An installation: one embedded process, or two processes of every role on real engines.

use std::{collections::BTreeMap, path::PathBuf, process::Stdio};

use tempfile::TempDir;

use crate::{client::Client, engines::Engines, process::Process, program::Program};

const KEYS_FILE: &str = "keys.json";

/// The roles that answer requests, then those that have loops only.
const ROLES: [&str; 7] = ["waiting-room", "checkout", "admission", "relay", "payments", "stock", "mail"];

/// Its processes, where they answer, and the engines below.
pub struct Installation {
    /// What visitors ask with.
    pub client: Client,
    /// Where the line answers.
    pub fronts: Vec<String>,
    /// Where the checkout and the seller's calls answer.
    pub shops: Vec<String>,
    /// All of them; two of a role stand side by side.
    pub processes: Vec<Process>,
    /// An operator's bearer token.
    pub token: String,
    environment: BTreeMap<String, String>,
    /// The engines, unless everything is embedded.
    pub engines: Option<Engines>,
    program: Program,
    folder: TempDir,
}

impl Installation {
    /// One process that does everything, on the embedded adapters.
    pub async fn embedded(program: &Program, settings: &[(&str, &str)]) -> Self {
        let mut installation = Self::empty(program, None, settings);
        let folder = installation.folder.path();
        let process = Process::start(program, "openrun", &[], folder, &installation.environment);
        installation.fronts.push(process.url.clone());
        installation.shops.push(process.url.clone());
        installation.processes.push(process);
        installation.ready().await;
        installation
    }

    /// Two processes of every role.
    pub async fn live(program: &Program, engines: Engines, settings: &[(&str, &str)]) -> Self {
        let mut installation = Self::empty(program, Some(engines), settings);
        for role in ROLES {
            for nth in ["a", "b"] {
                let name = format!("{role}-{nth}");
                let process =
                    Process::start(program, &name, &[role], installation.folder.path(), &installation.environment);
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
    pub async fn pair(program: &Program, engines: Engines, settings: &[(&str, &str)]) -> Self {
        let mut installation = Self::empty(program, Some(engines), settings);
        for name in ["a", "b"] {
            let process = Process::start(program, name, &[], installation.folder.path(), &installation.environment);
            installation.fronts.push(process.url.clone());
            installation.shops.push(process.url.clone());
            installation.processes.push(process);
        }
        installation.ready().await;
        installation
    }

    /// Keys that all processes share, and nothing that runs.
    fn empty(program: &Program, engines: Option<Engines>, settings: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().expect("make a folder for the installation");
        let keys = folder.path().join(KEYS_FILE);
        let mut environment: BTreeMap<String, String> =
            settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        environment.insert("OPENRUN_KEYS_FILE".to_owned(), keys.display().to_string());
        environment.insert("OPENRUN_DATA_DIR".to_owned(), folder.path().join("data").display().to_string());
        environment.insert("OPENRUN_PUBLIC_URL".to_owned(), "http://localhost:8080".to_owned());
        environment.extend(engines.as_ref().map(Engines::variables).unwrap_or_default());
        let mut installation = Self {
            client: Client::default(),
            fronts: Vec::new(),
            shops: Vec::new(),
            processes: Vec::new(),
            token: String::new(),
            environment,
            engines,
            program: program.clone(),
            folder,
        };
        installation.run(&["keys", "init"]);
        let token = installation.run(&["token", "--role", "operator"]);
        installation.token.push_str(token.trim());
        installation
    }

    /// Keeps the folder with the logs of all processes for whoever looks into what went wrong.
    pub fn keep_folder(&mut self) {
        self.folder.disable_cleanup(true);
        println!("logs and data of every process stay in {}", self.folder.path().display());
    }

    /// The file whose keys all processes share.
    pub fn keys_file(&self) -> PathBuf {
        self.folder.path().join(KEYS_FILE)
    }

    /// Until every process is ready.
    pub async fn ready(&mut self) {
        for process in &mut self.processes {
            process.ready(&self.client).await;
        }
    }

    /// Runs a command of the program to its good end and gives what it printed.
    pub fn run(&self, arguments: &[&str]) -> String {
        let (good, out, words) = self.try_run(arguments);
        assert!(good, "openrun {} failed: {words}\n{out}", arguments.join(" "));
        out
    }

    /// Runs a command: whether it ended well, what it printed, and what it said.
    pub fn try_run(&self, arguments: &[&str]) -> (bool, String, String) {
        let mut command = self.program.command(self.folder.path(), &self.environment);
        let done = command.args(arguments).stdin(Stdio::null()).output().expect("run openrun");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (done.status.success(), text(&done.stdout), text(&done.stderr))
    }
}

/// A test that ends in a panic leaves the folder behind.
impl Drop for Installation {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.keep_folder();
        }
    }
}
