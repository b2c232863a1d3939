//! `sold_out`: the rush goes on when nothing is left, and everybody is told so at once.

use harness::http::Request;
use stores::database::Database;

use crate::{
    figure::{Figure, Target},
    rounds::Against,
    settings::Settings,
    world::{World, await_frame},
    wrk::Load,
};

const CONNECTIONS: usize = 256;

pub(crate) async fn measure(settings: &Settings) -> anyhow::Result<Vec<Figure>> {
    let world = World::new(settings).await?;
    let key = world.open_sale(|_| {}).await?;
    sell_everything(&world.database, key.sale.as_str()).await?;
    let (front, back) = world.start_line();
    await_frame(&front, &key, |frame| frame.state == sale::SaleState::SoldOut)?;
    let request = Request::post(format!("/v1/sales/{}/tickets", key.sale));
    let load = Load { refused: true, ..Load::new(&request, CONNECTIONS, settings.seconds()) };
    let against = Against { bench: "sold_out", process: &front, load, status: 410 };
    let figure = against.measure(settings).await?.wanted(Target::AtLeast(0.9));
    drop((front, back));
    world.close().await?;
    Ok(vec![figure])
}

async fn sell_everything(database: &Database, sale: &str) -> anyhow::Result<()> {
    sqlx::query("UPDATE items SET sold = total WHERE sale = $1").bind(sale).execute(database.writer()).await?;
    Ok(())
}
