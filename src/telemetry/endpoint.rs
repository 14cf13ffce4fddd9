//! Where metrics are scraped from: HTTP, on an address of its own.

use std::io;
use std::sync::Arc;

use axum::Router;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::net::TcpListener;

use super::Metrics;

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Answers `GET /metrics`, for ever.
///
/// # Errors
/// The network is lost.
pub async fn serve_metrics(listener: TcpListener, metrics: Metrics) -> io::Result<()> {
    let metrics = Arc::new(metrics);
    let scrape = move || {
        let answer = answer(&metrics);
        async { answer }
    };
    axum::serve(listener, Router::new().route("/metrics", get(scrape))).await
}

fn answer(metrics: &Metrics) -> Response {
    match metrics.to_text() {
        Ok(text) => ([(CONTENT_TYPE, OPEN_METRICS)], text).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
