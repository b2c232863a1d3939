//! People who are in a line before the measuring begins: put there by the stores' own steps, without HTTP.

use anyhow::bail;
use sale::{Keys, SessionId, Ticket};
use stores::{
    database::numbers::{self, Raised},
    queue::{Join, Joined, LineKey},
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
        let (session, ticket) = (self.session.reveal(), self.ticket.sign(&keys.tickets));
        format!("openrun={session}; openrun-t-{}={ticket}", self.ticket.sale)
    }
}

/// Puts `count` buyers into the line. Tells of about `kept` of them, spread over the line.
pub(crate) async fn join(world: &World, line: &LineKey, count: u64, kept: u64) -> anyhow::Result<Vec<Person>> {
    let Raised::To(ceiling) = numbers::raise_ceiling(&world.database, line, count).await? else {
        bail!("the line began another life");
    };
    let every = count.div_ceil(kept.max(1)).max(1);
    let (mut people, mut joined) = (Vec::new(), 0);
    while joined < count {
        let sessions: Vec<_> = (0..TOGETHER.min(count - joined)).map(|_| SessionId::random()).collect();
        let asks: Vec<_> = sessions.iter().map(|session| Join { buyer: session.buyer(), ticket: None }).collect();
        let answers = world.line.join(line, &asks, ceiling, world.database.now()).await?;
        for ((session, ask), answer) in sessions.into_iter().zip(&asks).zip(answers) {
            let Joined::New { number, joined_at } = answer else { bail!("a new buyer got {answer:?}") };
            if number % every == 0 {
                let (sale, buyer) = (line.sale.clone(), ask.buyer);
                let ticket = Ticket { sale, number, buyer, epoch: line.epoch, joined_at, bound: false };
                people.push(Person { session, ticket });
            }
        }
        joined += asks.len() as u64;
    }
    Ok(people)
}
