//! The driver: carries out each step on both adapters and compares their results.

use std::{collections::HashMap, fmt::Debug, sync::Arc};

use proptest::{prelude::*, test_runner::TestCaseError};
use sale::{
    EpochNonce, Frame, SaleId, Timestamp,
    frame::{BUCKET, Histogram},
    sale::Kind,
    standing::ahead,
};
use stores::{
    StoreError,
    queue_store::{
        self, CallBatch, CallOutcome, EnterOutcome, EnterRequest, HoldEnd, JoinOutcome, JoinRequest, Observation,
        QueueKey, Reservation, ReservationOutcome, SaleQueueStore, StockCount, TicketClaims, TicketStatus,
    },
};

use crate::{
    oracle::{Oracle, buyer, hold, units},
    steps::{Loss, Sell, Sent, Step, Which},
};

type StepResult<T = ()> = Result<T, TestCaseError>;

/// Numbers that an allocation adds: few, so that joins often reach the last one.
const BLOCK: u64 = 5;

/// The server under test: as a queue store, and as what a fault is injected into.
pub(crate) struct Redis {
    queue: Arc<dyn SaleQueueStore>,
    client: redis::Client,
}

impl Redis {
    #[expect(clippy::disallowed_methods, reason = "tests read the addresses of engines from the environment")]
    pub(crate) fn from_environment() -> Self {
        let url = std::env::var("OPENRUN_TEST_QUEUE_URL")
            .expect("OPENRUN_TEST_QUEUE_URL must name a Redis to test with, like redis://127.0.0.1:6379");
        Self { queue: queue_store::connect(&url).unwrap(), client: redis::Client::open(url).unwrap() }
    }

    /// Removes one key of a sale's epoch, or the one that says which epoch is current.
    async fn lose_key(&self, key: &QueueKey, which: usize) {
        let pattern = format!("openrun:{{{}}}:{}-{}:*", key.sale, key.epoch, key.nonce);
        let mut connection = self.client.get_multiplexed_async_connection().await.unwrap();
        let mut keys: Vec<String> = redis::cmd("KEYS").arg(pattern).query_async(&mut connection).await.unwrap();
        // The two that are only for display may be missing.
        keys.retain(|key| !key.ends_with(":frame") && !key.ends_with(":departed"));
        keys.sort();
        keys.push(format!("openrun:{{{}}}:epoch", key.sale));
        redis::cmd("DEL").arg(&keys[which % keys.len()]).exec_async(&mut connection).await.unwrap();
    }
}

struct Walk<'a> {
    redis: &'a Redis,
    memory: Arc<dyn SaleQueueStore>,
    key: QueueKey,
    now: Timestamp,
    oracle: Oracle,
    term: i64,
    last: CallBatch,
    /// Number and shown place of each buyer, in this epoch.
    shown: HashMap<u8, (u64, u64)>,
    total: HashMap<String, i64>,
}

pub(crate) async fn walk(redis: &Redis, steps: &[Step]) -> StepResult {
    let sale: SaleId = format!("model-{:032x}", rand::random::<u128>()).parse().unwrap();
    let last = CallBatch { term: 1, seq: 0, calls: 0, up_to: 0, until: Timestamp::default() };
    let mut walk = Walk {
        redis,
        memory: queue_store::connect("memory:").unwrap(),
        key: QueueKey { sale: sale.clone(), epoch: 0, nonce: EpochNonce::default() },
        now: Timestamp::from_millis(1_780_000_000_000),
        oracle: Oracle::default(),
        term: 1,
        last,
        shown: HashMap::new(),
        total: HashMap::new(),
    };
    walk.begin(first_stock()).await?;
    let mut result = Ok(());
    for step in steps {
        result = walk.take_step(step).await;
        if result.is_err() {
            break;
        }
    }
    redis.queue.forget(&sale).await.unwrap();
    result
}

fn first_stock() -> Vec<StockCount> {
    let count = |item: &str, free| StockCount { item: item.parse().unwrap(), free, held: 0, sold: 0 };
    vec![count("pair", 6), count("lace", 3)]
}

/// Carries out one step on both adapters, and returns their result if it is the same.
macro_rules! both {
    ($walk:expr, $method:ident($($argument:expr),*)) => {{
        let memory = $walk.memory.$method(&$walk.key, $($argument),*).await;
        let redis = $walk.redis.queue.$method(&$walk.key, $($argument),*).await;
        same(stringify!($method), memory, redis)?
    }};
}

fn same<T: Debug>(step: &str, memory: Result<T, StoreError>, redis: Result<T, StoreError>) -> StepResult<Option<T>> {
    let text = |result: &Result<T, StoreError>| match result {
        Ok(outcome) => format!("{outcome:?}"),
        Err(StoreError::Lost) => "lost".to_owned(),
        Err(StoreError::Unexpected { .. }) => "unexpected".to_owned(),
        Err(error @ StoreError::Unavailable { .. }) => error.to_string(),
    };
    prop_assert_eq!(text(&memory), text(&redis), "memory and Redis differ: {}; {:?}", step, redis.err());
    Ok(memory.ok())
}

impl Walk<'_> {
    async fn begin(&mut self, stock: Vec<StockCount>) -> StepResult {
        self.key.epoch += 1;
        self.key.nonce = EpochNonce::from_bits(rand::random());
        self.shown.clear();
        self.term += 1;
        self.last = CallBatch { term: self.term, seq: 0, ..self.last };
        let snapshot = self.oracle.snapshot(stock);
        self.total = snapshot.stock.iter().map(|count| (count.item.to_string(), sum(count))).collect();
        both!(self, rebuild(&snapshot, self.now));
        Ok(())
    }

    async fn take_step(&mut self, step: &Step) -> StepResult {
        match step {
            Step::Join { buyers } => self.join(buyers).await?,
            Step::Standing { requests } => {
                let ticket = |(n, which)| (buyer(n), self.oracle.ticket(n, which, self.key.epoch));
                let requests: Vec<_> = requests.iter().copied().map(ticket).collect();
                both!(self, standing(&requests, self.now));
            }
            Step::Call { sent, calls, beyond, window_ms } => self.call(*sent, *calls, *beyond, *window_ms).await?,
            Step::Sweep => drop(both!(self, sweep(self.now))),
            Step::Enter { n, which, pass_ms } => {
                let carried = self.oracle.ticket(*n, *which, self.key.epoch);
                let place = self.oracle.place(*n, *which, self.key.epoch);
                let pass = sale::PassId::derive(self.now, &[&[*n]]);
                let expires_at = self.now.plus_millis(*pass_ms);
                let request = EnterRequest { place, ticket_epoch: carried.epoch, pass, expires_at };
                if let Some([EnterOutcome::Admitted { expires_at }]) =
                    both!(self, enter(&[request], self.now)).as_deref()
                {
                    self.oracle.entered(place, *expires_at);
                }
            }
            Step::Leave { n, which } => {
                let place = self.oracle.place(*n, *which, self.key.epoch);
                if both!(self, leave(&[place], self.now)) == Some(vec![TicketStatus::Admitted]) {
                    self.oracle.left(place);
                }
                drop(both!(self, departed(0)));
            }
            Step::Sell(sell) => self.sell(sell).await?,
            Step::Observe { nth } => drop(self.observe(*nth).await?),
            Step::EndGracePeriod => drop(both!(self, end_grace_period())),
            Step::Publish { is_old } => {
                let term = self.term - i64::from(*is_old);
                both!(self, publish(term, self.now.to_string().into()));
                both!(self, frame());
            }
            Step::Pass { ms } => self.now = self.now.plus_millis(*ms),
            Step::Lose(loss) => self.lose(*loss).await?,
            Step::Forget => {
                let stock = self.observe(1).await?.stock;
                self.memory.forget(&self.key.sale).await.unwrap();
                self.redis.queue.forget(&self.key.sale).await.unwrap();
                self.check_it_is_lost().await?;
                self.begin(stock).await?;
            }
        }
        self.observe(1).await.map(drop)
    }

    async fn join(&mut self, buyers: &[(u8, Option<Which>)]) -> StepResult {
        let requests: Vec<_> = buyers
            .iter()
            .map(|(n, which)| JoinRequest {
                buyer: buyer(*n),
                ticket: which.map(|which| self.oracle.ticket(*n, which, self.key.epoch)),
            })
            .collect();
        let joined = both!(self, join(&requests, self.oracle.allocated_up_to, self.now)).unwrap_or_default();
        for ((n, _), joined) in buyers.iter().zip(joined) {
            match joined {
                JoinOutcome::New { number, .. } => {
                    self.oracle.gave(*n, TicketClaims { number, epoch: self.key.epoch });
                }
                JoinOutcome::Existing { .. } => {}
                JoinOutcome::AllocationReached => self.oracle.allocated_up_to += BLOCK,
            }
        }
        Ok(())
    }

    async fn call(&mut self, sent: Sent, calls: u64, beyond: u64, window_ms: i64) -> StepResult {
        let seen = self.observe(calls.max(1)).await?;
        let up_to = (seen.nth_number + beyond).min(seen.last_number).max(self.oracle.called_up_to);
        let next =
            CallBatch { term: self.term, seq: self.last.seq + 1, calls, up_to, until: self.now.plus_millis(window_ms) };
        let batch = match sent {
            Sent::Next => next,
            Sent::Again => self.last,
            Sent::Late => CallBatch { seq: self.last.seq.saturating_sub(1), ..next },
            Sent::NewTerm => CallBatch { term: self.term + 1, seq: 0, ..next },
            Sent::OldTerm => CallBatch { term: self.term - 1, ..next },
        };
        self.oracle.called_up_to = self.oracle.called_up_to.max(batch.up_to);
        if let Some(CallOutcome::Called { called, .. }) = both!(self, call(batch, self.now)) {
            prop_assert!(called <= batch.calls || !matches!(sent, Sent::Next));
            self.term = self.term.max(batch.term);
            if (batch.term, batch.seq) > (self.last.term, self.last.seq) {
                self.last = batch;
            }
        }
        Ok(())
    }

    async fn sell(&mut self, sell: &Sell) -> StepResult {
        match sell {
            Sell::Reserve { n, which, hold: name, pairs, laces, limit } => {
                let mut lines = vec![units("pair", *pairs)];
                lines.extend(laces.map(|laces| units("lace", laces)));
                let place = self.oracle.place(*n, *which, self.key.epoch);
                let request = Reservation { hold: hold(*name, 1), place, lines, limit: *limit };
                if both!(self, reserve(std::slice::from_ref(&request), self.now))
                    == Some(vec![ReservationOutcome::Reserved])
                {
                    self.oracle.reserved(&request);
                }
            }
            Sell::Reacquire { n, hold: name, nth, pairs, limit } => {
                let place = self.oracle.place(*n, Which::Latest, self.key.epoch);
                let request =
                    Reservation { hold: hold(*name, *nth), place, lines: vec![units("pair", *pairs)], limit: *limit };
                if both!(self, reacquire(&request, self.now)) == Some(ReservationOutcome::Reserved) {
                    self.oracle.reserved(&request);
                }
            }
            Sell::End { hold: name, nth, ending } => {
                let end = HoldEnd { hold: hold(*name, *nth), ending: *ending };
                both!(self, end_holds(&[end]));
                self.oracle.ended(&end);
            }
            Sell::Restock { lace, total, version } => {
                let item = units(if *lace { "lace" } else { "pair" }, 0).item;
                both!(self, restock(&item, *total, *version));
                let count = self.observe_stock().await?.into_iter().find(|count| count.item == item);
                self.total.insert(item.to_string(), sum(&count.unwrap()));
            }
            Sell::UnknownItem { n } => {
                let place = self.oracle.place(*n, Which::Latest, self.key.epoch);
                let request = Reservation { hold: hold(0, 1), place, lines: vec![units("sock", 1)], limit: 9 };
                both!(self, reserve(std::slice::from_ref(&request), self.now));
            }
        }
        Ok(())
    }

    async fn observe_stock(&self) -> StepResult<Vec<StockCount>> {
        Ok(both!(self, observe(1)).map(|seen: Observation| seen.stock).unwrap_or_default())
    }

    /// Observes both adapters, and checks the invariants.
    async fn observe(&mut self, nth: u64) -> StepResult<Observation> {
        let seen: Observation = both!(self, observe(nth)).unwrap_or_default();
        both!(self, holds());
        for count in &seen.stock {
            let total = self.total.get(count.item.as_str()).copied();
            prop_assert_eq!(Some(sum(count)), total, "units of {} are conserved", count.item);
        }
        self.check_shown_places(&seen)?;
        Ok(seen)
    }

    fn check_shown_places(&mut self, seen: &Observation) -> StepResult {
        let frame = Frame {
            serving: seen.serving,
            last_number: seen.last_number,
            histogram: Histogram { bucket: BUCKET, live: seen.histogram.clone() },
            ..Frame::empty(self.key.sale.clone())
        };
        for (n, carried) in self.oracle.tickets() {
            let rank = Kind::OpenRun.rank(carried.number);
            let Some(shown) = rank.and_then(|rank| ahead(&frame, rank)) else { continue };
            let before = self.shown.insert(n, (carried.number, shown));
            if let Some((_, before)) = before.filter(|(number, _)| *number == carried.number) {
                prop_assert!(shown <= before, "the place of {} rose from {} to {}", carried.number, before, shown);
            }
        }
        Ok(())
    }

    /// Begins a new epoch, after a loss or without one.
    async fn lose(&mut self, loss: Loss) -> StepResult {
        let stock = self.observe(1).await?.stock;
        match loss {
            Loss::Nothing => {}
            Loss::Everything => {
                self.memory = queue_store::connect("memory:").unwrap();
                self.redis.queue.forget(&self.key.sale).await.unwrap();
                self.check_it_is_lost().await?;
            }
            Loss::OneKey(which) => {
                self.memory = queue_store::connect("memory:").unwrap();
                self.redis.lose_key(&self.key, which).await;
                self.check_it_is_lost().await?;
            }
        }
        self.begin(stock).await
    }

    async fn check_it_is_lost(&self) -> StepResult {
        prop_assert!(matches!(self.redis.queue.current_key(&self.key.sale).await, Err(StoreError::Lost)));
        let requests = [JoinRequest { buyer: buyer(1), ticket: None }];
        prop_assert!(both!(self, join(&requests, u64::MAX >> 11, self.now)).is_none());
        prop_assert!(both!(self, observe(1)).is_none());
        prop_assert!(both!(self, call(self.last, self.now)).is_none());
        prop_assert!(both!(self, holds()).is_none());
        Ok(())
    }
}

fn sum(count: &StockCount) -> i64 {
    count.free + count.held + count.sold
}
