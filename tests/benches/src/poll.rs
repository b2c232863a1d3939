//! `poll`, `poll_304` and `poll_commands`: a long line in which everybody asks where they stand, with their own tickets;
//! the frame asked for by its `ETag`; and how many commands a poll costs the stores.

use std::{thread::sleep, time::Duration};

use harness::{
    http::{Answer, Request},
    process::Process,
};
use stores::queue_store::QueueKey;

use crate::{
    figure::{Figure, Round, Target},
    people, redis_info,
    rounds::Against,
    settings::Settings,
    world::{World, await_answer, await_frame, frame_of},
    wrk::{Load, Shot},
};

const CONNECTIONS: usize = 256;
/// Different people who ask.
const ASKERS: u64 = 5_000;
/// A poll of somebody who waits costs the stores nothing; the rest is the noise of a difference.
const COMMANDS_AT_MOST: f64 = 0.001;

pub(crate) async fn measure(settings: &Settings) -> anyhow::Result<Vec<Figure>> {
    let world = World::new(settings).await?;
    let key = world.open_sale(|_| {}).await?;
    let askers = people::join(&world, &key, settings.waiting(), ASKERS).await?;
    let bearers: Vec<_> = askers.iter().map(|person| person.bearer(&world.keys)).collect();
    let (front, back) = world.start_line();
    await_frame(&front, &key, |frame| frame.waiting == settings.waiting())?;
    let request = Request::get(format!("/v1/sales/{}/tickets/self", key.sale));
    let each = Some(("Authorization", &bearers[..]));
    let load = Load { each, ..Load::new(&request, CONNECTIONS, settings.seconds()) };
    let poll = Against { bench: "poll", process: &front, load: load.clone(), status: 200 };
    let about = format!("; {} wait", settings.waiting());
    let mut figures = vec![poll.measure(settings).await?.wanted(Target::AtLeast(0.9))];
    figures.push(by_tag(settings, &front, &key).await?);
    figures.push(commands(settings, &front, &load).await?);
    for figure in &mut figures {
        figure.about.push_str(&about);
    }
    drop((front, back));
    world.close().await?;
    Ok(figures)
}

async fn by_tag(settings: &Settings, front: &Process, key: &QueueKey) -> anyhow::Result<Figure> {
    let request = Request::get(format!("/v1/sales/{}/frame", key.sale));
    // A busy process shows trouble when the queue store answers late; the tag of that is soon another one.
    let is_sound = |answer: &Answer| frame_of(answer).is_some_and(|frame| frame.trouble.is_none());
    let sound = await_answer(front, &request, is_sound)?;
    let request = request.header("If-None-Match", sound.header("etag").unwrap_or_default());
    let load = Load::new(&request, CONNECTIONS, settings.seconds());
    let against = Against { bench: "poll_304", process: front, load, status: 304 };
    Ok(against.measure(settings).await?.wanted(Target::AtLeast(0.95)))
}

/// What the stores did while people polled, less what they did in as long a time without.
async fn commands(settings: &Settings, front: &Process, load: &Load<'_>) -> anyhow::Result<Figure> {
    let mut rounds = Vec::new();
    let counted = || redis_info::number(settings, "total_commands_processed");
    for _ in 0..settings.rounds() {
        let before = counted().await?;
        sleep(Duration::from_secs(load.seconds));
        let between = counted().await?;
        let shot = Shot::fire(front.address, load)?;
        let more = (counted().await? - between - (between - before)).max(0.0);
        rounds.push(Round {
            value: more / shot.requests as f64,
            ceiling: COMMANDS_AT_MOST,
            more: vec![("polls", shot.requests as f64), ("commands", more)],
        });
    }
    Ok(Figure::of("poll_commands", "commands/poll", &rounds)
        .wanted(Target::AtMost(1.0))
        .about(format!("{CONNECTIONS} connections")))
}
