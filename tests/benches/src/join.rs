//! `join` and `join_small`: new visitors get their tickets, through one script in Redis for all who come together; at 256
//! connections, and at 32, where fewer come together.

use harness::http::Request;

use crate::{
    figure::{Figure, Target},
    rounds::Against,
    settings::Settings,
    world::World,
    wrk::Load,
};

pub(crate) async fn measure(settings: &Settings) -> anyhow::Result<Vec<Figure>> {
    let world = World::new(settings).await?;
    let queue_key = world.open_sale(|_| {}).await?;
    let (front, back) = world.start_line();
    // Neither cookie nor key: every request is somebody who was never here.
    let request = Request::post(format!("/v1/sales/{}/tickets", queue_key.sale));
    let of = |bench, connections| {
        let load = Load::new(&request, connections, settings.seconds());
        Against { bench, process: &front, load, status: 201 }
    };
    let large = of("join", 256).measure(settings).await?.wanted(Target::AtLeast(0.75));
    let small = of("join_small", 32).measure(settings).await?;
    drop((front, back));
    world.close().await?;
    Ok(vec![large, small])
}
