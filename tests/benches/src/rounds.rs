//! A B A B: the ceiling and the product one after the other, so that whatever else the machine does meets both.

use harness::{
    http::Request,
    process::{Process, processor_time},
};

use crate::{
    bare::Bare,
    figure::{Figure, Round},
    settings::Settings,
    world::await_answer,
    wrk::{Load, Shot},
};

/// A figure of HTTP: requests a second, against bare hyper under the same load and with as many bytes in its answers.
pub(crate) struct Against<'a> {
    pub(crate) bench: &'static str,
    pub(crate) process: &'a Process,
    pub(crate) load: Load<'a>,
    /// The status of one such answer.
    pub(crate) status: u16,
}

impl Against<'_> {
    pub(crate) async fn measure(&self, settings: &Settings) -> anyhow::Result<Figure> {
        let bare = Bare::start().await?;
        let answer = await_answer(self.process, &self.one(), |answer| answer.status == self.status)?;
        bare.imitate(answer.bytes)?;
        let mut rounds = Vec::new();
        for _ in 0..settings.rounds() {
            let before = processor_time("self");
            let ceiling = Shot::fire(bare.address, &Load { refused: false, ..self.load.clone() })?;
            let between = (processor_time("self"), self.process.microseconds());
            let value = Shot::fire(self.process.address, &self.load)?;
            let used = self.process.microseconds() - between.1;
            rounds.push(Round {
                value: value.per_second(),
                ceiling: ceiling.per_second(),
                more: vec![
                    ("p50_ms", value.p50_us / 1e3),
                    ("p99_ms", value.p99_us / 1e3),
                    // Of the answering process alone: what other work on the machine changes least.
                    ("cpu_us", used / value.requests as f64),
                    ("ceiling_cpu_us", (between.0 - before) / ceiling.requests as f64),
                ],
            });
        }
        let about = format!("{} connections, {} bytes an answer", self.load.connections, answer.bytes);
        Ok(Figure::of(self.bench, "req/s", &rounds).about(about))
    }

    fn one(&self) -> Request {
        let mut one = self.load.request.clone();
        if let Some((header, values)) = self.load.each
            && let Some(value) = values.first()
        {
            one = one.header(header, value);
        }
        one
    }
}
