//! The ceiling of `reserve`: a server that checks the pass, takes the units in Redis together with whoever else asks, and
//! answers as many bytes as an order has. No database.

use std::{convert::Infallible, net::SocketAddr, sync::Arc};

use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    Request, Response, StatusCode, body::Incoming, header::AUTHORIZATION, server::conn::http1, service::service_fn,
};
use hyper_util::rt::TokioIo;
use parking_lot::RwLock;
use sale::{
    HoldId, OrderId, Pass,
    pass::PassIssuer,
    sale::{Line, Place},
};
use stores::{
    batch::Batcher,
    database::Database,
    queue_store::{QueueKey, Reservation, ReservationOutcome},
};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::task::TaskTracker;

use crate::world::World;

/// Asks that may wait.
const WAITING: usize = 10_000;

pub(super) struct Gate {
    pub(super) address: SocketAddr,
    server: Arc<Server>,
}

struct Server {
    passes: PassIssuer,
    database: Database,
    takes: Batcher<Reservation, ReservationOutcome>,
    body: RwLock<Bytes>,
}

impl Gate {
    pub(super) async fn start(world: &World, queue_key: &QueueKey) -> anyhow::Result<Self> {
        let tracker = TaskTracker::new();
        let (queue, key, database) = (Arc::clone(&world.queue), queue_key.clone(), world.database.clone());
        let takes = Batcher::new("take", &tracker, WAITING, move |asks: Vec<Reservation>| {
            let (queue, key, database) = (Arc::clone(&queue), key.clone(), database.clone());
            Box::pin(async move { queue.reserve(&key, &asks, database.now()).await })
        });
        let passes = world.pass_book()?;
        let server = Arc::new(Server { passes, database: world.database.clone(), takes, body: RwLock::default() });
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let gate = Self { address: listener.local_addr()?, server: Arc::clone(&server) };
        tracker.clone().spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tracker.spawn(serve(stream, Arc::clone(&server)));
            }
        });
        Ok(gate)
    }

    /// Makes it answer what an order answers.
    pub(super) fn imitate(&self, body: &[u8]) {
        *self.server.body.write() = Bytes::copy_from_slice(body);
    }
}

async fn serve(stream: TcpStream, server: Arc<Server>) {
    let service = service_fn(move |request| {
        let server = Arc::clone(&server);
        async move { Ok::<_, Infallible>(server.answer(&request).await) }
    });
    drop(stream.set_nodelay(true));
    drop(http1::Builder::new().serve_connection(TokioIo::new(stream), service).await);
}

impl Server {
    async fn answer(&self, request: &Request<Incoming>) -> Response<Full<Bytes>> {
        let taken = match self.pass(request) {
            Some(pass) => self.takes.submit(take(&pass)).await.ok(),
            None => None,
        };
        let mut response = Response::new(Full::new(self.body.read().clone()));
        *response.status_mut() =
            if taken == Some(ReservationOutcome::Reserved) { StatusCode::CREATED } else { StatusCode::FORBIDDEN };
        response
    }

    fn pass(&self, request: &Request<Incoming>) -> Option<Pass> {
        let text = request.headers().get(AUTHORIZATION)?.to_str().ok()?.strip_prefix("Bearer ")?;
        let pass = self.passes.read(text).ok()?;
        pass.check_time(self.database.now()).ok().map(|()| pass)
    }
}

/// One unit, under an id that the pass names.
fn take(pass: &Pass) -> Reservation {
    let order = OrderId::derive(pass.issued_at, &[pass.id.to_string().as_bytes()]);
    let lines = "pair".parse().map(|item| vec![Line { item, quantity: 1 }]);
    let place = Place { buyer: pass.buyer, number: pass.number };
    Reservation { hold: HoldId::first(order), place, lines: lines.unwrap_or_default(), limit: 1 }
}
