//! The metrics of a scrape: those of the meter, and those that are read from the hash engine. Labels are never taken from
//! a request, so neither names nor the number of series come from outside.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, text};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

use super::AtomicMeter;
use crate::ports::meter::Metric;
use crate::ports::{Counter, EngineFigures, Gauge, HasherFigures, Histogram};

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

/// A figure of the hash engine as a metric.
struct EngineMetric {
    name: &'static str,
    unit: Option<Unit>,
    value: EngineValue,
    help: &'static str,
    worry: &'static str,
}

/// Reads the value of a metric.
enum EngineValue {
    Counter(fn(&EngineFigures) -> u64),
    Gauge(fn(&EngineFigures) -> u64),
    Seconds(fn(&EngineFigures) -> Duration),
}

impl EngineMetric {
    const fn new(name: &'static str, value: EngineValue, help: &'static str, worry: &'static str) -> Self {
        let unit = match value {
            EngineValue::Seconds(_) => Some(Unit::Seconds),
            _ => None,
        };
        Self { name, unit, value, help, worry }
    }
}

const NEVER: &str = "Never by itself.";

fn engine_metrics() -> Vec<EngineMetric> {
    use EngineValue::{Counter, Gauge, Seconds};
    let metric = EngineMetric::new;
    let gauge = |figure: fn(&EngineFigures) -> u64| Gauge(figure);
    let count = |figure: fn(&EngineFigures) -> u64| Counter(figure);
    vec![
        metric("hash_workers", gauge(|engine| engine.workers.into()), "Threads that compute hashes", NEVER),
        metric(
            "hash_workers_busy",
            gauge(|engine| engine.busy.into()),
            "Threads that compute a hash now",
            "All are busy for minutes: the machine is at its capacity.",
        ),
        EngineMetric {
            unit: Some(Unit::Bytes),
            ..metric("hash_memory", gauge(|engine| engine.arena_bytes), "Memory of all hash workers", NEVER)
        },
        metric(
            "hashes_waiting",
            gauge(|engine| engine.waiting.into()),
            "Hashes that no worker has begun",
            "It stays above the number of workers.",
        ),
        metric(
            "hash_duration",
            Seconds(|engine| engine.hash_time),
            "Duration of one new hash that is computed alone, as a moving average",
            "It doubles: the machine shares its CPUs or its memory bandwidth.",
        ),
        metric(
            "hash_pair_duration",
            Seconds(|engine| engine.pair_time),
            "Duration of two new hashes computed together, as a moving average; 0 if the service started without pairs",
            "It is more than twice the duration of one.",
        ),
        metric(
            "hash_duration_under_load",
            Seconds(|engine| engine.time_under_load),
            "Time of a worker for each hash while more are waiting, as a moving average. With the number of outstanding hashes and of workers it gives the wait of a new request",
            "As for the duration of one.",
        ),
        metric("hash_pairs_begun", count(|engine| engine.pairs), "Pairs of hashes begun by a worker", NEVER),
        metric(
            "hash_pairs_failed",
            count(|engine| engine.failed_pairs),
            "Pairs of hashes that failed, after which each was computed alone",
            "It grows at all.",
        ),
        metric(
            "hashes_outstanding",
            gauge(|engine| engine.outstanding.into()),
            "Hashes admitted and not finished",
            "It stays high: requests wait, and are refused soon.",
        ),
        metric("hashes_begun", count(|engine| engine.begun), "Hashes begun by a worker", NEVER),
        metric(
            "hashes_abandoned",
            count(|engine| engine.abandoned),
            "Hashes not begun because the caller had hung up or the deadline could not be met",
            "It is a large part of the hashes: callers wait too short a time.",
        ),
        metric(
            "admissions_overloaded",
            count(|engine| engine.refused_overloaded),
            "Admissions refused because too much work was outstanding, those of upgrades included",
            "It grows: more workers or machines are needed.",
        ),
        metric(
            "admissions_deadline_too_short",
            count(|engine| engine.refused_deadline),
            "Admissions refused because the deadline could not have been met, those of upgrades included",
            "It grows: callers wait too short a time, or the machine is slow.",
        ),
    ]
}

/// The label values of the kernel.
fn kernel_of(figures: &EngineFigures) -> Vec<(&'static str, &'static str)> {
    vec![("kernel", figures.kernel), ("instructions", figures.instructions), ("reason", figures.reason)]
}

impl Collector for OfHasher {
    fn encode(&self, mut encoder: DescriptorEncoder) -> fmt::Result {
        let figures = self.0.figures();
        let infos = [(BUILD, vec![("version", env!("CARGO_PKG_VERSION"))]), (KERNEL, kernel_of(&figures))];
        for ((name, help, _), labels) in infos {
            let info = Info::new(labels);
            info.encode(encoder.encode_descriptor(name, help, None, info.metric_type())?)?;
        }
        engine_metrics().into_iter().try_for_each(|EngineMetric { name, unit, value, help, .. }| {
            let metric: Box<dyn EncodeMetric> = match value {
                EngineValue::Counter(figure) => Box::new(ConstCounter::new(figure(&figures))),
                EngineValue::Gauge(figure) => Box::new(ConstGauge::new(figure(&figures))),
                EngineValue::Seconds(figure) => Box::new(ConstGauge::new(figure(&figures).as_secs_f64())),
            };
            metric.encode(encoder.encode_descriptor(name, help, unit.as_ref(), metric.metric_type())?)
        })
    }
}

const BUILD: (&str, &str, &str) =
    ("build", "The version of the program", "Replicas differ for longer than an upgrade takes.");
const KERNEL: (&str, &str, &str) = (
    "hash_kernel",
    "Kernel that computes the hashes, and the reason for it",
    "`kernel` is `portable` on a machine whose CPU could do better.",
);

/// A metric as an operator sees it.
#[derive(Debug)]
pub struct DescribedMetric {
    /// Its name in a scrape.
    pub name: String,
    /// Its type.
    pub kind: &'static str,
    /// Its labels, and the values of each with their meanings.
    pub labels: Vec<(&'static str, Vec<(&'static str, &'static str)>)>,
    /// What it measures.
    pub help: &'static str,
    /// When to worry.
    pub worry: &'static str,
}

/// Every metric.
pub fn described() -> Vec<DescribedMetric> {
    let of_meter = |kind: &'static str, suffix: &'static str, metrics: Vec<Metric>| {
        let described = move |Metric { name, help, worry, labels }| DescribedMetric {
            name: format!("credentiald_{name}{suffix}"),
            kind,
            labels,
            help,
            worry,
        };
        metrics.into_iter().map(described)
    };
    let of_engine = engine_metrics().into_iter().map(|EngineMetric { name, unit, value, help, worry }| {
        let (kind, suffix) = match value {
            EngineValue::Counter(_) => ("counter", "_total"),
            EngineValue::Gauge(_) | EngineValue::Seconds(_) => ("gauge", ""),
        };
        let unit = unit.map(|unit| format!("_{}", unit.as_str())).unwrap_or_default();
        DescribedMetric { name: format!("credentiald_{name}{unit}{suffix}"), kind, labels: Vec::new(), help, worry }
    });
    let infos = [(BUILD, &["version"][..]), (KERNEL, &["kernel", "instructions", "reason"])];
    let infos = infos.into_iter().map(|((name, help, worry), labels)| DescribedMetric {
        name: format!("credentiald_{name}_info"),
        kind: "info",
        labels: labels.iter().map(|label| (*label, Vec::new())).collect(),
        help,
        worry,
    });
    of_meter("counter", "_total", Counter::all())
        .chain(of_meter("gauge", "", Gauge::all()))
        .chain(of_meter("histogram", "_seconds", Histogram::all()))
        .chain(of_engine)
        .chain(infos)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixed;

    impl HasherFigures for Fixed {
        fn figures(&self) -> EngineFigures {
            EngineFigures {
                kernel: "fast",
                instructions: "avx512",
                reason: "it is \"equal\"",
                workers: 2,
                busy: 1,
                waiting: 9,
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
        // Those of the meter have labels.
        let is_of_hasher = |line: &&str| is_of_hasher(line) && !line.contains("kind=\"");
        let samples: Vec<&str> = text.lines().filter(is_of_hasher).collect();
        assert_eq!(
            samples,
            [
                r#"credentiald_hash_kernel_info{kernel="fast",instructions="avx512",reason="it is \"equal\""} 1"#,
                "credentiald_hash_workers 2",
                "credentiald_hash_workers_busy 1",
                "credentiald_hash_memory_bytes 96468992",
                "credentiald_hashes_waiting 9",
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
