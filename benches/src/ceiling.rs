//! `ceiling`: bare hyper at 256 connections, with half a kilobyte in each answer. The other figures of HTTP measure it
//! again in their own rounds, with as many bytes as theirs.

use crate::{
    ask::{Answer, Request},
    bare::Bare,
    figure::{Figure, Round},
    settings::Settings,
    wrk::{Load, Shot},
};

const CONNECTIONS: usize = 256;
const BYTES: usize = 512;

pub(crate) async fn measure(settings: &Settings) -> anyhow::Result<Vec<Figure>> {
    let bare = Bare::start().await?;
    bare.imitate(&Answer { status: 200, head: String::new(), body: vec![b'x'; BYTES] })?;
    let request = Request::get("/");
    let mut rounds = Vec::new();
    for _ in 0..settings.rounds() {
        let shot = Shot::fire(bare.address, &Load::new(&request, CONNECTIONS, settings.seconds()))?;
        let more = vec![("p50_ms", shot.p50_us / 1e3), ("p99_ms", shot.p99_us / 1e3)];
        rounds.push(Round { value: shot.per_second(), ceiling: shot.per_second(), more });
    }
    Ok(vec![
        Figure::of("ceiling", "req/s", &rounds).about(format!("{CONNECTIONS} connections, {BYTES} bytes an answer")),
    ])
}
