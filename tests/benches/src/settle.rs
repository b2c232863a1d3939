//! `settle`: from accepted orders to PAID rows, through real Kafka and the sandbox provider, which answers at once. The
//! payments of many orders are asked for while nobody carries them out; then a process with the relay, the payment
//! worker and the stock worker starts, and the paid rows are counted. The first and the last tenth do not count: that is
//! how long a consumer takes to join its group, and a line of workers to run dry.

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use harness::process::Process;
use sale::{
    HoldId, OrderId, Pass,
    clock::monotonic,
    sale::{Line, Place},
};
use sqlx::Row as _;
use stores::{
    database::{
        payments::{self, PayOutcome, PayRequest},
        place::{self, NewOrder, PlaceOutcome},
    },
    queue_store::{QueueKey, Reservation, ReservationOutcome},
    testing,
};
use tokio::time::sleep;

use crate::{
    figure::{Figure, Round, Target},
    people,
    settings::Settings,
    world::World,
};

/// Promised on two cores.
const PER_SECOND_AT_LEAST: f64 = 4_000.0;
const LOOK_EVERY: Duration = Duration::from_millis(50);
const PATIENCE: Duration = Duration::from_mins(2);
/// Orders placed in one transaction before the measuring.
const TOGETHER: usize = 500;
/// The poller leaves what was asked for before it for some seconds; the measuring shall not depend on when.
const ASKED_LATER_MS: i64 = 600_000;

pub(crate) async fn measure(settings: &Settings) -> anyhow::Result<Vec<Figure>> {
    let world = World::new(settings).await?;
    let mut rounds = Vec::new();
    for _ in 0..settings.rounds() {
        let key = world.open_sale(|_| {}).await?;
        ask_for_payments(&world, &key, settings.orders()).await?;
        let workers = world.start("workers", &["relay", "payments", "stock"]);
        rounds.push(watch(&world, &key, &workers, settings.orders()).await?);
    }
    world.close().await?;
    let about = format!("{} orders; relay, payments and stock in one process", settings.orders());
    Ok(vec![Figure::of("settle", "orders/s", &rounds).wanted(Target::AtLeast(1.0)).about(about)])
}

/// Orders as the checkout leaves them: units held at the gate and in the database, a payment asked for.
async fn ask_for_payments(world: &World, key: &QueueKey, count: u64) -> anyhow::Result<()> {
    let passes = people::enter(world, key, count).await?;
    for passes in passes.chunks(TOGETHER) {
        let orders: Vec<_> = passes.iter().map(order).collect();
        let takes: Vec<_> = orders.iter().map(take).collect();
        let taken = world.queue.reserve(key, &takes, world.database.now()).await?;
        ensure!(taken.iter().all(|taken| *taken == ReservationOutcome::Reserved), "the gate refused units");
        let placed = place::place(&world.database, key, &orders).await?;
        ensure!(
            placed.iter().all(|placed| matches!(placed, PlaceOutcome::Placed { .. })),
            "the database refused orders"
        );
        pay(world, &orders).await?;
    }
    Ok(())
}

fn order(pass: &Pass) -> NewOrder {
    let id = OrderId::derive(pass.issued_at, &[pass.id.to_string().as_bytes()]);
    testing::new_order(id, pass)
}

fn take(order: &NewOrder) -> Reservation {
    let lines = order.lines.iter().map(|line| Line { item: line.item.clone(), quantity: line.quantity });
    let place = Place { buyer: order.buyer, number: order.number };
    Reservation { hold: HoldId::first(order.id), place, lines: lines.collect(), limit: 1 }
}

async fn pay(world: &World, orders: &[NewOrder]) -> anyhow::Result<()> {
    let request = |order: &NewOrder| PayRequest {
        order: order.id,
        idempotency_key: "bench".to_owned(),
        method: "sandbox_ok".to_owned(),
    };
    let requests: Vec<_> = orders.iter().map(request).collect();
    let now = world.database.now().plus_millis(ASKED_LATER_MS);
    let outcomes = payments::pay(&world.database, "sandbox", &requests, now).await?;
    ensure!(outcomes.iter().all(|outcome| *outcome == PayOutcome::Requested), "payments were refused: {outcomes:?}");
    Ok(())
}

/// How many were paid when.
type Seen = (Instant, u64);

/// Counts the paid rows until all are, from the first tenth to the last.
async fn watch(world: &World, key: &QueueKey, workers: &Process, orders: u64) -> anyhow::Result<Round> {
    let started = monotonic();
    let (mut first, mut last): (Option<Seen>, Option<Seen>) = (None, None);
    loop {
        sleep(LOOK_EVERY).await;
        let count = paid(world, key).await?;
        let seen = (monotonic(), count);
        if count * 10 >= orders {
            first.get_or_insert(seen);
        }
        if count * 10 >= orders * 9 {
            last.get_or_insert(seen);
        }
        if count == orders {
            break;
        }
        ensure!(started.elapsed() < PATIENCE, "{count} of {orders} orders were paid; {}", workers.log());
    }
    let (first, last) = first.zip(last).context("no tenth")?;
    let seconds = last.0.duration_since(first.0).as_secs_f64().max(LOOK_EVERY.as_secs_f64());
    Ok(Round {
        value: (last.1 - first.1) as f64 / seconds,
        ceiling: PER_SECOND_AT_LEAST,
        more: vec![
            ("seconds_to_all", started.elapsed().as_secs_f64()),
            ("seconds_to_the_first_tenth", first.0.duration_since(started).as_secs_f64()),
            ("cpu_us", workers.microseconds() / orders as f64),
        ],
    })
}

async fn paid(world: &World, key: &QueueKey) -> anyhow::Result<u64> {
    // The count of the units that are sold: one row, where the orders would be thousands.
    const SOLD: &str = "SELECT sold FROM items WHERE sale = $1";
    let row = sqlx::query(SOLD).bind(key.sale.as_str()).fetch_one(world.database.reader()).await?;
    Ok(u64::try_from(row.try_get::<i64, _>(0)?)?)
}
