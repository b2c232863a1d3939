//! `reserve` and `reserve_p99`: orders accepted, each with its pass checked, its units held in Redis, and order, hold and
//! event committed in PostgreSQL, which flushes to disk; against the same HTTP call that only checks the pass and runs
//! the reserve script.

mod gate;

use std::net::SocketAddr;

use anyhow::{Context as _, ensure};
use bytes::Bytes;
use harness::http::Request;
use sqlx::Row as _;
use stores::{database::Database, queue_store::QueueKey};

use self::gate::Gate;
use crate::{
    figure::{Figure, Round, Target},
    people,
    settings::Settings,
    world::World,
    wrk::{Load, Shot},
};

const CONNECTIONS: usize = 256;
/// Where the delay is judged.
const FEW_CONNECTIONS: usize = 50;
const MILLISECONDS_AT_MOST: f64 = 20.0;
/// A pass works once: these are more than can be used in a second, by the program and by the gate alone.
const ORDERS_PER_SECOND: u64 = 20_000;
const TAKES_PER_SECOND: u64 = 50_000;

pub(crate) async fn measure(settings: &Settings) -> anyhow::Result<Vec<Figure>> {
    let world = World::new(settings).await?;
    keeps_what_it_commits(&world.database).await?;
    let key = world.open_sale(|_| {}).await?;
    let checkout = world.start("checkout", &["checkout"]);
    let gate = Gate::start(&world, &key).await?;
    let shop = Shop { world: &world, request: wish(&key), key };
    gate.imitate(&shop.order_one(checkout.address).await?);
    let (mut rounds, mut delays) = (Vec::new(), Vec::new());
    for _ in 0..settings.rounds() {
        let taken = shop.order(gate.address, CONNECTIONS, TAKES_PER_SECOND).await?;
        let before = checkout.microseconds();
        let ordered = shop.order(checkout.address, CONNECTIONS, ORDERS_PER_SECOND).await?;
        let used = checkout.microseconds() - before;
        let few = shop.order(checkout.address, FEW_CONNECTIONS, ORDERS_PER_SECOND).await?;
        rounds.push(Round {
            value: ordered.per_second(),
            ceiling: taken.per_second(),
            more: vec![("p99_ms", ordered.p99_us / 1e3), ("cpu_us", used / ordered.requests as f64)],
        });
        let more = vec![("p50_ms", few.p50_us / 1e3), ("orders_per_second", few.per_second())];
        delays.push(Round { value: few.p99_us / 1e3, ceiling: MILLISECONDS_AT_MOST, more });
    }
    drop(checkout);
    world.close().await?;
    Ok(vec![
        Figure::of("reserve", "orders/s", &rounds)
            .wanted(Target::AtLeast(0.6))
            .about(format!("{CONNECTIONS} connections, fsync on")),
        Figure::of("reserve_p99", "ms", &delays)
            .wanted(Target::AtMost(1.0))
            .about(format!("{FEW_CONNECTIONS} connections, fsync on")),
    ])
}

/// A database that forgets in a power cut would be another figure.
async fn keeps_what_it_commits(database: &Database) -> anyhow::Result<()> {
    for setting in ["fsync", "synchronous_commit"] {
        let row = sqlx::query("SELECT current_setting($1)").bind(setting).fetch_one(database.reader()).await?;
        let value: String = row.try_get(0)?;
        ensure!(value == "on", "PostgreSQL runs with {setting} {value}, and this figure is one with it on");
    }
    Ok(())
}

fn wish(key: &QueueKey) -> Request {
    let request = Request::post(format!("/v1/sales/{}/orders", key.sale)).key("bench");
    request.json(r#"{"lines":[{"item":"pair","quantity":1}]}"#)
}

/// Where people with passes order.
struct Shop<'a> {
    world: &'a World,
    key: QueueKey,
    request: Request,
}

impl Shop<'_> {
    /// As many as can in the time, each with a pass that nobody has used.
    async fn order(&self, at: SocketAddr, connections: usize, passes_per_second: u64) -> anyhow::Result<Shot> {
        let seconds = self.world.settings.seconds();
        let passes = self.passes(passes_per_second * seconds).await?;
        let each = Some(("Authorization", &passes[..]));
        let shot = Shot::fire(at, &Load { each, ..Load::new(&self.request, connections, seconds) })?;
        ensure!(shot.requests < passes.len() as u64, "{} passes were not enough", passes.len());
        Ok(shot)
    }

    async fn order_one(&self, at: SocketAddr) -> anyhow::Result<Bytes> {
        let pass = self.passes(1).await?.pop().context("no pass")?;
        let answer = self.request.clone().header("Authorization", pass).send(at)?;
        ensure!(answer.status == 201, "an order got {}: {}", answer.status, answer.text());
        Ok(answer.body)
    }

    async fn passes(&self, count: u64) -> anyhow::Result<Vec<String>> {
        let passes = people::enter(self.world, &self.key, count).await?;
        passes.iter().map(|pass| Ok(format!("Bearer {}", self.world.passes.sign(pass)?))).collect()
    }
}
