//! `page_sale` and `page_line`: the page of a sale, and that of its line for people who wait in it, packed as browsers
//! ask for it. Each once more as a program asks that takes no gzip (`…_plain`).

use harness::{http::Request, process::Process};

use crate::{
    figure::{Figure, Target},
    people,
    rounds::Against,
    settings::Settings,
    world::{World, await_frame},
    wrk::Load,
};

const CONNECTIONS: usize = 256;
const WAITING: u64 = 5_000;
/// Different people who look.
const LOOKERS: u64 = 1_000;

/// What is measured: the name of the figure, the page's path behind the sale, and whether it is packed.
const PAGES: [(&str, &str, bool); 4] = [
    ("page_sale", "", true),
    ("page_line", "/line", true),
    ("page_sale_plain", "", false),
    ("page_line_plain", "/line", false),
];

pub(crate) async fn measure(settings: &Settings) -> anyhow::Result<Vec<Figure>> {
    let world = World::new(settings).await?;
    let key = world.open_sale(|_| {}).await?;
    let lookers = people::join(&world, &key, WAITING, LOOKERS).await?;
    let cookies: Vec<_> = lookers.iter().map(|person| person.cookies(&world.keys)).collect();
    let (front, back) = world.start_line();
    await_frame(&front, &key, |frame| frame.waiting == WAITING)?;
    let mut figures = Vec::new();
    for (bench, path, packed) in PAGES {
        let mut request = Request::get(format!("/sales/{}{path}", key.sale)).header("Accept-Language", "ko-KR,ko");
        if packed {
            request = request.header("Accept-Encoding", "gzip, deflate, br");
        }
        figures.push(look(settings, &front, &request, bench, &cookies).await?);
    }
    drop((front, back));
    world.close().await?;
    Ok(figures)
}

async fn look(
    settings: &Settings,
    front: &Process,
    request: &Request,
    bench: &'static str,
    cookies: &[String],
) -> anyhow::Result<Figure> {
    let load = Load { each: Some(("Cookie", cookies)), ..Load::new(request, CONNECTIONS, settings.seconds()) };
    let against = Against { bench, process: front, load, status: 200 };
    let figure = against.measure(settings).await?;
    Ok(if bench.ends_with("plain") { figure } else { figure.wanted(Target::AtLeast(0.5)) })
}
