//! The one place that knows which loops a role has.

use std::{future::Future, sync::Arc};

use checkout::{
    mail::MailWorker, payments::PaymentWorker, queue_recovery::QueueRecovery, reconcile::Reconciler, relay::Relay,
    stock::StockWorker,
};
use server::Lifecycle;
use stores::events::{ConsumerGroup, Handler};
use tokio_util::sync::CancellationToken;
use waiting_room::WaitingRoom;

use crate::{config::Role, installation::Membership, services::Services};

/// Runs the loops of this process's roles while it belongs to its installation.
pub fn start(services: &Services, membership: &Membership, lifecycle: &Lifecycle) {
    let (services, membership, of_roles) = (services.clone(), membership.clone(), lifecycle.clone());
    let stop = lifecycle.soft.clone();
    spawn_loop(lifecycle, "roles", async move {
        membership.run_while_it_fits(stop, |stop| start_loops(&services, &of_roles, &stop)).await;
    });
}

/// Runs the loops that keep a waiting room up to date. They only read, so they run whether or not the process belongs to its
/// installation.
pub fn keep_up_to_date(waiting_room: &Arc<WaitingRoom>, lifecycle: &Lifecycle) {
    let (room, stop) = (Arc::clone(waiting_room), lifecycle.soft.clone());
    spawn_loop(lifecycle, "frames", async move { room.queues.keep_fresh(stop).await });
    let (room, stop) = (Arc::clone(waiting_room), lifecycle.soft.clone());
    spawn_loop(lifecycle, "sales", async move { room.queues.keep_reloaded(stop).await });
    let (room, stop) = (Arc::clone(waiting_room), lifecycle.soft.clone());
    spawn_loop(lifecycle, "networks", async move { room.join_rate_limiter.keep_pruned(stop).await });
}

/// The waiting room and the checkout answer requests: they are behind the listener.
fn start_loops(services: &Services, lifecycle: &Lifecycle, stop: &CancellationToken) {
    for role in &services.config.roles {
        match role {
            Role::WaitingRoom | Role::Checkout => {}
            Role::Admission => admission(services, lifecycle, stop),
            Role::Relay => relay(services, lifecycle, stop),
            Role::Payments => payments(services, lifecycle, stop),
            Role::Stock => stock(services, lifecycle, stop),
            Role::Mail => mail(services, lifecycle, stop),
        }
    }
}

fn admission(services: &Services, lifecycle: &Lifecycle, stop: &CancellationToken) {
    let loops = ::admission::Services {
        database: services.database.clone(),
        queue: Arc::clone(&services.queue),
        leader: process_name(),
    };
    let (tracker, stop) = (lifecycle.tracker.clone(), stop.clone());
    spawn_loop(lifecycle, "admission", async move { ::admission::role::run(loops, &tracker, stop).await });
}

fn relay(services: &Services, lifecycle: &Lifecycle, stop: &CancellationToken) {
    let relay = Relay::new(services.database.clone(), Arc::clone(&services.log), &process_name());
    let stop = stop.clone();
    spawn_loop(lifecycle, "relay", async move { relay.run(stop).await });
}

fn payments(services: &Services, lifecycle: &Lifecycle, stop: &CancellationToken) {
    let worker = PaymentWorker::new(services.database.clone(), Arc::clone(&services.provider), &lifecycle.tracker);
    let worker = Arc::new(worker);
    subscribe((services, lifecycle, stop), ConsumerGroup::Payments, Arc::clone(&worker) as Arc<dyn Handler>);
    let stop = stop.clone();
    spawn_loop(lifecycle, "open payments", async move { worker.run(stop).await });
}

fn stock(services: &Services, lifecycle: &Lifecycle, stop: &CancellationToken) {
    let worker = Arc::new(StockWorker::new(services.database.clone(), Arc::clone(&services.queue)));
    subscribe((services, lifecycle, stop), ConsumerGroup::Stock, Arc::clone(&worker) as Arc<dyn Handler>);
    let stopped = stop.clone();
    spawn_loop(lifecycle, "deadlines", async move { worker.run(stopped).await });
    let (reconciler, stopped) = (Reconciler::new(services.database.clone(), Arc::clone(&services.queue)), stop.clone());
    spawn_loop(lifecycle, "reconciler", async move { reconciler.run(stopped).await });
    let (database, queue, stop) = (services.database.clone(), Arc::clone(&services.queue), stop.clone());
    let recovery = QueueRecovery::default();
    spawn_loop(lifecycle, "queue recovery", async move { recovery.run(&database, queue.as_ref(), stop).await });
}

fn mail(services: &Services, lifecycle: &Lifecycle, stop: &CancellationToken) {
    let worker = MailWorker::new(
        services.database.clone(),
        Arc::clone(&services.mailer),
        Arc::clone(&services.keys),
        &services.config.public_url.origin(),
    );
    subscribe((services, lifecycle, stop), ConsumerGroup::Mail, Arc::new(worker));
}

fn subscribe(
    (services, lifecycle, stop): (&Services, &Lifecycle, &CancellationToken),
    group: ConsumerGroup,
    handler: Arc<dyn Handler>,
) {
    let (log, stop) = (Arc::clone(&services.log), stop.clone());
    lifecycle.spawn(group.as_str(), async move { log.subscribe(group, handler, stop).await });
}

/// Spawns a loop that survives every error and ends with the soft stop.
fn spawn_loop(lifecycle: &Lifecycle, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
    lifecycle.spawn(name, async move {
        task.await;
        anyhow::Ok(())
    });
}

/// A name that no other process has.
fn process_name() -> String {
    sale::SessionId::random().buyer().to_string()
}
