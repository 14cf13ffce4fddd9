//! `logout`.

use clap::Args;

use super::environment::Environment;
use super::failure::Failure;
use super::login::name;
use super::profile::Profiles;
use super::terminal::Terminal;

/// Remove a profile that `login` made.
///
/// Also removes the file of its token if `login` wrote it. A token in a file of your own stays there. Calls no service, so the
/// token stays valid until it expires or is revoked: `credentiald admin revoke-access-token`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  credentiald logout\n  credentiald logout staging")]
pub(super) struct LogoutArgs {
    /// Name of the profile. Default: the one that is in use.
    #[arg(value_parser = name)]
    name: Option<String>,
}

pub(super) fn run(args: &LogoutArgs, environment: &Environment, terminal: &mut Terminal) -> Result<(), Failure> {
    let mut profiles = Profiles::read(environment)?;
    let current = profiles.all().find_map(|(name, _, is_current)| is_current.then(|| name.to_owned()));
    let unnamed = || Failure::usage("no profile is in use: name one of credentiald login --list");
    let name = args.name.clone().or_else(|| current.clone()).ok_or_else(unnamed)?;
    let kept = profiles.remove(&name)?;
    let token = kept.map(|path| format!("; its token stays in {}", path.display())).unwrap_or_default();
    terminal.print(&format!("`{name}` is removed{token}"))?;
    if current.as_deref() == Some(name.as_str()) && profiles.all().next().is_some() {
        return terminal.print("no profile is in use now: credentiald login NAME chooses one");
    }
    Ok(())
}
