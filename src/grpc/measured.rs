//! Counts requests, by RPC and status code, with their duration.

use std::sync::Arc;
use std::time::Instant;

use http::{HeaderMap, HeaderValue};
use tonic::Status;

use crate::domain::action::Action;
use crate::ports::Clock;
use crate::ports::meter::{Counter, Histogram, Meter, Rpc, StatusCode};

/// A request, counted before the end of its answer is sent. If this is dropped before, the caller has hung up.
pub(super) struct Measured {
    meter: Arc<dyn Meter>,
    clock: Arc<dyn Clock>,
    rpc: Rpc,
    begun: Instant,
    code: StatusCode,
}

impl Measured {
    pub(super) fn begin(meter: &Arc<dyn Meter>, clock: &Arc<dyn Clock>, action: Option<Action>) -> Self {
        let (meter, clock) = (Arc::clone(meter), Arc::clone(clock));
        let begun = clock.instant();
        Self { meter, clock, rpc: Rpc(action), begun, code: StatusCode::Cancelled }
    }

    /// Counts the request, with the code in the block of headers that ends its answer.
    pub(super) fn end(mut self, trailers: &HeaderMap) {
        let number = trailers.get(Status::GRPC_STATUS).map(HeaderValue::as_bytes).map(tonic::Code::from_bytes);
        self.code = number.and_then(|code| StatusCode::ALL.get(code as usize)).copied().unwrap_or(StatusCode::Unknown);
    }
}

impl Drop for Measured {
    fn drop(&mut self) {
        self.meter.count(Counter::Requests(self.rpc, self.code));
        let took = self.clock.instant().saturating_duration_since(self.begun);
        self.meter.observe(Histogram::RequestDuration(self.rpc), took);
    }
}
