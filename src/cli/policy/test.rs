//! `policy test`.

use std::path::PathBuf;

use clap::Args;
use serde::Deserialize;

use super::authorizer;
use super::question::{Answer, Question, action, caller, resource, shown, table};
use crate::authz::CedarAuthorizer;
use crate::cli::environment::Environment;
use crate::cli::failure::Failure;
use crate::cli::output::OutputArgs;
use crate::cli::settings::SettingArgs;
use crate::cli::terminal::Terminal;
use crate::domain::subject::Tags;
use crate::server::OperatorFile;

/// Compare the decisions of the policies with expected ones.
///
/// Each `[[decision]]` of the TOML file has a caller, an action, a resource and what is expected, `allow` or `deny`;
/// optionally the state and the tags of the resource. Prints the decisions that are not as expected; in other formats
/// than a table, all of them. Exit status 1 if any is not as expected.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  credentiald policy test expected.toml --policies-directory policies

  [[decision]]
  caller = \"acme/iam-user/42\"
  action = \"iam:users:changePasswordV5\"
  resource = \"iam::acme:user:42\"
  tags = { env = \"prod\" }
  expect = \"allow\"")]
pub(in crate::cli) struct TestArgs {
    /// The TOML file with expected decisions.
    file: PathBuf,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    settings: SettingArgs,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Expectations {
    decision: Vec<Expectation>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Expectation {
    caller: String,
    action: String,
    resource: String,
    state: Option<String>,
    #[serde(default)]
    tags: Tags,
    expect: Expected,
}

#[derive(Deserialize, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum Expected {
    Allow,
    Deny,
}

impl Expectation {
    /// The answer, and whether it is as expected.
    fn ask(self, authorizer: &CedarAuthorizer) -> Result<(Answer, bool), String> {
        let (caller, action) = (caller(&self.caller)?, action(&self.action)?);
        let resource = resource(&self.resource, self.state.as_deref(), self.tags)?;
        let answer = Question { caller, action, resource }.ask(authorizer)?;
        let is_expected = answer.is_allowed == (self.expect == Expected::Allow);
        Ok((answer, is_expected))
    }
}

pub(super) fn run(args: &TestArgs, environment: &Environment, terminal: &mut Terminal) -> Result<(), Failure> {
    let authorizer = authorizer(&args.settings, environment)?;
    let file = args.file.display();
    let text = OperatorFile::read(&args.file).map_err(Failure::failed)?.text;
    let expectations: Expectations =
        toml::from_str(&text).map_err(|error| Failure::failed(format!("{file}: {}", error.to_string().trim())))?;
    let (mut answers, mut problems) = (Vec::new(), Vec::new());
    for (number, expectation) in (1..).zip(expectations.decision) {
        match expectation.ask(&authorizer) {
            Ok(answer) => answers.push(answer),
            Err(problem) => problems.push(format!("\n  decision {number}: {problem}")),
        }
    }
    if !problems.is_empty() {
        return Err(Failure::failed(format!("{file} can't be used:{}", problems.concat())));
    }
    let (all, wrong) = (answers.len(), answers.iter().filter(|(_, is_expected)| !is_expected).count());
    let text = match wrong {
        0 => format!("{all} decisions are as expected"),
        _ => table(answers.iter().filter(|(_, is_expected)| !is_expected).map(|(answer, _)| answer)),
    };
    terminal.print(&shown(&args.output, answers.iter().map(|(answer, _)| answer), &text))?;
    if wrong == 0 { Ok(()) } else { Err(Failure::failed(format!("{wrong} of {all} decisions are not as expected"))) }
}
