//! Serves: opens the services, starts the roles' loops and the listener, and runs until a signal.

use std::{net::SocketAddr, process::ExitCode, sync::Arc};

use anyhow::Context as _;
use checkout::{PaymentRequester, Reserver, http::App};
use sale::Keys;
use server::{Dispatcher, Lifecycle, Signals, access_log::HotPath, listener};
use tokio::{net::TcpListener, runtime::Handle};
use tokio_util::task::TaskTracker;
use waiting_room::{WaitingRoom, join_rate_limit::JoinRateLimiter, sale_queues::SaleQueues};

use crate::{
    config::{Config, Role},
    health::{Health, OperationsRoutes},
    installation::{self, Membership},
    role, router,
    services::{OutdatedSchema, Services},
    telemetry::metrics::{Metrics, recorder},
    upkeep,
};

/// Serves until a signal.
pub async fn run(config: Config, keys: Keys, outdated: OutdatedSchema) -> anyhow::Result<ExitCode> {
    let signals = Signals::listen();
    let listener = bind(config.listen, "OPENRUN_LISTEN")?;
    let lifecycle = Lifecycle::new();
    let services = Services::open(config, keys, outdated).await?;
    serve(&services, listener, &lifecycle).await?;
    Ok(lifecycle.run_until_stopped(signals).await)
}

/// Starts everything on a listener that the caller made; it stops with `lifecycle`.
pub async fn serve(services: &Services, listener: TcpListener, lifecycle: &Lifecycle) -> anyhow::Result<()> {
    let config = &services.config;
    let address = listener.local_addr()?;
    let membership = installation::join(services, lifecycle).await?;
    let health =
        Health::new(lifecycle.clone(), services.database.clone(), Arc::clone(&services.queue), membership.clone());
    let dispatcher = dispatcher(services, health.clone(), &membership, lifecycle);
    if let Some(ops) = config.ops_listen {
        let listener = bind(ops, "OPENRUN_OPS_LISTEN")?;
        tracing::info!(address = %ops, "health and metrics on {ops}");
        let this_runtime = vec![Handle::current()];
        let operations = operations(&dispatcher, health);
        lifecycle.spawn("operations", listener::accept(listener, operations, lifecycle.clone(), this_runtime));
    }
    upkeep::start(&services.database, lifecycle);
    role::start(services, &membership, lifecycle);
    if let Some(waiting_room) = &dispatcher.waiting_room {
        role::keep_up_to_date(waiting_room, lifecycle);
    }
    let runtimes = listener::threads::start(lifecycle).context("cannot start the threads of the connections")?;
    lifecycle.spawn("listener", listener::accept(listener, dispatcher, lifecycle.clone(), runtimes));
    tracing::info!(%address, url = config.public_url.origin(), "listening on {address}");
    Ok(())
}

/// What answers on the main address.
fn dispatcher(services: &Services, health: Health, membership: &Membership, lifecycle: &Lifecycle) -> Dispatcher {
    let config = &services.config;
    // Batch workers need no waiting for at the stop: only connections wait for them, and the stop waits for connections.
    let workers = TaskTracker::new();
    let waiting_room = config.runs(Role::WaitingRoom).then(|| {
        Arc::new(WaitingRoom {
            site: (*services.site).clone(),
            keys: Arc::clone(&services.keys),
            passes: Arc::clone(&services.passes),
            database: services.database.clone(),
            queues: SaleQueues::new(services.database.clone(), Arc::clone(&services.queue), workers.clone()),
            join_rate_limiter: JoinRateLimiter::new(config.joins_per_network_per_minute),
            stop: lifecycle.soft.clone(),
        })
    });
    let app = App {
        site: Arc::clone(&services.site),
        keys: Arc::clone(&services.keys),
        passes: Arc::clone(&services.passes),
        database: services.database.clone(),
        queue: Arc::clone(&services.queue),
        provider: Arc::clone(&services.provider),
        reserver: Arc::new(Reserver::new(
            services.database.clone(),
            Arc::clone(&services.queue),
            Arc::clone(&services.keys),
            &workers,
        )),
        payment_requester: Arc::new(PaymentRequester::new(
            services.database.clone(),
            Arc::clone(&services.provider),
            &workers,
        )),
        demo: services.demo,
    };
    let metrics = config.ops_listen.is_none().then(|| Metrics { handle: recorder(), loopback_only: true });
    Dispatcher {
        waiting_room,
        router: config.runs(Role::Checkout).then(|| router::router(Arc::new(app))),
        operations: Arc::new(OperationsRoutes { health, metrics }),
        takes_requests: membership.takes_requests(),
        site: Arc::clone(&services.site),
        database: services.database.clone(),
        hot_path: Arc::new(HotPath::default()),
    }
}

/// What answers on the operations address: health and metrics alone.
fn operations(dispatcher: &Dispatcher, health: Health) -> Dispatcher {
    let metrics = Some(Metrics { handle: recorder(), loopback_only: false });
    let operations = Arc::new(OperationsRoutes { health, metrics });
    Dispatcher { waiting_room: None, router: None, operations, ..dispatcher.clone() }
}

/// Binds the address that `variable` sets.
fn bind(address: SocketAddr, variable: &str) -> anyhow::Result<TcpListener> {
    listener::bind(address).with_context(|| format!("cannot listen on {address}; set {variable} to a free address"))
}
