//! The metrics over HTTP, for scrapes.

use std::sync::Arc;

use axum::Router;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::Metrics;

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Serves `GET /metrics`.
pub fn scrapes(metrics: Metrics) -> Router {
    let metrics = Arc::new(metrics);
    let scrape = move || {
        let answer = answer(&metrics);
        async { answer }
    };
    Router::new().route("/metrics", get(scrape))
}

fn answer(metrics: &Metrics) -> Response {
    match metrics.to_text() {
        Ok(text) => ([(CONTENT_TYPE, OPEN_METRICS)], text).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
