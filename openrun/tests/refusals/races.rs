//! One pass, a hundred hands.

use std::{collections::HashSet, sync::Barrier, thread};

use harness::http::{Answer, Request};
use serde_json::json;

use crate::{
    shop::until,
    world::{Buyer, World, enter, join, one_pair},
};

const HANDS: usize = 100;

/// Sends the requests of a hundred hands at once.
fn race(world: &World, request: impl Fn(usize) -> Request + Sync) -> Vec<Answer> {
    let start = Barrier::new(HANDS);
    thread::scope(|scope| {
        let hands: Vec<_> = (0..HANDS)
            .map(|hand| {
                let (request, start) = (&request, &start);
                scope.spawn(move || {
                    let request = request(hand);
                    start.wait();
                    world.shop.ask(&request)
                })
            })
            .collect();
        hands.into_iter().map(|hand| hand.join().unwrap()).collect()
    })
}

fn newcomer(world: &World, name: &str) -> Buyer {
    enter(&world.shop, join(&world.shop, "open", name))
}

fn reserve(buyer: &Buyer, key: &str) -> Request {
    Request::new("POST", "/v1/sales/open/orders").bearer(&buyer.pass).key(key).json(one_pair())
}

fn held(world: &World) -> i64 {
    let live = world.shop.call("GET", "/v1/sales/open/live", None);
    assert_eq!(live["conservation"], 0, "{live}");
    live["units"]["held"].as_i64().unwrap()
}

pub(crate) fn one_pass_buys_once(world: &World) {
    let buyer = newcomer(world, "nari");
    let before = held(world);
    let answers = race(world, |hand| reserve(&buyer, &format!("hand {hand}")));
    let mut orders = HashSet::new();
    let mut placed = 0;
    for answer in &answers {
        let document = answer.json();
        match (answer.status.as_u16(), document["code"].as_str()) {
            (201, _) => {
                placed += 1;
                orders.insert(document["id"].as_str().unwrap().to_owned());
            }
            (403, Some("pass_used")) => {
                orders.insert(document["order"].as_str().unwrap().to_owned());
            }
            _ => panic!("{} {}", answer.status, answer.text()),
        }
    }
    assert_eq!((placed, orders.len()), (1, 1));
    until("one unit is held", || (held(world) == before + 1).then_some(()));
}

pub(crate) fn one_key_is_one_order(world: &World) {
    let buyer = newcomer(world, "omar");
    let before = held(world);
    let answers = race(world, |_| reserve(&buyer, "the same"));
    let mut orders = HashSet::new();
    for answer in &answers {
        let document = answer.json();
        match (answer.status.as_u16(), document["code"].as_str()) {
            (201, _) => {
                orders.insert(document["id"].as_str().unwrap().to_owned());
            }
            (409, Some("in_flight")) => assert!(answer.header("retry-after").is_some()),
            _ => panic!("{} {}", answer.status, answer.text()),
        }
    }
    assert_eq!(orders.len(), 1);
    let again = world.shop.ask(&reserve(&buyer, "the same"));
    assert!(orders.contains(again.json()["id"].as_str().unwrap()));
    assert_eq!(held(world), before + 1);
    one_payment(world, &buyer, orders.iter().next().unwrap());
}

/// The same for paying: one attempt, whoever asked.
fn one_payment(world: &World, buyer: &Buyer, order: &str) {
    let answers = race(world, |hand| {
        let request = Request::new("POST", format!("/v1/orders/{order}/payments")).bearer(&buyer.pass);
        request.key(&format!("hand {hand}")).json(json!({"method": "sandbox_ok"}))
    });
    let taken = answers.iter().filter(|answer| answer.status == 202).count();
    let refused = answers.iter().filter(|answer| {
        answer.status == 409 && matches!(answer.json()["code"].as_str(), Some("payment_in_progress" | "already_paid"))
    });
    assert_eq!((taken, refused.count()), (1, HANDS - 1));
    until("the order is paid", || (world.order(order, buyer) == "paid").then_some(()));
}

/// After a table of refusals every pass and ticket still does what it was given for.
pub(crate) fn what_was_refused_is_as_good_as_before(world: &World) {
    let bought = world.shop.ask(&reserve(&world.anna, "refused"));
    assert_eq!(bought.status, 201, "{}", bought.text());
    let bora = Request::new("POST", "/v1/sales/open/orders").header("cookie", world.bora.cookies());
    let bora = bora.header("sec-fetch-site", "same-origin").key("refused").json(one_pair());
    assert_eq!(world.shop.ask(&bora).status, 201);
    let pay = Request::new("POST", format!("/v1/orders/{}/payments", world.held)).bearer(&world.chul.pass);
    assert_eq!(world.shop.ask(&pay.key("k").json(json!({"method": "sandbox_ok"}))).status, 202);
    until("the order is paid", || (world.order(&world.held, &world.chul) == "paid").then_some(()));
    let cancel = Request::new("POST", format!("/v1/orders/{}/cancel", world.paying)).bearer(&world.dana.pass);
    assert_eq!(world.shop.ask(&cancel).status, 202);
    until("the order is cancelled", || (world.order(&world.paying, &world.dana) == "cancelled").then_some(()));
    let stays = Request::new("GET", "/v1/sales/slow/tickets/self").bearer(&world.gigi.ticket);
    assert_eq!(world.shop.ask(&stays).json()["state"], "waiting");
}
