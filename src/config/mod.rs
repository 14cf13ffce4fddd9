//! The settings of the service, as plain data.
//!
//! Flags override the environment, which overrides a TOML file, which overrides the defaults. Nothing here reads a file
//! or the process's environment: the code that loads the settings passes both in.

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
        mistakes.extend(contradictions(&values));
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

/// Mistakes in the combination of settings that are each valid.
fn contradictions(values: &Values) -> Vec<Mistake> {
    let mut mistakes = Vec::new();
    let listen = values.read("server.listen", parse::address);
    let http_listen = values.read("http.listen", parse::optional_address);
    let allow_plaintext = values.read("server.allow_plaintext", parse::flag);
    let certificate = values.read("tls.certificate_file", parse::optional_path);
    let key = values.read("tls.key_file", parse::optional_path);
    if let (Ok(false), Ok(None)) = (allow_plaintext, &certificate) {
        for (key, listen) in [("server.listen", listen.ok()), ("http.listen", http_listen.ok().flatten())] {
            if let Some(listen) = listen.filter(|listen| !listen.ip().is_loopback()) {
                let message = format!(
                    "{listen} is not a loopback address, and passwords would cross the network in plaintext; \
                     set tls.certificate_file, or server.allow_plaintext = true where something else encrypts the connection"
                );
                mistakes.push(values.mistake(key, message));
            }
        }
    }
    let connections = values.read("server.max_connections", parse::whole::<usize, 1, 1_000_000>);
    if let (Ok(1), Ok(Some(_))) = (connections, values.read("http.listen", parse::optional_address)) {
        let message =
            "must be at least 2 with http.listen: each of the two addresses keeps a place for its next connection";
        mistakes.push(values.mistake("server.max_connections", message));
    }
    for (file, needed) in [
        ("tls.client_ca_file", "tls.certificate_file"),
        ("tls.client_crl_file", "tls.client_ca_file"),
        ("tls.client_callers_file", "tls.client_ca_file"),
    ] {
        if let (Ok(Some(_)), Ok(None)) =
            (values.read(file, parse::optional_path), values.read(needed, parse::optional_path))
        {
            mistakes.push(values.mistake(file, format!("needs {needed}")));
        }
    }
    match (certificate, key) {
        (Ok(Some(_)), Ok(None)) => mistakes.push(values.mistake("tls.certificate_file", "needs tls.key_file")),
        (Ok(None), Ok(Some(_))) => mistakes.push(values.mistake("tls.key_file", "needs tls.certificate_file")),
        _ => {}
    }
    let directory = values.read("policies.directory", parse::optional_path);
    if let (Ok(None), Ok(false)) = (directory, values.read("policies.built_in", parse::flag)) {
        mistakes.push(values.mistake("policies.built_in", "permits nothing without policies.directory"));
    }
    let backoff = values.read("attempts.backoff_seconds", parse::whole::<u64, 1, { u64::MAX }>);
    let longest = values.read("attempts.longest_backoff_seconds", parse::whole::<u64, 1, { u64::MAX }>);
    if let (Ok(backoff), Ok(longest)) = (backoff, longest)
        && longest < backoff
    {
        let message = format!("must be at least attempts.backoff_seconds, which is {backoff}; found {longest}");
        mistakes.push(values.mistake("attempts.longest_backoff_seconds", message));
    }
    let statement = values.read("postgres.statement_timeout_seconds", parse::whole::<u64, 1, { u64::MAX }>);
    let patience = values.read("postgres.patience_seconds", parse::whole::<u64, 1, { u64::MAX }>);
    if let (Ok(statement), Ok(patience)) = (statement, patience)
        && patience <= statement
    {
        let message =
            format!("must be more than postgres.statement_timeout_seconds, which is {statement}; found {patience}");
        mistakes.push(values.mistake("postgres.patience_seconds", message));
    }
    let patience = values.read("watch.patience_seconds", parse::whole::<u64, 1, { u64::MAX }>);
    let stall = values.read("server.stall_seconds", parse::whole::<u64, 1, { u64::MAX }>);
    if let (Ok(patience), Ok(stall)) = (patience, stall)
        && stall <= patience
    {
        // A watcher that reads nothing must learn why its watch has ended.
        let message = format!("must be more than watch.patience_seconds, which is {patience}; found {stall}");
        mistakes.push(values.mistake("server.stall_seconds", message));
    }
    for (keys, file) in [("pepper.keys", "pepper.keys_file"), ("import.keys", "import.keys_file")] {
        if let (Ok(found), Ok(Some(_))) = (values.read(keys, parse::secret), values.read(file, parse::optional_path))
            && !found.is_empty()
        {
            mistakes.push(values.mistake(keys, format!("is set beside {file}; the ring is in one place")));
        }
    }
    mistakes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(file: &str, environment: &[(&str, &str)], flags: &[(&str, &str)]) -> Result<Effective, Vec<String>> {
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
    fn each_of_two_addresses_has_a_place_for_a_connection() {
        let load = |connections: u8, http: &str| {
            load(&format!("[server]\nmax_connections = {connections}\n[http]\nlisten = \"{http}\"\n"), &[], &[])
        };
        load(1, "").unwrap();
        load(2, "127.0.0.1:0").unwrap();
        let mistakes = load(1, "127.0.0.1:0").unwrap_err();
        assert!(matches!(&mistakes[..], [one] if one.contains("server.max_connections")), "{mistakes:?}");
    }

    #[test]
    fn a_statement_ends_before_the_patience_does() {
        let load = |text: &str| load(&format!("[postgres]\n{text}"), &[], &[]);
        load("statement_timeout_seconds = 7\npatience_seconds = 8\n").unwrap();
        let mistakes = load("statement_timeout_seconds = 8\npatience_seconds = 8\n").unwrap_err();
        assert!(mistakes[0].starts_with("c.toml:3: postgres.patience_seconds: "), "{mistakes:?}");
    }

    #[test]
    fn a_watch_that_is_not_read_ends_before_its_stream_is_reset() {
        load("[server]\nstall_seconds = 31\n", &[], &[]).unwrap();
        let mistakes = load("[server]\nstall_seconds = 30\n", &[], &[]).unwrap_err();
        assert!(mistakes[0].starts_with("c.toml:2: server.stall_seconds: "), "{mistakes:?}");
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
    fn the_ring_of_keys_is_in_one_place() {
        let keys = [("CREDENTIALD_PEPPER_KEYS", "a:hunter2")];
        let mistakes = load("[pepper]\nkeys_file = \"ring\"\n", &keys, &[]).unwrap_err();
        assert_eq!(mistakes, ["CREDENTIALD_PEPPER_KEYS: is set beside pepper.keys_file; the ring is in one place"]);
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
    fn plaintext_leaves_the_machine_only_by_name() {
        let open = [("CREDENTIALD_SERVER_LISTEN", "0.0.0.0:50051")];
        let mistakes = load("", &open, &[]).unwrap_err();
        assert!(mistakes[0].starts_with("CREDENTIALD_SERVER_LISTEN: 0.0.0.0:50051 is not a loopback"), "{mistakes:?}");
        assert!(mistakes[0].contains("server.allow_plaintext"), "{mistakes:?}");
        assert!(load("[server]\nallow_plaintext = true\n", &open, &[]).is_ok());
        let open = [("CREDENTIALD_HTTP_LISTEN", "0.0.0.0:8080")];
        let mistakes = load("", &open, &[]).unwrap_err();
        assert!(mistakes[0].starts_with("CREDENTIALD_HTTP_LISTEN: 0.0.0.0:8080 is not a loopback"), "{mistakes:?}");
        assert!(load("[server]\nallow_plaintext = true\n", &open, &[]).is_ok());
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
