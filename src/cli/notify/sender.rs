//! Sends notifications to their receiver, one at a time.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use backon::BackoffBuilder;
use bytes::Bytes;
use clap::Args;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use super::notification::{Notification, Secrets};
use crate::ambient::{SystemClock, SystemEntropy};
use crate::cli::failure::Failure;
use crate::cli::http_client::http_client;
use crate::cli::terminal::Terminal;
use crate::outgoing::{Outgoing, OutgoingLimits};
use crate::ports::{Clock, retries};
use crate::server::OperatorFile;
use crate::service::error::with_causes;

/// Statuses that say "later", as no answer does.
const LATER: [StatusCode; 6] = [
    StatusCode::REQUEST_TIMEOUT,
    StatusCode::TOO_EARLY,
    StatusCode::TOO_MANY_REQUESTS,
    StatusCode::BAD_GATEWAY,
    StatusCode::SERVICE_UNAVAILABLE,
    StatusCode::GATEWAY_TIMEOUT,
];

/// The receiver.
#[derive(Debug, Args)]
pub(super) struct ReceiverArgs {
    /// URL that gets the notifications: `https://`, or `http://` on this machine.
    #[arg(long, value_name = "URL", required_unless_present = "dead_letters")]
    url: Option<String>,
    /// File with the secret that they are signed with: `whsec_` and 24 to 64 bytes in base64. With two lines, both sign.
    #[arg(long, value_name = "FILE", required_unless_present = "dead_letters")]
    secret_file: Option<PathBuf>,
    /// CAs that the receiver's certificate is checked with, as PEM. Default: the public ones.
    #[arg(long, value_name = "FILE")]
    receiver_ca_file: Option<PathBuf>,
    /// Longest time to wait for the receiver's answer, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 15, value_parser = clap::value_parser!(u64).range(1..=300))]
    within: u64,
    /// Refusals after which a notification becomes a dead letter, once `--give-up-after` has passed as well.
    #[arg(long, value_name = "NUMBER", default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=100))]
    attempts: u32,
    /// Seconds from the first refusal of a notification until it may become a dead letter. Later ones wait meanwhile.
    #[arg(long, value_name = "SECONDS", default_value_t = 14_400, value_parser = clap::value_parser!(u64).range(0..=2_592_000))]
    give_up_after: u64,
}

/// Sends to one receiver.
pub(super) struct Sender {
    outgoing: Outgoing,
    secret_file: PathBuf,
    attempts: u32,
    give_up_after: Duration,
}

/// The refusals of a notification.
#[derive(Default)]
struct Refusals {
    count: u32,
    first: Option<Instant>,
}

/// What became of an attempt.
pub(super) enum Attempt {
    /// The receiver has it.
    Delivered,
    /// The receiver does not want it.
    Refused(String),
    /// The receiver can't take it now.
    Later(String),
}

impl ReceiverArgs {
    /// A sender for the receiver. Every file is read, so that mistakes are found at once.
    pub(super) fn sender(&self) -> Result<Sender, Failure> {
        let url = self.url.as_deref().unwrap_or_default();
        let limits = OutgoingLimits { within: Duration::from_secs(self.within), max_bytes: 0 };
        let outgoing = http_client("--url ", url, self.receiver_ca_file.as_deref(), limits)?;
        let secret_file = self.secret_file.clone().unwrap_or_default();
        let give_up_after = Duration::from_secs(self.give_up_after);
        let sender = Sender { outgoing, secret_file, attempts: self.attempts, give_up_after };
        sender.secrets()?;
        Ok(sender)
    }
}

impl Sender {
    /// The secrets, which may be replaced at any time.
    fn secrets(&self) -> Result<Secrets, Failure> {
        let text = OperatorFile::read_secret(&self.secret_file).map_err(Failure::failed)?;
        Secrets::parse(&text).map_err(|problem| Failure::failed(format!("{}: {problem}", self.secret_file.display())))
    }

    /// Sends a notification until the receiver has it, or has refused it too often. Then `give_up` decides whether it is given up.
    pub(super) async fn deliver(
        &self,
        notification: &Notification,
        mut give_up: impl FnMut(i64, String) -> Result<bool, Failure>,
        terminal: &mut Terminal,
    ) -> Result<(), Failure> {
        let mut pauses = retries::random(retries::NOTIFICATION.build(), &SystemEntropy);
        let (mut refusals, mut said) = (Refusals::default(), String::new());
        loop {
            let reason = match self.attempt(notification).await? {
                Attempt::Delivered => return Ok(()),
                Attempt::Refused(reason) => {
                    refusals.add(SystemClock.instant());
                    reason
                }
                Attempt::Later(reason) => reason,
            };
            if self.is_enough(&refusals, SystemClock.instant())
                && give_up(SystemClock.now().as_seconds(), reason.clone())?
            {
                terminal.complain(&format!("{} is a dead letter: {reason}", notification.id));
                return Ok(());
            }
            // Once for each reason: a receiver may be away for days.
            if said != reason {
                terminal.complain(&format!("{} is not delivered yet: {reason}", notification.id));
                said = reason;
            }
            tokio::time::sleep(pauses.next().unwrap_or_default()).await;
        }
    }

    /// Whether a notification may be given up: a receiver that fails for a while does not lose the order.
    fn is_enough(&self, refusals: &Refusals, now: Instant) -> bool {
        let has_lasted = refusals.first.is_some_and(|first| now.duration_since(first) >= self.give_up_after);
        refusals.count >= self.attempts && has_lasted
    }

    /// Sends a notification once.
    pub(super) async fn attempt(&self, notification: &Notification) -> Result<Attempt, Failure> {
        let seconds = SystemClock.now().as_seconds();
        let signature = self.secrets()?.sign(notification, seconds);
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        for (name, value) in [
            ("webhook-id", notification.id.clone()),
            ("webhook-timestamp", seconds.to_string()),
            ("webhook-signature", signature),
        ] {
            let value = HeaderValue::try_from(value).map_err(Failure::failed)?;
            headers.insert(HeaderName::from_static(name), value);
        }
        Ok(match self.outgoing.post(Bytes::from(notification.body.clone()), headers).await {
            Ok(status) if status.is_success() => Attempt::Delivered,
            Ok(status) if LATER.contains(&status) => Attempt::Later(format!("the answer is {status}")),
            Ok(status) => Attempt::Refused(format!("the answer is {status}")),
            Err(error) => Attempt::Later(with_causes("there is no answer".to_owned(), Some(&error))),
        })
    }
}

impl Refusals {
    fn add(&mut self, now: Instant) {
        self.count = self.count.saturating_add(1);
        self.first.get_or_insert(now);
    }
}
