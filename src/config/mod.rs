//! The settings of the service, as plain data.
//!
//! Flags override the environment, which overrides a TOML file, which overrides the defaults. Nothing here reads a file
//! or the process's environment: the code that loads the settings passes both in.

mod contradictions;
mod parse;
mod secret;
mod settings;
mod show;
mod sources;
mod values;
mod words;

pub use parse::{ClientCertificates, HashKernel, LogCalls, LogFormat, StoreLocation, TlsVersion};
pub use secret::Secret;
pub use settings::{
    Attempts, Audit, Config, Directory, Hashing, Hook, Http, Import, Jwt, Kind, Log, Metrics, Pepper, Policies, Policy,
    Postgres, Quotas, SETTINGS, Server, Setting, Store, Tls, Traces, Watch,
};
pub use show::holds_password;
pub use sources::{File, Source, Sources};
pub use values::Mistake;

use values::Values;

/// The variable that names the file.
pub const FILE_VARIABLE: &str = "CREDENTIALD_CONFIG";
/// The variable with the access token of the commands that call a service.
pub const TOKEN_VARIABLE: &str = "CREDENTIALD_TOKEN";
/// The variable with the file of that token.
pub const TOKEN_FILE_VARIABLE: &str = "CREDENTIALD_TOKEN_FILE";
/// The variable with the address that these commands call.
pub const ADDRESS_VARIABLE: &str = "CREDENTIALD_ADDRESS";
/// The variables with the files of TLS of these commands: the CA, the client certificate and its key.
pub const CA_FILE_VARIABLE: &str = "CREDENTIALD_CA_FILE";
/// See [`CA_FILE_VARIABLE`].
pub const CERT_FILE_VARIABLE: &str = "CREDENTIALD_CERT_FILE";
/// See [`CA_FILE_VARIABLE`].
pub const KEY_FILE_VARIABLE: &str = "CREDENTIALD_KEY_FILE";
/// The variable with the profile that these commands use.
pub const PROFILE_VARIABLE: &str = "CREDENTIALD_PROFILE";
/// The variable with the tenant of administration commands that name none.
pub const TENANT_VARIABLE: &str = "CREDENTIALD_TENANT";
/// Every variable of the program that is not a setting.
pub const OTHER_VARIABLES: [&str; 9] = [
    FILE_VARIABLE,
    PROFILE_VARIABLE,
    TENANT_VARIABLE,
    TOKEN_VARIABLE,
    TOKEN_FILE_VARIABLE,
    ADDRESS_VARIABLE,
    CA_FILE_VARIABLE,
    CERT_FILE_VARIABLE,
    KEY_FILE_VARIABLE,
];

/// The settings in force, and the source of each.
#[derive(Debug)]
pub struct Effective {
    /// The settings.
    pub config: Config,
    values: Values,
}

impl Effective {
    /// Loads the settings.
    ///
    /// # Errors
    /// Every mistake in every source.
    pub fn load(sources: &Sources<'_>) -> Result<Self, Vec<Mistake>> {
        let (effective, mistakes) = Self::examine(sources)?;
        if mistakes.is_empty() { Ok(effective) } else { Err(mistakes) }
    }

    /// The settings without the values that are mistaken, and every mistake in every source: for a check that goes on after a mistake.
    ///
    /// # Errors
    /// Nothing can be said about the settings without those.
    pub fn examine(sources: &Sources<'_>) -> Result<(Self, Vec<Mistake>), Vec<Mistake>> {
        let (mut values, mut mistakes) = Values::collect(sources);
        mistakes.extend(Config::mistakes(&values));
        mistakes.extend(contradictions::of(&values));
        Config::leave_out_mistakes(&mut values);
        match Config::read(&values) {
            Ok(config) => Ok((Self { config, values }, mistakes)),
            Err(mistake) => {
                mistakes.push(mistake);
                Err(mistakes)
            }
        }
    }

    /// Whether a setting has a mistake, so that its value is not the one that was meant.
    pub fn is_mistaken(&self, key: &str) -> bool {
        self.values.is_incomplete(key)
    }

    /// A mistake in a setting that only another layer can find, with the source of the setting.
    pub fn mistake(&self, key: &str, message: impl Into<String>) -> Mistake {
        self.values.mistake(key, message)
    }

    /// The settings that have another value there, by their keys.
    pub fn differing<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = &'static str> {
        let keys = SETTINGS.iter().map(|setting| setting.key);
        keys.filter(|key| self.values.in_force(key).1 != other.values.in_force(key).1)
    }

    /// Whether a setting is not set anywhere.
    pub fn is_default(&self, key: &str) -> bool {
        matches!(self.values.in_force(key).0, Source::Default { .. })
    }

    /// Every setting as TOML, with its source as a comment and with secrets hidden.
    pub fn to_toml(&self) -> String {
        show::to_toml(&self.values)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn load(
        file: &str,
        environment: &[(&str, &str)],
        flags: &[(&str, &str)],
    ) -> Result<Effective, Vec<String>> {
        let pairs = |pairs: &[(&str, &str)]| pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let environment: Vec<(String, String)> = pairs(environment);
        let sources = Sources {
            file: Some(File { name: "c.toml", text: file, is_open_to_all: false }),
            environment: environment.into_iter().map(|(name, value)| (name, value.into())).collect(),
            flags: pairs(flags),
        };
        Effective::load(&sources).map_err(|mistakes| mistakes.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn the_defaults_are_right() {
        let effective = load("", &[], &[]).unwrap();
        assert_eq!(effective.config.server.listen.to_string(), "127.0.0.1:50051");
        assert_eq!(effective.config.hashing.memory_kib, 47_104);
        assert_eq!(effective.config.policy.refused_passwords_file, None);
    }

    #[test]
    fn flags_win_over_the_environment_which_wins_over_the_file() {
        let file = "[attempts]\nallowance = 7\nbackoff_seconds = 7\nsubject_allowance = 7\n";
        let environment = [("CREDENTIALD_ATTEMPTS_ALLOWANCE", "8"), ("CREDENTIALD_ATTEMPTS_BACKOFF_SECONDS", "8")];
        let attempts = load(file, &environment, &[("attempts.allowance", "9")]).unwrap().config.attempts;
        assert_eq!((attempts.allowance, attempts.backoff_seconds, attempts.subject_allowance), (9, 8, 7));
    }

    #[test]
    fn every_mistake_is_reported_at_once_with_its_source() {
        let file = "top = 1\n[server]\nlisten = \"nowhere\"\nreflektion = true\n[log]\nformat = 3\n";
        let environment = [("CREDENTIALD_HASHING_WORKERS", "many"), ("CREDENTIALD_LOG_LEVLE", "debug")];
        let mistakes = load(file, &environment, &[("attempts.allowance", "101")]).unwrap_err();
        let starts = [
            "c.toml:1: top: is not a section",
            "c.toml:4: server.reflektion: is not a setting; did you mean `server.reflection`?",
            "c.toml:6: log.format: is of type integer; use text in quotes",
            "CREDENTIALD_LOG_LEVLE: is not a setting; did you mean `CREDENTIALD_LOG_LEVEL`?",
            "c.toml:3: server.listen: is `nowhere`; must be",
            "CREDENTIALD_HASHING_WORKERS: is `many`; must be",
            "--attempts-allowance: is `101`; must be",
        ];
        for start in starts {
            assert!(mistakes.iter().any(|mistake| mistake.starts_with(start)), "{start} in {mistakes:#?}");
        }
        assert_eq!(mistakes.len(), starts.len(), "{mistakes:#?}");
    }

    #[test]
    fn what_kubernetes_sets_for_a_service_of_our_name_is_not_ours() {
        let names = ["CREDENTIALD_PORT", "CREDENTIALD_PORT_50051_TCP_ADDR", "CREDENTIALD_SERVICE_HOST"];
        assert!(load("", &names.map(|name| (name, "tcp://10.0.0.1:50051")), &[]).is_ok());
    }

    #[test]
    fn what_kubernetes_sets_for_a_service_whose_name_begins_with_ours_is_not_ours() {
        for service in
            ["CREDENTIALD", "CREDENTIALD_POSTGRES", "CREDENTIALD_SERVER", "CREDENTIALD_METRICS", "CREDENTIALD_2_A"]
        {
            let variables = [
                ("_SERVICE_HOST", "10.0.0.1"),
                ("_SERVICE_PORT", "5432"),
                ("_SERVICE_PORT_GRPC_WEB", "5432"),
                ("_PORT", "tcp://10.0.0.1:5432"),
                ("_PORT_5432_TCP", "tcp://10.0.0.1:5432"),
                ("_PORT_5432_TCP_PROTO", "tcp"),
                ("_PORT_5432_TCP_PORT", "5432"),
                ("_PORT_5432_UDP_ADDR", "10.0.0.1"),
            ];
            let variables = variables.map(|(end, value)| (format!("{service}{end}"), value));
            let variables: Vec<_> = variables.iter().map(|(name, value)| (name.as_str(), *value)).collect();
            assert_eq!(load("", &variables, &[]).map(drop), Ok(()), "{service}");
        }
        for (name, value) in [
            ("CREDENTIALD_SERVER_PORT", "50051"),
            ("CREDENTIALD_SERVER_HOST", "10.0.0.1"),
            ("CREDENTIALD_SERVER_PORT_5432_TPC", "50051"),
            ("CREDENTIALD_SERVER_PORT_5432_TCP_NAME", "50051"),
        ] {
            let mistakes = load("", &[(name, value)], &[]).unwrap_err();
            assert_eq!(mistakes, [format!("{name}: is not a setting")]);
        }
    }

    #[test]
    fn no_setting_has_a_name_that_kubernetes_would_give() {
        for setting in SETTINGS {
            let variable = setting.variable();
            assert!(
                !variable.ends_with("_PORT") && !variable.contains("_PORT_") && !variable.contains("_SERVICE_"),
                "{variable}"
            );
        }
    }

    #[test]
    fn a_file_that_is_open_to_everybody_holds_no_secret() {
        let load = |text, is_open_to_all| {
            let file = Some(File { name: "c.toml", text, is_open_to_all });
            let mistakes = Effective::load(&Sources { file, ..Sources::default() }).err().unwrap_or_default();
            mistakes.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        for secret in ["[pepper]\nkeys = \"a:hunter2\"\n", "[store]\nurl = \"postgres://u:hunter2@h/d\"\n"] {
            assert_eq!(load(secret, false), [""; 0]);
            let mistakes = load(secret, true);
            assert!(mistakes.len() == 1 && mistakes[0].ends_with("run chmod o= c.toml"), "{mistakes:?}");
            assert!(!mistakes[0].contains("hunter2"), "{mistakes:?}");
        }
        let open = "[pepper]\nkeys = \"\"\n[store]\nurl = \"postgres://u@h/d\"\n[log]\nlevel = \"warn\"\n";
        assert_eq!(load(open, true), [""; 0]);
    }

    #[test]
    fn a_mistake_counts_even_where_another_source_wins() {
        let mistakes = load("[attempts]\nallowance = 0\n", &[], &[("attempts.allowance", "5")]).unwrap_err();
        assert_eq!(mistakes, ["c.toml:2: attempts.allowance: is `0`; must be a whole number between 1 and 100"]);
    }

    #[test]
    fn a_secret_is_shown_nowhere() {
        let effective = load("", &[("CREDENTIALD_PEPPER_KEYS", "a:hunter2")], &[]).unwrap();
        assert_eq!(effective.config.pepper.keys.expose(), "a:hunter2");
        let shown = format!("{effective:?} {}", effective.to_toml());
        assert!(
            !shown.contains("hunter2") && shown.contains("keys = \"(hidden)\" # CREDENTIALD_PEPPER_KEYS"),
            "{shown}"
        );
    }

    #[test]
    fn invalid_toml_is_reported_with_its_line() {
        let mistakes = load("[server]\nlisten = \n", &[], &[]).unwrap_err();
        assert!(mistakes[0].starts_with("c.toml:2: "), "{mistakes:?}");
    }

    #[test]
    fn a_mistake_of_another_layer_names_the_source() {
        let effective = load("", &[("CREDENTIALD_HASHING_MEMORY_KIB", "64")], &[]).unwrap();
        let mistake = effective.mistake("hashing.memory_kib", "is too weak");
        assert_eq!(mistake.to_string(), "CREDENTIALD_HASHING_MEMORY_KIB: is too weak");
    }
}
