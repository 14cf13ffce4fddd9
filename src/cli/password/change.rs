//! `change`.

use std::time::Duration;

use backon::{Backoff, BackoffBuilder, Retryable};
use clap::Args;
use serde_json::json;
use tonic::Status;
use tonic::transport::Channel;

use super::ConnectionArgs;
use super::subject::AccountArgs;
use crate::ambient::SystemEntropy;
use crate::cli::admin::object::Object;
use crate::cli::admin::refusal;
use crate::cli::caller::Authorization;
use crate::cli::environment::Environment;
use crate::cli::failure::Failure;
use crate::cli::output::OutputArgs;
use crate::cli::terminal::Terminal;
use crate::edge::Reason;
use crate::grpc::generated::credential::v1 as wire;
use crate::ports::{Entropy, retries};
use wire::credential_service_client::CredentialServiceClient;
use wire::subject_name::Subject;

/// What is known of a change without an answer.
const PERHAPS: &str = "the password may have been changed: try the new one";

/// Change a password: your own, or that of a mail domain or of an account of an instance.
///
/// Calls a running service. Asks for the old password (not for a mail domain), and twice for the new one, without showing
/// them. Exit status 0 if the password was changed, 3 if the old password is wrong, 75 if it can't be changed now
/// or there is no answer.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  export CREDENTIALD_TOKEN_FILE=alice.token
  credentiald change
  credentiald change --mail-domain example.com
  printf '%s\\n' \"$OLD\" \"$NEW\" | credentiald change --instance-id r-1 --account-name app --password-stdin")]
pub(in crate::cli) struct ChangeArgs {
    /// Mail domain, by its domain name.
    #[arg(long, value_name = "NAME", conflicts_with_all = ["instance_id", "account_name"])]
    mail_domain: Option<String>,
    #[command(flatten)]
    account: AccountArgs,
    /// Change only if the credential is at this version.
    #[arg(long, value_name = "NUMBER")]
    expected_version: Option<u64>,
    /// Wait until the new password of an account is delivered to the instance's nodes, as long as `--within` allows. The
    /// password is changed even if the delivery takes longer.
    #[arg(long, requires = "account_name")]
    wait: bool,
    /// Read the old password and the new one from standard input, each on a line. For a mail domain only the new one.
    #[arg(long)]
    password_stdin: bool,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    connection: ConnectionArgs,
}

/// A change to make. Without a domain and an account it is that of the caller's own password.
struct Change {
    mail_domain: Option<String>,
    account: Option<wire::InstanceAccountName>,
    old: String,
    new: String,
    expected_version: Option<u64>,
    client_token: String,
    deliver: wire::Deliver,
}

/// What a change made: a version, and how far it is delivered if that is known.
type Made = (u64, Option<wire::DeliveryProgress>);

pub(in crate::cli) async fn run(
    args: &ChangeArgs,
    environment: &Environment,
    terminal: &mut Terminal,
) -> Result<(), Failure> {
    let service = args.connection.caller.service(environment)?;
    let (old, new) = terminal.change_of_secret(args.mail_domain.is_none(), args.password_stdin)?;
    let (channel, authorization) = service.connect().await?;
    let change = Change {
        account: args.account.name(),
        mail_domain: args.mail_domain.clone(),
        old,
        new,
        expected_version: args.expected_version,
        client_token: SystemEntropy.id().to_string(),
        deliver: if args.wait { wire::Deliver::Wait } else { wire::Deliver::Background },
    };
    let send = || change.send(CredentialServiceClient::new(channel.clone()), &authorization, args.connection.within());
    // The client token makes it safe to send it again.
    let pauses = retries::random(retries::SENT_CHANGE.build(), &SystemEntropy);
    let settled = async { Ok(settled(send, pauses).await) };
    let settled = args.connection.in_time(settled).await.map_err(|late| late.with_line(PERHAPS))?;
    let (version, delivery) = settled.map_err(|status| refusal::about(&status, &change.object()))?;
    let (result, delivered) = match delivery {
        None => (json!({ "version": version }), String::new()),
        Some(wire::DeliveryProgress { complete, reached_nodes, nodes }) => {
            let so_far = if complete { "" } else { "so far " };
            let delivery = json!({ "complete": complete, "reached_nodes": reached_nodes, "nodes": nodes });
            let text = format!(", delivered {so_far}to {reached_nodes} of {nodes} nodes");
            (json!({ "version": version, "delivery": delivery }), text)
        }
    };
    let text = format!("the password was changed: its version is {version}{delivered}");
    terminal.print(&args.output.shown(&result, &text, &version.to_string()))
}

impl Change {
    /// What it is about, unless that is the caller.
    fn object(&self) -> Object {
        let domain = || self.mail_domain.clone().map(Subject::MailDomain);
        let subject = self.account.clone().map(Subject::InstanceAccount).or_else(domain);
        Object::of_subject(Some(&wire::SubjectName { subject }))
    }

    /// Sends it, and returns what it made.
    async fn send(
        &self,
        mut client: CredentialServiceClient<Channel>,
        authorization: &Authorization,
        within: Duration,
    ) -> Result<Made, Status> {
        let Self { mail_domain, account, old, new, expected_version, client_token, deliver } = self;
        let (old, new, client_token) = (|| old.clone(), || new.clone(), || client_token.clone());
        let expected_version = *expected_version;
        if let Some(domain_name) = mail_domain.clone() {
            let (password, client_token) = (new(), client_token());
            let request = wire::ModifyPwByDomainRequest { domain_name, password, expected_version, client_token };
            let response = client.modify_pw_by_domain(authorization.request(request, within)).await?;
            return Ok((response.into_inner().version, None));
        }
        if let Some(wire::InstanceAccountName { instance_id, account_name }) = account.clone() {
            let request = wire::ModifyAccountPasswordRequest {
                instance_id,
                account_name,
                old_account_password: old(),
                new_account_password: new(),
                expected_version,
                client_token: client_token(),
                deliver: (*deliver).into(),
            };
            let response = client.modify_account_password(authorization.request(request, within)).await?.into_inner();
            return Ok((response.version, response.delivery));
        }
        let request = wire::ChangePasswordRequest {
            old_password: old(),
            new_password: new(),
            expected_version,
            client_token: client_token(),
        };
        match client.change_password(authorization.request(request, within)).await {
            // It is not a RAM user: perhaps an IAM user.
            Err(status) if refusal::reason(&status) == Some(Reason::CallerNotEligible) => {}
            answer => return Ok((answer?.into_inner().version, None)),
        }
        let request = wire::ChangePasswordV5Request {
            new_password: new(),
            old_password: old(),
            expected_version,
            client_token: client_token(),
        };
        let response = client.change_password_v5(authorization.request(request, within)).await?;
        Ok((response.into_inner().version, None))
    }
}

/// Sends a change until its outcome is known.
async fn settled<T, F>(send: impl FnMut() -> F, pauses: impl Backoff) -> Result<T, Status>
where
    F: Future<Output = Result<T, Status>>,
{
    send.retry(pauses).sleep(tokio::time::sleep).when(is_unknown).await
}

/// Whether the change may have been made.
fn is_unknown(status: &Status) -> bool {
    refusal::is_of_connection(status)
        || matches!(refusal::reason(status), Some(Reason::OutcomeUnknown | Reason::DeadlineExceeded))
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::iter;

    use tonic::Code;

    use super::*;

    #[tokio::test]
    async fn a_change_is_sent_again_only_while_its_outcome_is_unknown() {
        let unknown = |code| Err(Status::new(code, "the connection was lost"));
        let refused = || Err(Status::permission_denied("no"));
        for (answers, sent, is_made) in [
            ([unknown(Code::Unavailable), Ok(2), Ok(3)], 2, true),
            ([unknown(Code::Cancelled), unknown(Code::Unknown), Ok(3)], 3, true),
            ([unknown(Code::Unavailable), refused(), Ok(3)], 2, false),
            ([refused(), Ok(2), Ok(3)], 1, false),
        ] {
            let count = Cell::new(0);
            let send = || {
                let answer = answers[count.replace(count.get() + 1)].clone();
                std::future::ready(answer)
            };
            let outcome = settled(send, iter::repeat(Duration::ZERO)).await;
            assert_eq!((count.get(), outcome.is_ok()), (sent, is_made), "{outcome:?}");
        }
    }
}
