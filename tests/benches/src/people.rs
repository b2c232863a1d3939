//! People who are in a line before the measuring begins: put there by the stores' own steps, without HTTP.

use anyhow::{Context as _, bail, ensure};
use sale::{Keys, Pass, SessionId, Ticket, Timestamp, sale::Place, testing};
use stores::{
    database::{
        leadership, passes,
        sequence::{self, RaiseOutcome},
    },
    queue_store::{CallBatch, CallOutcome, EnterOutcome, EnterRequest, JoinOutcome, JoinRequest, QueueKey},
};

use crate::world::World;

/// As many as one script takes without holding the store up.
const TOGETHER: u64 = 1_000;

/// Somebody in a line.
#[derive(Clone, Debug)]
pub(crate) struct Person {
    pub(crate) session: SessionId,
    pub(crate) ticket: Ticket,
}

impl Person {
    /// As a program carries the ticket.
    pub(crate) fn bearer(&self, keys: &Keys) -> String {
        format!("Bearer {}", self.ticket.sign(&keys.tickets))
    }

    /// As a browser carries session and ticket.
    pub(crate) fn cookies(&self, keys: &Keys) -> String {
        let (session, ticket) = (self.session.expose(), self.ticket.sign(&keys.tickets));
        format!("openrun={session}; openrun-t-{}={ticket}", self.ticket.sale)
    }
}

/// Puts `count` buyers into the line. Tells of about `kept` of them, spread over the line.
pub(crate) async fn join(world: &World, key: &QueueKey, count: u64, kept: u64) -> anyhow::Result<Vec<Person>> {
    let RaiseOutcome::RaisedTo(allocated_up_to) = sequence::allocate(&world.database, key, count).await? else {
        bail!("the queue began another life");
    };
    let every = count.div_ceil(kept.max(1)).max(1);
    let (mut people, mut joined) = (Vec::new(), 0);
    while joined < count {
        let sessions: Vec<_> = (0..TOGETHER.min(count - joined)).map(|_| SessionId::random()).collect();
        let asks: Vec<_> =
            sessions.iter().map(|session| JoinRequest { buyer: session.buyer(), ticket: None }).collect();
        let answers = world.queue.join(key, &asks, allocated_up_to, world.database.now()).await?;
        for ((session, ask), answer) in sessions.into_iter().zip(&asks).zip(answers) {
            let JoinOutcome::New { number, joined_at } = answer else { bail!("a new buyer got {answer:?}") };
            if number % every == 0 {
                let place = Place { buyer: ask.buyer, number };
                let ticket = testing::ticket(&key.sale, place, key.epoch, joined_at);
                people.push(Person { session, ticket });
            }
        }
        joined += asks.len() as u64;
    }
    Ok(people)
}

/// Puts `count` buyers into the line and lets them in, with their pass rows committed. Nobody else may lead the sale.
pub(crate) async fn enter(world: &World, key: &QueueKey, count: u64) -> anyhow::Result<Vec<Pass>> {
    let people = join(world, key, count, count).await?;
    let now = world.database.now();
    let lead = leadership::acquire(&world.database, &key.sale, "bench", now, now.plus_millis(1)).await?;
    let term = lead.context("somebody else leads the sale")?.term;
    let last = people.last().map_or(0, |person| person.ticket.number);
    sequence::mark_called(&world.database, key, term, last).await?;
    let mut passes = Vec::new();
    for (seq, people) in (1..).zip(people.chunks(usize::try_from(TOGETHER)?)) {
        let (calls, until) = (people.len() as u64, now.plus_seconds(900));
        let called = world.queue.call(key, CallBatch { term, seq, calls, up_to: last, until }, now).await?;
        ensure!(
            matches!(called, CallOutcome::Called { called, .. } if called == calls),
            "not all were called: {called:?}"
        );
        passes.extend(let_in(world, key, people).await?);
    }
    Ok(passes)
}

async fn let_in(world: &World, key: &QueueKey, people: &[Person]) -> anyhow::Result<Vec<Pass>> {
    let now = world.database.now();
    // Passes carry whole seconds.
    let issued_at = Timestamp::from_millis(now.as_seconds() * 1_000);
    let expires_at = issued_at.plus_seconds(600);
    let (mut asks, mut given) = (Vec::new(), Vec::new());
    for Person { ticket, .. } in people {
        let place = Place { buyer: ticket.buyer, number: ticket.number };
        let pass = testing::pass(&key.sale, place, issued_at, expires_at);
        asks.push(EnterRequest { place, ticket_epoch: ticket.epoch, pass: pass.id, expires_at });
        given.push(pass);
    }
    let entered = world.queue.enter(key, &asks, now).await?;
    ensure!(entered.iter().all(|entered| matches!(entered, EnterOutcome::Admitted { .. })), "not all were let in");
    let issued = passes::issue(&world.database, &given).await?;
    ensure!(issued.iter().all(Option::is_some), "not all have a pass");
    Ok(given)
}
