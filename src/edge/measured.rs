//! Counts requests, by operation and status code, with their duration.

use std::sync::Arc;
use std::time::Instant;

use crate::domain::action::Action;
use crate::ports::Clock;
use crate::ports::meter::{Counter, Histogram, Meter, Rpc, StatusCode};

/// A request, counted before the end of its answer is sent. If this is dropped before, the caller has hung up.
pub struct Measured {
    meter: Arc<dyn Meter>,
    clock: Arc<dyn Clock>,
    rpc: Rpc,
    begun: Instant,
    code: StatusCode,
}

impl Measured {
    /// A request that began at that moment.
    pub fn begin(meter: &Arc<dyn Meter>, clock: &Arc<dyn Clock>, action: Option<Action>, begun: Instant) -> Self {
        let (meter, clock) = (Arc::clone(meter), Arc::clone(clock));
        Self { meter, clock, rpc: Rpc(action), begun, code: StatusCode::Cancelled }
    }

    /// Counts the request with that code.
    pub fn end(mut self, code: StatusCode) {
        self.code = code;
    }
}

impl Drop for Measured {
    fn drop(&mut self) {
        self.meter.count(Counter::Requests(self.rpc, self.code));
        let took = self.clock.instant().saturating_duration_since(self.begun);
        self.meter.observe(Histogram::RequestDuration(self.rpc), took);
    }
}
