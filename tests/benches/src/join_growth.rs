//! `join_growth`: the slowest joins of a line of a million, against those of a line of a thousand, at the same moderate
//! load. It is moderate because a line of a thousand would not be one for long.

use harness::http::Request;

use crate::{
    figure::{Figure, Round, Target},
    people,
    settings::Settings,
    world::World,
    wrk::{Load, Shot},
};

const SHORT: u64 = 1_000;
const CONNECTIONS: usize = 32;
/// Each connection rests so long between two joins: about three thousand joins a second.
const REST_MS: u64 = 10;

pub(crate) async fn measure(settings: &Settings) -> anyhow::Result<Vec<Figure>> {
    let world = World::new(settings).await?;
    let long = world.open_sale(|_| {}).await?;
    people::join(&world, &long, settings.waiting(), 0).await?;
    let (front, back) = world.start_line();
    let mut rounds = Vec::new();
    for _ in 0..settings.rounds() {
        let short = world.open_sale(|_| {}).await?;
        people::join(&world, &short, SHORT, 0).await?;
        let mut shots = Vec::new();
        for line in [&short, &long] {
            let request = Request::post(format!("/v1/sales/{}/tickets", line.sale));
            // The first join of a sale in a process loads it.
            request.send(front.address)?;
            let load = Load { rest_ms: REST_MS, ..Load::new(&request, CONNECTIONS, settings.seconds()) };
            shots.push(Shot::fire(front.address, &load)?);
        }
        let more = vec![
            ("p50_ms", shots[1].p50_us / 1e3),
            ("ceiling_p50_ms", shots[0].p50_us / 1e3),
            ("joins", shots[1].requests as f64),
            ("ceiling_joins", shots[0].requests as f64),
        ];
        rounds.push(Round { value: shots[1].p99_us / 1e3, ceiling: shots[0].p99_us / 1e3, more });
    }
    drop((front, back));
    world.close().await?;
    let about = format!("{CONNECTIONS} connections; {} against {SHORT} wait", settings.waiting());
    Ok(vec![Figure::of("join_growth", "ms (p99)", &rounds).wanted(Target::AtMost(1.2)).about(about)])
}
