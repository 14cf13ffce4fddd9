//! What is measured of an operation of the store: its time, its retries, its failure, and its span.

use super::SqlStore;
use super::retries::Again;
use crate::ports::StoreError;
use crate::ports::call_record;
use crate::ports::meter::{Counter, Gauge, Gauged, Histogram, StoreFailure, StoreWork, Timed};
use crate::ports::spans::{OpenSpan, Work};

/// An operation, from its start until this is dropped.
pub(super) struct Measured<'a> {
    store: &'a SqlStore,
    work: StoreWork,
    span: Option<OpenSpan>,
    _gauged: Gauged,
    _timed: Option<Timed>,
}

impl SqlStore {
    /// Measures an operation that begins now.
    pub(super) fn measured(&self, work: StoreWork) -> Measured<'_> {
        let timed = |clock| Timed::new(&self.meter, clock, Histogram::StoreDuration(work));
        let system = self.database.system();
        Measured {
            store: self,
            work,
            span: call_record::span(|| Work::Store { system, work, retries: 0, failure: None }),
            _gauged: Gauged::new(&self.meter, Gauge::StoreOperations),
            _timed: self.clock.as_ref().map(timed),
        }
    }
}

impl Measured<'_> {
    pub(super) fn count_retry(&mut self, error: &StoreError) {
        if let Some(again) = Again::of(error) {
            self.store.meter.count(Counter::StoreRetries(self.work, again.cause()));
            self.span.iter_mut().for_each(OpenSpan::note_retry);
        }
    }

    pub(super) fn count_failure<T>(&mut self, outcome: Result<T, StoreError>) -> Result<T, StoreError> {
        if let Some(failure) = outcome.as_ref().err().and_then(StoreFailure::of) {
            self.store.meter.count(Counter::StoreFailures(failure));
            self.span.iter_mut().for_each(|span| span.note_failure(failure));
        }
        outcome
    }
}
