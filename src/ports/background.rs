//! Traces of work that no call asks for.

use std::sync::Arc;

use tracing::Span;

use super::spans::{BackgroundTask, Spans, Trace, TraceId, Work};
use super::{CallRecord, Clock, Entropy};
use crate::domain::sample_ratio::SampleRatio;

/// Makes traces of work in the background. By default there are none.
#[derive(Clone, Default)]
pub struct BackgroundTraces(Option<Arc<Source>>);

struct Source {
    spans: Arc<dyn Spans>,
    ratio: SampleRatio,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
}

impl BackgroundTraces {
    /// Traces of that part of the work.
    pub fn new(spans: Arc<dyn Spans>, ratio: SampleRatio, clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>) -> Self {
        Self(Some(Arc::new(Source { spans, ratio, clock, entropy })))
    }

    /// Does work, as a trace of its own if it is sampled.
    pub async fn around<T, E>(&self, task: BackgroundTask, work: impl Future<Output = Result<T, E>>) -> Result<T, E> {
        let Some(trace) = self.0.as_ref().and_then(|source| source.trace()) else { return work.await };
        let record = CallRecord::new(false, Some(trace));
        let mut ending = Ending { record: Arc::clone(&record), task, has_failed: true };
        let done = record.around(Span::none(), work).await;
        ending.has_failed = done.is_err();
        done
    }
}

impl Source {
    /// A trace that begins now, if it is sampled.
    fn trace(&self) -> Option<Trace> {
        let (mut id, mut span) = ([0; 16], [0; 8]);
        self.entropy.fill(&mut id);
        let id = u128::from_be_bytes(id).max(1);
        if !self.ratio.takes(id) {
            return None;
        }
        self.entropy.fill(&mut span);
        let ids = (TraceId(id), u64::from_be_bytes(span), None);
        let began = self.clock.now();
        Some(Trace::new((Arc::clone(&self.spans), Arc::clone(&self.clock)), ids, None, began))
    }
}

/// Ends the trace when it is dropped, also if the work is not finished.
struct Ending {
    record: Arc<CallRecord>,
    task: BackgroundTask,
    has_failed: bool,
}

impl Drop for Ending {
    fn drop(&mut self) {
        if let Some(trace) = self.record.trace() {
            trace.end(Work::Background { task: self.task, has_failed: self.has_failed });
        }
    }
}
