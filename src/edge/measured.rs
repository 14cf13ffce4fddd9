//! Each request, over every edge: counted by operation, status code and reason, with its duration, and written to the log.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tracing::Span;

use super::{CorrelationId, RequestContext, RequestId, Traces};
use crate::domain::action::Action;
use crate::domain::names::TenantName;
use crate::ports::meter::{Counter, Histogram, Meter, RefusalReason, Rpc, StatusCode};
use crate::ports::spans::{Protocol, Trace, Work};
use crate::ports::{CallRecord, Clock, Entropy};

/// The target of the lines and the spans of calls, by which the log lets them through at any level.
pub const CALLS: &str = "credentiald::calls";

/// Which calls get a line in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoggedCalls {
    /// None.
    Off,
    /// Those that do not succeed.
    Refusals,
    /// Every call.
    All,
}

impl LoggedCalls {
    /// Whether any call gets a line.
    pub fn any(self) -> bool {
        self != Self::Off
    }

    /// The span of a call: other lines of the log that are written in it carry its id.
    pub fn span(self, context: &RequestContext) -> Span {
        if !self.any() {
            return Span::none();
        }
        let rpc = context.action.map(Action::rpc);
        tracing::info_span!(target: CALLS, parent: None, "call", request_id = %context.request_id, rpc)
    }
}

/// Where requests are counted and written to.
#[derive(Clone)]
pub struct Measures {
    /// The metrics.
    pub meter: Arc<dyn Meter>,
    /// The clock that takes the time.
    pub clock: Arc<dyn Clock>,
    /// The calls that are logged.
    pub logged: LoggedCalls,
    /// The calls that are traced, if any are.
    pub traces: Option<Traces>,
}

impl Measures {
    /// What is noted of a request that began at that moment. `parents` are the values of its header
    /// [`crate::ports::spans::TRACEPARENT`].
    pub fn record<'a>(
        &self,
        request_id: RequestId,
        parents: impl IntoIterator<Item = &'a [u8]>,
        protocol: Protocol,
        begun: Instant,
        entropy: &dyn Entropy,
    ) -> Arc<CallRecord> {
        let traces = self.traces.as_ref();
        let trace = traces.and_then(|traces| traces.of(request_id, parents, protocol, (&self.clock, begun), entropy));
        CallRecord::new(self.logged.any(), trace)
    }
}

/// A request, counted before the end of its answer is sent. If this is dropped before, the caller has hung up.
pub struct Measured {
    measures: Measures,
    context: RequestContext,
    begun: Instant,
    code: StatusCode,
}

impl Measured {
    /// A request that began at that moment.
    pub fn begin(measures: &Measures, context: &RequestContext, begun: Instant) -> Self {
        let (measures, context) = (measures.clone(), context.clone());
        Self { measures, context, begun, code: StatusCode::Cancelled }
    }

    /// Counts the request with that code.
    pub fn end(mut self, code: StatusCode) {
        self.code = code;
    }

    fn is_logged(&self) -> bool {
        match self.measures.logged {
            LoggedCalls::Off => false,
            LoggedCalls::Refusals => self.code != StatusCode::Ok,
            LoggedCalls::All => true,
        }
    }

    /// Why it failed. The caller sees a reason only with an error.
    fn reason(&self) -> Option<RefusalReason> {
        self.context.record.reason().filter(|_| self.code != StatusCode::Ok)
    }

    /// What the span of the call says.
    fn work(&self, trace: &Trace) -> Work {
        let RequestContext { request_id, action, .. } = &self.context;
        Work::Call {
            protocol: trace.protocol(),
            action: *action,
            request_id: request_id.0,
            code: self.code,
            reason: self.reason(),
        }
    }

    fn log(&self, took: Duration) {
        let RequestContext { request_id, correlation_id, action, peer, record, .. } = &self.context;
        tracing::info!(
            target: CALLS,
            parent: None,
            request_id = %request_id,
            correlation_id = correlation_id.as_ref().map(CorrelationId::as_str),
            rpc = action.map_or("other", Action::rpc),
            caller = record.caller().map(tracing::field::display),
            tenant = record.tenant().map(TenantName::as_str),
            code = self.code.as_str(),
            reason = self.reason().map(RefusalReason::as_str),
            duration_ms = (took.as_secs_f64() * 1e6).round() / 1e3,
            hashes = record.hashes(),
            statements = record.statements(),
            trace_id = record.trace().map(|trace| tracing::field::display(trace.id())),
            peer = %peer,
            "call"
        );
    }
}

impl Drop for Measured {
    fn drop(&mut self) {
        let Measures { meter, clock, .. } = &self.measures;
        let rpc = Rpc(self.context.action);
        meter.count(Counter::Requests(rpc, self.code));
        if let Some(reason) = self.reason() {
            meter.count(Counter::Refusals(rpc, reason));
        }
        let took = clock.instant().saturating_duration_since(self.begun);
        meter.observe_traced(Histogram::RequestDuration(rpc), took, self.context.record.trace().map(Trace::id));
        if self.is_logged() {
            self.log(took);
        }
        if let Some(trace) = self.context.record.trace() {
            trace.end(self.work(trace));
        }
    }
}
