//! `policy explain`.

use clap::Args;

use super::authorizer;
use super::question::{Question, action, caller, resource, shown, table};
use crate::cli::environment::Environment;
use crate::cli::failure::Failure;
use crate::cli::output::OutputArgs;
use crate::cli::settings::SettingArgs;
use crate::cli::terminal::Terminal;
use crate::domain::action::Action;
use crate::domain::caller::Caller;

/// Show what callers may do with a resource, and the policies that decide.
///
/// Decides by the policies of the configuration, as the service does. Asks no running service and reads no store: give
/// the state and the tags of the resource if policies look at them. `--output name` prints each decision as one word.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  credentiald policy explain --caller acme/ram-user/jane --resource acs:ram::acme:user/jane
  credentiald policy explain --caller acme/iam-user/42 --action iam:users:changePasswordV5 \\
      --resource iam::acme:user:42 --tag env=prod --policies-directory policies")]
pub(in crate::cli) struct ExplainArgs {
    /// A caller, as tenant/kind/name or -/operator/name. May be repeated.
    #[arg(long, required = true, value_parser = caller, allow_hyphen_values = true)]
    caller: Vec<Caller>,
    /// An action; otherwise every action that applies to such a resource.
    #[arg(long, value_parser = action)]
    action: Option<Action>,
    /// The resource, by its name.
    #[arg(long)]
    resource: String,
    /// The state of the resource, as one word such as `verified`.
    #[arg(long)]
    state: Option<String>,
    /// A tag of the resource, as key=value. May be repeated.
    #[arg(long, value_parser = tag)]
    tag: Vec<(String, String)>,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    settings: SettingArgs,
}

fn tag(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("must be key=value")?;
    Ok((key.to_owned(), value.to_owned()))
}

pub(super) fn run(args: &ExplainArgs, environment: &Environment, terminal: &mut Terminal) -> Result<(), Failure> {
    let tags = args.tag.iter().cloned().collect();
    let resource = resource(&args.resource, args.state.as_deref(), tags).map_err(Failure::usage)?;
    let authorizer = authorizer(&args.settings, environment)?;
    let mut answers = Vec::new();
    for caller in &args.caller {
        let question = |action| Question { caller: caller.clone(), action, resource: resource.clone() };
        if let Some(action) = args.action {
            answers.push(question(action).ask(&authorizer).map_err(Failure::usage)?);
        } else {
            let applicable = Action::ALL.iter().filter(|action| authorizer.applies(**action, &resource));
            answers.extend(applicable.filter_map(|action| question(*action).ask(&authorizer).ok()));
        }
    }
    terminal.print(&shown(&args.output, answers.iter(), &table(answers.iter())))
}
