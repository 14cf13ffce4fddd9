//! The metrics over HTTP, for scrapes, and probes for whatever starts and stops the process.

use std::sync::Arc;

use axum::Router;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::sync::watch;

use super::Metrics;

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Where the service is between its start and its stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// It does not serve calls yet.
    Starting,
    /// It serves calls.
    Serving,
    /// It serves calls, but the store does not answer.
    StoreLost,
    /// It stops: calls should go elsewhere.
    Stopping,
}

impl Stage {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Serving => "serving",
            Self::StoreLost => "the store does not answer",
            Self::Stopping => "stopping",
        }
    }
}

/// Serves `GET /metrics`, and the probes `/livez`, `/readyz` and `/startupz`.
pub fn scrapes(metrics: Metrics, stage: &watch::Receiver<Stage>) -> Router {
    let metrics = Arc::new(metrics);
    let scrape = move || {
        let answer = answer(&metrics);
        async { answer }
    };
    let probe = |is_good: fn(Stage) -> bool| {
        let stage = stage.clone();
        get(move || {
            let stage = *stage.borrow();
            let status = if is_good(stage) { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
            async move { (status, format!("{}\n", stage.as_str())) }
        })
    };
    Router::new()
        .route("/metrics", get(scrape))
        // Whatever answers here is alive. A store that is lost is no reason to start the process again.
        .route("/livez", probe(|_| true))
        .route("/readyz", probe(|stage| stage == Stage::Serving))
        .route("/startupz", probe(|stage| stage != Stage::Starting))
}

fn answer(metrics: &Metrics) -> Response {
    match metrics.to_text() {
        Ok(text) => ([(CONTENT_TYPE, OPEN_METRICS)], text).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
