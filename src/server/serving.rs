//! Serves calls, and stops in an order that load balancers and callers can follow.

use std::convert::Infallible;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{OptionFuture, join};
use http::Request;
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use super::readiness::follow_store;
use super::{Server, StartError};
use crate::edge::Measures;
use crate::grpc::{GrpcEdge, Health};
use crate::http::VendorEdge;
use crate::listener::Connections;
use crate::ports::Meter;
use crate::ports::store::HashCount;
use crate::service::ServiceError;
use crate::telemetry::Stage;

/// Where the service is called.
pub struct Listeners {
    /// By gRPC.
    pub grpc: TcpListener,
    /// By the vendors' SDKs.
    pub http: Option<TcpListener>,
}

/// How long a stop waits for each of the records that do not count as calls in flight.
const LAST_RECORDS_WITHIN: Duration = Duration::from_secs(2);

impl Server {
    /// Serves until `stop` is ready. Then health changes to `NOT_SERVING`, all calls are still served for the shutdown
    /// delay, and after that calls in flight have the drain time to finish.
    ///
    /// # Errors
    /// The descriptors that reflection answers from can't be read.
    pub async fn serve(
        mut self,
        listeners: Listeners,
        stop: impl Future<Output = ()> + Send,
    ) -> Result<(), StartError> {
        let health = Health::starting().await;
        let (clock, entropy) = (Arc::clone(&self.clock), Arc::clone(&self.entropy));
        let meter: Arc<dyn Meter> = Arc::new(self.meter.clone());
        let (service, vendors) = (Arc::clone(&self.service), self.vendors.clone());
        let (exporter, traces) = self.traces.calls.take().unzip();
        let (logged, clock_of_calls) = (self.logged, Arc::clone(&clock));
        let measures = Measures { meter: Arc::clone(&meter), clock: clock_of_calls, logged, traces };
        let vendors = VendorEdge::new(service, vendors, Arc::clone(&entropy), measures.clone());
        let edges = GrpcEdge::new(&self.service, self.grpc, entropy, measures, &health)?;
        let edges = Arc::new(edges);
        let edge = move |peer, certificate| {
            edges
                .of_connection(peer, certificate)
                .map_request(|request: Request<_>| request.map(tonic::body::Body::new))
        };
        let (stopping, draining) = (CancellationToken::new(), CancellationToken::new());
        health.serving().await;
        self.stage.send_replace(Stage::Serving);
        let tending = self.tend_store();
        self.look_for_missing_keys();
        let tls = self.tls.take();
        let _following = self.follow_files(&meter);
        let connections = Connections::new(self.limits, tls, clock, meter, draining.clone());
        let Listeners { grpc, http } = listeners;
        let of_http = http.map(|http| {
            connections.clone().accept_http1(http, self.request_limits, Arc::new(vendors), stopping.clone())
        });
        let accepting = join(connections.accept_http2(grpc, edge), OptionFuture::from(of_http));
        tokio::pin!(accepting);
        // Accepting ends only when it is stopped.
        tokio::select! {
            _ = &mut accepting => {}
            () = stop => {}
            never = follow_store(&self.store, &health, &self.meter, &self.stage) => match never {},
        }
        stopping.cancel();
        health.not_serving().await;
        self.stage.send_replace(Stage::Stopping);
        tracing::info!(seconds = self.shutdown_delay.as_secs(), "health is NOT_SERVING; calls are still served");
        tokio::select! {
            _ = &mut accepting => {}
            () = tokio::time::sleep(self.shutdown_delay) => {}
        }
        health.end_watches().await;
        self.service.end_watches();
        draining.cancel();
        let until = self.clock.instant() + self.drain;
        if tokio::time::timeout_at(until.into(), accepting).await.is_err() {
            tracing::warn!("the drain time is over: calls in flight are cut off");
        }
        // Changes whose callers hung up are also completed, within the rest of the drain time.
        match tokio::time::timeout_at(until.into(), self.service.concluded()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(error, "failed attempts are lost: the store does not record them");
            }
            Err(_) => tracing::warn!("the drain time is over: changes whose callers hung up are cut off"),
        }
        // Also after the drain time, so that slow callers do not use up its time.
        let leased = "rounds of deliveries are cut off: nothing is delivered to their instances until their leases end";
        last_record(tending.map(|_| Ok(())), leased).await;
        let lost = "counts of repeated refusals or of comparisons with candidates are lost";
        last_record(self.service.record_repeats(), lost).await;
        let open = "the last audit events are in no range until the next start";
        last_record(self.service.close_audit_ranges(), open).await;
        self.store.close().await;
        if let Some(exporter) = exporter {
            exporter.stop(LAST_RECORDS_WITHIN).await;
        }
        Ok(())
    }

    /// Follows the files that operators change, until this is dropped.
    fn follow_files(&mut self, meter: &Arc<dyn Meter>) -> JoinSet<Infallible> {
        let mut following = JoinSet::new();
        for (files, requests) in self.followed.drain(..) {
            following.spawn(files.follow(requests, Arc::clone(meter)));
        }
        if let Some(jwts) = self.jwts.take() {
            let traces = self.traces.background.clone();
            following.spawn(jwts.follow(Arc::clone(&self.clock), Arc::clone(meter), traces));
        }
        following
    }

    /// Says which stored hashes can't be verified without a key of another system that is not there.
    fn look_for_missing_keys(&self) {
        if !self.may_need_import_keys {
            return;
        }
        let (service, store) = (Arc::clone(&self.service), Arc::clone(&self.store));
        tokio::spawn(async move {
            match service.hashes_without_key(store.as_ref()).await {
                Ok(counts) => counts.into_iter().for_each(|(algorithm, HashCount { current, earlier, .. })| {
                    tracing::error!(
                        algorithm,
                        current,
                        earlier,
                        "stored hashes do not verify: their key is not in import.keys_file or import.keys"
                    );
                }),
                Err(error) => {
                    let error = &error as &dyn std::error::Error;
                    tracing::warn!(error, "can't look for stored hashes whose key is missing");
                }
            }
        });
    }

    fn tend_store(&self) -> JoinHandle<()> {
        let service = Arc::clone(&self.service);
        let failed = |error: &ServiceError| {
            tracing::warn!(error = error as &dyn std::error::Error, "upkeep of the store failed; it will be retried");
        };
        tokio::spawn(async move { service.tend_store(failed).await })
    }
}

/// Waits for a record that is written after the last call.
async fn last_record(recorded: impl Future<Output = Result<(), ServiceError>>, lost: &str) {
    match tokio::time::timeout(LAST_RECORDS_WITHIN, recorded).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => {
            tracing::warn!(error = &error as &dyn std::error::Error, "{lost}: the store does not take them");
        }
        Err(_) => tracing::warn!("{lost}: the store does not take them in time"),
    }
}
