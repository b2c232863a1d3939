//! The crash points of the checkout: a process that is killed between any two steps, and who repairs it.

use checkout::{CheckoutError, queue_recovery::QueueRecovery, reserve::order_id};
use rstest::rstest;
use rstest_reuse::apply;
use sale::{
    EpochNonce, HoldId, OrderState, Pass, Timestamp,
    ids::EventId,
    sale::Place,
    testing::{ITEM, buyer, pass},
};
use stores::{
    StoreError,
    database::{
        Database,
        epochs::{self, Loss},
        inbox, passes,
        place::{self, NewOrder, PlaceOutcome},
    },
    events::ConsumerGroup,
    queue_store::{Queue as _, QueueKey, Reservation, ReservationOutcome, StockGate as _},
    testing,
};

use crate::{
    process::Process,
    shop::{Engine, LONG_MS, Shop, every_engine, parsed},
    unreliable::{Fault, killed_after},
};

impl Shop {
    /// The first half of a reservation, whose process dies before the second.
    async fn take_only(&self, pass: &Pass, key: &str) -> HoldId {
        self.take_only_for(std::slice::from_ref(pass), key).await;
        HoldId::first(order_id(pass, key, 0))
    }

    async fn take_only_for(&self, passes: &[Pass], key: &str) {
        let ask = |pass: &Pass| Reservation {
            hold: HoldId::first(order_id(pass, key, 0)),
            place: Place { buyer: pass.buyer, number: pass.number },
            lines: vec![sale::sale::Line { item: ITEM.parse().unwrap(), quantity: 1 }],
            limit: 1,
        };
        let asks: Vec<_> = passes.iter().map(ask).collect();
        let taken = self.queue.reserve(&self.queue_key().await, &asks, self.database.now()).await.unwrap();
        assert!(taken.iter().all(|taken| *taken == ReservationOutcome::Reserved), "{taken:?}");
    }

    /// What a process that was killed leaves to the others: events come again, leases run out.
    async fn recover(&self) {
        for _ in 0..3 {
            self.deliver().await;
            self.pass_time(11_000);
            self.loops().await;
        }
        self.deliver().await;
    }
}

#[apply(every_engine)]
#[tokio::test]
async fn taken_and_not_placed_is_finished_by_the_same_key(#[case] engine: Engine) {
    let shop = Shop::open(engine, 1, 1).await;
    let pass = shop.buyer().await;
    let hold = shop.take_only(&pass, "key").await;
    shop.process.reconciler.run_once().await.unwrap();
    let order = shop.reserve(&pass, "key").await.unwrap().order;
    assert_eq!(order.id, hold.order);
    assert_eq!(shop.units().await, (0, 1, 0));
    shop.close().await;
}

#[apply(every_engine)]
#[tokio::test]
async fn taken_and_never_placed_is_freed_by_the_reconciler(#[case] engine: Engine) {
    let shop = Shop::open(engine, 1, 1).await;
    let pass = shop.buyer().await;
    let hold = shop.take_only(&pass, "key").await;
    shop.pass_time(9_000);
    shop.process.reconciler.run_once().await.unwrap();
    assert!(!shop.queue.holds(&shop.queue_key().await).await.unwrap().is_empty(), "not before the grace");
    shop.pass_time(2_000);
    shop.process.reconciler.run_once().await.unwrap();
    assert_eq!(shop.units().await, (1, 0, 0));
    // The commit that comes still later hits the mark, and the pass is good again, with the same key too.
    let late = [late_order(&pass, hold)];
    let placed = place::place(&shop.database, &shop.queue_key().await, &late).await.unwrap();
    assert_eq!(placed, [PlaceOutcome::Ended]);
    let order = shop.reserve(&pass, "key").await.unwrap().order;
    assert_eq!(order.id, order_id(&pass, "key", 1));
    assert_eq!(shop.reserve(&pass, "key").await.unwrap().order.id, order.id);
    assert_eq!(shop.units().await, (0, 1, 0));
    shop.close().await;
}

#[apply(every_engine)]
#[tokio::test]
async fn more_holds_than_are_read_at_once_are_all_looked_at(#[case] engine: Engine) {
    let shop = Shop::open(engine, 1_300, 1).await;
    let passes = shop.buyers(1_300).await;
    let (placed, never_placed) = passes.split_at(2);
    for pass in placed {
        shop.reserve(pass, "key").await.unwrap();
    }
    shop.take_only_for(never_placed, "key").await;
    shop.pass_time(11_000);
    shop.process.reconciler.run_once().await.unwrap();
    assert_eq!(shop.units().await, (1_298, 2, 0));
    shop.close().await;
}

fn late_order(pass: &Pass, hold: HoldId) -> NewOrder {
    NewOrder { request_hash: "late".to_owned(), ..testing::new_order(hold.order, pass) }
}

#[apply(every_engine)]
#[tokio::test]
async fn an_answer_of_the_gate_that_is_lost_costs_nothing(#[case] engine: Engine) {
    let shop = Shop::open(engine, 2, 1).await;
    for fault in [Fault::Before, Fault::After] {
        let pass = shop.buyer().await;
        shop.queue.plan([Some(fault)]);
        assert_eq!(shop.reserve(&pass, "key").await.unwrap_err(), CheckoutError::StoreUnavailable);
        assert!(shop.reserve(&pass, "key").await.unwrap().is_new);
    }
    assert_eq!(shop.units().await, (0, 2, 0));
    shop.close().await;
}

#[apply(every_engine)]
#[tokio::test]
async fn a_buyer_who_hears_nothing_asks_again(#[case] engine: Engine) {
    let shop = Shop::open(engine, 1, 1).await;
    let pass = shop.buyer().await;
    assert!(killed_after(1, shop.reserve(&pass, "key")).await.is_none());
    let order = loop {
        match shop.reserve(&pass, "key").await {
            Ok(reserved) => break reserved.order,
            Err(refusal) => assert_eq!(refusal, CheckoutError::InFlight),
        }
        tokio::task::yield_now().await;
    };
    assert_eq!(order.id, order_id(&pass, "key", 0));
    assert_eq!(shop.units().await, (0, 1, 0));
    shop.close().await;
}

#[apply(every_engine)]
#[tokio::test]
async fn a_request_that_no_worker_heard_of_is_found(#[case] engine: Engine) {
    let shop = Shop::open(engine, 1, 1).await;
    let order = shop.paying("sandbox_ok").await;
    drop(shop.new_events().await);
    shop.pass_time(16_000);
    shop.process.payments.poll().await.unwrap();
    drop(shop.new_events().await);
    assert_eq!(shop.state(order).await, OrderState::PaymentProcessing);
    shop.pass_time(11_000);
    shop.process.stock.run_once().await.unwrap();
    assert_eq!(shop.state(order).await, OrderState::Paid);
    shop.close().await;
}

/// Every poll of the embedded stores is tried; the live ones take longer.
fn step(engine: Engine) -> usize {
    match engine {
        Engine::Embedded => 1,
        Engine::Live => 5,
    }
}

#[apply(every_engine)]
#[tokio::test]
async fn a_request_that_is_given_up_leaves_no_transaction_behind(#[case] engine: Engine) {
    let shop = Shop::open(engine, 1, 1).await;
    for polls in 1..40 {
        drop(killed_after(polls % 4 + 1, shop.database.begin()).await);
        let event = EventId::derive(shop.database.now(), &[&polls.to_be_bytes()]);
        inbox::add(&shop.database, ConsumerGroup::Mail, event, shop.database.now()).await.unwrap();
        let other = shop.second_database().await;
        assert!(
            inbox::contains(&other, ConsumerGroup::Mail, event).await.unwrap(),
            "a write was lost after {polls} polls"
        );
    }
    shop.close().await;
}

#[rstest]
#[case::ok_embedded(Engine::Embedded, "sandbox_ok", OrderState::Paid)]
#[case::declined_embedded(Engine::Embedded, "sandbox_declined", OrderState::PaymentFailed)]
#[case::declined_once_embedded(Engine::Embedded, "sandbox_declined_once", OrderState::PendingPayment)]
#[case::ok_live_engines(Engine::Live, "sandbox_ok", OrderState::Paid)]
#[case::declined_live_engines(Engine::Live, "sandbox_declined", OrderState::PaymentFailed)]
#[tokio::test]
async fn workers_killed_anywhere_are_taken_over(
    #[case] engine: Engine,
    #[case] method: &str,
    #[case] ends: OrderState,
) {
    let shop = Shop::open(engine, 400, 1).await;
    for polls in (1..).step_by(step(engine)) {
        let order = shop.paying(method).await;
        let work = async |process: &Process| {
            loop {
                let events = parsed(&process.new_events().await);
                if events.is_empty() {
                    return;
                }
                process.hand_over(&events).await.unwrap();
            }
        };
        let finished = shop.second_process().await.killed_after(polls, work).await;
        shop.recover().await;
        assert_eq!(shop.state(order).await, ends, "killed after {polls} polls");
        if finished {
            // What is written in batches is written by tasks of their own, so the cuts lie between the steps.
            assert!(polls > 10, "the work was done in {polls} polls: nothing was cut");
            break;
        }
    }
    shop.close().await;
}

#[apply(every_engine)]
#[tokio::test]
async fn loops_killed_anywhere_are_taken_over(#[case] engine: Engine) {
    let shop = Shop::open(engine, 400, 1).await;
    for polls in (1..).step_by(step(engine)) {
        let (left, given_up) = (shop.order().await.id, shop.order().await.id);
        shop.pay(left, "sandbox_leave", "pay").await.unwrap();
        shop.deliver().await;
        shop.pass_time(301_000);
        let work = async |process: &Process| {
            for _ in 0..3 {
                process.loops().await;
            }
        };
        let finished = shop.second_process().await.killed_after(polls, work).await;
        shop.recover().await;
        assert_eq!(shop.state(left).await, OrderState::Expired, "killed after {polls} polls");
        assert_eq!(shop.state(given_up).await, OrderState::Expired, "killed after {polls} polls");
        if finished {
            break;
        }
    }
    assert_eq!(shop.units().await, (400, 0, 0));
    shop.close().await;
}

#[apply(every_engine)]
#[tokio::test]
async fn a_gate_that_does_not_hear_is_told_again(#[case] engine: Engine) {
    let shop = Shop::open(engine, 4, 1).await;
    for fault in [Fault::Before, Fault::After] {
        let (paid, cancelled) = (shop.order().await.id, shop.order().await.id);
        shop.pay(paid, "sandbox_ok", "pay").await.unwrap();
        shop.cancel(cancelled).await.unwrap();
        shop.queue.plan([Some(fault); 4]);
        shop.deliver().await;
        assert_eq!(shop.state(paid).await, OrderState::Paid);
        shop.queue.plan([None; 4]);
        shop.loops().await;
        shop.loops().await;
    }
    assert_eq!(shop.units().await, (2, 0, 2));
    shop.close().await;
}

#[apply(every_engine)]
#[tokio::test]
async fn a_lost_queue_store_is_filled_from_the_database(#[case] engine: Engine) {
    let shop = Shop::open(engine, 5, 1).await;
    let (held, paying, ended) = (shop.order().await.id, shop.order().await.id, shop.order().await.id);
    let (waiting, old_line) = (shop.buyer().await, shop.queue_key().await);
    shop.pay(paying, "sandbox_ok", "pay").await.unwrap();
    let requested = shop.new_events().await;
    shop.cancel(ended).await.unwrap();
    shop.queue.forget(&shop.sale).await.unwrap();
    assert_eq!(shop.reserve(&waiting, "key").await.unwrap_err(), CheckoutError::StoreUnavailable);
    shop.hand_over(&requested).await.unwrap();
    shop.deliver().await;
    assert_eq!(shop.state(paying).await, OrderState::Paid, "money does not wait for the queue store");

    shop.pass_time(3_000);
    QueueRecovery::default().run_once(&shop.database, shop.queue.as_ref()).await.unwrap();
    assert_eq!(shop.queue_key().await.epoch, old_line.epoch + 1);
    assert_eq!(shop.units().await, (3, 1, 1));
    let (pass, hold) = (&waiting, HoldId::first(order_id(&waiting, "old", 0)));
    let placed = place::place(&shop.database, &old_line, &[late_order(pass, hold)]).await.unwrap();
    assert_eq!(placed, [PlaceOutcome::EpochMoved], "what was taken in the old life is refused");
    shop.reserve(&waiting, "key").await.unwrap();
    shop.pay(held, "sandbox_ok", "pay").await.unwrap();
    shop.deliver().await;
    shop.loops().await;
    assert_eq!(shop.units().await, (2, 1, 2));
    shop.close().await;
}

#[apply(every_engine)]
#[tokio::test]
async fn passes_get_back_the_time_that_a_lost_store_took(#[case] engine: Engine) {
    let shop = Shop::open(engine, 5, 1).await;
    let over = shop.buyer().await;
    shop.pass_time(LONG_MS / 2);
    let (used, open) = (shop.buyer().await, shop.buyer().await);
    shop.reserve(&used, "key").await.unwrap();
    shop.pass_time(LONG_MS / 2 + 1_000);
    let mut recovery = QueueRecovery::default();
    recovery.run_once(&shop.database, shop.queue.as_ref()).await.unwrap();
    shop.queue.forget(&shop.sale).await.unwrap();
    // Longer than what is left of any pass.
    shop.pass_time(LONG_MS);
    assert_eq!(shop.reserve(&open, "key").await.unwrap_err(), CheckoutError::PassExpired);
    recovery.run_once(&shop.database, shop.queue.as_ref()).await.unwrap();
    let mut passes = [over.clone(), used.clone(), open.clone()];
    passes::update_expiries(&shop.database, &mut passes, shop.database.now()).await.unwrap();
    let given_back = |at: usize, was: &Pass| passes[at].expires_at.millis_since(was.expires_at);
    assert_eq!((given_back(0, &over), given_back(1, &used)), (0, 0), "what was over stays over");
    assert!((LONG_MS..LONG_MS + 5_000).contains(&given_back(2, &open)), "{}", given_back(2, &open));
    assert_eq!(shop.reserve(&over, "key").await.unwrap_err(), CheckoutError::PassExpired);
    shop.reserve(&open, "key").await.unwrap();
    shop.calm_down().await;
    shop.close().await;
}

#[apply(every_engine)]
#[tokio::test]
async fn the_epoch_rises_before_or_after_a_batch_and_never_within(#[case] engine: Engine) {
    let shop = Shop::open(engine, 200, 1).await;
    for round in 0..10_u8 {
        let key = shop.queue_key().await;
        let orders: Vec<_> = (0..8).map(|n| foreign_order(round, n)).collect();
        let loss = Loss { key: key.clone(), found: 0, last_complete_at: None };
        let (placed, raised) = tokio::join!(
            place::place(&shop.database, &key, &orders),
            epochs::raise(&shop.database, &loss, EpochNonce::from_bits(round.into()), shop.database.now()),
        );
        raised.unwrap().unwrap();
        let placed = placed.unwrap();
        assert!(placed.iter().all(|answer| *answer == placed[0]), "{placed:?}");
        restore(&shop.database, &shop, &key).await;
    }
    shop.close().await;
}

#[apply(every_engine)]
#[tokio::test]
async fn the_line_of_a_new_sale_is_left_to_its_maker_unless_that_died(#[case] engine: Engine) {
    let shop = Shop::open(engine, 1, 1).await;
    let orphan = shop.sale_without_a_line().await;
    let key = async || epochs::queue_key(&shop.database, &orphan).await.unwrap().unwrap();
    let mut recovery = QueueRecovery::default();
    recovery.run_once(&shop.database, shop.queue.as_ref()).await.unwrap();
    assert_eq!(key().await.epoch, 0, "its maker is at it");
    shop.pass_time(3_000);
    recovery.run_once(&shop.database, shop.queue.as_ref()).await.unwrap();
    let begun = key().await;
    assert_eq!((begun.epoch, shop.queue.current_key(&orphan).await.unwrap()), (1, begun));
    shop.close().await;
}

/// Who sees the loss a moment later finds another one at it, and leaves the new life alone.
#[apply(every_engine)]
#[tokio::test]
async fn a_loss_that_several_notice_begins_one_life(#[case] engine: Engine) {
    let shop = Shop::open(engine, 1, 1).await;
    let other = shop.second_database().await;
    for yields in 0..40 {
        let before = shop.queue_key().await.epoch;
        shop.pass_time(3_000);
        shop.queue.forget(&shop.sale).await.unwrap();
        let (mut first, mut second) = (QueueRecovery::default(), QueueRecovery::default());
        let later = async {
            for _ in 0..yields {
                tokio::task::yield_now().await;
            }
            second.run_once(&other, shop.queue.as_ref()).await
        };
        let (first, second) = tokio::join!(first.run_once(&shop.database, shop.queue.as_ref()), later);
        first.and(second).unwrap();
        assert_eq!(shop.queue_key().await.epoch, before + 1, "the second came {yields} steps later");
    }
    shop.close().await;
}

/// The database is put back to before the epochs that the store knows, and counts them again.
#[apply(every_engine)]
#[tokio::test]
async fn a_database_that_was_put_back_meets_no_store_of_its_own_epoch(#[case] engine: Engine) {
    let shop = Shop::open(engine, 5, 1).await;
    let mut recovery = QueueRecovery::default();
    for behind in [0, 1, 2] {
        let newer = shop.queue_key().await;
        put_back(&shop, newer.epoch - behind).await;
        let older = shop.queue_key().await;
        assert!(matches!(shop.queue.observe(&older, 0).await, Err(StoreError::Lost)), "{behind} behind");
        shop.pass_time(3_000);
        recovery.run_once(&shop.database, shop.queue.as_ref()).await.unwrap();
        let restored = shop.queue_key().await;
        assert_eq!(restored.epoch, newer.epoch + 1, "one look is enough, however far behind the database is");
        assert_eq!(shop.queue.current_key(&shop.sale).await.unwrap(), restored);
        assert!(matches!(shop.queue.observe(&newer, 0).await, Err(StoreError::Lost)));
    }
    shop.close().await;
}

async fn put_back(shop: &Shop, epoch: i64) {
    let put_back = sqlx::query("UPDATE sales SET epoch = $2, epoch_nonce = 7 WHERE id = $1");
    put_back.bind(shop.sale.as_str()).bind(epoch).execute(shop.database.writer()).await.unwrap();
}

async fn restore(database: &Database, shop: &Shop, key: &QueueKey) {
    shop.pass_time(3_000);
    QueueRecovery::default().run_once(database, shop.queue.as_ref()).await.unwrap();
    assert!(shop.queue_key().await.epoch > key.epoch);
}

/// An order of a buyer who was never seated.
fn foreign_order(round: u8, n: u8) -> NewOrder {
    let at = Timestamp::from_millis(1_780_000_000_000);
    let place = Place { buyer: buyer(1_000 + u64::from(round) * 256 + u64::from(n)), number: 0 };
    let pass = pass(&"s".parse().unwrap(), place, at, at);
    late_order(&pass, HoldId::first(order_id(&pass, "key", 0)))
}
