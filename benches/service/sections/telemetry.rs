//! What lines of calls, metrics that are scraped, and traces cost: servers with and without them, in turn.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use credentiald::hashing::Cost;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{TraceService, TraceServiceServer};
use opentelemetry_proto::tonic::collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status};

use super::{PATIENT, Plan};
use crate::callers::{Change, Cheap};
use crate::load::{Tally, closed};
use crate::machine::NoiseMeter;
use crate::process::free_address;
use crate::report::{Report, Series, Target};
use crate::server::{BINARY, Server};

const CHANGERS: usize = 8;
const CHEAP: usize = 32;
const WARM_UP: Duration = Duration::from_millis(500);
/// How often metrics are scraped.
const SCRAPE_EVERY: Duration = Duration::from_secs(1);

const LINES: &[&str] = &["--log-calls=all", "--log-format=json"];

/// A server, who calls it, and what was measured.
struct Contender {
    name: String,
    /// The least part of the changes of the first one that it should make.
    least: Option<f64>,
    server: Server,
    scraped_at: Option<SocketAddr>,
    changers: Vec<Change>,
    cheap: Vec<Cheap>,
    changes: Series,
    calls: Series,
    cpu_time: Series,
}

impl Contender {
    async fn start(program: &Path, name: &str, least: Option<f64>, flags: &[&str], is_scraped: bool) -> Self {
        let scraped_at = is_scraped.then(free_address);
        let listen = scraped_at.map(|address| format!("--metrics-listen={address}"));
        let flags: Vec<_> = flags.iter().copied().chain(listen.as_deref()).collect();
        let mut server = Server::start_with(program, Cost::DEFAULT, "bench", CHANGERS, &flags).await;
        let changers = server.changers(CHANGERS, PATIENT);
        let Server { neighbour, connections, .. } = &mut server;
        let cheap = (0..CHEAP).map(|number| Cheap::new(number, neighbour, connections)).collect();
        Self {
            name: name.to_owned(),
            least,
            server,
            scraped_at,
            changers,
            cheap,
            changes: Series::default(),
            calls: Series::default(),
            cpu_time: Series::default(),
        }
    }

    /// One turn.
    async fn measure(&mut self, window: Duration) {
        let scraper = self.scraped_at.map(|address| tokio::spawn(scrape(address)));
        self.changes.push(only_successes(&closed(&mut self.changers, WARM_UP, window).await).rate());
        closed(&mut self.cheap, Duration::ZERO, WARM_UP).await;
        let before = self.server.process.cpu_time();
        let tally = closed(&mut self.cheap, Duration::ZERO, window).await;
        let used = self.server.process.cpu_time().saturating_sub(before);
        self.calls.push(only_successes(&tally).rate());
        self.cpu_time.push(used.as_secs_f64() * 1e6 / tally.done.len() as f64);
        if let Some(scraper) = scraper {
            assert!(!scraper.is_finished(), "the metrics can't be scraped");
            scraper.abort();
        }
    }
}

/// Measures this build, and all of it off beside another one if there is one.
pub async fn run(other: Option<&Path>, plan: Plan, report: &mut Report, noise: &NoiseMeter) {
    let sink = Sink::default();
    let endpoint = format!("--traces-endpoint=http://{}", sink.listen().await);
    let traced = |ratio: &'static str| [endpoint.as_str(), ratio];
    let [some, each] = ["--traces-sample-ratio=0.01", "--traces-sample-ratio=1"].map(traced);
    let this = Path::new(BINARY);
    let mut contenders = vec![
        Contender::start(this, "All off", None, &[], false).await,
        Contender::start(this, "Metrics, scraped each second", None, &[], true).await,
        Contender::start(this, "A line for each call", None, LINES, false).await,
        Contender::start(this, "Traces of 1 %", None, &some, false).await,
        Contender::start(this, "All on, traces of 1 %", Some(0.95), &[LINES, &some[..]].concat(), true).await,
        Contender::start(this, "All on, traces of each call", None, &[LINES, &each[..]].concat(), true).await,
    ];
    if let Some(other) = other {
        contenders.push(Contender::start(other, "The other build, all off", None, &[], false).await);
    }
    for contender in &contenders {
        noise.add(contender.server.process.id());
    }
    for round in 0..plan.rounds {
        for turn in 0..contenders.len() {
            let place = (round + turn) % contenders.len();
            contenders[place].measure(plan.window).await;
        }
    }
    assert!(sink.spans.load(Ordering::Relaxed) > 0, "nothing was traced");
    let (off, others) = contenders.split_first().unwrap();
    let others = if other.is_some() { &others[..others.len() - 1] } else { others };
    for Contender { name, least, changes, .. } in others {
        let target = least.map_or(Target::None, Target::AtLeast);
        report.row(&format!("{name}: changes/s ÷ all off"), target, "", &changes.over(&off.changes));
    }
    for Contender { name, calls, .. } in others {
        report.row(&format!("{name}: calls/s without a hash ÷ all off"), Target::None, "", &calls.over(&off.calls));
    }
    if let Some(before) = contenders.last().filter(|_| other.is_some()) {
        let figure = "All off: changes/s ÷ the other build";
        report.row(figure, Target::AtLeast(0.98), "", &off.changes.over(&before.changes));
        let figure = "All off: calls/s without a hash ÷ the other build";
        report.row(figure, Target::AtLeast(0.98), "", &off.calls.over(&before.calls));
    }
    for Contender { name, cpu_time, .. } in &contenders {
        report.row(&format!("{name}: CPU time of a call without a hash"), Target::None, "µs", cpu_time);
    }
    report.row("All off: changes/s", Target::None, "", &off.changes);
    report.row("All off: calls/s without a hash", Target::None, "", &off.calls);
}

/// An error would make a contender look quick.
fn only_successes(tally: &Tally) -> &Tally {
    assert!(tally.reasons.is_empty() && tally.lost == 0, "not all succeeded: {:?}, {} lost", tally.reasons, tally.lost);
    tally
}

/// Scrapes until it is aborted.
async fn scrape(address: SocketAddr) {
    loop {
        let mut socket = TcpStream::connect(address).await.unwrap();
        socket.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await.unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        tokio::time::sleep(SCRAPE_EVERY).await;
    }
}

/// A collector that counts spans, and keeps none.
#[derive(Clone, Default)]
struct Sink {
    spans: Arc<AtomicUsize>,
}

impl Sink {
    async fn listen(&self) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = tonic::transport::Server::builder().add_service(TraceServiceServer::new(self.clone()));
        tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
        address
    }
}

#[async_trait]
impl TraceService for Sink {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let scopes = request.get_ref().resource_spans.iter().flat_map(|resource| &resource.scope_spans);
        self.spans.fetch_add(scopes.map(|scope| scope.spans.len()).sum(), Ordering::Relaxed);
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}
