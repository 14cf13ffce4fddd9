//! `config check` and `config show`.

use std::sync::Arc;

use clap::Subcommand;

use super::environment::Environment;
use super::failure::Failure;
use super::settings::SettingArgs;
use super::terminal::Terminal;
use crate::ambient::{SystemClock, SystemEntropy};
use crate::config::{Config, Effective, LogCalls, LogFormat, Mistake};
use crate::edge::CALLS;
use crate::hashing::{CostError, EngineSettings, KernelChoice};
use crate::ports::{Clock, Entropy};
use crate::server::{
    BadSettings, Reloader, audit_key, candidate_policies, collector, engine_settings, import_keys, jwt_issuers,
    key_ring, location, policies, refused_passwords, tls, web_hook,
};
use crate::telemetry::{self, Level};

#[derive(Debug, Subcommand)]
pub(super) enum ConfigCommand {
    /// Check the configuration, and report all mistakes at once.
    ///
    /// Reads the same flags, environment and files as `serve`: keys, certificates, refused passwords, policies and issuers
    /// of JWTs. Does not open the store: use `store check` for that. Exit status 78 if there is a mistake.
    #[command(after_help = "Example:\n  credentiald config check --config /etc/credentiald/credentiald.toml")]
    Check(SettingArgs),
    /// Show every setting in force as TOML, with its source. Secrets are hidden.
    #[command(after_help = "Example:\n  CREDENTIALD_LOG_FORMAT=json credentiald config show > credentiald.toml")]
    Show(SettingArgs),
}

pub(super) fn run(command: &ConfigCommand, environment: &Environment, terminal: &mut Terminal) -> Result<(), Failure> {
    match command {
        ConfigCommand::Check(args) => {
            let (effective, mut mistakes) = examine(args, environment)?;
            mistakes.extend(unreadable_files(&effective));
            warn(&warnings(&effective), terminal);
            if mistakes.is_empty() { terminal.print("the configuration is valid") } else { Err(mistakes.into()) }
        }
        ConfigCommand::Show(args) => {
            let effective = load(args, environment)?;
            let kernel = kernel(&effective.config).map_err(Failure::failed)?;
            terminal.print(&format!("{}\n# the hash kernel here: {kernel}", effective.to_toml()))
        }
    }
}

/// The kernel that these settings select on this machine.
fn kernel(config: &Config) -> Result<KernelChoice, CostError> {
    let EngineSettings { cost, kernel, .. } = engine_settings(config)?;
    Ok(KernelChoice::new(kernel, cost, &SystemEntropy))
}

/// Loads the settings, and has the other layers report the mistakes that only they can find.
pub(super) fn load(args: &SettingArgs, environment: &Environment) -> Result<Effective, Failure> {
    let (effective, mistakes) = examine(args, environment)?;
    if mistakes.is_empty() { Ok(effective) } else { Err(mistakes.into()) }
}

/// The settings without the values that are mistaken, and the mistakes.
fn examine(args: &SettingArgs, environment: &Environment) -> Result<(Effective, Vec<Mistake>), Failure> {
    let (effective, mut found) = args.examine(environment)?;
    found.extend(mistakes(&effective));
    Ok((effective, found))
}

/// Loads the settings of a command that works on the store and never listens. Does not check how it would be reached.
pub(super) fn load_offline(args: &SettingArgs, environment: &Environment) -> Result<Effective, Failure> {
    load(&args.clone().with("server.allow_plaintext", "true".to_owned()), environment)
}

/// Loads the settings of a command that logs, and starts logging.
pub(super) fn load_and_log(args: &SettingArgs, environment: &Environment) -> Result<(Effective, Level), Failure> {
    let effective = load(args, environment)?;
    let format = match effective.config.log.format {
        LogFormat::Text => telemetry::Format::Text,
        LogFormat::Json => telemetry::Format::Json,
    };
    let always = (effective.config.log.calls != LogCalls::Off).then_some(CALLS);
    let level = telemetry::init(&effective.config.log.level, always, format)
        .map_err(|error| Failure::caused("can't start logging", &error))?;
    Ok((effective, level))
}

/// The mistakes that the other layers find in settings that `config` accepts.
fn mistakes(effective: &Effective) -> Vec<Mistake> {
    let mistake = |error: CostError| {
        let key = match error {
            CostError::CeilingTooLow { .. } => "hashing.ceiling_kib",
            CostError::TooWeak { .. } | CostError::OutOfRange { .. } => "hashing.memory_kib",
        };
        effective.mistake(key, error.to_string())
    };
    // The cost is that of several settings together.
    let is_mistaken =
        ["hashing.memory_kib", "hashing.ceiling_kib", "hashing.iterations"].map(|key| effective.is_mistaken(key));
    let of_cost = engine_settings(&effective.config).err().map(mistake).filter(|_| !is_mistaken.contains(&true));
    let entropy: Arc<dyn Entropy> = Arc::new(SystemEntropy);
    let of_ring = mistakes_of(effective, key_ring(&effective.config.pepper, &entropy));
    let of_keys = mistakes_of(effective, import_keys(&effective.config.import));
    let of_store = location(&effective.config).err();
    let of_store = of_store.map(|error| effective.mistake(key_of_store(effective), error.to_string()));
    of_cost.into_iter().chain(of_ring).chain(of_keys).chain(of_store).collect()
}

/// The mistakes in files that the service reads at start. Commands that start no service don't need them.
fn unreadable_files(effective: &Effective) -> Vec<Mistake> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let of_tls = mistakes_of(effective, tls(&effective.config.tls, &clock));
    let of_policies = mistakes_of(effective, policies(&effective.config.policies))
        .chain(mistakes_of(effective, candidate_policies(&effective.config.policies)));
    let of_audit = mistakes_of(effective, audit_key(&effective.config.audit));
    let of_issuers = mistakes_of(effective, jwt_issuers(&effective.config.jwt));
    let of_list = mistakes_of(effective, refused_passwords(&effective.config.policy));
    let of_hook = mistakes_of(effective, web_hook(&effective.config.hook, &clock));
    let of_traces = mistakes_of(effective, collector(&effective.config.traces));
    of_list.chain(of_hook).chain(of_traces).chain(of_tls).chain(of_policies).chain(of_audit).chain(of_issuers).collect()
}

/// What is valid in the files of policies, and probably a mistake.
fn warnings(effective: &Effective) -> Vec<String> {
    let in_force = policies(&effective.config.policies).map(|files| files.warnings()).unwrap_or_default();
    let candidates = candidate_policies(&effective.config.policies).ok().flatten();
    in_force.into_iter().chain(candidates.iter().flat_map(Reloader::warnings)).collect()
}

/// Shows warnings, one line each.
pub(super) fn warn(warnings: &[String], terminal: &mut Terminal) {
    for warning in warnings {
        terminal.complain(&format!("warning: {warning}"));
    }
}

/// The mistakes in what settings name, each with the place of its setting.
pub(super) fn mistakes_of<T>(effective: &Effective, read: Result<T, BadSettings>) -> impl Iterator<Item = Mistake> {
    let problems = read.err().into_iter().flat_map(|bad| bad.0);
    problems.map(|problem| effective.mistake(problem.setting, problem.message))
}

/// The setting that names the store.
fn key_of_store(effective: &Effective) -> &'static str {
    if effective.config.store.url_file.is_some() { "store.url_file" } else { "store.url" }
}
