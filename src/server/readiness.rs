//! Readiness: health follows the store.

use std::convert::Infallible;
use std::time::Duration;

use tokio::sync::watch;

use crate::grpc::Health;
use crate::ports::meter::{Gauge, Meter};
use crate::store::SqlStore;
use crate::telemetry::Stage;

/// How often the store is probed, and how long it may take to respond.
const ASK_EVERY: Duration = Duration::from_secs(2);
const ANSWER_WITHIN: Duration = Duration::from_secs(3);
/// Number of failed probes in a row that mean that the store is unavailable. One slow response does not.
const UNANSWERED: u32 = 3;

/// Probes the store periodically, and sets health accordingly.
pub(super) async fn follow_store(
    store: &SqlStore,
    health: &Health,
    meter: &dyn Meter,
    stage: &watch::Sender<Stage>,
) -> Infallible {
    let mut readiness = Readiness::default();
    meter.set(Gauge::StoreUp, 1);
    loop {
        store.measure_connections();
        tokio::time::sleep(ASK_EVERY).await;
        let answer = tokio::time::timeout(ANSWER_WITHIN, store.probe()).await;
        match readiness.after(matches!(answer, Ok(Ok(())))) {
            Some(Change::Lost) => {
                health.not_serving().await;
                stage.send_replace(Stage::StoreLost);
                meter.set(Gauge::StoreUp, 0);
                let error = answer.ok().and_then(Result::err);
                let error = error.as_ref().map(|error| error as &dyn std::error::Error);
                tracing::warn!(error, "the store does not answer: health is NOT_SERVING");
            }
            Some(Change::Back) => {
                tracing::info!("the store answers again: health is SERVING");
                health.serving().await;
                stage.send_replace(Stage::Serving);
                meter.set(Gauge::StoreUp, 1);
            }
            None => {}
        }
    }
}

/// What the result of a probe changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Change {
    Lost,
    Back,
}

/// Number of failed probes since the last one that succeeded.
#[derive(Debug, Default)]
struct Readiness {
    unanswered: u32,
}

impl Readiness {
    fn after(&mut self, is_answered: bool) -> Option<Change> {
        let before = self.unanswered;
        self.unanswered = if is_answered { 0 } else { before.saturating_add(1) };
        match (before >= UNANSWERED, self.unanswered >= UNANSWERED) {
            (false, true) => Some(Change::Lost),
            (true, false) => Some(Change::Back),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_slow_answer_changes_nothing_and_the_first_one_after_an_absence_does() {
        let mut readiness = Readiness::default();
        let answers = [false, false, true, false, false, false, false, true, true];
        let changes = answers.map(|is_answered| readiness.after(is_answered));
        let (lost, back) = (Some(Change::Lost), Some(Change::Back));
        assert_eq!(changes, [None, None, None, None, None, lost, None, back, None]);
    }
}
