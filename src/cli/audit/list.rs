//! `audit list` and `audit tail`.

use std::str::FromStr;

use clap::Args;
use clap::builder::PossibleValuesParser;
use prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor};
use prost_types::Timestamp;
use tonic::Request;

use crate::cli::admin::{json, refusal};
use crate::cli::caller::CallerArgs;
use crate::cli::environment::Environment;
use crate::cli::failure::Failure;
use crate::cli::output::{self, Format, OutputArgs};
use crate::cli::terminal::Terminal;
use crate::domain::audit_event::AuditOutcome;
use crate::domain::text::printable;
use crate::grpc::generated::DESCRIPTORS;
use crate::grpc::generated::credential::admin::v1 as wire;
use wire::admin_service_client::AdminServiceClient;

/// List audit events, the oldest first.
///
/// Calls a running service. Prints a line for each event: time, outcome, caller, action, resource, the reason of the error or
/// `-`, and the request id; and at the end the number of refusals, if the event represents several. With `--output json` an
/// event is one JSON object on a line, with `--output yaml` one document.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  credentiald audit list --outcome denied --since 2026-11-01T00:00:00Z --json")]
pub(in crate::cli) struct ListArgs {
    #[command(flatten)]
    filter: FilterArgs,
    /// Only events of this time or later, as in 2026-11-01T00:00:00Z.
    #[arg(long, value_name = "TIME", value_parser = time)]
    since: Option<Timestamp>,
    /// Only events from before this time.
    #[arg(long, value_name = "TIME", value_parser = time)]
    until: Option<Timestamp>,
    /// Largest number of events.
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..))]
    limit: Option<u32>,
    #[command(flatten)]
    caller: CallerArgs,
}

/// Print audit events as they come, until interrupted.
///
/// Calls a running service. Prints the same lines as `audit list`. If the service ends the stream, the command prints
/// the cursor to resume from, and exits with status 1.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  credentiald audit tail --json")]
pub(in crate::cli) struct TailArgs {
    #[command(flatten)]
    filter: FilterArgs,
    /// Resume after this cursor. Default: now.
    #[arg(long, value_name = "CURSOR")]
    cursor: Option<String>,
    #[command(flatten)]
    caller: CallerArgs,
}

#[derive(Debug, Args)]
struct FilterArgs {
    /// Tenant that the events belong to. Default: the caller's own, or for an operator all events.
    #[arg(long, value_name = "NAME")]
    tenant: Option<String>,
    /// Id of the subject.
    #[arg(long, value_name = "UUID")]
    subject_id: Option<String>,
    /// Caller as the events show it: acme/ram-user/jane, or -/operator/jane.
    #[arg(long = "by", value_name = "CALLER")]
    by: Option<String>,
    /// Outcome of the request.
    #[arg(long, value_name = "OUTCOME", value_parser = PossibleValuesParser::new(AuditOutcome::WORDS))]
    outcome: Option<String>,
    #[command(flatten)]
    output: OutputArgs,
}

impl FilterArgs {
    fn request(&self) -> wire::ListAuditEventsRequest {
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        wire::ListAuditEventsRequest {
            tenant: text(&self.tenant),
            subject_id: text(&self.subject_id),
            caller: text(&self.by),
            outcome: text(&self.outcome),
            ..wire::ListAuditEventsRequest::default()
        }
    }
}

pub(super) async fn list(args: &ListArgs, environment: &Environment, terminal: &mut Terminal) -> Result<(), Failure> {
    let request = wire::ListAuditEventsRequest {
        start_time: args.since,
        end_time: args.until,
        max_events: args.limit.unwrap_or_default(),
        ..args.filter.request()
    };
    print(request, args.filter.output.format(), &args.caller, environment, terminal).await
}

pub(super) async fn tail(args: &TailArgs, environment: &Environment, terminal: &mut Terminal) -> Result<(), Failure> {
    let cursor = args.cursor.clone().unwrap_or_default();
    let request = wire::ListAuditEventsRequest { cursor, follow: true, ..args.filter.request() };
    print(request, args.filter.output.format(), &args.caller, environment, terminal).await
}

async fn print(
    request: wire::ListAuditEventsRequest,
    format: Format,
    caller: &CallerArgs,
    environment: &Environment,
    terminal: &mut Terminal,
) -> Result<(), Failure> {
    let (channel, authorization) = caller.connect(environment).await?;
    let (follow, mut cursor) = (request.follow, request.cursor.clone());
    let mut request = Request::new(request);
    authorization.apply(&mut request);
    let replies = AdminServiceClient::new(channel).list_audit_events(request).await;
    let mut replies = replies.map_err(|status| refusal::failure(&status))?.into_inner();
    let descriptor = event_descriptor()?;
    loop {
        match replies.message().await {
            Ok(Some(reply)) => {
                cursor = reply.cursor;
                if let Some(event) = reply.event {
                    terminal.print(&match format {
                        Format::Table => line_of(&event),
                        Format::Json => json::line(&message_of(&event, &descriptor)?),
                        Format::Yaml => {
                            format!("---\n{}", output::yaml(&json::object(&message_of(&event, &descriptor)?)))
                        }
                        Format::Name => printable(&event.id),
                    })?;
                }
            }
            Ok(None) => return Ok(()),
            Err(status) => {
                if follow && !cursor.is_empty() {
                    terminal.complain(&format!("resume with --cursor {}", printable(&cursor)));
                }
                return Err(refusal::failure(&status));
            }
        }
    }
}

/// An event on one line, without control characters of a terminal.
pub(in crate::cli) fn line_of(event: &wire::AuditEvent) -> String {
    let time = event.time.map(|time| time.to_string()).unwrap_or_default();
    let reason = if event.reason.is_empty() { "-" } else { &event.reason };
    let fields = [&time, &event.outcome, &event.caller, &event.action, &event.resource, reason, &event.request_id]
        .map(printable);
    let line = fields.join(" ");
    if event.repeats > 0 { format!("{line} x{}", event.repeats.saturating_add(1)) } else { line }
}

fn event_descriptor() -> Result<MessageDescriptor, Failure> {
    let pool = DescriptorPool::decode(DESCRIPTORS).map_err(Failure::failed)?;
    let descriptor = pool.get_message_by_name("credential.admin.v1.AuditEvent");
    descriptor.ok_or_else(|| Failure::failed("the descriptors lack the audit event"))
}

fn message_of(event: &wire::AuditEvent, descriptor: &MessageDescriptor) -> Result<DynamicMessage, Failure> {
    DynamicMessage::decode(descriptor.clone(), event.encode_to_vec().as_slice()).map_err(Failure::failed)
}

fn time(text: &str) -> Result<Timestamp, String> {
    Timestamp::from_str(text).map_err(|_| "must be a time in UTC, as in 2026-11-01T00:00:00Z".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_value_breaks_a_line_or_reaches_the_terminal() {
        let event = wire::AuditEvent {
            outcome: "done".to_owned(),
            resource: "a\nfake line\u{1b}[2J\u{9b}31m\u{202e}".to_owned(),
            policies: vec!["\u{2028}\"quoted\"".to_owned()],
            repeats: 2,
            ..wire::AuditEvent::default()
        };
        let (line, json) = (line_of(&event), json::line(&message_of(&event, &event_descriptor().unwrap()).unwrap()));
        assert!(line.ends_with(" x3"), "{line}");
        for shown in [&line, &json] {
            assert_eq!(printable(shown), **shown, "{shown:?}");
        }
        let read: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(
            (&read["resource"], &read["policies"][0]),
            (&event.resource.into(), &event.policies[0].clone().into())
        );
    }
}
