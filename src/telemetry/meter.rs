//! The meter: an atomic number for each series, encoded at a scrape.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::exemplar::HistogramWithExemplars;
use prometheus_client::registry::Unit;

use crate::ports::meter::{Counter, Gauge, Histogram, Meter, Metric, Rpc, Series};
use crate::ports::spans::TraceId;

/// A metric with more series than this shows only those that are not zero.
const SHOWN_AT_ZERO: usize = 16;
/// The upper bounds of the buckets of histograms, in seconds. A hash takes tens of milliseconds, a request tens of
/// seconds at most. One without a bound comes after them.
const BOUNDS: [f64; 13] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// Records metrics in memory. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct AtomicMeter(Arc<Recorded>);

#[derive(Debug)]
struct Recorded {
    counters: Kind<AtomicU64>,
    gauges: Kind<AtomicI64>,
    histograms: Kind<Durations>,
}

impl Default for Recorded {
    fn default() -> Self {
        Self {
            counters: Kind::new(Counter::all()),
            gauges: Kind::new(Gauge::all()),
            histograms: Kind::new(Histogram::all()),
        }
    }
}

impl AtomicMeter {
    /// One that keeps the trace of a call for each bucket of the durations of calls.
    pub fn with_exemplars() -> Self {
        let mut recorded = Recorded::default();
        let series = Histogram::RequestDuration(Rpc(None)).series();
        if let Some((_, values)) = recorded.histograms.0.get_mut(series.metric) {
            values.fill_with(Durations::with_exemplars);
        }
        Self(Arc::new(recorded))
    }
}

impl Meter for AtomicMeter {
    fn add(&self, counter: Counter, count: usize) {
        if let Some(value) = self.0.counters.value(counter.series()) {
            value.fetch_add(count.try_into().unwrap_or(u64::MAX), Ordering::Relaxed);
        }
    }

    fn change(&self, gauge: Gauge, by: i64) {
        if let Some(value) = self.0.gauges.value(gauge.series()) {
            value.fetch_add(by, Ordering::Relaxed);
        }
    }

    fn set(&self, gauge: Gauge, value: i64) {
        if let Some(held) = self.0.gauges.value(gauge.series()) {
            held.store(value, Ordering::Relaxed);
        }
    }

    fn observe(&self, histogram: Histogram, took: Duration) {
        self.observe_traced(histogram, took, None);
    }

    fn observe_traced(&self, histogram: Histogram, took: Duration, trace: Option<TraceId>) {
        if let Some(value) = self.0.histograms.value(histogram.series()) {
            value.observe(took, trace);
        }
    }
}

impl Collector for AtomicMeter {
    fn encode(&self, mut encoder: DescriptorEncoder) -> fmt::Result {
        self.0.counters.encode(&mut encoder)?;
        self.0.gauges.encode(&mut encoder)?;
        self.0.histograms.encode(&mut encoder)
    }
}

/// All metrics of a kind, each with the values of its series.
#[derive(Debug)]
struct Kind<T>(Vec<(Metric, Vec<T>)>);

impl<T: Value> Kind<T> {
    fn new(metrics: Vec<Metric>) -> Self {
        let values = |metric: &Metric| {
            let series = metric.labels.iter().map(|(_, values)| values.len()).product();
            std::iter::repeat_with(T::default).take(series).collect()
        };
        Self(metrics.into_iter().map(|metric| (metric.clone(), values(&metric))).collect())
    }

    fn value(&self, series: Series) -> Option<&T> {
        self.0.get(series.metric)?.1.get(series.labels)
    }

    fn encode(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        for (metric, values) in &self.0 {
            let mut encoder = encoder.encode_descriptor(metric.name, metric.help, T::UNIT, T::TYPE)?;
            if let ([], [value]) = (&metric.labels[..], &values[..]) {
                value.encode(encoder)?;
                continue;
            }
            let shown =
                values.iter().enumerate().filter(|(_, value)| values.len() <= SHOWN_AT_ZERO || !value.is_zero());
            for (number, value) in shown {
                value.encode(encoder.encode_family(&labels_of(metric, number))?)?;
            }
        }
        Ok(())
    }
}

/// The labels of a series.
fn labels_of(metric: &Metric, mut number: usize) -> Vec<(&'static str, &'static str)> {
    let mut labels = Vec::new();
    for (name, values) in metric.labels.iter().rev() {
        labels.push((*name, values.get(number % values.len()).map_or("", |(value, _)| *value)));
        number /= values.len();
    }
    labels.reverse();
    labels
}

/// The value of a series.
trait Value: Default {
    const TYPE: MetricType;
    const UNIT: Option<&'static Unit> = None;

    fn is_zero(&self) -> bool;

    fn encode(&self, encoder: MetricEncoder<'_>) -> fmt::Result;
}

impl Value for AtomicU64 {
    const TYPE: MetricType = MetricType::Counter;

    fn is_zero(&self) -> bool {
        self.load(Ordering::Relaxed) == 0
    }

    fn encode(&self, mut encoder: MetricEncoder<'_>) -> fmt::Result {
        encoder.encode_counter::<NoLabelSet, _, u64>(&self.load(Ordering::Relaxed), None)
    }
}

impl Value for AtomicI64 {
    const TYPE: MetricType = MetricType::Gauge;

    fn is_zero(&self) -> bool {
        self.load(Ordering::Relaxed) == 0
    }

    fn encode(&self, mut encoder: MetricEncoder<'_>) -> fmt::Result {
        encoder.encode_gauge(&self.load(Ordering::Relaxed))
    }
}

/// A histogram of durations.
#[derive(Debug)]
enum Durations {
    /// Of atomic numbers.
    Plain(Buckets),
    /// With the trace of the last traced call in each bucket, as an exemplar. Each observation takes two locks.
    WithExemplars(HistogramWithExemplars<[(&'static str, String); 1]>, AtomicBool),
}

/// The number of durations in each bucket, of which the last one has no bound, and their sum.
#[derive(Debug, Default)]
struct Buckets {
    counts: [AtomicU64; BOUNDS.len() + 1],
    nanoseconds: AtomicU64,
}

impl Default for Durations {
    fn default() -> Self {
        Self::Plain(Buckets::default())
    }
}

impl Durations {
    fn with_exemplars() -> Self {
        Self::WithExemplars(HistogramWithExemplars::new(BOUNDS.into_iter()), AtomicBool::default())
    }

    fn observe(&self, took: Duration, trace: Option<TraceId>) {
        match self {
            Self::Plain(buckets) => buckets.observe(took),
            Self::WithExemplars(histogram, is_used) => {
                let exemplar = trace.map(|id| [("trace_id", id.to_string())]);
                histogram.observe(took.as_secs_f64(), exemplar, None);
                is_used.store(true, Ordering::Relaxed);
            }
        }
    }
}

impl Buckets {
    /// Never waits: every thread comes here for every call.
    fn observe(&self, took: Duration) {
        let place = BOUNDS.partition_point(|bound| *bound < took.as_secs_f64());
        if let Some(count) = self.counts.get(place) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        self.nanoseconds.fetch_add(took.as_nanos().try_into().unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    fn counts(&self) -> impl Iterator<Item = u64> {
        self.counts.iter().map(|count| count.load(Ordering::Relaxed))
    }
}

impl Value for Durations {
    const TYPE: MetricType = MetricType::Histogram;
    const UNIT: Option<&'static Unit> = Some(&Unit::Seconds);

    fn is_zero(&self) -> bool {
        match self {
            Self::Plain(buckets) => buckets.counts().all(|count| count == 0),
            Self::WithExemplars(_, is_used) => !is_used.load(Ordering::Relaxed),
        }
    }

    fn encode(&self, mut encoder: MetricEncoder<'_>) -> fmt::Result {
        match self {
            Self::Plain(buckets) => {
                let counts: Vec<_> = BOUNDS.into_iter().chain([f64::INFINITY]).zip(buckets.counts()).collect();
                let sum = Duration::from_nanos(buckets.nanoseconds.load(Ordering::Relaxed)).as_secs_f64();
                // Of the same moment as the buckets.
                let count = counts.iter().map(|(_, count)| count).sum();
                encoder.encode_histogram::<NoLabelSet>(sum, count, &counts, None)
            }
            Self::WithExemplars(histogram, _) => EncodeMetric::encode(histogram, encoder),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::action::Action;
    use crate::ports::meter::{StatusCode, UpkeepTask};

    /// The lines of a scrape with that text.
    fn lines(meter: &AtomicMeter, with: &str) -> Vec<String> {
        let mut text = String::new();
        let mut registry = prometheus_client::registry::Registry::with_prefix("credentiald");
        registry.register_collector(Box::new(meter.clone()));
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        text.lines().filter(|line| line.contains(with)).map(str::to_owned).collect()
    }

    #[test]
    fn a_counter_shows_each_combination_of_labels_that_was_counted() {
        let meter = AtomicMeter::default();
        meter.count(Counter::Requests(Rpc(Some(Action::VerifyPassword)), StatusCode::Ok));
        meter.add(Counter::Requests(Rpc(None), StatusCode::Unimplemented), 2);
        assert_eq!(
            lines(&meter, "credentiald_requests"),
            [
                "# HELP credentiald_requests Requests answered, by RPC and status code",
                "# TYPE credentiald_requests counter",
                r#"credentiald_requests_total{rpc="VerifyPassword",code="OK"} 1"#,
                r#"credentiald_requests_total{rpc="other",code="UNIMPLEMENTED"} 2"#,
            ]
        );
    }

    #[test]
    fn few_series_are_shown_from_the_start() {
        let meter = AtomicMeter::default();
        meter.count(Counter::UpkeepFailures(UpkeepTask::Removal));
        let shown = lines(&meter, "credentiald_upkeep_failures_total");
        let values: Vec<_> = shown.iter().filter_map(|line| line.rsplit(' ').next()).collect();
        let counted = |task: &UpkeepTask| if matches!(task, UpkeepTask::Removal) { "1" } else { "0" };
        assert_eq!(values, UpkeepTask::ALL.iter().map(counted).collect::<Vec<_>>(), "{shown:?}");
    }

    #[test]
    fn a_gauge_follows_what_it_counts() {
        let meter = AtomicMeter::default();
        let shared: Arc<dyn Meter> = Arc::new(meter.clone());
        let [first, second] = [Gauge::Watches; 2].map(|gauge| crate::ports::Gauged::new(&shared, gauge));
        drop(first);
        assert_eq!(lines(&meter, "credentiald_watches ").last().unwrap(), "credentiald_watches 1");
        drop(second);
        assert_eq!(lines(&meter, "credentiald_watches ").last().unwrap(), "credentiald_watches 0");
    }

    #[test]
    fn a_histogram_counts_in_cumulative_buckets_also_with_exemplars() {
        let [plain, with_exemplars] = [AtomicMeter::default(), AtomicMeter::with_exemplars()].map(|meter| {
            for milliseconds in [1, 30, 20_000] {
                let rpc = Rpc(Some(Action::ChangePassword));
                meter.observe(Histogram::RequestDuration(rpc), Duration::from_millis(milliseconds));
            }
            lines(&meter, "ChangePassword")
        });
        assert_eq!(plain, with_exemplars);
        let shown = plain;
        for line in [
            r#"credentiald_request_duration_seconds_sum{rpc="ChangePassword"} 20.031"#,
            r#"credentiald_request_duration_seconds_count{rpc="ChangePassword"} 3"#,
            r#"credentiald_request_duration_seconds_bucket{le="0.001",rpc="ChangePassword"} 1"#,
            r#"credentiald_request_duration_seconds_bucket{le="0.025",rpc="ChangePassword"} 1"#,
            r#"credentiald_request_duration_seconds_bucket{le="0.05",rpc="ChangePassword"} 2"#,
            r#"credentiald_request_duration_seconds_bucket{le="10.0",rpc="ChangePassword"} 2"#,
            r#"credentiald_request_duration_seconds_bucket{le="+Inf",rpc="ChangePassword"} 3"#,
        ] {
            assert!(shown.iter().any(|shown| shown == line), "{line} in {shown:#?}");
        }
    }

    #[test]
    fn a_bucket_shows_the_last_trace_of_a_call_in_it() {
        let meter = AtomicMeter::with_exemplars();
        let duration = Histogram::RequestDuration(Rpc(Some(Action::ChangePassword)));
        for trace in [Some(TraceId(6)), Some(TraceId(7)), None] {
            meter.observe_traced(duration, Duration::from_millis(30), trace);
        }
        let shown = lines(&meter, "trace_id");
        let expected = r#"credentiald_request_duration_seconds_bucket{le="0.05",rpc="ChangePassword"} 3 # {trace_id="00000000000000000000000000000007"} 0.03"#;
        assert_eq!(shown, [expected]);
    }
}
