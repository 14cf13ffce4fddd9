//! `policy`: the Cedar policies that permissions come from.

mod check;
mod explain;
mod question;
mod test;

use std::sync::Arc;

use clap::Subcommand;

use super::configuration::{load_offline, mistakes_of};
use super::environment::Environment;
use super::failure::Failure;
use super::settings::SettingArgs;
use super::terminal::Terminal;
use crate::authz::{CedarAuthorizer, SCHEMA};
use crate::ports::NoMeter;
use crate::server::{PolicyFiles, Reloader, policies};

#[derive(Debug, Subcommand)]
pub(super) enum PolicyCommand {
    Check(check::CheckArgs),
    Test(test::TestArgs),
    Explain(explain::ExplainArgs),
    /// Print the schema of policies: all types, and every action with the callers and resources that it applies to.
    ///
    /// Cedar's own tools and editors check policies against it.
    #[command(after_help = "Example:\n  credentiald policy schema > credentiald.cedarschema")]
    Schema,
}

pub(super) fn run(command: &PolicyCommand, environment: &Environment, terminal: &mut Terminal) -> Result<(), Failure> {
    match command {
        PolicyCommand::Check(args) => check::run(args, environment, terminal),
        PolicyCommand::Test(args) => test::run(args, environment, terminal),
        PolicyCommand::Explain(args) => explain::run(args, environment, terminal),
        PolicyCommand::Schema => terminal.print(SCHEMA.trim_end()),
    }
}

/// The policies that the settings name. Every mistake is one of the configuration.
fn read(settings: &SettingArgs, environment: &Environment) -> Result<Reloader<PolicyFiles>, Failure> {
    let effective = load_offline(settings, environment)?;
    match policies(&effective.config.policies) {
        Ok(policies) => Ok(policies),
        bad => Err(mistakes_of(&effective, bad).collect::<Vec<_>>().into()),
    }
}

/// An authorizer that decides by them.
fn authorizer(settings: &SettingArgs, environment: &Environment) -> Result<CedarAuthorizer, Failure> {
    CedarAuthorizer::new(read(settings, environment)?.in_force(), Arc::new(NoMeter)).map_err(Failure::failed)
}
