//! Administrative commands that work on the stores directly, without a running server.

use anyhow::{Context as _, bail};
use checkout::verify::{GRACE, Verifier};
use sale::Keys;
use serde_json::Value;
use stores::database::{
    Database,
    migrations::{MigrationError, Schema},
    sales, snapshot,
};

use crate::{
    config::Config,
    installation,
    services::{OutdatedSchema, Services, create_database_folder},
};

/// Brings the database up to date.
pub async fn migrate(config: &Config) -> anyhow::Result<()> {
    create_database_folder(config)?;
    let database = Database::open(&config.database_url).await.context("cannot open the database")?;
    database.migrate().await.context("cannot bring the database up to date")
}

/// The installation that the database belongs to.
pub async fn show_installation(config: &Config) -> anyhow::Result<Value> {
    installation::show(&open_migrated(config).await?).await
}

/// Makes the keys and the public address of this configuration those of the installation.
pub async fn adopt_installation(config: &Config, keys: &Keys) -> anyhow::Result<Value> {
    installation::adopt(&open_migrated(config).await?, config, keys).await
}

/// The database as it is: these commands migrate nothing.
async fn open_migrated(config: &Config) -> anyhow::Result<Database> {
    let database = Database::open(&config.database_url).await.context("cannot open the database")?;
    match database.schema().await? {
        Schema::UpToDate => Ok(database),
        Schema::Outdated => bail!("the database is not up to date; run `openrun migrate` first"),
        Schema::BeforeFirstRelease => bail!(MigrationError::BeforeFirstRelease),
    }
}

/// Compares queue, stock, database, event log and payments by reading the stores themselves; answers the document of
/// `openrun verify --json`. A line in memory ended with its server, so it is compared as the next start would fill it.
pub async fn verify_stores(config: &Config, keys: Keys) -> anyhow::Result<Value> {
    let services = Services::open(config.clone(), keys, OutdatedSchema::Refuse).await?;
    if config.queue_url == "memory:" {
        for sale in sales::running(&services.database).await? {
            let Some(known) = sales::load(&services.database, &sale).await? else { continue };
            let snapshot = snapshot::read(&services.database, &sale).await?;
            services.queue.rebuild(&known.queue_key(), &snapshot, services.database.now()).await?;
        }
    }
    let verifier = Verifier { database: services.database, queue: services.queue, provider: services.provider };
    let report = verifier.verify(None, GRACE).await?;
    serde_json::to_value(report).context("the report is no JSON")
}
