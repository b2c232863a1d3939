//! `stream` and `stream_delay`: twenty thousand pages look at a line and nothing happens; what one of them costs the
//! server in resident memory, and how long until all have heard of a change, counted from its publication.

use std::{
    fs,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use bytes::Bytes;
use harness::process::Process;
use sale::{Frame, clock::monotonic};
use stores::queue_store::{PublishOutcome, QueueKey};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::sleep,
};
use tokio_util::task::TaskTracker;

use crate::{
    figure::{Figure, Round, Target},
    settings::Settings,
    world::{World, await_frame},
};

/// Promised for one connection.
const BYTES_AT_MOST: f64 = 4_096.0;
/// Promised for everybody to hear.
const SECONDS_AT_MOST: f64 = 0.25;
/// A round tells the slowest of so many changes.
const CHANGES_PER_ROUND: u64 = 5;
/// Files that a process needs beside its connections.
const OTHER_FILES: usize = 200;
/// Connections made at the same time; the kernel's backlog is not endless.
const AT_ONCE: usize = 200;
/// No process leads here: the bench does.
const LEADERS_TERM: sale::Term = 1;
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) async fn measure(settings: &Settings) -> anyhow::Result<Vec<Figure>> {
    let world = World::new(settings).await?;
    let key = world.open_sale(|_| {}).await?;
    let front = world.start("front", &["waiting-room"]);
    let mut frame = await_frame(&front, &key, |_| true)?;
    change(&world, &key, &mut frame).await?;
    await_frame(&front, &key, |shown| shown.tick == frame.tick)?;
    let count = settings.streams().min(most_files()?.saturating_sub(OTHER_FILES));
    // The first ones make room that stays.
    let ears = Ears::default();
    ears.open(&front, &key, AT_ONCE.min(count)).await?;
    let (before, opened) = (front.resident(), ears.open.load(Ordering::Relaxed));
    ears.open(&front, &key, count - opened).await?;
    sleep(Duration::from_secs(settings.seconds())).await;
    let each = (front.resident() - before) / (count - opened) as f64;
    let memory = Round { value: each, ceiling: BYTES_AT_MOST, more: vec![("connections", count as f64)] };
    let mut delays = Vec::new();
    for _ in 0..settings.rounds() {
        let mut slowest = 0.0_f64;
        for step_ms in 0..CHANGES_PER_ROUND {
            // Not in step with the waiting room's own ticks.
            sleep(Duration::from_millis(311 + 37 * step_ms)).await;
            slowest = slowest.max(ears.hear(&world, &key, &mut frame).await?);
        }
        delays.push(Round { value: slowest, ceiling: SECONDS_AT_MOST, more: Vec::new() });
    }
    drop((ears, front));
    world.close().await?;
    let about = format!("{count} idle connections, {} bytes an event", serde_json::to_vec(&frame)?.len());
    Ok(vec![
        Figure::of("stream", "bytes/connection", &[memory]).wanted(Target::AtMost(1.0)).about(about.clone()),
        Figure::of("stream_delay", "s", &delays).wanted(Target::AtMost(1.0)).about(about),
    ])
}

/// Open files that this process and the one that is measured may have.
fn most_files() -> anyhow::Result<usize> {
    let limits = fs::read_to_string("/proc/self/limits")?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"));
    Ok(line.and_then(|line| line.split_whitespace().next()).context("no limit of files in /proc")?.parse()?)
}

/// Publishes a frame that says something new, as the leader would.
async fn change(world: &World, key: &QueueKey, frame: &mut Frame) -> anyhow::Result<()> {
    frame.tick += 1;
    frame.waiting += 1;
    let published = world.queue.publish(key, LEADERS_TERM, Bytes::from(serde_json::to_vec(frame)?)).await?;
    ensure!(published == PublishOutcome::Stored, "another leader reigns");
    Ok(())
}

/// Everybody who listens, and what they have heard.
#[derive(Default)]
struct Ears {
    open: AtomicUsize,
    heard: Arc<Heard>,
    tracker: TaskTracker,
}

/// The tick that is waited for, and how many have heard of it.
#[derive(Debug, Default)]
struct Heard {
    tick: AtomicU64,
    by: AtomicUsize,
}

impl Ears {
    async fn open(&self, front: &Process, key: &QueueKey, count: usize) -> anyhow::Result<()> {
        let path = format!("/v1/sales/{}/stream", key.sale);
        for nth in 0..count {
            let stream = listen(front.address, &path).await?;
            self.tracker.spawn(hear(stream, Arc::clone(&self.heard)));
            let open = self.open.fetch_add(1, Ordering::Relaxed) + 1;
            if nth % AT_ONCE == 0 || nth + 1 == count {
                self.all_heard(open).await?;
            }
        }
        Ok(())
    }

    /// Everybody has heard the tick that counts: the one at hand comes with the connection.
    async fn all_heard(&self, of: usize) -> anyhow::Result<Instant> {
        let started = monotonic();
        while self.heard.by.load(Ordering::Relaxed) < of {
            ensure!(started.elapsed() < PATIENCE, "{} of {of} heard", self.heard.by.load(Ordering::Relaxed));
            sleep(Duration::from_millis(1)).await;
        }
        Ok(monotonic())
    }

    /// Seconds from the publication of a change until all have heard of it.
    async fn hear(&self, world: &World, key: &QueueKey, frame: &mut Frame) -> anyhow::Result<f64> {
        self.heard.by.store(0, Ordering::Relaxed);
        self.heard.tick.store(frame.tick + 1, Ordering::Relaxed);
        let published = monotonic();
        change(world, key, frame).await?;
        let heard = self.all_heard(self.open.load(Ordering::Relaxed)).await?;
        Ok(heard.duration_since(published).as_secs_f64())
    }
}

async fn listen(to: SocketAddr, path: &str) -> anyhow::Result<TcpStream> {
    let mut stream = TcpStream::connect(to).await?;
    stream.write_all(format!("GET {path} HTTP/1.1\r\nhost: {to}\r\n\r\n").as_bytes()).await?;
    Ok(stream)
}

async fn hear(mut stream: TcpStream, heard: Arc<Heard>) {
    let mut bytes = [0; 2_048];
    while let Ok(count @ 1..) = stream.read(&mut bytes).await {
        let tick = heard.tick.load(Ordering::Relaxed);
        let needle = format!("id: {tick}\n");
        // While connections are opened no tick is waited for, and the first event counts.
        let counts = if tick == 0 { "id: ".as_bytes() } else { needle.as_bytes() };
        if bytes[..count].windows(counts.len()).any(|window| window == counts) {
            heard.by.fetch_add(1, Ordering::Relaxed);
        }
    }
}
