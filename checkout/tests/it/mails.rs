//! Mails: at least once per event with the same message id, and never in the way of an order.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use checkout::mail::MailWorker;
use rstest_reuse::apply;
use sale::{Keys, OrderState};
use stores::{
    StoreError,
    events::{Handler as _, Progress},
    mail::{Mail, Mailer, SendOutcome},
};

use crate::shop::{Engine, Shop, every_engine, reserve_request};

/// A mail server that counts, and fails when told to.
#[derive(Default)]
struct Postman {
    sent: Mutex<Vec<Mail>>,
    troubles: Mutex<u32>,
    refuses: bool,
}

#[async_trait]
impl Mailer for Postman {
    async fn send(&self, mail: &Mail) -> Result<SendOutcome, StoreError> {
        let mut troubles = self.troubles.lock().unwrap();
        self.sent.lock().unwrap().push(mail.clone());
        if *troubles > 0 {
            *troubles -= 1;
            return Err(StoreError::unavailable("mail server", "try later"));
        }
        Ok(if self.refuses { SendOutcome::Rejected } else { SendOutcome::Accepted })
    }
}

impl Shop {
    fn mails(&self, postman: &Arc<Postman>) -> MailWorker {
        self.mails_with(postman, &self.keys)
    }

    fn mails_with(&self, postman: &Arc<Postman>, keys: &Arc<Keys>) -> MailWorker {
        MailWorker::new(self.database.clone(), postman.clone(), keys.clone(), "https://line.example.com/")
    }
}

#[apply(every_engine)]
#[tokio::test]
async fn an_address_that_cannot_be_opened_is_given_up_and_counts_as_not_sent(#[case] engine: Engine) {
    let shop = Shop::open(engine, 1, 1).await;
    shop.order().await;
    let (postman, events) = (Arc::new(Postman::default()), shop.events().await);
    let stranger = shop.mails_with(&postman, &Arc::new(Keys::generate()));
    for _ in 0..2 {
        let progress = stranger.handle(&events).await.unwrap();
        assert!(matches!(progress, Progress::GiveUp { done: 0, .. }), "{progress:?}");
    }
    assert_eq!(shop.mails(&postman).handle(&events).await.unwrap(), Progress::Done);
    assert_eq!(postman.sent.lock().unwrap().len(), 1, "whoever has the key sends it");
    shop.close().await;
}

#[apply(every_engine)]
#[tokio::test]
async fn each_event_has_its_mail_in_the_buyers_language(#[case] engine: Engine) {
    let shop = Shop::open(engine, 3, 1).await;
    let paid = shop.order().await.id;
    let mut english = reserve_request(&shop.buyer().await, "key", 1);
    english.body.contact.as_mut().unwrap().locale = Some("en".to_owned());
    let failed = shop.reserver.reserve(english).await.unwrap().order.id;
    let mut silent = reserve_request(&shop.buyer().await, "key", 1);
    silent.body.contact = None;
    shop.reserver.reserve(silent).await.unwrap();
    shop.pay(paid, "sandbox_ok", "pay").await.unwrap();
    shop.pay(failed, "sandbox_declined", "pay").await.unwrap();
    shop.deliver().await;

    let postman = Arc::new(Postman::default());
    let (worker, events) = (shop.mails(&postman), shop.events().await);
    worker.handle(&events).await.unwrap();
    worker.handle(&events).await.unwrap();
    let sent = postman.sent.lock().unwrap().clone();
    let subjects: Vec<_> = sent.iter().map(|mail| (mail.language, mail.subject.as_str())).collect();
    assert_eq!(subjects.len(), 4, "{subjects:?}");
    for expected in [
        ("ko", "[한정판 운동화] 주문이 접수되었습니다"),
        ("ko", "[한정판 운동화] 결제가 완료되었습니다"),
        ("en", "[Limited sneaker] Your order was placed"),
        ("en", "[Limited sneaker] Your payment was declined"),
    ] {
        assert!(subjects.contains(&expected), "{expected:?} is not in {subjects:?}");
    }
    for mail in &sent {
        assert_eq!(mail.to, "buyer@example.com");
        assert!(mail.message_id.ends_with("@line.example.com"));
        assert!(mail.text.contains("https://line.example.com/orders/"));
    }
    shop.close().await;
}

#[apply(every_engine)]
#[tokio::test]
async fn a_mail_server_in_trouble_touches_no_order(#[case] engine: Engine) {
    let shop = Shop::open(engine, 1, 1).await;
    let order = shop.paying("sandbox_ok").await;
    shop.deliver().await;
    let postman = Arc::new(Postman { troubles: Mutex::new(3), ..Postman::default() });
    let (worker, events) = (shop.mails(&postman), shop.events().await);
    while worker.handle(&events).await.is_err() {}
    assert_eq!(shop.state(order).await, OrderState::Paid);
    let mut by_id: BTreeMap<String, usize> = BTreeMap::new();
    for mail in postman.sent.lock().unwrap().iter() {
        *by_id.entry(mail.message_id.clone()).or_default() += 1;
    }
    assert_eq!(by_id.values().copied().collect::<Vec<_>>().iter().sum::<usize>(), 5);
    assert_eq!(by_id.len(), 2, "each event keeps its message id");

    let refusing = Arc::new(Postman { refuses: true, ..Postman::default() });
    shop.mails(&refusing).handle(&events).await.unwrap();
    assert!(refusing.sent.lock().unwrap().is_empty(), "what went goes no second time");
    shop.close().await;
}
