//! `top`: what the service does, as it does it.

mod draw;
mod sample;

use std::io::{self, IsTerminal};
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use clap::Args;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyModifiers};
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval};
use tonic::Request;

use super::admin::refusal;
use super::audit::list::line_of;
use super::caller::{CallerArgs, Service};
use super::connection::reachable;
use super::environment::Environment;
use super::failure::Failure;
use super::http_client::http_client;
use super::terminal::Terminal;
use crate::ambient::SystemClock;
use crate::domain::text::printable;
use crate::domain::time::Timestamp;
use crate::grpc::generated::credential::admin::v1 as wire;
use crate::outgoing::{Outgoing, OutgoingLimits};
use crate::ports::Clock;
use draw::Screen;
use sample::{Scrape, View};
use wire::admin_service_client::AdminServiceClient;

/// Longer than a scrape takes.
const LIMITS: OutgoingLimits = OutgoingLimits { within: Duration::from_secs(3), max_bytes: 16 * 1024 * 1024 };
/// Audit events that are kept to be shown.
const EVENTS: usize = 50;

/// Show what a service does: calls, their times and refusals, hash workers, and audit events, until `q` is pressed.
///
/// Reads the metrics of the service, again and again. The audit events come from the service itself, and need an access token
/// that may read them.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  credentiald top --config /etc/credentiald/credentiald.toml
  credentiald top --metrics http://127.0.0.1:9464/metrics --interval 5")]
pub(super) struct TopArgs {
    /// URL of the metrics, on this machine or by HTTPS. Default: the address in the configuration (`metrics.listen`).
    #[arg(long, value_name = "URL")]
    metrics: Option<String>,
    /// CA of the certificate at that URL. Default: the public ones.
    #[arg(long, value_name = "FILE", requires = "metrics")]
    metrics_ca_file: Option<PathBuf>,
    /// Seconds between two readings of the metrics.
    #[arg(long, value_name = "SECONDS", default_value_t = 2, value_parser = clap::value_parser!(u64).range(1..=3600))]
    interval: u64,
    #[command(flatten)]
    caller: CallerArgs,
}

/// What makes the screen change.
enum News {
    Key(Event),
    Audit(String),
}

pub(super) async fn run(args: &TopArgs, environment: &Environment, terminal: &Terminal) -> Result<(), Failure> {
    if !io::stdout().is_terminal() || !io::stdin().is_terminal() {
        return Err(Failure::usage("top needs a terminal; programs read the metrics themselves"));
    }
    let url = url(args, environment)?;
    let metrics = http_client("", &url, args.metrics_ca_file.as_deref(), LIMITS)?;
    let (sender, mut news) = mpsc::channel(EVENTS);
    let keys = sender.clone();
    // Not a task of the runtime, which would wait for the next key.
    thread::spawn(move || {
        while let Ok(key) = event::read() {
            if keys.blocking_send(News::Key(key)).is_err() {
                break;
            }
        }
    });
    tokio::spawn(audit(args.caller.service(environment), sender));

    let has_colours = terminal.layout(false).has_colours;
    let mut screen = Screen { address: printable(&url), has_colours, ..Screen::default() };
    let mut display = ratatui::try_init().map_err(|error| Failure::caused("can't use the terminal", &error))?;
    let mut ticks = interval(Duration::from_secs(args.interval));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut last = None;
    let ended = loop {
        if let Err(error) = display.draw(|frame| screen.draw(frame)) {
            break Err(Failure::caused("can't draw", &error));
        }
        tokio::select! {
            _ = ticks.tick() => last = look(&metrics, last, &mut screen).await,
            Some(news) = news.recv() => match news {
                News::Key(key) if is_end(&key) => break Ok(()),
                News::Key(_) => {}
                News::Audit(line) => {
                    screen.events.push_back(line);
                    if screen.events.len() > EVENTS {
                        screen.events.pop_front();
                    }
                }
            },
        }
    };
    let restored = ratatui::try_restore().map_err(|error| Failure::caused("the terminal is not as before", &error));
    ended.and(restored)
}

/// Looks at the metrics, and shows what has happened since the last look.
async fn look(
    metrics: &Outgoing,
    last: Option<(Scrape, Timestamp)>,
    screen: &mut Screen,
) -> Option<(Scrape, Timestamp)> {
    match metrics.get("application/openmetrics-text", None).await {
        Ok(answer) => {
            let (scrape, now) = (Scrape::parse(&String::from_utf8_lossy(&answer.body)), SystemClock.now());
            let since = last.as_ref().and_then(|(_, then)| now.since(*then)).filter(|since| !since.is_zero());
            let before = last.as_ref().map(|(before, _)| before);
            // The first look shows only what is so at that moment.
            let seconds = since.map_or(1.0, |since| since.as_secs_f64());
            screen.view = View::between(before.unwrap_or(&scrape), &scrape, seconds);
            screen.problem = None;
            Some((scrape, now))
        }
        Err(error) => {
            screen.problem = Some(printable(Failure::caused("can't get the metrics", &error).message()));
            last
        }
    }
}

/// Follows the audit log for as long as it can be read.
async fn audit(service: Result<Service, Failure>, sender: mpsc::Sender<News>) {
    let follow = async {
        let (channel, authorization) = service?.connect().await?;
        let mut request = Request::new(wire::ListAuditEventsRequest { follow: true, ..Default::default() });
        authorization.apply(&mut request);
        let replies = AdminServiceClient::new(channel).list_audit_events(request).await;
        let mut replies = replies.map_err(|status| refusal::failure(&status))?.into_inner();
        while let Some(reply) = replies.message().await.map_err(|status| refusal::failure(&status))? {
            let Some(event) = reply.event else { continue };
            if sender.send(News::Audit(line_of(&event))).await.is_err() {
                break;
            }
        }
        Ok::<(), Failure>(())
    };
    if let Err(failure) = follow.await {
        for line in failure.message().lines() {
            let _ = sender.send(News::Audit(printable(line))).await;
        }
    }
}

fn is_end(key: &Event) -> bool {
    let Event::Key(key) = key else { return false };
    let is_interrupt = key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL);
    is_interrupt || matches!(key.code, KeyCode::Char('q') | KeyCode::Esc)
}

fn url(args: &TopArgs, environment: &Environment) -> Result<String, Failure> {
    if let Some(url) = &args.metrics {
        return Ok(url.clone());
    }
    let settings = args.caller.settings().with("server.allow_plaintext", "true".to_owned());
    match settings.load(environment)?.config.metrics.listen {
        Some(listen) => Ok(format!("http://{}/metrics", reachable(listen))),
        None => Err(Failure::usage(
            "where are the metrics? Set metrics.listen and name the configuration, or use --metrics",
        )),
    }
}
