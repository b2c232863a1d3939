//! The one place that knows which role does what.

use std::{future::Future, sync::Arc};

use admission::lead;
use checkout::{
    guard::guard, mail::MailWorker, payments::PaymentWorker, reconcile::Reconciler, relay::Relay, stock::StockWorker,
};
use stores::events::{Group, Handler};

use crate::{config::Role, lifecycle::Lifecycle, serve::Stores};

/// Starts the loops of this process's roles. The waiting room and the checkout answer requests; they have none.
pub fn start(stores: &Stores, lifecycle: &Lifecycle) {
    for role in &stores.config.roles {
        match role {
            Role::WaitingRoom | Role::Checkout => {}
            Role::Admission => admission(stores, lifecycle),
            Role::Relay => relay(stores, lifecycle),
            Role::Payments => payments(stores, lifecycle),
            Role::Stock => stock(stores, lifecycle),
            Role::Mail => mail(stores, lifecycle),
        }
    }
}

fn admission(stores: &Stores, lifecycle: &Lifecycle) {
    let loops =
        lead::Stores { database: stores.database.clone(), line: Arc::clone(&stores.line), leader: process_name() };
    let (tracker, stop) = (lifecycle.tracker.clone(), lifecycle.soft.clone());
    keep(lifecycle, "admission", async move { ::admission::role::run(loops, &tracker, stop).await });
}

fn relay(stores: &Stores, lifecycle: &Lifecycle) {
    let relay = Relay::new(stores.database.clone(), Arc::clone(&stores.log), &process_name());
    let stop = lifecycle.soft.clone();
    keep(lifecycle, "relay", async move { relay.run(stop).await });
}

fn payments(stores: &Stores, lifecycle: &Lifecycle) {
    let worker = PaymentWorker::new(stores.database.clone(), Arc::clone(&stores.provider), &lifecycle.tracker);
    let worker = Arc::new(worker);
    subscribe(stores, lifecycle, Group::Payments, Arc::clone(&worker) as Arc<dyn Handler>);
    let stop = lifecycle.soft.clone();
    keep(lifecycle, "open payments", async move { worker.run(stop).await });
}

fn stock(stores: &Stores, lifecycle: &Lifecycle) {
    let worker = Arc::new(StockWorker::new(stores.database.clone(), Arc::clone(&stores.line)));
    subscribe(stores, lifecycle, Group::Stock, Arc::clone(&worker) as Arc<dyn Handler>);
    let stop = lifecycle.soft.clone();
    keep(lifecycle, "deadlines", async move { worker.run(stop).await });
    let (reconciler, stop) =
        (Reconciler::new(stores.database.clone(), Arc::clone(&stores.line)), lifecycle.soft.clone());
    keep(lifecycle, "reconciler", async move { reconciler.run(stop).await });
    let (database, line, stop) = (stores.database.clone(), Arc::clone(&stores.line), lifecycle.soft.clone());
    keep(lifecycle, "guard", async move { guard(&database, line.as_ref(), stop).await });
}

fn mail(stores: &Stores, lifecycle: &Lifecycle) {
    let worker = MailWorker::new(
        stores.database.clone(),
        Arc::clone(&stores.mailer),
        Arc::clone(&stores.keys),
        &stores.config.public_url.origin(),
    );
    subscribe(stores, lifecycle, Group::Mail, Arc::new(worker));
}

fn subscribe(stores: &Stores, lifecycle: &Lifecycle, group: Group, handler: Arc<dyn Handler>) {
    let (log, stop) = (Arc::clone(&stores.log), lifecycle.soft.clone());
    lifecycle.spawn(group.as_str(), async move { log.subscribe(group, handler, stop).await });
}

/// A loop that goes on through any trouble until it is told to stop.
fn keep(lifecycle: &Lifecycle, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
    lifecycle.spawn(name, async move {
        task.await;
        anyhow::Ok(())
    });
}

/// This process among all that run the same role.
fn process_name() -> String {
    sale::SessionId::random().buyer().to_string()
}
