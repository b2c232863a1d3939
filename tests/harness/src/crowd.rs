//! A crowd: buyers of different tempers who come, wait, are called, buy, lose and come back, until everything is sold.

use std::{sync::Arc, time::Duration};

use http::StatusCode;
use serde_json::Value;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::{
    buyer::{Buyer, Pass},
    http::Answer,
    installation::Installation,
    invariant::Invariant,
    witness::Witness,
};

/// How long who lost rests before coming again.
const REST_MS: u64 = 2_000;
/// How often a buyer looks whether the payment went through.
const LOOK_AFTER_MS: u64 = 500;

/// How a buyer behaves the first time; afterwards everybody who lost wants the thing badly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Temper {
    Steady,
    /// Goes away while waiting.
    Leaves,
    /// Misses the first call.
    ComesLate,
    /// Misses both.
    NeverComes,
    /// Asks for the pass again at another process, and for another order with it.
    AsksTwice,
    /// Cancels the order instead of paying.
    Cancels,
    /// Comes back for a second unit after the first.
    Greedy,
}

/// Who comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mood {
    /// All tempers, those who leave, miss their calls or want more among them.
    Mixed,
    /// People who want one unit and do as they are told.
    Steady,
}

impl Temper {
    const fn of(nth: usize) -> Self {
        match nth % 40 {
            3 | 17 => Self::Leaves,
            7 => Self::ComesLate,
            11 => Self::NeverComes,
            13 | 29 => Self::AsksTwice,
            19 => Self::Cancels,
            23 => Self::Greedy,
            _ => Self::Steady,
        }
    }
}

/// How a visit ended.
enum Visit {
    Paid,
    Lost,
    /// There is nothing to come back for.
    Over,
}

/// Everybody who came.
pub struct Crowd {
    visitors: JoinSet<()>,
    over: CancellationToken,
}

impl Crowd {
    /// Lets `buyers` come to the sale within this time.
    pub fn gather(
        buyers: usize,
        (mood, within): (Mood, Duration),
        sale: &str,
        installation: &Installation,
        witness: &Arc<Witness>,
    ) -> Self {
        let (mut visitors, over) = (JoinSet::new(), CancellationToken::new());
        let arrives_within_ms = as_ms(within);
        for nth in 0..buyers {
            let buyer = Buyer::new(nth, sale, installation, witness);
            let visitor = Visitor {
                buyer,
                witness: Arc::clone(witness),
                over: over.clone(),
                mood,
                arrives_within_ms,
                patient_below: buyers as u64 / 4,
                visits: 0,
            };
            visitors.spawn(visitor.come_until_over());
        }
        Self { visitors, over }
    }

    /// Everybody goes home; who has an order looks after it first.
    pub async fn disperse(mut self) {
        self.over.cancel();
        while let Some(ended) = self.visitors.join_next().await {
            ended.expect("a buyer goes home");
        }
    }
}

struct Visitor {
    buyer: Buyer,
    witness: Arc<Witness>,
    over: CancellationToken,
    mood: Mood,
    arrives_within_ms: u64,
    patient_below: u64,
    visits: u32,
}

impl Visitor {
    async fn come_until_over(mut self) {
        self.rest(rand::random_range(0..self.arrives_within_ms)).await;
        while !self.over.is_cancelled() {
            match self.visit().await {
                Visit::Paid if self.temper() == Temper::Greedy => return self.ask_for_more().await,
                Visit::Paid | Visit::Over => return,
                Visit::Lost => self.rest(REST_MS).await,
            }
            self.visits += 1;
        }
    }

    /// Calls are missed only far in front: at the end, when few units are left, each one missed costs everybody behind a
    /// whole window.
    fn temper(&self) -> Temper {
        let is_moody = self.visits == 0 && self.mood == Mood::Mixed;
        let temper = if is_moody { Temper::of(self.buyer.nth) } else { Temper::Steady };
        let in_front = self.buyer.place.as_ref().is_some_and(|place| place.number <= self.patient_below);
        match temper {
            Temper::ComesLate | Temper::NeverComes if !in_front => Temper::Steady,
            temper => temper,
        }
    }

    async fn visit(&mut self) -> Visit {
        let Some(joined) = self.join().await else { return Visit::Over };
        if joined.status == StatusCode::GONE {
            return Visit::Over;
        }
        if !joined.status.is_success() {
            self.unexpected("join", &joined);
            return Visit::Lost;
        }
        let Some(pass) = self.come_in().await else { return Visit::Lost };
        let Some(order) = self.reserve(&pass).await else { return Visit::Lost };
        if self.temper() == Temper::AsksTwice {
            // The same pass once more, under another key: the witness sees to it that no other order comes of it.
            drop(self.buyer.reserve(&pass, "order-again").await);
        }
        if self.temper() == Temper::Cancels {
            let cancelled = self.buyer.cancel(&pass, &order).await;
            if cancelled.status != StatusCode::ACCEPTED && cancelled.code() != "cannot_cancel" {
                self.unexpected("cancel", &cancelled);
            }
            return self.outcome(&order).await;
        }
        self.pay(&pass, &order, 1).await;
        self.outcome(&order).await
    }

    /// Asks for a place. Who is turned away comes again when told to; `None` when everybody goes home first.
    async fn join(&mut self) -> Option<Answer> {
        while !self.over.is_cancelled() {
            let joined = self.buyer.join().await;
            if joined.status != StatusCode::TOO_MANY_REQUESTS {
                return Some(joined);
            }
            self.witness.turned_away(self.buyer.nth);
            // Never earlier than told: a rest may be a fifth shorter than asked for.
            self.rest(as_ms(joined.retry_after()) * 5 / 4).await;
        }
        None
    }

    /// Waits for the call and follows it.
    async fn come_in(&mut self) -> Option<Pass> {
        let mut calls_missed = 0;
        loop {
            let standing = self.buyer.stand().await;
            match standing["state"].as_str().unwrap_or_default() {
                "waiting" if self.temper() == Temper::Leaves => {
                    self.leave().await;
                    return None;
                }
                "waiting" => {}
                "late" => calls_missed = 1,
                "called" if self.temper() == Temper::NeverComes => {}
                "called" if self.temper() == Temper::ComesLate && calls_missed == 0 => {}
                "called" | "admitted" => {
                    if let Some(pass) = self.enter().await {
                        return Some(pass);
                    }
                }
                _ => return None,
            }
            if self.over.is_cancelled() {
                return None;
            }
            self.rest(self.poll_after_ms()).await;
        }
    }

    fn poll_after_ms(&self) -> u64 {
        as_ms(self.witness.poll_after())
    }

    async fn leave(&self) {
        let left = self.buyer.leave().await;
        if left.status != StatusCode::NO_CONTENT {
            self.unexpected("leave", &left);
        }
    }

    async fn enter(&mut self) -> Option<Pass> {
        match self.buyer.enter().await {
            Ok(pass) => {
                if self.temper() == Temper::AsksTwice {
                    self.buyer.move_to(1);
                    drop(self.buyer.enter().await);
                }
                Some(pass)
            }
            Err(refused) => {
                if !["not_called", "ticket_gone"].contains(&refused.code().as_str()) {
                    self.unexpected("enter", &refused);
                }
                None
            }
        }
    }

    /// Tries as long as the pass is good: a refusal consumes nothing.
    async fn reserve(&self, pass: &Pass) -> Option<String> {
        let key = format!("order-{}", self.visits);
        loop {
            let reserved = self.buyer.reserve(pass, &key).await;
            if reserved.status == StatusCode::CREATED {
                return Some(reserved.field("id"));
            }
            let code = reserved.code();
            if code == "sold_out" {
                self.witness.refused_order();
            }
            match code.as_str() {
                // Redis may refuse too much for a moment, never sell too much.
                "sold_out" | "limit_reached" if !self.over.is_cancelled() => self.rest(1_000).await,
                "sold_out" | "limit_reached" | "pass_expired" => return None,
                _ => {
                    self.unexpected("reserve", &reserved);
                    return None;
                }
            }
        }
    }

    async fn pay(&self, pass: &Pass, order: &str, attempt: u32) {
        let key = format!("pay-{order}-{attempt}");
        let paying = self.buyer.pay(pass, order, &key, "sandbox_random").await;
        let known = ["hold_expired", "payment_in_progress", "already_paid"];
        if paying.status != StatusCode::ACCEPTED && !known.contains(&paying.code().as_str()) {
            self.unexpected("pay", &paying);
        }
    }

    /// Looks after the order until it is final.
    async fn outcome(&self, order: &str) -> Visit {
        loop {
            let seen: Value = self.buyer.look(order).await;
            match seen["state"].as_str().unwrap_or_default() {
                "paid" => {
                    self.witness.paid_order(self.buyer.nth, order);
                    return Visit::Paid;
                }
                "pending_payment" | "payment_processing" | "payment_unknown" | "refund_pending" => {}
                "payment_failed" | "expired" | "cancelled" | "refunded" => {
                    self.witness.failed_order();
                    return Visit::Lost;
                }
                _ => {
                    self.witness.wrong(Invariant::Walk, format!("order {order} is {seen}"));
                    return Visit::Lost;
                }
            }
            tokio::time::sleep(Duration::from_millis(LOOK_AFTER_MS)).await;
        }
    }

    /// One unit each: a second one is refused, and who is refused goes.
    async fn ask_for_more(&mut self) {
        self.visits += 1;
        if !self.buyer.join().await.status.is_success() {
            return;
        }
        let Some(pass) = self.come_in().await else { return };
        let refused = self.buyer.reserve(&pass, "order-more").await;
        if !["limit_reached", "sold_out"].contains(&refused.code().as_str()) {
            self.unexpected("reserve above the limit", &refused);
        }
        self.leave().await;
    }

    fn unexpected(&self, what: &str, answer: &Answer) {
        if answer.status != StatusCode::GATEWAY_TIMEOUT {
            let nth = self.buyer.nth;
            let got = format!("{what} of buyer {nth} got {}: {}", answer.status, answer.json());
            self.witness.wrong(Invariant::Walk, got);
        }
    }

    async fn rest(&self, ms: u64) {
        let wait = Duration::from_millis(ms).mul_f64(rand::random_range(0.8..1.2));
        tokio::select! {
            () = self.over.cancelled() => {}
            () = tokio::time::sleep(wait) => {}
        }
    }
}

fn as_ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
