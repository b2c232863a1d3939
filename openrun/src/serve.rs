//! Starting: the stores are opened, the roles run, the listener answers, until a signal.

use std::{net::SocketAddr, process::ExitCode, sync::Arc, time::Duration};

use anyhow::{Context as _, bail};
use checkout::{Reserver, http::Shop};
use sale::{Keys, pass::PassBook};
use stores::{
    database::{Database, Dialect},
    events::{self, EventLog, EventsUrl},
    line::{self, Line},
    mail::{self, Mailer},
    payments::{self, PaymentProvider, SandboxSettings},
};
use tokio::{net::TcpListener, runtime::Handle};
use tokio_util::task::TaskTracker;
use waiting_room::{WaitingRoom, budget::Budget, rooms::Rooms};
use web::Site;

use crate::{
    access::HotPath,
    admin_commands::make_folder_of_database,
    cli::Start,
    config::{Config, Role},
    demo,
    health::Health,
    lifecycle::{Lifecycle, Signals},
    listener::{self, Dispatcher, Metrics, recorder},
    rest, role,
};

/// How often the database's clock is read. Between two readings the monotonic clock carries it on.
const SYNC_CLOCK_AFTER: Duration = Duration::from_secs(1);
/// How often histograms are added up: what they hear meanwhile takes eight bytes each, so that is little even under load.
const ADD_UP_AFTER: Duration = Duration::from_secs(5);
/// How long the database may take to come up when everything is started at once.
const DATABASE_COMES_UP: Duration = Duration::from_secs(30);
/// How many ports after a taken one the demo tries.
const OTHER_PORTS: u16 = 20;

/// What the roles of this process work with.
#[derive(Clone)]
pub struct Services {
    pub config: Arc<Config>,
    pub keys: Arc<Keys>,
    pub passes: Arc<PassBook>,
    pub site: Arc<Site>,
    pub database: Database,
    pub line: Arc<dyn Line>,
    pub log: Arc<dyn EventLog>,
    pub provider: Arc<dyn PaymentProvider>,
    pub mailer: Arc<dyn Mailer>,
    /// Whether this is the demo.
    pub demo: bool,
}

/// Serves until a signal.
pub async fn run(config: Config, keys: Keys, start: Start) -> anyhow::Result<ExitCode> {
    let signals = Signals::listen();
    // Early, because whoever counts looks its counters up when it is made.
    drop(recorder());
    let (listener, config) = listen(config, start).await?;
    let lifecycle = Lifecycle::new();
    let services = Services::open(config, keys, start).await?;
    serve(&services, listener, &lifecycle).await?;
    if services.demo {
        demo::start(&services, &lifecycle).await?;
    }
    Ok(lifecycle.run_until_stopped(signals).await)
}

/// Starts everything on a listener that the caller made; it stops with `lifecycle`.
pub async fn serve(services: &Services, listener: TcpListener, lifecycle: &Lifecycle) -> anyhow::Result<()> {
    let config = &services.config;
    let address = listener.local_addr()?;
    let dispatcher = dispatcher(services, lifecycle);
    if let Some(ops) = config.ops_listen {
        let listener = bind(ops).await?;
        tracing::info!(address = %ops, "health and metrics on {ops}");
        let this_runtime = vec![Handle::current()];
        lifecycle
            .spawn("operations", listener::accept(listener, operations(&dispatcher), lifecycle.clone(), this_runtime));
    }
    keep_clock(services, lifecycle);
    keep_metrics(lifecycle);
    role::start(services, lifecycle);
    if let Some(waiting_room) = dispatcher.waiting_room.clone() {
        let stop = lifecycle.soft.clone();
        lifecycle.spawn("frames", async move {
            waiting_room.rooms.keep_fresh(stop).await;
            anyhow::Ok(())
        });
    }
    let runtimes = listener::threads::start(lifecycle).context("cannot start the threads of the connections")?;
    lifecycle.spawn("listener", listener::accept(listener, dispatcher, lifecycle.clone(), runtimes));
    tracing::info!(%address, url = config.public_url.origin(), "listening on {address}");
    Ok(())
}

impl Services {
    /// Opens what the configuration names.
    pub async fn open(config: Config, keys: Keys, start: Start) -> anyhow::Result<Self> {
        make_folder_of_database(&config)?;
        let database = open_database(&config.database_url).await?;
        let migrates = matches!(start, Start::Demo | Start::Serve { migrate: true });
        if migrates || database.dialect() == Dialect::Sqlite {
            database.migrate().await.context("cannot bring the database up to date")?;
        } else if !database.is_migrated().await {
            bail!("the database is not up to date; run `openrun migrate` first, or `openrun serve --migrate`");
        }
        let passes =
            PassBook::new(&config.public_url.origin(), &keys).context("the keys file has a bad key for passes")?;
        let site = Site {
            origin: config.public_url.origin(),
            https: config.public_url.is_https(),
            trusted_proxies: config.trusted_proxies.clone(),
        };
        let events_url = EventsUrl::beside(&config.events_url, &config.database_url)?;
        Ok(Self {
            log: events::connect(&events_url, &database)?,
            provider: payments::connect(&config.payments_url, &database, sandbox(&config))?,
            mailer: mail::connect(&config.mail_url, &database, &keys)?,
            line: line::connect(&config.queue_url)?,
            passes: Arc::new(passes),
            keys: Arc::new(keys),
            site: Arc::new(site),
            config: Arc::new(config),
            database,
            demo: start == Start::Demo,
        })
    }
}

fn sandbox(config: &Config) -> SandboxSettings {
    let sandbox = &config.sandbox;
    SandboxSettings {
        latency_ms: sandbox.latency_ms,
        at_once: sandbox.at_once,
        decline_share: sandbox.decline_share,
        leave_share: sandbox.leave_share,
        timeout_share: sandbox.timeout_share,
        seed: sandbox.seed.unwrap_or_else(rand::random),
    }
}

async fn open_database(url: &str) -> anyhow::Result<Database> {
    let started = sale::clock::monotonic();
    loop {
        match Database::open(url).await {
            Ok(database) => return Ok(database),
            Err(trouble) if started.elapsed() > DATABASE_COMES_UP => {
                return Err(trouble).context("cannot open the database");
            }
            Err(trouble) => tracing::warn!(%trouble, "waiting for the database"),
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

fn dispatcher(services: &Services, lifecycle: &Lifecycle) -> Dispatcher {
    let config = &services.config;
    // Workers of batches end with the process: whoever waits for them is a connection, and those are waited for.
    let workers = TaskTracker::new();
    let waiting_room = config.runs(Role::WaitingRoom).then(|| {
        Arc::new(WaitingRoom {
            site: (*services.site).clone(),
            keys: Arc::clone(&services.keys),
            passes: Arc::clone(&services.passes),
            database: services.database.clone(),
            rooms: Rooms::new(services.database.clone(), Arc::clone(&services.line), workers.clone()),
            budget: Budget::new(config.joins_per_network_per_minute),
            stop: lifecycle.soft.clone(),
        })
    });
    let shop = Shop {
        site: Arc::clone(&services.site),
        keys: Arc::clone(&services.keys),
        passes: Arc::clone(&services.passes),
        database: services.database.clone(),
        line: Arc::clone(&services.line),
        provider: Arc::clone(&services.provider),
        reserver: Arc::new(Reserver::new(
            services.database.clone(),
            Arc::clone(&services.line),
            Arc::clone(&services.keys),
            &workers,
        )),
        demo: services.demo,
    };
    Dispatcher {
        waiting_room,
        router: config.runs(Role::Checkout).then(|| rest::router(shop)),
        health: Health::new(lifecycle.clone(), services.database.clone(), Arc::clone(&services.line)),
        site: Arc::clone(&services.site),
        database: services.database.clone(),
        hot_path: Arc::new(HotPath::default()),
        metrics: config.ops_listen.is_none().then(|| Metrics { handle: recorder(), loopback_only: true }),
    }
}

/// The same process on the address of its own for operations.
fn operations(dispatcher: &Dispatcher) -> Dispatcher {
    let metrics = Some(Metrics { handle: recorder(), loopback_only: false });
    Dispatcher { waiting_room: None, router: None, metrics, ..dispatcher.clone() }
}

fn keep_clock(services: &Services, lifecycle: &Lifecycle) {
    let (database, stop) = (services.database.clone(), lifecycle.soft.clone());
    lifecycle.spawn("clock", async move {
        while tokio::time::timeout(SYNC_CLOCK_AFTER, stop.cancelled()).await.is_err() {
            if let Err(trouble) = database.sync_clock().await {
                tracing::debug!(%trouble, "the clock is carried on");
            }
        }
        anyhow::Ok(())
    });
}

/// Adds up what histograms have heard, which they keep one by one until then, whether anybody reads the metrics or not.
fn keep_metrics(lifecycle: &Lifecycle) {
    let (handle, stop) = (recorder(), lifecycle.soft.clone());
    lifecycle.spawn("metrics", async move {
        while tokio::time::timeout(ADD_UP_AFTER, stop.cancelled()).await.is_err() {
            handle.run_upkeep();
        }
        anyhow::Ok(())
    });
}

/// Binds the configured address. The demo takes the next free port when it is taken, and its address follows.
async fn listen(config: Config, start: Start) -> anyhow::Result<(TcpListener, Config)> {
    let first = config.listen;
    if start != Start::Demo {
        return Ok((bind(first).await?, config));
    }
    for port in first.port()..first.port().saturating_add(OTHER_PORTS) {
        let listen = SocketAddr::new(first.ip(), port);
        if let Ok(listener) = TcpListener::bind(listen).await {
            let public_url = config.public_url.with_port(port);
            return Ok((listener, Config { listen, public_url, ..config }));
        }
        tracing::warn!("port {port} is taken; trying the next one");
    }
    bail!("no free port from {} on", first.port())
}

async fn bind(address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address)
        .await
        .with_context(|| format!("cannot listen on {address}; set OPENRUN_LISTEN to a free address"))
}
