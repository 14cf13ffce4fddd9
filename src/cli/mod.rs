//! The command line.

mod admin;
mod audit;
mod backup;
mod blocklist;
mod bootstrap;
mod caller;
mod completions;
mod configuration;
mod connection;
mod descriptors;
mod environment;
mod export;
mod failure;
mod file_format;
mod hash_cost;
mod healthcheck;
mod http_client;
mod import;
mod keyboard;
mod login;
mod logout;
mod man;
mod migrate;
mod new_file;
mod notify;
mod output;
mod pages;
mod password;
mod pepper;
mod policy;
mod privacy;
mod profile;
mod progress;
mod quickstart;
mod rotate;
mod serve;
mod settings;
mod signals;
mod store;
mod supervisor;
mod table;
mod terminal;
mod tls;
mod top;

#[cfg(feature = "fuzzing")]
pub use import::fuzzing;

use std::ffi::OsString;
use std::process::ExitCode;
use std::time::Duration;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};

use environment::Environment;
use failure::Failure;
use terminal::Terminal;

const EXAMPLES: &str = "\
Examples:
  credentiald quickstart                      try it: a demonstration with calls to paste
  credentiald config check --config c.toml    report all mistakes in a configuration
  credentiald bootstrap --config c.toml       create the first operator token
  credentiald serve --config c.toml           serve until SIGTERM
  credentiald admin list-tenants --json       administer a running service
  credentiald login --address https://…       remember how to call a service
  credentiald verify --ram-user alice         verify a password
  credentiald change                          change your own password
  credentiald settings                        every setting, its flag and its default
  credentiald rotate --help                   give many subjects new passwords

Exit status: 0 done, 1 failed, 2 usage, 3 wrong password, 4 password to be changed,\n5 password not accepted, 75 not now, 78 bad configuration.";

/// The columns of the widest help.
const WIDEST_HELP: usize = 100;

/// A gRPC service through which people and programs change passwords.
#[derive(Debug, Parser)]
#[command(name = "credentiald", version, after_help = EXAMPLES, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Quickstart(quickstart::QuickstartArgs),
    Serve(serve::ServeArgs),
    Bootstrap(bootstrap::BootstrapArgs),
    Healthcheck(healthcheck::HealthcheckArgs),
    Top(top::TopArgs),
    Migrate(migrate::MigrateArgs),
    /// Check or show the configuration.
    #[command(subcommand)]
    Config(configuration::ConfigCommand),
    /// Check the store.
    #[command(subcommand)]
    Store(store::StoreCommand),
    /// Manage the pepper keys that encrypt stored hashes.
    #[command(subcommand)]
    Pepper(pepper::PepperCommand),
    /// Build and show filters of refused passwords.
    #[command(subcommand)]
    Blocklist(blocklist::BlocklistCommand),
    /// Check, test and explain the policies that permissions come from.
    #[command(subcommand)]
    Policy(policy::PolicyCommand),
    Login(login::LoginArgs),
    Logout(logout::LogoutArgs),
    Settings(settings::ShownSettings),
    Verify(password::verify::VerifyArgs),
    Change(password::change::ChangeArgs),
    Check(password::check::CheckArgs),
    Generate(password::generate::GenerateArgs),
    Watch(password::watch::WatchArgs),
    Rotate(rotate::RotateArgs),
    Notify(notify::NotifyArgs),
    HashCost(hash_cost::HashCostArgs),
    Admin(admin::AdminArgs),
    /// Read the audit log, and check that it is complete and unaltered.
    #[command(subcommand)]
    Audit(audit::AuditCommand),
    Import(import::ImportArgs),
    Export(export::ExportArgs),
    Backup(backup::BackupArgs),
    Restore(backup::RestoreArgs),
    Descriptors(descriptors::DescriptorsArgs),
    Completions(completions::CompletionsArgs),
    Man(man::ManArgs),
}

/// Runs the command that the arguments name, and returns its exit status, as `Failure::exit_code` has it.
pub fn run(
    arguments: impl Iterator<Item = OsString>,
    environment: impl Iterator<Item = (OsString, OsString)>,
) -> ExitCode {
    let arguments: Vec<_> = arguments.collect();
    let environment = Environment::of(environment);
    let mut terminal = Terminal::standard(&environment, output::is_for_programs(&arguments));
    let parsed = parser(&terminal).try_get_matches_from(arguments).and_then(|matches| Cli::from_arg_matches(&matches));
    let command = match parsed {
        Ok(cli) => cli.command,
        Err(answer) => return terminal.answer(&answer),
    };
    let done = privacy::keep_memory_private().and_then(|()| dispatch(command, &environment, &mut terminal));
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            terminal.report(&failure);
            failure.exit_code()
        }
    }
}

/// The parser of the command line. Its help is as wide as the terminal, and as can be read well.
fn parser(terminal: &Terminal) -> clap::Command {
    Cli::command().term_width(terminal.width().map_or(0, |width| width.min(WIDEST_HELP)))
}

fn dispatch(command: Command, environment: &Environment, terminal: &mut Terminal) -> Result<(), Failure> {
    match command {
        Command::Quickstart(args) => block_on(quickstart::run(&args, environment, terminal)),
        Command::Serve(args) => block_on(serve::run(&args, environment)),
        Command::Bootstrap(args) => block_on(bootstrap::run(&args, environment, terminal)),
        Command::Healthcheck(args) => block_on(healthcheck::run(&args, environment, terminal)),
        Command::Top(args) => promptly(top::run(&args, environment, terminal)),
        Command::Migrate(args) => block_on(migrate::run(&args, environment, terminal)),
        Command::Config(command) => configuration::run(&command, environment, terminal),
        Command::Store(command) => block_on(store::run(&command, environment, terminal)),
        Command::Pepper(command) => block_on(pepper::run(&command, environment, terminal)),
        Command::Blocklist(command) => blocklist::run(&command, terminal),
        Command::Policy(command) => on_a_thread(|| policy::run(&command, environment, terminal)),
        Command::Login(args) => block_on(login::run(&args, environment, terminal)),
        Command::Logout(args) => logout::run(&args, environment, terminal),
        Command::Settings(_) => settings::show(parser(terminal), terminal),
        Command::Verify(args) => promptly(password::verify::run(&args, environment, terminal)),
        Command::Change(args) => block_on(password::change::run(&args, environment, terminal)),
        Command::Check(args) => block_on(password::check::run(&args, environment, terminal)),
        Command::Generate(args) => block_on(password::generate::run(&args, environment, terminal)),
        Command::Watch(args) => promptly(password::watch::run(&args, environment, terminal)),
        Command::Rotate(args) => block_on(rotate::run(&args, environment, terminal)),
        Command::Notify(args) => block_on(notify::run(&args, environment, terminal)),
        Command::HashCost(args) => hash_cost::run(&args, environment, terminal),
        Command::Admin(args) => block_on(admin::run(&args, environment, terminal)),
        Command::Audit(command) => block_on(audit::run(&command, environment, terminal)),
        Command::Import(args) => block_on(import::run(&args, environment, terminal)),
        Command::Export(args) => block_on(export::run(&args, environment, terminal)),
        Command::Backup(args) => block_on(backup::back_up(&args, environment, terminal)),
        Command::Restore(args) => block_on(backup::restore(&args, environment, terminal)),
        Command::Descriptors(args) => descriptors::run(&args, terminal),
        Command::Man(args) => man::run(&args, Cli::command(), terminal),
        Command::Completions(args) => completions::run(&args, &mut Cli::command(), terminal),
    }
}

/// Stack of each thread, in bytes: Cedar evaluates long conditions by recursion. Only what is used takes memory.
const STACK_BYTES: usize = 16 * 1024 * 1024;
/// How long the end of a command waits for reads that it has left behind.
const LEFT_BEHIND: Duration = Duration::from_secs(1);

/// Runs a command that evaluates policies as the service does: on a thread with the same stack.
fn on_a_thread(command: impl FnOnce() -> Result<(), Failure> + Send) -> Result<(), Failure> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(STACK_BYTES).spawn_scoped(scope, command);
        thread.map_err(Failure::failed)?.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// At least two threads: a commit to the embedded store blocks its thread until the disk has answered, and there is one
/// commit at a time.
fn block_on(command: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    let runtime = runtime()?;
    let done = runtime.block_on(async {
        // With this handler, a file that reaches the process's size limit (RLIMIT_FSIZE) fails the write, as a full
        // disk does, and does not end the process. The handler stays as long as the process.
        let beyond_file_size = SignalKind::from_raw(rustix::process::Signal::XFSZ.as_raw());
        let _ignored = signal(beyond_file_size).map_err(Failure::failed)?;
        command.await
    });
    // All that matters was awaited. A file system that hangs does not keep the process.
    runtime.shutdown_timeout(LEFT_BEHIND);
    done
}

/// Runs a command that changes nothing here, and does not wait for what it has left behind, such as a name server that does
/// not answer.
fn promptly(command: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    let runtime = runtime()?;
    let done = runtime.block_on(command);
    runtime.shutdown_background();
    done
}

fn runtime() -> Result<Runtime, Failure> {
    let threads = std::thread::available_parallelism().map_or(2, |cpus| cpus.get().max(2));
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.worker_threads(threads).thread_stack_size(STACK_BYTES).enable_all().build();
    runtime.map_err(Failure::failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
