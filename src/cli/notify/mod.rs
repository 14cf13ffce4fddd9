//! `notify`: the events of a tenant as signed notifications over HTTP.
//!
//! The queue is the service's own: events that are kept, read by `WatchChanges` from a position that is stored here. So a process that
//! is killed sends again what may not have arrived, and nothing is lost while the receiver is away.

mod directory;
mod notification;
mod sender;

use std::path::PathBuf;

use backon::BackoffBuilder;
use clap::Args;
use tonic::transport::Channel;
use tonic::{Request, Status};

use super::admin::refusal;
use super::caller::{Authorization, CallerArgs};
use super::environment::Environment;
use super::failure::{Failure, Kind};
use super::terminal::Terminal;
use crate::ambient::SystemEntropy;
use crate::edge::Reason;
use crate::grpc::generated::credential::v1 as wire;
use crate::ports::retries;
use directory::{DeadLetter, Directory, Use};
use notification::Notification;
use sender::{Attempt, ReceiverArgs, Sender};
use wire::verification_service_client::VerificationServiceClient;
use wire::watch_changes_request::Start;

/// The position before the oldest event that is kept.
const OLDEST: &str = "oldest";

const NOTES: &str = "\
Notifications follow Standard Webhooks: `webhook-id`, `webhook-timestamp` and `webhook-signature`. Each arrives at least
once, those of one subject in order. `docs/notifications.md` shows how to set it up.

Exit status: 1 it can't go on, or a dead letter was refused again; 2 usage; 75 another process uses the directory, or with
--resend the receiver can't take a dead letter now.

Examples:
  credentiald notify --url https://hooks.example.com/passwords --secret-file hook.secret --directory notify
  credentiald notify --directory notify --dead-letters
  credentiald notify --url https://hooks.example.com/passwords --secret-file hook.secret --directory notify --resend";

/// Send a tenant's change events to a URL, as signed notifications, until it is stopped.
///
/// Calls a running service as a relying system. After a restart it continues where it stopped.
#[derive(Debug, Args)]
#[command(after_help = NOTES)]
pub(super) struct NotifyArgs {
    #[command(flatten)]
    receiver: ReceiverArgs,
    /// Directory with the position and the dead letters. It is created if it does not exist.
    #[arg(long, value_name = "DIRECTORY")]
    directory: PathBuf,
    /// Begin with the oldest event that is kept, if there is no position yet. Default: now.
    #[arg(long)]
    from_oldest: bool,
    /// List the dead letters as JSON lines, and end.
    #[arg(long, conflicts_with_all = ["from_oldest", "resend"])]
    dead_letters: bool,
    /// Send each dead letter once more, the oldest first, and end. Those that arrive are removed.
    #[arg(long, conflicts_with = "from_oldest")]
    resend: bool,
    #[command(flatten)]
    caller: CallerArgs,
}

pub(super) async fn run(args: &NotifyArgs, environment: &Environment, terminal: &mut Terminal) -> Result<(), Failure> {
    if args.dead_letters {
        let directory = Directory::open(&args.directory, Use::Resend)?;
        return directory.dead_letters()?.iter().try_for_each(|(_, letter)| {
            let line = serde_json::to_string(letter).map_err(Failure::failed)?;
            terminal.print(&line)
        });
    }
    let sender = args.receiver.sender()?;
    if args.resend {
        return resend(&sender, &Directory::open(&args.directory, Use::Resend)?, terminal).await;
    }
    let (channel, authorization) = args.caller.service(environment)?.connect_lazily()?;
    let directory = Directory::open(&args.directory, Use::Send)?;
    Feed { channel, authorization, sender, directory, from_oldest: args.from_oldest }.forward(terminal).await
}

/// Sends dead letters again, up to the first that is refused: the receiver gets them in order.
async fn resend(sender: &Sender, directory: &Directory, terminal: &mut Terminal) -> Result<(), Failure> {
    let mut sent = 0;
    for (name, letter) in directory.dead_letters()? {
        let failure = match sender.attempt(&letter.notification()).await? {
            Attempt::Delivered => {
                directory.remove(&name)?;
                sent += 1;
                continue;
            }
            Attempt::Refused(reason) => Failure::failed(format!("{}: {reason}", letter.id)),
            Attempt::Later(reason) => Failure::not_now(format!("{}: {reason}", letter.id)),
        };
        return Err(failure.with_line(&format!("sent {sent}; the others stay")));
    }
    terminal.print(&format!("sent {sent}"))
}

/// From the service to the receiver.
struct Feed {
    channel: Channel,
    authorization: Authorization,
    sender: Sender,
    directory: Directory,
    from_oldest: bool,
}

/// Why a watch has ended.
enum Ended {
    /// It can be resumed. There may be a problem.
    Interrupted(Option<String>),
    /// It can't.
    Failed(Failure),
}

impl Feed {
    /// Forwards events until that fails for good.
    async fn forward(&self, terminal: &mut Terminal) -> Result<(), Failure> {
        let pauses = || retries::random(retries::NOTIFICATION.build(), &SystemEntropy);
        let (mut pause, mut said) = (pauses(), false);
        let mut has_ever_received = false;
        loop {
            let mut has_received = false;
            let stopped = self.receive(&mut has_received, terminal).await;
            has_ever_received |= has_received;
            match self.ended(stopped, has_ever_received) {
                Ended::Failed(failure) => return Err(failure),
                Ended::Interrupted(problem) => {
                    if has_received {
                        (pause, said) = (pauses(), false);
                    }
                    if let Some(problem) = problem.filter(|_| !said) {
                        terminal.complain(&format!("the watch is interrupted: {problem}"));
                        said = true;
                    }
                    tokio::time::sleep(pause.next().unwrap_or_default()).await;
                }
            }
        }
    }

    /// Why a watch has stopped. A token that was valid before may have been replaced, and its file may get the new one later.
    fn ended(&self, stopped: Result<(), Stopped>, has_ever_received: bool) -> Ended {
        let waits_for_a_token = has_ever_received && self.authorization.is_from_file();
        match stopped {
            Ok(()) => Ended::Interrupted(None),
            Err(Stopped::Token(failure)) if waits_for_a_token => Ended::Interrupted(Some(failure.message().to_owned())),
            Err(Stopped::Here(failure) | Stopped::Token(failure)) => Ended::Failed(failure),
            Err(Stopped::Watch(status)) => {
                let failure = refusal::failure(&status);
                let reason = refusal::reason(&status);
                let is_passing =
                    failure.kind() == Kind::NotNow || waits_for_a_token && reason == Some(Reason::Unauthenticated);
                if is_passing {
                    return Ended::Interrupted(Some(refusal::text(&status)));
                }
                let advice =
                    "events were missed: read the current state again, and remove `position` to continue from now";
                Ended::Failed(match reason {
                    Some(Reason::CursorExpired) => failure.with_line(advice),
                    _ => failure,
                })
            }
        }
    }

    /// One watch, from the stored position to its end.
    async fn receive(&self, has_received: &mut bool, terminal: &mut Terminal) -> Result<(), Stopped> {
        let mut position = self.directory.position()?;
        // The first response may have an event already: without a note, a later process would begin after it.
        if position.is_none() && self.from_oldest {
            self.directory.set_position(OLDEST)?;
            position = Some(OLDEST.to_owned());
        }
        let start = position.clone().map(|position| match position.as_str() {
            OLDEST => Start::FromOldest(true),
            _ => Start::Cursor(position),
        });
        let authorization = self.authorization.read_again().await.map_err(Stopped::Token)?;
        let mut request = Request::new(wire::WatchChangesRequest { start });
        authorization.apply(&mut request);
        let mut client = VerificationServiceClient::new(self.channel.clone());
        let mut changes = client.watch_changes(request).await?.into_inner();
        let mut last = position.unwrap_or_default();
        while let Some(change) = changes.message().await? {
            *has_received = true;
            if let Some(event) = &change.event {
                let notification = Notification::of(event).map_err(Failure::failed)?;
                let give_up = |at, reason| self.directory.give_up(&DeadLetter::of(&notification, at, reason));
                self.sender.deliver(&notification, give_up, terminal).await?;
            }
            if change.cursor != last {
                self.directory.set_position(&change.cursor)?;
                last = change.cursor;
            }
        }
        Ok(())
    }
}

/// What stops receiving: the watch, its token, or something else here.
enum Stopped {
    Watch(Box<Status>),
    Token(Failure),
    Here(Failure),
}

impl From<Status> for Stopped {
    fn from(status: Status) -> Self {
        Self::Watch(Box::new(status))
    }
}

impl From<Failure> for Stopped {
    fn from(failure: Failure) -> Self {
        Self::Here(failure)
    }
}
