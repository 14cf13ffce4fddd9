//! One run of a part of a section: its size, its seed, what it did, and what came of it.

use std::any::Any;
use std::fmt::{self, Display, Formatter};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

use crate::history::History;
use crate::random::Random;
use crate::sections::Part;

/// How much is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Enough to notice what breaks.
    Short,
    /// As much as the document states.
    Full,
}

/// What a figure has to be.
#[derive(Debug, Clone, Copy)]
pub enum Demand {
    Exactly(u64),
    /// In the full form; the short one runs beside other tests, and gets twice as much.
    AtMost(u64),
    /// In the full form; the short one has less of everything, and at least one.
    AtLeast(u64),
    /// Measured for what it tells.
    None,
}

/// A figure as it is reported.
#[derive(Debug, Clone)]
pub struct Figure {
    pub name: String,
    pub measured: String,
    pub demand: String,
}

/// What a part is given, and what it reports as it goes. Reports are kept if the part panics.
pub struct Run {
    pub form: Form,
    /// What its clients did, if it wrote that down.
    pub history: History,
    name: String,
    seed: u64,
    figures: Mutex<Vec<Figure>>,
    failures: Mutex<Vec<String>>,
}

impl Run {
    pub fn new(name: String, form: Form, seed: u64) -> Self {
        let (figures, failures) = Default::default();
        Self { form, history: History::default(), name, seed, figures, failures }
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// One of two numbers.
    pub fn size(&self, short: u64, full: u64) -> u64 {
        match self.form {
            Form::Short => short,
            Form::Full => full,
        }
    }

    /// The part's own sequence.
    pub fn random(&self) -> Random {
        Random::named(self.seed, &self.name)
    }

    /// Reports a number, and fails where it is not as demanded.
    pub fn figure(&self, name: &str, measured: u64, demand: Demand) {
        let demand = match (demand, self.form) {
            (Demand::AtMost(bound), Form::Short) => Demand::AtMost(bound * 2),
            (Demand::AtLeast(bound), Form::Short) => Demand::AtLeast(bound.min(1)),
            (demand, _) => demand,
        };
        let is_met = match demand {
            Demand::Exactly(wanted) => measured == wanted,
            Demand::AtMost(bound) => measured <= bound,
            Demand::AtLeast(bound) => measured >= bound,
            Demand::None => true,
        };
        self.require(is_met, || format!("{name}: {measured} instead of {}", demand.text()));
        self.tell(name, &grouped(measured), &demand.text());
    }

    /// Reports something that is no number, or has a unit.
    pub fn tell(&self, name: &str, measured: &str, demand: &str) {
        let [name, measured, demand] = [name, measured, demand].map(str::to_owned);
        locked(&self.figures).push(Figure { name, measured, demand });
    }

    /// Fails where something does not hold, and goes on.
    pub fn require(&self, holds: bool, what: impl FnOnce() -> String) {
        if !holds {
            locked(&self.failures).push(what());
        }
    }
}

impl Demand {
    fn text(self) -> String {
        match self {
            Self::Exactly(wanted) => grouped(wanted),
            Self::AtMost(bound) => format!("≤ {}", grouped(bound)),
            Self::AtLeast(bound) => format!("≥ {}", grouped(bound)),
            Self::None => String::new(),
        }
    }
}

/// What came of a part.
#[derive(Debug)]
pub struct Verdict {
    pub part: Part,
    pub figures: Vec<Figure>,
    pub seed: u64,
    failures: Vec<String>,
    /// Where its history is, if it failed.
    history: Option<PathBuf>,
}

impl Verdict {
    pub fn of(part: Part, run: &Run, ended: thread::Result<()>) -> Self {
        let mut failures = std::mem::take(&mut *locked(&run.failures));
        failures.extend(ended.err().map(|panic| message_of(panic.as_ref())));
        let history = if failures.is_empty() { None } else { written(run) };
        Self { part, figures: std::mem::take(&mut *locked(&run.figures)), seed: run.seed, failures, history }
    }

    pub fn has_failed(&self) -> bool {
        !self.failures.is_empty()
    }

    pub fn in_short(&self) -> &'static str {
        if self.has_failed() { "FAILED" } else { "ok" }
    }
}

impl Display for Verdict {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for Figure { name, measured, demand } in &self.figures {
            writeln!(f, "    {name:<56} {measured:>12}  {demand}")?;
        }
        for failure in self.failures.iter().take(20) {
            writeln!(f, "    failed: {failure}")?;
        }
        if self.has_failed() {
            let (count, name) = (self.failures.len(), self.part.name());
            writeln!(f, "    {count} failures; again with: cargo test --test faults -- --seed {} {name}", self.seed)?;
        }
        if let Some(history) = &self.history {
            writeln!(f, "    history: {}", history.display())?;
        }
        Ok(())
    }
}

/// Writes down what the clients did, if there is anything.
fn written(run: &Run) -> Option<PathBuf> {
    let lines = run.history.lines();
    let path =
        Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{}-{}.jsonl", run.name.replace("::", "-"), run.seed));
    (!lines.is_empty()).then(|| fs::write(&path, lines).map(|()| path).unwrap())
}

fn message_of(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|&text| text.to_owned())).unwrap_or_else(|| "a panic".to_owned())
}

/// A thread that panicked during a report has made it or not.
fn locked<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// A time as a figure.
pub fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap()
}

/// With a comma at each thousand.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}
