//! Spans: what a sampled call did, and when. For all other calls nothing is recorded.
//!
//! A span consists of ids, times, values of closed sets, and the host and port of servers that an operator has configured, so
//! nothing of a request can get into it.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use uuid::Uuid;

use super::Clock;
use super::call_record::CallRecord;
use super::meter::{RefusalReason, StatusCode, StoreFailure, StoreWork};
use crate::domain::action::Action;
use crate::domain::time::Timestamp;

/// The header of the context of a trace (W3C Trace Context).
pub const TRACEPARENT: &str = "traceparent";

/// Takes spans that have ended.
pub trait Spans: Send + Sync {
    /// Takes a span. MUST NOT wait, and never fails: a span that there is no room for is lost.
    fn take(&self, span: Span);
}

/// The id of a trace (W3C Trace Context): not zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceId(pub u128);

impl fmt::Display for TraceId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:032x}", self.0)
    }
}

/// A span that has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// The trace that it belongs to.
    pub trace: TraceId,
    /// Its own id within the trace: not zero.
    pub id: u64,
    /// The span that caused it.
    pub parent: Option<u64>,
    /// When it began.
    pub began: Timestamp,
    /// When it ended.
    pub ended: Timestamp,
    /// What was done.
    pub work: Work,
}

/// What a span is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Work {
    /// A call, from its headers to the end of its answer.
    Call {
        /// How it came.
        protocol: Option<Protocol>,
        /// The RPC, if it is one of ours.
        action: Option<Action>,
        /// The id of the request.
        request_id: Uuid,
        /// How it ended.
        code: StatusCode,
        /// Why it failed.
        reason: Option<RefusalReason>,
    },
    /// A hash, from its request to its end: its wait for a worker, and the time of the worker.
    Hash,
    /// Work of the store, with its retries and its wait for a connection.
    Store {
        /// The database.
        system: &'static str,
        /// A read, or a transaction by its name.
        work: StoreWork,
        /// How often it was tried again.
        retries: u32,
        /// Why there is no result.
        failure: Option<StoreFailure>,
    },
    /// A statement that is sent to the database, or the begin or end of a transaction.
    Statement {
        /// The database.
        system: &'static str,
        /// What it does, in keywords of SQL and names of tables.
        summary: Box<str>,
        /// Whether it failed.
        has_failed: bool,
    },
    /// A request to a server that an operator has configured.
    Request {
        /// The method.
        method: &'static str,
        /// The host, as it is configured.
        host: Box<str>,
        /// The port.
        port: u16,
        /// The status of the answer.
        status: Option<u16>,
        /// Why there is no answer.
        failure: Option<&'static str>,
    },
    /// The passwords of accounts are compared and set on a node of an instance.
    Node {
        /// Whether it failed.
        has_failed: bool,
    },
    /// Work that no call asks for.
    Background {
        /// What it is.
        task: BackgroundTask,
        /// Whether it failed.
        has_failed: bool,
    },
}

/// Work that no call asks for, and that has a trace of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BackgroundTask {
    /// A round of deliveries to an instance.
    Delivery,
    /// A fetch of the keys of an issuer of JWTs.
    KeysOfIssuer,
}

/// How a call came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// gRPC.
    Grpc,
    /// HTTP, as the vendors' SDKs speak it.
    Http,
}

/// The trace of one call, or of work in the background, which is sampled.
pub struct Trace {
    spans: Arc<dyn Spans>,
    clock: Arc<dyn Clock>,
    id: TraceId,
    /// `None` without a call.
    protocol: Option<Protocol>,
    /// The span of the call.
    span: u64,
    parent: Option<u64>,
    began: Timestamp,
    /// How many spans were begun within that of the call.
    begun: AtomicU64,
}

impl Trace {
    /// The trace of a call that began at that time, with the id of its span and that of the caller's span.
    pub fn new(
        (spans, clock): (Arc<dyn Spans>, Arc<dyn Clock>),
        (id, span, parent): (TraceId, u64, Option<u64>),
        protocol: Option<Protocol>,
        began: Timestamp,
    ) -> Self {
        Self { spans, clock, id, protocol, span: span.max(1), parent, began, begun: AtomicU64::new(0) }
    }

    /// The id of the trace.
    pub const fn id(&self) -> TraceId {
        self.id
    }

    /// How the call came.
    pub const fn protocol(&self) -> Option<Protocol> {
        self.protocol
    }

    /// Ends the span of the call.
    pub fn end(&self, work: Work) {
        self.take(self.span, self.parent, self.began, work);
    }

    fn take(&self, id: u64, parent: Option<u64>, began: Timestamp, work: Work) {
        let (trace, ended) = (self.id, self.clock.now().max(began));
        self.spans.take(Span { trace, id, parent, began, ended, work });
    }

    /// An id that no other span of this call has.
    fn next_id(&self) -> u64 {
        let number = self.begun.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
        self.span.wrapping_add(number).max(1)
    }
}

impl fmt::Debug for Trace {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Trace({})", self.id)
    }
}

/// A span within that of a call. It ends when this is dropped.
pub struct OpenSpan {
    record: Arc<CallRecord>,
    id: u64,
    parent: u64,
    began: Timestamp,
    /// `None` once it has ended.
    work: Option<Work>,
}

impl OpenSpan {
    /// Begins a span of a call, if that is traced, within another span of it, or else within that of the call.
    pub(super) fn begin(record: &Arc<CallRecord>, parent: Option<u64>, work: Work) -> Option<Self> {
        let trace = record.trace()?;
        let (id, parent, began) = (trace.next_id(), parent.unwrap_or(trace.span), trace.clock.now());
        Some(Self { record: Arc::clone(record), id, parent, began, work: Some(work) })
    }

    /// Its id.
    pub const fn id(&self) -> u64 {
        self.id
    }

    /// The value of [`TRACEPARENT`] by which another server joins the trace, with this span as the one that caused its own.
    pub fn trace_parent(&self) -> Option<String> {
        let trace = self.record.trace()?;
        Some(format!("00-{}-{:016x}-01", trace.id, self.id))
    }

    /// Notes that work of the store was tried again.
    pub fn note_retry(&mut self) {
        if let Some(Work::Store { retries, .. }) = &mut self.work {
            *retries = retries.saturating_add(1);
        }
    }

    /// Notes why work of the store has no result.
    pub fn note_failure(&mut self, why: StoreFailure) {
        if let Some(Work::Store { failure, .. }) = &mut self.work {
            *failure = Some(why);
        }
    }

    /// Notes the status of an answer.
    pub fn note_status(&mut self, code: u16) {
        if let Some(Work::Request { status, .. }) = &mut self.work {
            *status = Some(code);
        }
    }

    /// Notes that there is no answer, and why.
    pub fn note_no_answer(&mut self, why: &'static str) {
        if let Some(Work::Request { failure, .. }) = &mut self.work {
            *failure = Some(why);
        }
    }

    /// Notes that a statement, or work on a node, failed.
    pub fn note_failed(&mut self) {
        if let Some(Work::Statement { has_failed, .. } | Work::Node { has_failed }) = &mut self.work {
            *has_failed = true;
        }
    }
}

impl Drop for OpenSpan {
    fn drop(&mut self) {
        if let Some((trace, work)) = self.record.trace().zip(self.work.take()) {
            trace.take(self.id, Some(self.parent), self.began, work);
        }
    }
}
