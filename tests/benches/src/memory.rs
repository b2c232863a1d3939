//! `memory` and `memory_process`: what a waiting ticket costs Redis, and what the whole line costs a process that has
//! every role.

use std::{thread::sleep, time::Duration};

use harness::http::Request;

use crate::{
    figure::{Figure, Round, Target},
    people, redis_info,
    settings::Settings,
    world::{World, await_frame},
    wrk::{Load, Shot},
};

/// Promised for one ticket.
const BYTES_AT_MOST: f64 = 140.0;
/// Promised for the process.
const MEBIBYTES_AT_MOST: f64 = 100.0;
const MEBIBYTE: f64 = 1_048_576.0;
const CONNECTIONS: usize = 256;
const ASKERS: u64 = 5_000;
/// What Redis writes behind is written by then.
const SETTLES: Duration = Duration::from_secs(1);

pub(crate) async fn measure(settings: &Settings) -> anyhow::Result<Vec<Figure>> {
    let world = World::new(settings).await?;
    let used = || redis_info::number(settings, "used_memory");
    let (mut tickets, mut processes) = (Vec::new(), Vec::new());
    for _ in 0..settings.rounds() {
        let key = world.open_sale(|_| {}).await?;
        sleep(SETTLES);
        let before = used().await?;
        let askers = people::join(&world, &key, settings.waiting(), ASKERS).await?;
        sleep(SETTLES);
        let each = (used().await? - before) / settings.waiting() as f64;
        tickets.push(Round { value: each, ceiling: BYTES_AT_MOST, more: Vec::new() });
        let process = world.start("everything", &[]);
        await_frame(&process, &key, |frame| frame.waiting == settings.waiting())?;
        let bearers: Vec<_> = askers.iter().map(|person| person.bearer(&world.keys)).collect();
        let request = Request::get(format!("/v1/sales/{}/tickets/self", key.sale));
        let each = Some(("Authorization", &bearers[..]));
        Shot::fire(process.address, &Load { each, ..Load::new(&request, CONNECTIONS, settings.seconds()) })?;
        let resident = process.resident() / MEBIBYTE;
        processes.push(Round { value: resident, ceiling: MEBIBYTES_AT_MOST, more: Vec::new() });
        drop(process);
        world.forget(&key).await?;
    }
    world.close().await?;
    let about = format!("{} wait", settings.waiting());
    Ok(vec![
        Figure::of("memory", "bytes/ticket", &tickets).wanted(Target::AtMost(1.0)).about(about.clone()),
        Figure::of("memory_process", "MiB", &processes)
            .wanted(Target::AtMost(1.0))
            .about(format!("{about}; every role in one process, after polls at {CONNECTIONS} connections")),
    ])
}
