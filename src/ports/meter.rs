//! Metrics: one line at the place where something happens counts it.
//!
//! Each metric is a variant of [`Counter`], [`Gauge`] or [`Histogram`] (`catalogue`). Its labels are closed enums, never
//! text of a request, so the number of series is fixed, and an implementation can hold them in an array.

mod catalogue;
mod store_work;

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

pub use catalogue::{
    AcceptWait, AttemptOutcome, AttemptThrottle, CandidateDecision, Closing, ConnectionState, Counter, FetchOutcome,
    FileKind, Gauge, HashKind, Histogram, HookOutcome, NodeOutcome, QuotaHolder, RefusalReason, ReloadOutcome,
    RetryCause, Rpc, SpanOutcome, StatusCode, StoreFailure, UpkeepTask,
};
pub use store_work::StoreWork;

use super::Clock;
use super::spans::TraceId;

/// Records metrics. Every method is cheap enough for every request, and never fails.
pub trait Meter: Send + Sync {
    /// Adds to a counter.
    fn add(&self, counter: Counter, count: usize);

    /// Adds to a gauge, or subtracts from it.
    fn change(&self, gauge: Gauge, by: i64);

    /// Sets a gauge.
    fn set(&self, gauge: Gauge, value: i64);

    /// Adds a duration to a histogram.
    fn observe(&self, histogram: Histogram, took: Duration);

    /// Adds the duration of what that trace shows, if it is traced.
    fn observe_traced(&self, histogram: Histogram, took: Duration, _trace: Option<TraceId>) {
        self.observe(histogram, took);
    }

    /// Counts one event.
    fn count(&self, counter: Counter) {
        self.add(counter, 1);
    }
}

impl fmt::Debug for dyn Meter {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Meter")
    }
}

/// Records nothing.
pub struct NoMeter;

impl Meter for NoMeter {
    fn add(&self, _: Counter, _: usize) {}
    fn change(&self, _: Gauge, _: i64) {}
    fn set(&self, _: Gauge, _: i64) {}
    fn observe(&self, _: Histogram, _: Duration) {}
}

/// Something that a gauge counts until this is dropped.
pub struct Gauged(Arc<dyn Meter>, Gauge);

impl Gauged {
    /// Counts it.
    pub fn new(meter: &Arc<dyn Meter>, gauge: Gauge) -> Self {
        meter.change(gauge, 1);
        Self(Arc::clone(meter), gauge)
    }
}

impl Drop for Gauged {
    fn drop(&mut self) {
        self.0.change(self.1, -1);
    }
}

/// Work whose time a histogram gets when this is dropped.
pub struct Timed {
    meter: Arc<dyn Meter>,
    clock: Arc<dyn Clock>,
    histogram: Histogram,
    begun: Instant,
}

impl Timed {
    /// Takes the time from now on.
    pub fn new(meter: &Arc<dyn Meter>, clock: &Arc<dyn Clock>, histogram: Histogram) -> Self {
        Self { meter: Arc::clone(meter), clock: Arc::clone(clock), histogram, begun: clock.instant() }
    }
}

impl Drop for Timed {
    fn drop(&mut self) {
        self.meter.observe(self.histogram, self.clock.instant().saturating_duration_since(self.begun));
    }
}

/// The description of a metric.
#[derive(Debug, Clone)]
pub struct Metric {
    /// Its name, without the prefix of the program and the suffix of its kind and unit.
    pub name: &'static str,
    /// What it measures.
    pub help: &'static str,
    /// When an operator should worry.
    pub worry: &'static str,
    /// The names of its labels, and the values of each with their meanings.
    pub labels: Vec<(&'static str, Vec<(&'static str, &'static str)>)>,
}

/// A series: the numbers of its metric and of its combination of labels, both from 0 on. The last label varies fastest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Series {
    /// The number of the metric among those of its kind.
    pub metric: usize,
    /// The number of the combination.
    pub labels: usize,
}

/// A label with a fixed set of values.
trait Label: Copy {
    /// The number of values. A series is computed from it, without making the list of them.
    const COUNT: usize;

    /// The values, with their meanings where the name does not say them.
    fn values() -> Vec<(&'static str, &'static str)>;

    /// The number of this value.
    fn number(self) -> usize;
}

/// Declares labels: enums, each value with its text.
macro_rules! labels {
    ($($(#[$about:meta])* $label:ident { $($(#[doc = $about_value:literal])* $value:ident = $text:literal,)+ })+) => {$(
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $label { $(#[doc = concat!("`", $text, "`.")] $(#[doc = $about_value])* $value),+ }

        impl $label {
            /// Every value.
            pub const ALL: &'static [Self] = &[$(Self::$value),+];

            /// The value in a scrape.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$value => $text),+ }
            }
        }

        impl Label for $label {
            const COUNT: usize = Self::ALL.len();

            fn values() -> Vec<(&'static str, &'static str)> {
                vec![$(($text, concat!($($about_value),*))),+]
            }

            fn number(self) -> usize {
                self as usize
            }
        }
    )+};
}

/// Declares the metrics of a kind: each with its labels, its name, its help, and when to worry.
macro_rules! metrics {
    ($(#[$about:meta])* $kind:ident { $($metric:ident $(($($name:ident: $label:ident),+))? = $text:literal: $help:literal, $worry:literal;)+ }) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $kind { $(#[doc = $help] $metric $(($($label),+))?),+ }

        impl $kind {
            /// Every metric of this kind.
            pub fn all() -> Vec<Metric> {
                vec![$(Metric {
                    name: $text,
                    help: $help,
                    worry: $worry,
                    labels: vec![$($((stringify!($name), $label::values())),+)?],
                }),+]
            }

            /// The series that this stands for.
            pub fn series(self) -> Series {
                enum Number { $($metric),+ }
                let (metric, labels): (_, &[(usize, usize)]) = match self {
                    $(Self::$metric $(($($name),+))? => {
                        (Number::$metric as usize, &[$($(($label::COUNT, $name.number())),+)?])
                    })+
                };
                Series { metric, labels: labels.iter().fold(0, |number, (count, label)| number * count + label) }
            }
        }
    };
}

use {labels, metrics};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::action::Action;

    #[test]
    fn every_combination_of_labels_has_a_number_of_its_own() {
        let mut numbers = Vec::new();
        for action in Action::ALL.iter().copied().map(Some).chain([None]) {
            for &code in StatusCode::ALL {
                numbers.push(Counter::Requests(Rpc(action), code).series().labels);
            }
        }
        let counted: Vec<usize> = (0..numbers.len()).collect();
        assert_eq!(numbers, counted);
        let [(_, rpcs), (_, codes)] =
            &Counter::all()[Counter::Requests(Rpc(None), StatusCode::Ok).series().metric].labels[..]
        else {
            panic!("two labels")
        };
        assert_eq!(rpcs.len() * codes.len(), numbers.len());
    }
}
