//! Generates the load of a sale: buyers of different behaviours who join, wait, are called, buy, lose and come back,
//! until everything is sold.

use std::{sync::Arc, time::Duration};

use http::StatusCode;
use serde_json::Value;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::{
    behaviour::{Behaviour, BehaviourMix},
    buyer::{Buyer, Pass},
    http::Answer,
    installation::Installation,
    invariant::Invariant,
    invariant_checker::InvariantChecker,
};

/// How long who lost rests before coming again.
const REST_MS: u64 = 2_000;
/// How often a buyer looks whether the payment went through.
const LOOK_AFTER_MS: u64 = 500;

/// How a visit ended.
enum Visit {
    Paid,
    Lost,
    /// There is nothing to come back for.
    Over,
}

/// The buyers of one sale, each a task.
pub struct LoadGenerator {
    visitors: JoinSet<()>,
    over: CancellationToken,
}

impl LoadGenerator {
    /// Lets `buyers` come to the sale within this time.
    pub fn start(
        buyers: usize,
        (mix, within): (BehaviourMix, Duration),
        sale: &str,
        installation: &Installation,
        checker: &Arc<InvariantChecker>,
    ) -> Self {
        let (mut visitors, over) = (JoinSet::new(), CancellationToken::new());
        let arrives_within_ms = as_ms(within);
        for nth in 0..buyers {
            let buyer = Buyer::new(nth, sale, installation, checker);
            let visitor = Visitor {
                buyer,
                checker: Arc::clone(checker),
                over: over.clone(),
                mix,
                arrives_within_ms,
                patient_below: buyers as u64 / 4,
                visits: 0,
            };
            visitors.spawn(visitor.come_until_over());
        }
        Self { visitors, over }
    }

    /// Everybody goes home; who has an order looks after it first.
    pub async fn stop(mut self) {
        self.over.cancel();
        while let Some(ended) = self.visitors.join_next().await {
            ended.expect("a buyer goes home");
        }
    }
}

struct Visitor {
    buyer: Buyer,
    checker: Arc<InvariantChecker>,
    over: CancellationToken,
    mix: BehaviourMix,
    arrives_within_ms: u64,
    patient_below: u64,
    visits: u32,
}

impl Visitor {
    async fn come_until_over(mut self) {
        self.rest(rand::random_range(0..self.arrives_within_ms)).await;
        while !self.over.is_cancelled() {
            match self.visit().await {
                Visit::Paid if self.behaviour() == Behaviour::Greedy => return self.ask_for_more().await,
                Visit::Paid | Visit::Over => return,
                Visit::Lost => self.rest(REST_MS).await,
            }
            self.visits += 1;
        }
    }

    /// Calls are missed only far in front: at the end, when few units are left, each one missed costs everybody behind a
    /// whole window.
    fn behaviour(&self) -> Behaviour {
        let varies = self.visits == 0 && self.mix == BehaviourMix::Mixed;
        let behaviour = if varies { Behaviour::of(self.buyer.nth) } else { Behaviour::Steady };
        let in_front = self.buyer.place.as_ref().is_some_and(|place| place.number <= self.patient_below);
        match behaviour {
            Behaviour::ComesLate | Behaviour::NeverComes if !in_front => Behaviour::Steady,
            behaviour => behaviour,
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
        if self.behaviour() == Behaviour::AsksTwice {
            // The same pass once more, under another key: the invariant checker verifies that no other order comes of it.
            drop(self.buyer.reserve(&pass, "order-again").await);
        }
        if self.behaviour() == Behaviour::Cancels {
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
            self.checker.turned_away(self.buyer.nth);
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
                "waiting" if self.behaviour() == Behaviour::Leaves => {
                    self.leave().await;
                    return None;
                }
                "waiting" => {}
                "late" => calls_missed = 1,
                "called" if self.behaviour() == Behaviour::NeverComes => {}
                "called" if self.behaviour() == Behaviour::ComesLate && calls_missed == 0 => {}
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
        as_ms(self.checker.poll_after())
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
                if self.behaviour() == Behaviour::AsksTwice {
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
                self.checker.refused_order();
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
                    self.checker.paid_order(self.buyer.nth, order);
                    return Visit::Paid;
                }
                "pending_payment" | "payment_processing" | "payment_unknown" | "refund_pending" => {}
                "payment_failed" | "expired" | "cancelled" | "refunded" => {
                    self.checker.failed_order();
                    return Visit::Lost;
                }
                _ => {
                    self.checker.record_violation(Invariant::Walk, format!("order {order} is {seen}"));
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
            self.checker.record_violation(Invariant::Walk, got);
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
