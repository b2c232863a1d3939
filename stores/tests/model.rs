//! The same random steps on the queue store in memory and on Redis: every result is the same, units are conserved, and a
//! shown place never rises within an epoch.
//!
//! `cfg(test)` is always true here; it tells the lints that helpers of tests may unwrap.

#[cfg(test)]
#[path = "model/driver.rs"]
mod driver;
#[cfg(test)]
#[path = "model/oracle.rs"]
mod oracle;
#[cfg(test)]
#[path = "model/steps.rs"]
mod steps;

use proptest::test_runner::{Config, TestRunner};

/// `PROPTEST_CASES` sets the number of runs.
#[test]
fn live_redis_and_memory_give_the_same_results() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let redis = driver::Redis::from_environment();
    let mut runner = TestRunner::new(Config { failure_persistence: None, ..Config::default() });
    runner.run(&steps::walk(), |steps| runtime.block_on(driver::walk(&redis, &steps))).unwrap();
}
