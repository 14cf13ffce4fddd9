//! The metrics of a scrape: those of the meter, and those that are read from the hash engine. Labels are never taken from
//! a request, so neither names nor the number of series come from outside.

use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, text};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

use super::AtomicMeter;
use crate::ports::HasherFigures;

/// The metrics, read anew for each scrape.
pub struct Metrics(Registry);

impl Metrics {
    /// The metrics of a hash engine and of a meter.
    pub fn new(hasher: Arc<dyn HasherFigures>, meter: AtomicMeter) -> Self {
        let mut registry = Registry::with_prefix("credentiald");
        registry.register_collector(Box::new(OfHasher(hasher)));
        registry.register_collector(Box::new(meter));
        Self(registry)
    }

    /// All of them, as text (<https://prometheus.io/docs/specs/om/open_metrics_spec/>).
    ///
    /// # Errors
    /// The text can't be written into memory.
    pub fn to_text(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        text::encode(&mut text, &self.0)?;
        Ok(text)
    }
}

/// The metrics of the hash engine.
struct OfHasher(Arc<dyn HasherFigures>);

impl fmt::Debug for OfHasher {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("OfHasher")
    }
}

impl Collector for OfHasher {
    fn encode(&self, mut encoder: DescriptorEncoder) -> fmt::Result {
        let figures = self.0.figures();
        let kernel =
            vec![("kernel", figures.kernel), ("instructions", figures.instructions), ("reason", figures.reason)];
        let metrics: [(&str, &str, Option<Unit>, &dyn EncodeMetric); 13] = [
            ("hash_kernel", "Kernel that computes the hashes, and the reason for it", None, &Info::new(kernel)),
            ("hash_workers", "Threads that compute hashes", None, &ConstGauge::new(figures.workers)),
            ("hash_memory", "Memory of all hash workers", Some(Unit::Bytes), &ConstGauge::new(figures.arena_bytes)),
            (
                "hash_duration",
                "Duration of one new hash, as a moving average",
                Some(Unit::Seconds),
                &ConstGauge::new(figures.hash_time.as_secs_f64()),
            ),
            (
                "hash_pair_duration",
                "Duration of two new hashes computed together, as a moving average",
                Some(Unit::Seconds),
                &ConstGauge::new(figures.pair_time.as_secs_f64()),
            ),
            (
                "hash_duration_under_load",
                "Time of a worker for each hash while more are waiting, as a moving average",
                Some(Unit::Seconds),
                &ConstGauge::new(figures.time_under_load.as_secs_f64()),
            ),
            ("hash_pairs_begun", "Pairs of hashes begun by a worker", None, &ConstCounter::new(figures.pairs)),
            (
                "hash_pairs_failed",
                "Pairs of hashes that failed, after which each was computed alone",
                None,
                &ConstCounter::new(figures.failed_pairs),
            ),
            ("hashes_outstanding", "Hashes admitted and not finished", None, &ConstGauge::new(figures.outstanding)),
            ("hashes_begun", "Hashes begun by a worker", None, &ConstCounter::new(figures.begun)),
            (
                "hashes_abandoned",
                "Hashes not begun because the caller had hung up or the deadline could not be met",
                None,
                &ConstCounter::new(figures.abandoned),
            ),
            (
                "admissions_overloaded",
                "Admissions refused because too much work was outstanding",
                None,
                &ConstCounter::new(figures.refused_overloaded),
            ),
            (
                "admissions_deadline_too_short",
                "Admissions refused because the deadline could not have been met",
                None,
                &ConstCounter::new(figures.refused_deadline),
            ),
        ];
        metrics.into_iter().try_for_each(|(name, help, unit, metric)| {
            metric.encode(encoder.encode_descriptor(name, help, unit.as_ref(), metric.metric_type())?)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::ports::EngineFigures;

    struct Fixed;

    impl HasherFigures for Fixed {
        fn figures(&self) -> EngineFigures {
            EngineFigures {
                kernel: "fast",
                instructions: "avx512",
                reason: "it is \"equal\"",
                workers: 2,
                arena_bytes: 96_468_992,
                outstanding: 3,
                hash_time: Duration::from_micros(7500),
                pair_time: Duration::from_millis(10),
                time_under_load: Duration::from_micros(5500),
                begun: 11,
                pairs: 4,
                failed_pairs: 1,
                abandoned: 5,
                refused_overloaded: 6,
                refused_deadline: 7,
            }
        }
    }

    #[test]
    fn every_figure_of_the_engine_has_its_unit() {
        let text = Metrics::new(Arc::new(Fixed), AtomicMeter::default()).to_text().unwrap();
        let is_of_hasher =
            |line: &&str| ["credentiald_hash", "credentiald_admissions"].iter().any(|name| line.starts_with(name));
        let samples: Vec<&str> = text.lines().filter(is_of_hasher).collect();
        assert_eq!(
            samples,
            [
                r#"credentiald_hash_kernel_info{kernel="fast",instructions="avx512",reason="it is \"equal\""} 1"#,
                "credentiald_hash_workers 2",
                "credentiald_hash_memory_bytes 96468992",
                "credentiald_hash_duration_seconds 0.0075",
                "credentiald_hash_pair_duration_seconds 0.01",
                "credentiald_hash_duration_under_load_seconds 0.0055",
                "credentiald_hash_pairs_begun_total 4",
                "credentiald_hash_pairs_failed_total 1",
                "credentiald_hashes_outstanding 3",
                "credentiald_hashes_begun_total 11",
                "credentiald_hashes_abandoned_total 5",
                "credentiald_admissions_overloaded_total 6",
                "credentiald_admissions_deadline_too_short_total 7",
            ]
        );
    }
}
