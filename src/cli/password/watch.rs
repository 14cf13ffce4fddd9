//! `watch`.

use std::pin::pin;

use clap::Args;
use prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage};
use tonic::Request;

use crate::cli::admin::object::Object;
use crate::cli::admin::{json, refusal};
use crate::cli::caller::CallerArgs;
use crate::cli::environment::Environment;
use crate::cli::failure::Failure;
use crate::cli::output::{Format, OutputArgs, yaml};
use crate::cli::signals::asked_to_end;
use crate::cli::terminal::Terminal;
use crate::domain::text::printable;
use crate::grpc::generated::DESCRIPTORS;
use crate::grpc::generated::credential::v1 as wire;
use wire::change_event::Kind;
use wire::verification_service_client::VerificationServiceClient;
use wire::watch_changes_request::Start;

/// Print what happens to the subjects of the caller's tenant, as it happens, until interrupted.
///
/// Calls a running service. Each event is a line: time, what happened, the subject, and the version of its password or the end of
/// a wait. With `--output json` it is a JSON object on a line, and has the cursor that comes after it. At its end the command
/// prints the cursor to resume from, on standard error.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  credentiald watch
  credentiald watch --from-oldest --output json")]
pub(in crate::cli) struct WatchArgs {
    /// Resume after this cursor. Default: now.
    #[arg(long, value_name = "CURSOR")]
    cursor: Option<String>,
    /// Begin with the oldest event that is kept.
    #[arg(long, conflicts_with = "cursor")]
    from_oldest: bool,
    /// End after this many events.
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..))]
    limit: Option<u32>,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    caller: CallerArgs,
}

pub(in crate::cli) async fn run(
    args: &WatchArgs,
    environment: &Environment,
    terminal: &mut Terminal,
) -> Result<(), Failure> {
    let (channel, authorization) = args.caller.connect(environment).await?;
    let start = args.cursor.clone().map(Start::Cursor).or(args.from_oldest.then_some(Start::FromOldest(true)));
    let mut request = Request::new(wire::WatchChangesRequest { start });
    authorization.apply(&mut request);
    let replies = VerificationServiceClient::new(channel).watch_changes(request).await;
    let mut replies = replies.map_err(|status| refusal::failure(&status))?.into_inner();
    let pool = DescriptorPool::decode(DESCRIPTORS).map_err(Failure::failed)?;
    let descriptor = pool.get_message_by_name("credential.v1.WatchChangesResponse");
    let descriptor = descriptor.ok_or_else(|| Failure::failed("the descriptors lack the event"))?;
    let mut cursor = args.cursor.clone().unwrap_or_default();
    let mut count = 0_u32;
    let mut asked_to_end = pin!(asked_to_end()?);
    while args.limit.is_none_or(|limit| count < limit) {
        let reply = tokio::select! {
            reply = replies.message() => reply,
            () = &mut asked_to_end => break,
        };
        match reply {
            Ok(Some(reply)) => {
                if let Some(event) = &reply.event {
                    count = count.saturating_add(1);
                    let message = || DynamicMessage::decode(descriptor.clone(), reply.encode_to_vec().as_slice());
                    let text = match args.output.format() {
                        Format::Table => line_of(event),
                        Format::Json => json::line(&message().map_err(Failure::failed)?),
                        Format::Yaml => format!("---\n{}", yaml(&json::object(&message().map_err(Failure::failed)?))),
                        Format::Name => printable(&Object::of_subject(event.subject.as_ref()).to_string()),
                    };
                    tokio::select! {
                        printed = terminal.print_apart(text) => printed?,
                        () = &mut asked_to_end => break,
                    }
                }
                // Only now: an event that was not printed comes again.
                cursor = reply.cursor;
            }
            Ok(None) => return Err(resumable(Failure::not_now("the stream has ended"), &cursor)),
            Err(status) => return Err(resumable(refusal::failure(&status), &cursor)),
        }
    }
    // In JSON and YAML, each event has its cursor.
    if matches!(args.output.format(), Format::Table | Format::Name)
        && let Some(resume) = resume(&cursor)
    {
        terminal.complain(&resume);
    }
    Ok(())
}

/// How to go on after a cursor, if there is one.
fn resume(cursor: &str) -> Option<String> {
    (!cursor.is_empty()).then(|| format!("resume with --cursor {}", printable(cursor)))
}

fn resumable(failure: Failure, cursor: &str) -> Failure {
    match resume(cursor) {
        Some(resume) => failure.with_line(&resume),
        None => failure,
    }
}

/// An event on one line, without control characters of a terminal.
fn line_of(event: &wire::ChangeEvent) -> String {
    let time = |time: Option<prost_types::Timestamp>| time.map(|time| time.to_string()).unwrap_or_default();
    let until = |text: &str, until| match until {
        Some(until) => format!("{text} until {}", time(Some(until))),
        None => text.to_owned(),
    };
    let what = match &event.kind {
        Some(Kind::Created(created)) => format!("created, version {}", created.version),
        Some(Kind::Changed(changed)) => {
            let version = format!("changed, version {}", changed.version);
            let overlap =
                changed.overlap_until.map(|end| format!(", the previous one is valid until {}", time(Some(end))));
            version + &overlap.unwrap_or_default()
        }
        Some(Kind::Reset(reset)) => format!("reset, version {}", reset.version),
        Some(Kind::Locked(locked)) => until("a caller has to wait", locked.until),
        Some(Kind::Deleted(_)) => "deleted".to_owned(),
        None => "something happened that this program does not know".to_owned(),
    };
    format!("{} {}: {what}", printable(&time(event.at)), Object::of_subject(event.subject.as_ref()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_one_line() {
        let subject = wire::subject_name::Subject::RamUser("a\nb".to_owned());
        let event = |kind| wire::ChangeEvent {
            at: Some(prost_types::Timestamp { seconds: 1_767_225_600, nanos: 0 }),
            subject: Some(wire::SubjectName { subject: Some(subject.clone()) }),
            kind: Some(kind),
            ..wire::ChangeEvent::default()
        };
        let changed = Kind::Changed(wire::CredentialChanged { version: 2, overlap_until: None });
        assert_eq!(line_of(&event(changed)), "2026-01-01T00:00:00Z RAM user `a\\nb`: changed, version 2");
        let locked = Kind::Locked(wire::SubjectLocked { until: None });
        assert_eq!(line_of(&event(locked)), "2026-01-01T00:00:00Z RAM user `a\\nb`: a caller has to wait");
    }
}
