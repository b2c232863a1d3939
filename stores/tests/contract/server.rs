//! What only a server can do: crash, and return with old contents.

use sale::SaleId;
use stores::{
    StoreError,
    queue_store::{self, Queue as _, QueueKey, RedisQueueStore, Snapshot},
    testing::RedisServer,
};

use crate::fixture::{Fixture, at, live_redis, new, nonce, random_sale, waiting};

/// Waits until the server is available, and returns the epoch that it holds.
async fn current_key(queue: &dyn queue_store::SaleQueueStore, sale: &SaleId) -> Result<QueueKey, StoreError> {
    loop {
        match queue.current_key(sale).await {
            Err(StoreError::Unavailable { .. }) => tokio::task::yield_now().await,
            answer => return answer,
        }
    }
}

#[tokio::test]
async fn live_redis_that_restarted_with_old_contents_is_lost_until_it_is_rebuilt() {
    let mut server = RedisServer::start().await;
    let queue = queue_store::connect(&server.url()).unwrap();
    let untouched = current_key(&*queue, &random_sale()).await;
    assert!(matches!(untouched, Err(StoreError::Lost)), "{untouched:?}");
    let mut fixture = Fixture::open(queue).await;
    fixture.join_first(2).await;
    server.kill();
    server.start_again().await;
    let sale = fixture.key.sale.clone();
    assert!(matches!(current_key(&*fixture.queue, &sale).await, Err(StoreError::Lost)));
    assert!(matches!(fixture.queue.join(&fixture.key, &[], 9, at(0)).await, Err(StoreError::Lost)));
    fixture.begin_next_epoch(&Snapshot { allocated_up_to: 2, ..Snapshot::default() }, at(0)).await;
    assert_eq!(current_key(&*fixture.queue, &sale).await.unwrap(), fixture.key);
    assert_eq!(fixture.join(3, at(0)).await, new(3, at(0)));
}

#[tokio::test]
async fn live_redis_that_does_not_answer_is_unavailable() {
    let mut server = RedisServer::start().await;
    let queue = RedisQueueStore::open(&server.url()).unwrap();
    server.kill();
    let key = QueueKey { sale: random_sale(), epoch: 1, nonce: nonce(1) };
    for _ in 0..2 {
        assert!(matches!(queue.frame(&key).await, Err(StoreError::Unavailable { .. })));
    }
}

#[tokio::test]
async fn live_redis_forgets_no_other_sale() {
    let (one, other) = (Fixture::open(live_redis()).await, Fixture::open(live_redis()).await);
    other.join_first(1).await;
    one.queue.forget(&one.key.sale).await.unwrap();
    assert!(matches!(one.queue.current_key(&one.key.sale).await, Err(StoreError::Lost)));
    assert_eq!(other.standing(1, 1, at(0)).await, waiting());
}

#[test]
fn a_url_that_names_no_store_is_refused_in_a_sentence() {
    for (url, sentence) in [
        ("redis+cluster://a:1,b:2", "Redis Cluster is not supported"),
        ("rediss://a:1", "TLS"),
        ("redis://user:secret@", "redis://host:port"),
        ("memory", "memory: or redis://"),
        ("postgres://a", "memory: or redis://"),
    ] {
        let refusal = queue_store::connect(url).err().map(|refusal| refusal.to_string()).unwrap_or_default();
        assert!(refusal.contains(sentence), "{url}: {refusal}");
        assert!(!refusal.contains("secret"), "{refusal}");
    }
    assert!(queue_store::connect("memory:").is_ok());
}
