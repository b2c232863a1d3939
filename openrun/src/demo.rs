//! The demo: everything embedded in one process, a sale that opens in seconds, and simulated buyers.

mod buyers;

use std::{
    fs,
    io::{self, Write as _},
    net::SocketAddr,
    path::Path,
    process::ExitCode,
};

use anyhow::{Context as _, bail};
use checkout::{http::seller_auth::invite, queue_recovery, sale_input::NewSale};
use sale::{Keys, SaleId, Timestamp};
use serde_json::{Value, json};
use server::{Lifecycle, Signals, listener};
use stores::database::{
    Database,
    audit_log::AuditEntry,
    migrations::Schema,
    sales::{self, CreateOutcome},
};
use tokio::net::TcpListener;

use self::buyers::Buyers;
use crate::{
    config::Config,
    serve::serve,
    services::{OutdatedSchema, Services},
};

/// The demo's sale.
const SALE: &str = "demo";
const UNITS: u32 = 300;
/// Ninety a minute: the line visibly moves, and a newcomer's turn comes within half a minute.
const PER_MINUTE: u32 = 90;
const MAX_ACTIVE: u32 = 30;
const OPENS_AFTER_SECONDS: i64 = 10;
/// Short, so that one sees units of those who leave come back.
const HOLD_SECONDS: u32 = 40;
/// How many ports, from the configured one on, are tried.
const PORTS_TRIED: u16 = 20;

/// Runs the demo until a signal.
pub async fn run(config: Config, keys: Keys) -> anyhow::Result<ExitCode> {
    let signals = Signals::listen();
    let (listener, config) = listen(config)?;
    let lifecycle = Lifecycle::new();
    start_anew(&config.database_url).await?;
    let services = Services { demo: true, ..Services::open(config, keys, OutdatedSchema::Migrate).await? };
    serve(&services, listener, &lifecycle).await?;
    open_shop(&services, &lifecycle).await?;
    Ok(lifecycle.run_until_stopped(signals).await)
}

/// Removes the database of a demo from before the first release: nothing can bring it up to date, and nobody needs it.
async fn start_anew(database_url: &str) -> anyhow::Result<()> {
    let Some(path) = database_url.strip_prefix("sqlite:").filter(|path| Path::new(path).exists()) else {
        return Ok(());
    };
    let database = Database::open(database_url).await?;
    let schema = database.schema().await?;
    database.close().await;
    if schema == Schema::BeforeFirstRelease {
        tracing::warn!("the demo starts anew: {path} was made before the first release");
        for file in [path.to_owned(), format!("{path}-wal"), format!("{path}-shm")] {
            if Path::new(&file).exists() {
                fs::remove_file(&file).with_context(|| format!("cannot remove {file}"))?;
            }
        }
    }
    Ok(())
}

/// Binds the configured port or, when it is taken, the next free one; the addresses in the configuration follow.
fn listen(config: Config) -> anyhow::Result<(TcpListener, Config)> {
    let first = config.listen;
    for port in first.port()..first.port().saturating_add(PORTS_TRIED) {
        let listen = SocketAddr::new(first.ip(), port);
        if let Ok(listener) = listener::bind(listen) {
            let public_url = config.public_url.with_port(port);
            return Ok((listener, Config { listen, public_url, ..config }));
        }
        tracing::warn!("port {port} is taken; trying the next one");
    }
    bail!("no free port from {} on", first.port())
}

/// Creates the demo's sale when there is none, starts its buyers, and prints where to look.
async fn open_shop(services: &Services, lifecycle: &Lifecycle) -> anyhow::Result<()> {
    let sale: SaleId = SALE.parse().context("the demo's sale has a bad name")?;
    create_sale(services).await?;
    let link = invite(&services.keys, &services.database, &services.site, "seller@demo.localhost").await?;
    introduce(services, &link.sign_in_url)?;
    let buyers = Buyers::new(services.config.listen, sale, lifecycle.soft.clone());
    let (database, tracker) = (services.database.clone(), lifecycle.tracker.clone());
    lifecycle.spawn("demo", async move {
        buyers.keep_coming(&database, &tracker).await;
        anyhow::Ok(())
    });
    Ok(())
}

async fn create_sale(services: &Services) -> anyhow::Result<()> {
    let now = services.database.now();
    let document = document(now.plus_seconds(OPENS_AFTER_SECONDS));
    let sale = NewSale::parse(&document).map_err(|error| anyhow::anyhow!("{error:?}"))?.into_sale(now);
    let entry = AuditEntry { at: now, actor: "demo".to_owned(), action: "create".to_owned(), detail: String::new() };
    if sales::create(&services.database, &sale, &entry).await? == CreateOutcome::Created {
        queue_recovery::open(&services.database, services.queue.as_ref(), &sale.id).await?;
    }
    Ok(())
}

fn document(opens_at: Timestamp) -> Value {
    json!({
        "id": SALE, "kind": "open_run",
        "name": {"ko": "한정판 운동화", "en": "Limited sneaker"},
        "opens_at": opens_at,
        "items": [{
            "id": "pair", "name": {"ko": "운동화 한 켤레", "en": "One pair of sneakers"},
            "price": {"amount": 189_000, "currency": "KRW"}, "units": UNITS,
        }],
        "per_buyer_limit": 1, "hold_seconds": HOLD_SECONDS, "enter_seconds": 120,
        "admission": {"mode": "manual", "per_minute": PER_MINUTE, "max_active": MAX_ACTIVE},
    })
}

/// The one short block that a newcomer reads.
fn introduce(services: &Services, sign_in_url: &str) -> io::Result<()> {
    let config = &services.config;
    let mut out = io::stdout();
    writeln!(out, "\n  Openrun demo: a sale opens in {OPENS_AFTER_SECONDS} seconds, with other buyers in the line.\n")?;
    writeln!(out, "  shop      {}", config.public_url.origin())?;
    writeln!(out, "  console   {sign_in_url}   (signs in once; a restart prints a new one)")?;
    writeln!(out, "  data      {}", config.data_dir.display())?;
    writeln!(out, "  stop      Ctrl-C; the data stays and the demo goes on where it was\n")?;
    out.flush()
}

#[cfg(test)]
mod tests {
    use stores::testing;

    use super::*;

    #[tokio::test]
    async fn a_demo_from_before_the_first_release_starts_anew_and_any_other_goes_on() {
        let fresh = testing::sqlite().await;
        let path = Path::new(fresh.url.trim_start_matches("sqlite:"));
        start_anew(&fresh.url).await.unwrap();
        assert!(path.exists());
        testing::make_older_than_the_first_release(&fresh.database).await;
        fresh.database.close().await;
        start_anew(&fresh.url).await.unwrap();
        assert!(!path.exists());
        start_anew(&fresh.url).await.unwrap();
    }
}
