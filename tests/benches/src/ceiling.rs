//! `ceiling`: bare hyper at 256 connections, with half a kilobyte in each answer. The other figures of HTTP measure it
//! again in their own rounds, with as many bytes as theirs.
//!
//! `ceiling_own_threads`: the same with the connections on threads of their own, as Openrun has them, for whoever would
//! rather compare with that.

use harness::http::Request;

use crate::{
    bare::Bare,
    figure::{Figure, Round},
    settings::Settings,
    wrk::{Load, Shot},
};

const CONNECTIONS: usize = 256;
const BYTES: usize = 512;

pub(crate) async fn measure(settings: &Settings) -> anyhow::Result<Vec<Figure>> {
    let (bare, apart) = (Bare::start().await?, Bare::start_on_threads().await?);
    for one in [&bare, &apart] {
        one.imitate(BYTES)?;
    }
    let request = Request::get("/");
    let load = Load::new(&request, CONNECTIONS, settings.seconds());
    let (mut rounds, mut rounds_apart) = (Vec::new(), Vec::new());
    for _ in 0..settings.rounds() {
        let shot = Shot::fire(bare.address, &load)?;
        rounds.push(round(&shot, &shot));
        rounds_apart.push(round(&Shot::fire(apart.address, &load)?, &shot));
    }
    let about = format!("{CONNECTIONS} connections, {BYTES} bytes an answer");
    Ok(vec![
        Figure::of("ceiling", "req/s", &rounds).about(about.clone()),
        Figure::of("ceiling_own_threads", "req/s", &rounds_apart).about(about),
    ])
}

fn round(shot: &Shot, ceiling: &Shot) -> Round {
    let more = vec![("p50_ms", shot.p50_us / 1e3), ("p99_ms", shot.p99_us / 1e3)];
    Round { value: shot.per_second(), ceiling: ceiling.per_second(), more }
}
