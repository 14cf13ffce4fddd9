//! Spans, sent to a collector over OTLP.
//!
//! A queue of bounded length leads to one task, which sends what has gathered. Calls never wait for it: a span that there is
//! no room for, or that the collector does not take, is lost and counted.

mod otlp;

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_client::TraceServiceClient;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tonic::metadata::MetadataMap;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint};

use crate::ports::meter::SpanOutcome;
use crate::ports::spans::{Span, Spans};
use crate::ports::{Counter, Meter};

/// How many spans wait at most: about a second's worth of a loaded service.
const QUEUE: usize = 4096;
/// How many are sent together, and how long they are gathered.
const BATCH: usize = 512;
const GATHER: Duration = Duration::from_secs(2);
/// How long connecting may take, and all of a request.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);
const SEND_WITHIN: Duration = Duration::from_secs(10);

/// The line before a certificate in PEM.
const BEGIN_CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----";

/// Where spans are sent to. Nothing is connected yet.
pub struct Collector {
    endpoint: Endpoint,
    headers: MetadataMap,
}

/// Why a collector can't be used.
#[derive(Debug, thiserror::Error)]
pub enum CollectorProblem {
    /// The URL is malformed.
    #[error("must be a URL that begins with http:// or https://, as in http://127.0.0.1:4317")]
    Url,
    /// The CAs can't be used.
    #[error("holds no CA in PEM that can be used")]
    Cas,
    /// There are no CAs to trust.
    #[error("the system has no CAs: name those of the collector in traces.ca_file")]
    NoCas,
    /// The headers can't be read.
    #[error("must have a header in each line, as in `authorization: Bearer …`: line {0} has none")]
    Headers(usize),
}

impl Collector {
    /// The collector at a URL. Trusts the CAs in that PEM, or those of the system. Each request has the headers.
    ///
    /// # Errors
    /// The part that can't be used.
    pub fn new(url: &str, cas: Option<&str>, headers: Option<&str>) -> Result<Self, CollectorProblem> {
        let endpoint = Endpoint::from_shared(url.to_owned()).map_err(|_| CollectorProblem::Url)?;
        let (scheme, host) = (endpoint.uri().scheme_str(), endpoint.uri().host().unwrap_or_default());
        let endpoint = match scheme {
            Some("http") if !host.is_empty() => endpoint,
            Some("https") if !host.is_empty() => {
                let config = ClientTlsConfig::new().domain_name(host.trim_matches(['[', ']']));
                let config = match cas {
                    // Without a certificate, no server would be trusted, and no message would say so.
                    Some(pem) if !pem.contains(BEGIN_CERTIFICATE) => return Err(CollectorProblem::Cas),
                    Some(pem) => config.ca_certificate(Certificate::from_pem(pem)),
                    None => config.with_native_roots(),
                };
                let problem = |_| if cas.is_some() { CollectorProblem::Cas } else { CollectorProblem::NoCas };
                endpoint.tls_config(config).map_err(problem)?
            }
            _ => return Err(CollectorProblem::Url),
        };
        let endpoint = endpoint.connect_timeout(CONNECT_WITHIN).timeout(SEND_WITHIN);
        Ok(Self { endpoint, headers: headers.map_or_else(|| Ok(MetadataMap::new()), read_headers)? })
    }

    /// Begins to send spans. They say that they are from this process, if it has a name.
    pub fn start(self, process: Option<&str>, meter: Arc<dyn Meter>) -> Exporter {
        let (sender, spans) = mpsc::channel(QUEUE);
        let stop = CancellationToken::new();
        let url = self.endpoint.uri().to_string();
        let task = Task {
            client: TraceServiceClient::new(self.endpoint.connect_lazy()),
            headers: self.headers,
            process: process.map(str::to_owned),
            meter: Arc::clone(&meter),
            url,
            is_failing: false,
        };
        let task = tokio::spawn(task.run(spans, stop.clone()));
        Exporter { queue: Arc::new(Queue { sender, meter }), stop, task }
    }
}

/// Reads a header from each line that is not empty.
fn read_headers(text: &str) -> Result<MetadataMap, CollectorProblem> {
    let mut headers = HeaderMap::new();
    for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let header = line.split_once(':').and_then(|(name, value)| {
            let name: HeaderName = name.trim().parse().ok()?;
            let mut value: HeaderValue = value.trim().parse().ok()?;
            value.set_sensitive(true);
            Some((name, value))
        });
        let (name, value) = header.ok_or(CollectorProblem::Headers(number + 1))?;
        headers.insert(name, value);
    }
    Ok(MetadataMap::from_headers(headers))
}

/// Sends spans until it is stopped.
pub struct Exporter {
    queue: Arc<Queue>,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Exporter {
    /// Where spans are put.
    pub fn spans(&self) -> Arc<dyn Spans> {
        Arc::clone(&self.queue) as Arc<dyn Spans>
    }

    /// Sends what is left, and ends. Spans that are not sent within that time are lost.
    pub async fn stop(self, within: Duration) {
        self.stop.cancel();
        if timeout(within, self.task).await.is_err() {
            tracing::warn!("spans are lost: the collector does not take them in time");
        }
    }
}

struct Queue {
    sender: mpsc::Sender<Span>,
    meter: Arc<dyn Meter>,
}

impl Spans for Queue {
    fn take(&self, span: Span) {
        if let Err(TrySendError::Full(_) | TrySendError::Closed(_)) = self.sender.try_send(span) {
            self.meter.count(Counter::Spans(SpanOutcome::Dropped));
        }
    }
}

struct Task {
    client: TraceServiceClient<Channel>,
    headers: MetadataMap,
    process: Option<String>,
    meter: Arc<dyn Meter>,
    url: String,
    is_failing: bool,
}

impl Task {
    async fn run(mut self, mut spans: mpsc::Receiver<Span>, stop: CancellationToken) {
        let mut batch = Vec::with_capacity(BATCH);
        loop {
            let count = tokio::select! {
                count = spans.recv_many(&mut batch, BATCH) => count,
                () = stop.cancelled() => {
                    // What is in it is still received.
                    spans.close();
                    spans.recv_many(&mut batch, BATCH).await
                }
            };
            if count == 0 {
                return;
            }
            let gathered = async {
                while batch.len() < BATCH {
                    let room = BATCH - batch.len();
                    if spans.recv_many(&mut batch, room).await == 0 {
                        break;
                    }
                }
            };
            tokio::select! {
                () = gathered => {}
                () = sleep(GATHER) => {}
                () = stop.cancelled() => {}
            }
            self.send(&mut batch).await;
        }
    }

    async fn send(&mut self, batch: &mut Vec<Span>) {
        let count = batch.len();
        let mut request = tonic::Request::new(otlp::request(batch.drain(..), self.process.as_deref()));
        *request.metadata_mut() = self.headers.clone();
        let sent = timeout(SEND_WITHIN, self.client.export(request)).await;
        let error: Box<dyn Error + Send + Sync> = match sent {
            Ok(Ok(answer)) => {
                let rejected = answer.into_inner().partial_success.map_or(0, |partial| partial.rejected_spans);
                let rejected = usize::try_from(rejected).unwrap_or_default().min(count);
                self.meter.add(Counter::Spans(SpanOutcome::Rejected), rejected);
                self.meter.add(Counter::Spans(SpanOutcome::Exported), count - rejected);
                if std::mem::take(&mut self.is_failing) {
                    tracing::info!(collector = self.url, "the collector takes spans again");
                }
                return;
            }
            Ok(Err(status)) => Box::new(status),
            Err(late) => Box::new(late),
        };
        self.meter.add(Counter::Spans(SpanOutcome::Failed), count);
        if !std::mem::replace(&mut self.is_failing, true) {
            let (collector, error) = (&self.url, &*error as &dyn Error);
            tracing::warn!(collector, error, "the collector takes no spans: they are lost until it does");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::domain::time::Timestamp;
    use crate::ports::spans::{TraceId, Work};
    use crate::ports::{Gauge, Histogram};

    #[test]
    fn a_header_is_read_from_each_line_and_not_shown() {
        let headers = read_headers("authorization: Bearer harbour\n\nx-tenant : a:b \r\n").unwrap();
        assert_eq!(headers.get("authorization").unwrap().as_bytes(), b"Bearer harbour");
        assert_eq!(headers.get("x-tenant").unwrap().as_bytes(), b"a:b");
        assert!(!format!("{headers:?}").contains("harbour"));
        for (text, line) in [("harbour", 1), ("a: b\nb c: d", 2), ("a: b\n\n: c", 3), ("a: \u{1}", 1)] {
            assert!(matches!(read_headers(text), Err(CollectorProblem::Headers(found)) if found == line), "{text}");
        }
    }

    /// Counts the spans that are dropped.
    struct Dropped(AtomicUsize);

    impl Meter for Dropped {
        fn add(&self, counter: Counter, count: usize) {
            if counter == Counter::Spans(SpanOutcome::Dropped) {
                self.0.fetch_add(count, Ordering::Relaxed);
            }
        }

        fn change(&self, _: Gauge, _: i64) {}
        fn set(&self, _: Gauge, _: i64) {}
        fn observe(&self, _: Histogram, _: Duration) {}
    }

    #[tokio::test]
    async fn a_span_that_there_is_no_room_for_is_dropped_at_once() {
        let dropped = Arc::new(Dropped(AtomicUsize::new(0)));
        let collector = Collector::new("http://127.0.0.1:1", None, None).unwrap();
        let exporter = collector.start(None, Arc::clone(&dropped) as Arc<dyn Meter>);
        let (spans, at) = (exporter.spans(), Timestamp::from_micros(0));
        // Nothing is awaited, so the task that sends them does not run.
        for id in 1..=(QUEUE + 3) as u64 {
            spans.take(Span { trace: TraceId(1), id, parent: None, began: at, ended: at, work: Work::Hash });
        }
        assert_eq!(dropped.0.load(Ordering::Relaxed), 3);
    }

    #[test]
    fn a_collector_has_a_url_with_a_host() {
        for url in ["http://127.0.0.1:4317", "http://[::1]:4317", "http://collector:4317/"] {
            assert!(Collector::new(url, None, None).is_ok(), "{url}");
        }
        for url in ["127.0.0.1:4317", "ftp://collector", "http://", "", "/path"] {
            assert!(matches!(Collector::new(url, None, None), Err(CollectorProblem::Url)), "{url}");
        }
        let with_ca = |cas| Collector::new("https://collector:4317", Some(cas), None);
        assert!(matches!(with_ca("none"), Err(CollectorProblem::Cas)));
    }
}
