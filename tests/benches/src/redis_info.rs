//! What Redis tells about itself.

use anyhow::Context as _;

use crate::settings::Settings;

/// A number of `INFO`, such as `used_memory`.
pub(crate) async fn number(settings: &Settings, field: &str) -> anyhow::Result<f64> {
    let client = redis::Client::open(settings.queue_url.as_str())?;
    let mut connection = client.get_multiplexed_async_connection().await?;
    let info: String = redis::cmd("INFO").arg("all").query_async(&mut connection).await?;
    let value = info.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    Ok(value.with_context(|| format!("INFO tells no {field}"))?.trim().parse()?)
}
