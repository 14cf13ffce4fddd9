//! What is measured of an operation of the store: its time, its retries, its failure, and its span with those of its
//! statements.

use futures_util::future::Either;

use super::retries::Again;
use super::summary::summary_of;
use super::{Insertion, SqlStore};
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

/// What is measured of a statement: it counts for the call that sends it, and has a span if that is traced.
pub(in crate::store) struct MeasuredStatement(Option<OpenSpan>);

impl MeasuredStatement {
    /// A statement with that text, which begins now.
    pub(in crate::store) fn begin(system: &'static str, text: &str) -> Self {
        Self(call_record::note_statement(|| statement(system, summary_of(text).into())))
    }

    /// An insertion, which begins now.
    pub(in crate::store) fn insertion(system: &'static str, Insertion { table, .. }: &Insertion) -> Self {
        Self(call_record::note_statement(|| statement(system, format!("INSERT {table}").into())))
    }

    /// The begin or the end of a transaction, which does not count.
    pub(in crate::store) fn command(system: &'static str, command: &'static str) -> Self {
        Self(call_record::span(|| statement(system, command.into())))
    }

    /// Ends it. Returns its outcome.
    pub(in crate::store) fn end<T, E>(mut self, outcome: Result<T, E>) -> Result<T, E> {
        if outcome.is_err() {
            self.0.iter_mut().for_each(OpenSpan::note_failed);
        }
        outcome
    }
}

fn statement(system: &'static str, summary: Box<str>) -> Work {
    Work::Statement { system, summary, has_failed: false }
}

/// Work within a span, if there is one.
pub(super) fn within<W: Future>(span: Option<u64>, work: W) -> impl Future<Output = W::Output> + use<W> {
    match span {
        None => Either::Left(work),
        Some(span) => Either::Right(call_record::within(span, work)),
    }
}

impl Measured<'_> {
    /// The id of its span, if it has one.
    pub(super) fn span(&self) -> Option<u64> {
        self.span.as_ref().map(OpenSpan::id)
    }

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
