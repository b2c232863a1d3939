//! One buyer: everything that a visitor does, one method each. Every answer is shown to the invariant checker.

use std::{sync::Arc, time::Duration};

use sale::clock::monotonic;
use serde_json::{Value, json};

use crate::{
    client::Client,
    http::{Answer, Request},
    installation::Installation,
    invariant::Invariant,
    invariant_checker::InvariantChecker,
};

/// What is to become of a ticket becomes of it within this time.
const CHANGES_WITHIN: Duration = Duration::from_secs(90);

/// From how many networks buyers come.
const NETWORKS: usize = 4;

/// One visitor and what it holds.
pub struct Buyer {
    /// Which one of the crowd; also which process it comes to first.
    pub nth: usize,
    /// Where it stands, once it has joined.
    pub place: Option<Place>,
    sale: String,
    key: String,
    address: String,
    client: Client,
    fronts: Vec<String>,
    shops: Vec<String>,
    checker: Arc<InvariantChecker>,
    /// The last `ahead` while waiting, and the epoch of the frame then.
    ahead: Option<(i64, u64)>,
}

/// A place in the line, as the ticket says.
#[derive(Clone, Debug)]
pub struct Place {
    pub id: String,
    pub number: u64,
    pub ticket: String,
}

/// What lets its buyer reserve.
#[derive(Clone, Debug)]
pub struct Pass {
    pub id: String,
    pub text: String,
}

impl Buyer {
    /// The `nth` visitor of a sale, who has not come yet.
    pub fn new(nth: usize, sale: &str, installation: &Installation, checker: &Arc<InvariantChecker>) -> Self {
        Self {
            nth,
            place: None,
            sale: sale.to_owned(),
            key: format!("buyer-{nth}-of-{sale}"),
            address: address_of(nth),
            client: installation.client.clone(),
            fronts: installation.fronts.clone(),
            shops: installation.shops.clone(),
            checker: Arc::clone(checker),
            ahead: None,
        }
    }

    /// Goes to another process from now on.
    pub fn move_to(&mut self, nth: usize) {
        for servers in [&mut self.fronts, &mut self.shops] {
            let by = nth % servers.len();
            servers.rotate_left(by);
        }
    }

    /// Joins, or finds the place that it has.
    pub async fn join(&mut self) -> Answer {
        let ask = Request::post(self.path("tickets")).key(&self.key).header("x-forwarded-for", &self.address);
        let answer = self.at_the_door(ask).await;
        if answer.status.is_success() {
            let joined = answer.json();
            let number = joined["number"].as_u64().unwrap_or_default();
            self.checker.number(self.nth, number);
            if self.place.as_ref().is_none_or(|place| place.number != number) {
                self.ahead = None;
            }
            self.place = Some(Place { id: answer.field("id"), number, ticket: answer.field("ticket") });
        }
        answer
    }

    /// Where the ticket stands.
    pub async fn stand(&mut self) -> Value {
        let place = self.place.clone().expect("stand in the line first");
        let epoch = self.checker.epoch();
        let asked = monotonic();
        let answer = self.at_the_door(Request::get(self.path("tickets/self")).bearer(&place.ticket)).await;
        if !answer.status.is_success() {
            let got = format!("ticket {} got {}: {}", place.number, answer.status, answer.json());
            self.checker.record_violation(Invariant::Walk, got);
            return Value::Null;
        }
        let standing = answer.json();
        // A question that had to be asked twice was answered later than it was asked.
        self.checker.standing(&standing, place.number, asked);
        self.check_ahead(&standing, epoch, &answer.server).await;
        standing
    }

    /// Asks until the ticket is in this state, and gives the standing.
    pub async fn until_state(&mut self, state: &str) -> Value {
        let asked = monotonic();
        loop {
            let standing = self.stand().await;
            if standing["state"] == state {
                return standing;
            }
            assert!(asked.elapsed() < CHANGES_WITHIN, "buyer {} is not {state} but {standing}", self.nth);
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    /// Within a life of the store nobody moves back. The life is the one that `server`, who told where the ticket stands,
    /// shows afterwards: of two processes one may know of the next life before the other.
    async fn check_ahead(&mut self, standing: &Value, epoch: i64, server: &str) {
        let now = standing["ahead"].as_u64().filter(|_| standing["state"] == "waiting");
        if let (Some((before_epoch, before)), Some(now)) = (self.ahead, now)
            && now > before
            && let Ok(answer) = self.client.ask(server, &Request::get(self.path("frame"))).await
        {
            let frame = answer.json();
            if frame["epoch"].as_i64() == Some(before_epoch) {
                self.checker.record_violation(
                    Invariant::I15,
                    format!("{before} were ahead, now {now} by {server}: {standing}; its frame {frame}"),
                );
            }
        }
        self.ahead = now.map(|now| (epoch, now));
    }

    /// Goes out of the line.
    pub async fn leave(&self) -> Answer {
        let ticket = self.place.as_ref().expect("stand in the line first").ticket.clone();
        self.at_the_door(Request::new("DELETE", self.path("tickets/self")).bearer(&ticket)).await
    }

    /// Asks for the pass.
    pub async fn enter(&self) -> Result<Pass, Answer> {
        let place = self.place.clone().expect("stand in the line first");
        let answer = self.at_the_door(Request::post(self.path("passes")).bearer(&place.ticket)).await;
        if !answer.status.is_success() {
            return Err(answer);
        }
        let pass = Pass { id: answer.field("id"), text: answer.field("pass") };
        self.checker.pass(&place.id, &pass.id);
        Ok(pass)
    }

    /// Reserves one unit. The key says which attempt it is.
    pub async fn reserve(&self, pass: &Pass, key: &str) -> Answer {
        let body = json!({"lines": [{"item": "pair", "quantity": 1}]});
        let answer = self.at_the_shop(Request::post(self.path("orders")).bearer(&pass.text).key(key).json(body)).await;
        if answer.status.is_success() {
            self.checker.ordered(&pass.id, &answer.field("id"));
        }
        answer
    }

    /// Pays an order.
    pub async fn pay(&self, pass: &Pass, order: &str, key: &str, method: &str) -> Answer {
        let ask = Request::post(format!("/v1/orders/{order}/payments")).json(json!({"method": method}));
        self.at_the_shop(ask.bearer(&pass.text).key(key)).await
    }

    /// Looks at an order with the ticket, which opens it as the pass does.
    pub async fn look(&self, order: &str) -> Value {
        let ticket = self.place.as_ref().expect("stand in the line first").ticket.clone();
        let answer = self.at_the_shop(Request::get(format!("/v1/orders/{order}")).bearer(&ticket)).await;
        if !answer.status.is_success() {
            let got = format!("order {order} got {}: {}", answer.status, answer.json());
            self.checker.record_violation(Invariant::Walk, got);
        }
        answer.json()
    }

    /// Cancels an order.
    pub async fn cancel(&self, pass: &Pass, order: &str) -> Answer {
        self.at_the_shop(Request::post(format!("/v1/orders/{order}/cancel")).bearer(&pass.text)).await
    }

    fn path(&self, step: &str) -> String {
        format!("/v1/sales/{}/{step}", self.sale)
    }

    async fn at_the_door(&self, ask: Request) -> Answer {
        self.patiently(&self.fronts, ask).await
    }

    async fn at_the_shop(&self, ask: Request) -> Answer {
        self.patiently(&self.shops, ask).await
    }

    async fn patiently(&self, servers: &[String], ask: Request) -> Answer {
        self.checker.look(Invariant::Walk);
        match self.client.ask_patiently(servers, self.nth, &ask).await {
            Ok(answer) => answer,
            Err(lost) => {
                self.checker
                    .record_violation(Invariant::I13, format!("buyer {} got no answer for a minute: {lost}", self.nth));
                Answer::none()
            }
        }
    }
}

/// Two neighbours share a network, so that as many of each come to either of two processes.
fn address_of(nth: usize) -> String {
    format!("198.18.{}.{}", nth / 2 % NETWORKS, nth / 2 / NETWORKS % 254 + 1)
}
