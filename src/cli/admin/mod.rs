//! `admin`: every RPC of `AdminService` as a command, except those whose request is a stream.
//!
//! The commands are made from the descriptors of the proto files: names, flags and help come from the RPCs, their
//! fields and their comments. A new RPC is a new command with no code here.

mod argument;
mod call;
pub(super) mod json;
mod names;
pub(super) mod object;
pub(super) mod refusal;
mod request;
mod schema;
pub(super) mod table;
#[cfg(test)]
mod tests;

use clap::error::ErrorKind;
use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches, value_parser};
use prost_reflect::MethodDescriptor;

use super::caller::CallerArgs;
use super::environment::Environment;
use super::failure::Failure;
use super::output::{self, Format, OutputArgs};
use super::terminal::Terminal;
use crate::domain::text::printable;
use argument::Argument;
use call::Client;
use schema::Schema;

/// Aliases of RPCs.
const ALIASES: &[(&str, &str)] = &[("posture", "DescribeHashPosture")];

const EXAMPLES: &str = "\
Examples:
  export CREDENTIALD_TOKEN=…
  credentiald admin create-tenant --tenant demo
  credentiald admin create-mail-domain --tenant demo --domain-name example.com --generate-password
  credentiald admin create-ram-user --tenant demo --user-name alice --password-stdin < password.txt
  credentiald admin issue-access-token --tenant demo --caller-kind ram-user --caller-name alice
  credentiald admin list-ram-users --tenant demo --json
  credentiald admin posture";

/// The arguments: an RPC and its options.
#[derive(Debug)]
pub(super) struct AdminArgs {
    caller: CallerArgs,
    output: OutputArgs,
    is_wide: bool,
    limit: Option<u32>,
    method: MethodDescriptor,
    matches: ArgMatches,
}

pub(super) async fn run(args: &AdminArgs, environment: &Environment, terminal: &mut Terminal) -> Result<(), Failure> {
    if args.output.format() == Format::Name
        && let Some(secret) = args.method.output().fields().find(schema::is_secret)
    {
        let text = format!("the answer has `{}`, which is shown once: use another --output than `name`", secret.name());
        return Err(Failure::usage(text));
    }
    let service = args.caller.service(environment)?;
    let request = request::build(&args.method.input(), &args.matches, service.tenant(), terminal)?;
    let (channel, authorization) = service.connect().await?;
    let client = Client::new(channel, authorization, &args.method)?;
    let response = client.call(request, args.limit).await?;
    match args.output.format() {
        Format::Table => terminal.print(&table::text(&response, terminal.layout(args.is_wide))),
        Format::Json => terminal.print(&format!("{:#}", json::object(&response))),
        Format::Yaml => terminal.print(&output::yaml(&json::object(&response))),
        Format::Name => names::of(&response).iter().try_for_each(|name| terminal.print(&printable(name))),
    }
}

impl Args for AdminArgs {
    fn augment_args(command: Command) -> Command {
        let schema = Schema::load();
        let wide = Arg::new("wide").long("wide").action(ArgAction::SetTrue);
        let wide = wide.help("Show every column and value in full, whatever the width of the terminal");
        let output = OutputArgs::augment_args(Command::new("output"));
        let options = CallerArgs::flags().chain(output.get_arguments().cloned()).chain([wide]);
        command
            .about("Administer a running service: tenants, subjects, policies, access tokens")
            .after_help(EXAMPLES)
            .subcommand_required(true)
            .arg_required_else_help(true)
            .args(options.map(|option| option.global(true).help_heading("Connection and output")))
            .subcommands(schema.methods().map(|method| command_of(&method, &schema)))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for AdminArgs {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let (name, matches) = matches.subcommand().ok_or_else(|| clap::Error::new(ErrorKind::MissingSubcommand))?;
        let method = Schema::load().methods().find(|method| schema::kebab(method.name()) == name);
        Ok(Self {
            caller: CallerArgs::from_arg_matches(matches)?,
            output: OutputArgs::from_arg_matches(matches)?,
            is_wide: matches.get_flag("wide"),
            limit: matches.try_get_one("limit").ok().flatten().copied(),
            method: method.ok_or_else(|| clap::Error::new(ErrorKind::InvalidSubcommand))?,
            matches: matches.clone(),
        })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

/// The command for an RPC.
fn command_of(method: &MethodDescriptor, schema: &Schema) -> Command {
    let arguments = Argument::all_of(&method.input());
    let flags = arguments.iter().map(|argument| argument.flag(schema, &arguments));
    let command = Command::new(schema::kebab(method.name()))
        .about(schema.comment(&method.parent_file(), method.path()).trim_end_matches('.').to_owned())
        .args(flags)
        .groups(argument::groups(&method.input(), schema, &arguments))
        .visible_aliases(ALIASES.iter().filter(|(_, rpc)| *rpc == method.name()).map(|(alias, _)| *alias));
    if schema::is_paged(&method.input()) {
        let help = "Largest number of items to list. Default: all";
        let limit = value_parser!(u32).range(1..);
        command.arg(Arg::new("limit").long("limit").value_name("NUMBER").value_parser(limit).help(help))
    } else {
        command
    }
}
