//! Every event ten times and out of order while the sale runs, and then the whole log once more from its beginning.

use std::time::Duration;

use futures::FutureExt as _;
use harness::story::{Story, until};
use rand::seq::SliceRandom as _;
use rdkafka::{
    Offset, TopicPartitionList,
    consumer::{BaseConsumer, CommitMode, Consumer as _},
};
use sale::clock::monotonic;
use stores::events::{Cluster, ConsumerGroup, EventLog as _, EventsUrl, KafkaLog, RetryPolicy};

use crate::{
    assertions,
    database::{self, EVERYTHING, Looks},
    drill::Drill,
    event_log::{KAFKA_ANSWERS, config, partitions, topic},
    event_recorder::EventRecorder,
    fixture::Fixture,
};

const TIMES: usize = 10;
/// How long is listened for what is new before that is sent again.
const EVERY: Duration = Duration::from_secs(1);
/// Until the log has been read to its end.
const READ_WITHIN: Duration = Duration::from_mins(2);
/// The roles that read the log.
const READERS: [&str; 3] = ["payments-", "stock-", "mail-"];

pub(crate) const DRILL: Drill = Drill {
    name: "duplicates",
    does: "every event ten times and shuffled while the sale runs; then all groups read the log again from its beginning",
    promises: "a repeated event changes nothing: no order, hold, charge, refund, event or mail more",
    seconds: 30,
    short_seconds: 10,
    run: |fixture| run(fixture).boxed_local(),
};

async fn run(fixture: &Fixture) {
    let running = fixture.begin(Fixture::lasting(fixture.seconds)).await;
    let cluster = cluster_of(&running.story);
    let database = database::of(&running.story);
    let log = KafkaLog::new(cluster.clone(), database, RetryPolicy::default()).expect("a producer");
    let mut looks = Looks::at(&running.story).await;
    let (mut recorder, mut repeated) = (EventRecorder::at(&cluster), 0);
    let units = i64::from(running.story.terms.units);
    let started = monotonic();
    while running.story.checker.last_live().is_none_or(|live| live.units.sold < units)
        && started.elapsed() < crate::fixture::within(&running.story.terms)
    {
        let events = recorder.record_for(EVERY).await;
        let mut all: Vec<_> = (0..TIMES).flat_map(|_| events.clone()).collect();
        all.shuffle(&mut rand::rng());
        log.append(&all).await.expect("send events again");
        repeated += all.len();
    }
    fixture.report.record("repeated_events", repeated);
    fixture.report.step(format_args!("{repeated} repeated events were sent"));
    let crate::fixture::Running { mut story, load, redis } = running;
    load.stop().await;
    story.settled().await;
    read_to_the_end(fixture, &cluster, "the log is read to its end").await;
    replay(fixture, &mut story, &cluster, (&mut looks, &mut recorder)).await;
    assertions::agrees(fixture, &mut story).await;
    drop(redis);
}

/// Stops everybody who reads, puts them all back to the beginning, starts them, and waits until they have read it all.
async fn replay(
    fixture: &Fixture,
    story: &mut Story,
    cluster: &Cluster,
    (looks, recorder): (&mut Looks, &mut EventRecorder),
) {
    let before = everything(looks, recorder).await;
    let readers: Vec<_> = (0..story.installation.processes.len())
        .filter(|nth| READERS.iter().any(|role| story.installation.processes[*nth].name.starts_with(role)))
        .collect();
    for nth in &readers {
        story.installation.processes[*nth].kill();
    }
    fixture.report.step("everybody who reads the log is killed, and put back to its beginning");
    for group in ConsumerGroup::ALL {
        let consumer = consumer(cluster, *group);
        let rewound = until(READ_WITHIN, || async { rewind(&consumer, cluster) }).await;
        assert!(rewound, "the group {} could not be put back", group.as_str());
    }
    for nth in &readers {
        story.installation.processes[*nth].start_again();
    }
    story.installation.ready().await;
    read_to_the_end(fixture, cluster, "the log is read to its end once more").await;
    let after = everything(looks, recorder).await;
    let told = if before == after { before } else { format!("before {before}, after {after}") };
    fixture.report.check("a replay from the beginning changes nothing", !told.starts_with("before"), told);
}

/// What events may change, and how many different ones there are.
async fn everything(looks: &mut Looks, recorder: &mut EventRecorder) -> String {
    let rows = looks.text(EVERYTHING).await.expect("orders to look at");
    format!("{rows}; events {}", recorder.count().await)
}

fn cluster_of(story: &Story) -> Cluster {
    let engines = story.installation.engines.as_ref().expect("an installation on engines");
    match EventsUrl::parse(&engines.events_url) {
        Ok(EventsUrl::Kafka(cluster)) => cluster,
        other => unreachable!("events lie on Kafka here, not {other:?}"),
    }
}

fn consumer(cluster: &Cluster, group: ConsumerGroup) -> BaseConsumer {
    config(cluster, group.as_str()).create().expect("a consumer")
}

/// Puts a group back to the beginning; false while Kafka still counts dead members in.
fn rewind(consumer: &BaseConsumer, cluster: &Cluster) -> bool {
    let mut beginning = TopicPartitionList::new();
    for partition in partitions(consumer, cluster) {
        beginning.add_partition_offset(&topic(cluster), partition, Offset::Offset(0)).expect("an offset");
    }
    consumer.commit(&beginning, CommitMode::Sync).is_ok()
}

/// Until every group has read everything.
async fn read_to_the_end(fixture: &Fixture, cluster: &Cluster, what: &str) {
    let started = monotonic();
    let consumers: Vec<_> = ConsumerGroup::ALL.iter().map(|group| consumer(cluster, *group)).collect();
    let behind = || consumers.iter().map(|consumer| lag(consumer, cluster)).sum::<i64>();
    let read = until(READ_WITHIN, || async { behind() == 0 }).await;
    fixture.report.check(what, read, format_args!("{:.1} s", started.elapsed().as_secs_f64()));
}

/// Events that a group has still to read.
fn lag(consumer: &BaseConsumer, cluster: &Cluster) -> i64 {
    let (topic, mut wanted) = (topic(cluster), TopicPartitionList::new());
    for partition in partitions(consumer, cluster) {
        wanted.add_partition(&topic, partition);
    }
    let committed = consumer.committed_offsets(wanted, KAFKA_ANSWERS).expect("ask Kafka for the offsets");
    let of_each = committed.elements_for_topic(&topic).into_iter().map(|element| {
        let (_, end) = consumer.fetch_watermarks(&topic, element.partition(), KAFKA_ANSWERS).expect("the log's end");
        end - element.offset().to_raw().filter(|offset| *offset >= 0).unwrap_or(0)
    });
    of_each.sum()
}
