//! What the command line does to the stores without a running server.

use anyhow::{Context as _, bail};
use serde_json::Value;
use stores::database::Database;

use crate::config::Config;

/// Brings the database up to date.
pub async fn migrate(config: &Config) -> anyhow::Result<()> {
    make_folder_of_database(config)?;
    let database = Database::open(&config.database_url).await.context("cannot open the database")?;
    database.migrate().await.context("cannot bring the database up to date")
}

/// The folder of an embedded database, which SQLite does not make.
pub fn make_folder_of_database(config: &Config) -> anyhow::Result<()> {
    let path = config.database_url.strip_prefix("sqlite:").map(std::path::Path::new);
    match path.and_then(std::path::Path::parent).filter(|folder| !folder.as_os_str().is_empty()) {
        Some(folder) => std::fs::create_dir_all(folder)
            .with_context(|| format!("cannot make the folder {} of the database", folder.display())),
        None => Ok(()),
    }
}

/// Compares queue, stock, database, event log and payments by reading the stores themselves; answers the document of
/// `openrun verify --json`.
#[expect(clippy::unused_async, reason = "the stores answer asynchronously")]
pub async fn verify_stores(_config: &Config) -> anyhow::Result<Value> {
    bail!("reading the stores without a server is not supported yet; start `openrun serve` and ask again")
}
