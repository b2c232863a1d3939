//! The listener.

use std::{convert::Infallible, process::ExitCode};

use anyhow::Context as _;
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use sale::Keys;
use tokio::{
    net::{TcpListener, TcpStream},
    select,
};

use crate::{cli::Start, config::Config, lifecycle::Lifecycle};

/// Serves until a signal.
pub async fn run(config: Config, _keys: Keys, start: Start) -> anyhow::Result<ExitCode> {
    let listener = TcpListener::bind(config.listen)
        .await
        .with_context(|| format!("cannot listen on {}; set OPENRUN_LISTEN to a free address", config.listen))?;
    tracing::info!(address = %config.listen, ?start, "listening on {}", config.listen);
    let lifecycle = Lifecycle::new();
    lifecycle.spawn("listener", accept(listener, lifecycle.clone()));
    Ok(lifecycle.run_until_stopped().await)
}

async fn accept(listener: TcpListener, lifecycle: Lifecycle) -> anyhow::Result<()> {
    loop {
        select! {
            () = lifecycle.soft.cancelled() => return Ok(()),
            accepted = listener.accept() => {
                let (stream, _) = accepted?;
                lifecycle.spawn("connection", answer(stream, lifecycle.clone()));
            }
        }
    }
}

async fn answer(stream: TcpStream, lifecycle: Lifecycle) -> Result<(), Infallible> {
    let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service_fn(healthz));
    select! {
        () = lifecycle.soft.cancelled() => {}
        // A connection that breaks is its peer's matter.
        _ = connection => {}
    }
    Ok(())
}

async fn healthz(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let is_health = request.uri().path() == "/healthz";
    let mut response = Response::new(Full::from(if is_health { "ok\n" } else { "" }));
    *response.status_mut() = if is_health { StatusCode::OK } else { StatusCode::NOT_FOUND };
    Ok(response)
}
