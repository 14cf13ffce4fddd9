//! Commands for passwords, for callers with a token: `verify`, also for systems with a sign-in of their own, `change`, `check` and
//! `generate`; and `watch` for what happens to them.

pub(super) mod change;
pub(super) mod check;
pub(super) mod generate;
mod relying;
mod subject;
pub(super) mod verify;
pub(super) mod watch;

use std::time::Duration;

use clap::Args;
use tonic::Status;
use tonic::transport::Channel;

use super::admin::object::Object;
use super::admin::refusal;
use super::caller::{Authorization, CallerArgs};
use super::environment::Environment;
use super::failure::Failure;

/// The connection to the service, and how long an answer may take.
#[derive(Debug, Args)]
struct ConnectionArgs {
    /// Longest time to wait for the answer, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 10, help_heading = "Connection",
        value_parser = clap::value_parser!(u64).range(1..=300))]
    within: u64,
    #[command(flatten)]
    caller: CallerArgs,
}

impl ConnectionArgs {
    const fn within(&self) -> Duration {
        Duration::from_secs(self.within)
    }

    async fn connect(&self, environment: &Environment) -> Result<(Channel, Authorization), Failure> {
        self.caller.connect(environment).await
    }

    /// The answer to a call about an object, which a refusal names.
    async fn answer<T>(&self, about: &Object, call: impl Future<Output = Result<T, Status>>) -> Result<T, Failure> {
        self.in_time(async { call.await.map_err(|status| refusal::about(&status, about)) }).await
    }

    /// Waits for an answer no longer than it may take.
    async fn in_time<T>(&self, answer: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
        let late = |_| Failure::not_now(format!("there was no answer within {} seconds", self.within));
        tokio::time::timeout(self.within(), answer).await.map_err(late)?
    }
}
