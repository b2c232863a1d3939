//! The services of this process: its stores, keys and providers, opened as the configuration names them.

use std::{path::Path, sync::Arc, time::Duration};

use anyhow::{Context as _, bail};
use sale::{Keys, pass::PassIssuer};
use stores::{
    database::{
        Database, Dialect,
        migrations::{MigrationError, Schema},
    },
    events::{self, EventLog, EventsUrl},
    mail::{self, Mailer},
    payments::{self, PaymentProvider},
    queue_store::{self, SaleQueueStore},
};
use web::Site;

use crate::config::Config;

/// How long the database may take to come up when everything is started at once.
const DATABASE_STARTUP_TIMEOUT: Duration = Duration::from_secs(30);
const DATABASE_RETRY_AFTER: Duration = Duration::from_millis(500);

/// What the roles of this process work with.
#[derive(Clone)]
pub struct Services {
    pub config: Arc<Config>,
    pub keys: Arc<Keys>,
    pub passes: Arc<PassIssuer>,
    pub site: Arc<Site>,
    pub database: Database,
    pub queue: Arc<dyn SaleQueueStore>,
    pub log: Arc<dyn EventLog>,
    pub provider: Arc<dyn PaymentProvider>,
    pub mailer: Arc<dyn Mailer>,
    /// Whether this is the demo.
    pub demo: bool,
}

/// What to do with a PostgreSQL database whose schema is outdated. SQLite is always migrated: nobody else uses its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutdatedSchema {
    Migrate,
    Refuse,
}

impl Services {
    /// Opens what the configuration names.
    pub async fn open(config: Config, keys: Keys, outdated: OutdatedSchema) -> anyhow::Result<Self> {
        create_database_folder(&config)?;
        let database = open_database(&config.database_url).await?;
        if outdated == OutdatedSchema::Migrate || database.dialect() == Dialect::Sqlite {
            database.migrate().await.context("cannot bring the database up to date")?;
        } else {
            match database.schema().await? {
                Schema::UpToDate => {}
                Schema::Outdated => {
                    bail!("the database is not up to date; run `openrun migrate` first, or `openrun serve --migrate`")
                }
                Schema::BeforeFirstRelease => bail!(MigrationError::BeforeFirstRelease),
            }
        }
        let passes =
            PassIssuer::new(&config.public_url.origin(), &keys).context("the keys file has a bad key for passes")?;
        let site = Site {
            origin: config.public_url.origin(),
            https: config.public_url.is_https(),
            trusted_proxies: config.trusted_proxies.clone(),
        };
        let events_url = EventsUrl::beside(&config.events_url, &config.database_url)?;
        Ok(Self {
            log: events::connect(&events_url, &database)?,
            provider: payments::connect(&config.payments_url, &database, config.payment_providers())?,
            mailer: mail::connect(&config.mail_url, &database, &keys)?,
            queue: queue_store::connect(&config.queue_url)?,
            passes: Arc::new(passes),
            keys: Arc::new(keys),
            site: Arc::new(site),
            config: Arc::new(config),
            database,
            demo: false,
        })
    }
}

/// Creates the folder of an embedded database, which SQLite does not do itself.
pub(crate) fn create_database_folder(config: &Config) -> anyhow::Result<()> {
    let path = config.database_url.strip_prefix("sqlite:").map(Path::new);
    match path.and_then(Path::parent).filter(|folder| !folder.as_os_str().is_empty()) {
        Some(folder) => std::fs::create_dir_all(folder)
            .with_context(|| format!("cannot make the folder {} of the database", folder.display())),
        None => Ok(()),
    }
}

async fn open_database(url: &str) -> anyhow::Result<Database> {
    let started = sale::clock::monotonic();
    loop {
        match Database::open(url).await {
            Ok(database) => return Ok(database),
            Err(trouble) if started.elapsed() > DATABASE_STARTUP_TIMEOUT => {
                return Err(trouble).context("cannot open the database");
            }
            Err(trouble) => tracing::warn!(%trouble, "waiting for the database"),
        }
        tokio::time::sleep(DATABASE_RETRY_AFTER).await;
    }
}
