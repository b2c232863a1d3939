//! The metrics of this process, as Prometheus reads them.

use std::{fs, sync::OnceLock};

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

/// Upper bounds of histogram buckets: of durations in seconds, of batches in requests.
const DURATION_BUCKETS_SECONDS: [f64; 11] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0];
const BATCH_BUCKETS: [f64; 6] = [1.0, 4.0, 16.0, 64.0, 128.0, 256.0];

/// Who may read the metrics on an address.
#[derive(Clone)]
pub struct Metrics {
    pub handle: PrometheusHandle,
    /// Whether only this machine itself may read them, as on the main address.
    pub loopback_only: bool,
}

impl Metrics {
    /// The text that Prometheus reads.
    pub fn render(&self) -> String {
        if let Some(bytes) = resident_bytes() {
            metrics::gauge!("openrun_resident_bytes").set(bytes);
        }
        self.handle.render()
    }
}

/// Resident memory of this process, where the kernel reports it.
fn resident_bytes() -> Option<f64> {
    const PAGE_BYTES: u32 = 4_096;
    let statm = fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u32 = statm.split(' ').nth(1)?.parse().ok()?;
    Some(f64::from(pages) * f64::from(PAGE_BYTES))
}

/// The metrics recorder of this process; there is one, however many servers tests start in it.
pub fn recorder() -> PrometheusHandle {
    static RECORDER: OnceLock<PrometheusHandle> = OnceLock::new();
    RECORDER
        .get_or_init(|| {
            let recorder = PrometheusBuilder::new()
                .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &DURATION_BUCKETS_SECONDS)
                .and_then(|builder| {
                    builder.set_buckets_for_metric(Matcher::Suffix("_asks".to_owned()), &BATCH_BUCKETS)
                });
            let recorder = recorder.unwrap_or_default().build_recorder();
            let handle = recorder.handle();
            drop(metrics::set_global_recorder(recorder));
            handle
        })
        .clone()
}
