//! The flags for settings: one for each, from the table in `config`.

use std::ffi::OsStr;
use std::path::PathBuf;

use clap::builder::{PossibleValue, StringValueParser, TypedValueParser};
use clap::{Arg, ArgMatches, Args, Command, FromArgMatches, ValueHint, value_parser};

use super::environment::Environment;
use super::failure::Failure;
use super::terminal::Terminal;
use crate::config::{Effective, FILE_VARIABLE, File, Kind, Mistake, SETTINGS, Setting, Sources};
use crate::server::OperatorFile;

/// `--config`, and a flag for each setting.
#[derive(Debug, Clone)]
pub(super) struct SettingArgs {
    file: Option<PathBuf>,
    flags: Vec<(String, String)>,
}

impl SettingArgs {
    /// Those of a file, without flags.
    pub(super) const fn of_file(file: Option<PathBuf>) -> Self {
        Self { file, flags: Vec::new() }
    }

    /// Loads the settings from the flags, the environment and the file that either of them names.
    pub(super) fn load(&self, environment: &Environment) -> Result<Effective, Failure> {
        let (effective, mistakes) = self.examine(environment)?;
        if mistakes.is_empty() { Ok(effective) } else { Err(mistakes.into()) }
    }

    /// The same without the values that are mistaken, and the mistakes.
    pub(super) fn examine(&self, environment: &Environment) -> Result<(Effective, Vec<Mistake>), Failure> {
        let path = self.file.clone().or_else(|| environment.text(FILE_VARIABLE).map(PathBuf::from));
        let name = path.as_ref().map(|path| path.display().to_string());
        let read = path.as_deref().map(OperatorFile::read).transpose();
        let read = read.map_err(|error| Failure::bad_configuration(&[error.to_string()]))?;
        let file = name.as_deref().zip(read.as_ref());
        let file = file.map(|(name, read)| File { name, text: &read.text, is_open_to_all: read.is_open_to_all });
        let sources = Sources { file, environment: environment.variables().clone(), flags: self.flags.clone() };
        Ok(Effective::examine(&sources)?)
    }

    /// Whether a flag sets this setting.
    pub(super) fn sets(&self, key: &str) -> bool {
        self.flags.iter().any(|(given, _)| given == key)
    }

    /// The same with one more flag, which takes precedence.
    pub(super) fn with(mut self, key: &str, value: String) -> Self {
        self.flags.push((key.to_owned(), value));
        self
    }
}

/// Prints the help for the settings.
pub(super) fn show(parser: Command, terminal: &mut Terminal) -> Result<(), Failure> {
    match parser.try_get_matches_from(["credentiald", "help", "settings"]) {
        Err(help) => terminal.print(help.render().to_string().trim_end()),
        Ok(_) => Err(Failure::failed("there is no help for settings")),
    }
}

/// The settings that have a flag.
fn flags() -> impl Iterator<Item = &'static Setting> {
    SETTINGS.iter().filter(|setting| setting.kind != Kind::Secret)
}

/// The settings that have no flag, because every user of the machine can see the values of flags.
fn secrets() -> String {
    let secrets = SETTINGS.iter().filter(|setting| setting.kind == Kind::Secret);
    let secrets: Vec<_> = secrets.map(|secret| format!("{} [env: {}]", secret.key, secret.variable())).collect();
    format!("Secrets have no flags: set them in the file or in the environment: {}", secrets.join(", "))
}

/// Any text, with the words that a shell completes. Mistakes in settings are reported all together, not here one by one.
#[derive(Debug, Clone, Copy)]
struct Suggested(&'static [&'static str]);

impl TypedValueParser for Suggested {
    type Value = String;

    fn parse_ref(&self, command: &Command, flag: Option<&Arg>, value: &OsStr) -> Result<String, clap::Error> {
        StringValueParser::new().parse_ref(command, flag, value)
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        let words = self.0.iter().copied().map(PossibleValue::new);
        if self.0.is_empty() { None } else { Some(Box::new(words)) }
    }
}

/// The flags of settings, to be shown.
#[derive(Debug)]
pub(super) struct ShownSettings;

impl Args for ShownSettings {
    fn augment_args(command: Command) -> Command {
        SettingArgs::augment_args(command)
            .about("List every setting, with its flag, its variable and its default. Flags override variables, which override the file")
            .after_help(secrets())
            .mut_args(|flag| flag.hide(false))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for ShownSettings {
    fn from_arg_matches(_matches: &ArgMatches) -> Result<Self, clap::Error> {
        Ok(Self)
    }

    fn update_from_arg_matches(&mut self, _matches: &ArgMatches) -> Result<(), clap::Error> {
        Ok(())
    }
}

impl Args for SettingArgs {
    fn augment_args(command: Command) -> Command {
        let file =
            Arg::new("config").long("config").value_name("FILE").value_parser(value_parser!(PathBuf)).help(format!(
                "TOML file with settings [env: {FILE_VARIABLE}]. Each setting is also a flag and a variable: \
                 `credentiald settings` lists them"
            ));
        let flags = flags().map(|setting| {
            let help = setting.help.trim().trim_end_matches('.');
            let shown = if setting.default.is_empty() { "none" } else { setting.default };
            let flag = Arg::new(setting.key)
                .long(setting.flag())
                .help(format!("{help} [default: {shown}] [env: {}]", setting.variable()))
                .help_heading("Settings")
                .value_parser(Suggested(setting.words()))
                .hide_possible_values(true)
                .hide(true);
            match setting.kind {
                Kind::Text if setting.key.ends_with("_file") || setting.key.ends_with("directory") => {
                    flag.value_name("PATH").value_hint(ValueHint::AnyPath).allow_hyphen_values(true)
                }
                Kind::Text | Kind::Secret | Kind::Url => flag.value_name("TEXT").allow_hyphen_values(true),
                Kind::Number => flag.value_name("NUMBER").allow_hyphen_values(true),
                Kind::Flag => {
                    flag.value_name("true|false").num_args(0..=1).require_equals(true).default_missing_value("true")
                }
            }
        });
        command.arg(file).args(flags)
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for SettingArgs {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let value = |key: &str| matches.get_one::<String>(key).map(|value| (key.to_owned(), value.clone()));
        Ok(Self {
            file: matches.get_one("config").cloned(),
            flags: flags().filter_map(|setting| value(setting.key)).collect(),
        })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}
