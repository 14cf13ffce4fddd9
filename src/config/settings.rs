//! Every setting. No other file lists them all.

use std::net::SocketAddr;
use std::path::PathBuf;

use super::parse::{
    ClientCertificates, HashKernel, LogCalls, LogFormat, StoreLocation, TlsVersion, address, filter, flag,
    optional_address, optional_free_name, optional_path, region, secret, url, whole,
};
use super::secret::Secret;
use super::values::{Mistake, Values};
use crate::domain::names::{FreeName, Region};
use crate::domain::opt_in_algorithm::AllowedAlgorithms;
use crate::domain::password_form::TriedForms;
use crate::domain::sample_ratio::SampleRatio;

/// How a setting is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Text, in quotes in a file.
    Text,
    /// Text that is never shown, and has no flag.
    Secret,
    /// Text whose part between `//` and `@` is hidden if it holds a password.
    Url,
    /// A whole number.
    Number,
    /// `true` or `false`.
    Flag,
}

/// The description of a setting.
#[derive(Debug)]
pub struct Setting {
    /// Its key in a file, for example `server.listen`.
    pub key: &'static str,
    /// The default value.
    pub default: &'static str,
    /// How it is written.
    pub kind: Kind,
    /// What it is for.
    pub help: &'static str,
}

impl Setting {
    /// The setting of that key.
    pub fn of_key(key: &str) -> Option<&'static Self> {
        SETTINGS.iter().find(|setting| setting.key == key)
    }

    /// Its environment variable, for example `CREDENTIALD_SERVER_LISTEN`.
    pub fn variable(&self) -> String {
        format!("CREDENTIALD_{}", self.key.replace('.', "_").to_ascii_uppercase())
    }

    /// Its flag without the dashes, for example `server-listen`.
    pub fn flag(&self) -> String {
        self.key.replace(['.', '_'], "-")
    }
}

/// Declares the settings: sections, and in each its settings as `name: type = kind default, parser;`. The doc comment
/// of a setting is its help.
macro_rules! settings {
    ($(
        #[doc = $about:literal]
        $section:ident: $Section:ident {
            $($(#[doc = $help:literal])+ $name:ident: $type:ty = $kind:ident $default:literal, $parser:expr;)+
        }
    )+) => {
        /// Every setting, in the order in which they are shown.
        pub const SETTINGS: &[Setting] = &[$($(
            Setting {
                key: concat!(stringify!($section), ".", stringify!($name)),
                default: $default,
                kind: Kind::$kind,
                help: concat!($($help),+),
            },
        )+)+];

        /// The settings in force.
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub struct Config {
            $(#[doc = $about] pub $section: $Section,)+
        }

        $(
            #[doc = $about]
            #[derive(Debug, Clone, PartialEq, Eq)]
            pub struct $Section {
                $($(#[doc = $help])+ pub $name: $type,)+
            }
        )+

        impl Config {
            /// The mistakes in each given value, whether it is in force or not.
            pub(super) fn mistakes(values: &Values) -> Vec<Mistake> {
                let mut mistakes = Vec::new();
                $($(mistakes.extend(values.mistakes::<$type>(concat!(stringify!($section), ".", stringify!($name)), $parser));)+)+
                mistakes
            }

            /// Leaves out the values with mistakes.
            pub(super) fn leave_out_mistakes(values: &mut Values) {
                $($(values.leave_out::<$type>(concat!(stringify!($section), ".", stringify!($name)), $parser);)+)+
            }

            /// Reads the values in force.
            pub(super) fn read(values: &Values) -> Result<Self, Mistake> {
                Ok(Self {
                    $($section: $Section {
                        $($name: values.read(concat!(stringify!($section), ".", stringify!($name)), $parser)?,)+
                    },)+
                })
            }
        }
    };
}

settings! {
    /// How clients reach the service.
    server: Server {
        /// Address and port to listen on.
        listen: SocketAddr = Text "127.0.0.1:50051", address;
        /// Allow plaintext on an address other than loopback, if there is no `tls.certificate_file`.
        allow_plaintext: bool = Flag "false", flag;
        /// Offer gRPC server reflection, so that clients such as `grpcurl` need no proto files.
        reflection: bool = Flag "true", flag;
        /// Seconds to go on serving after SIGTERM while health answers `NOT_SERVING`, so that load balancers can send
        /// new calls elsewhere before the drain begins.
        shutdown_delay_seconds: u64 = Number "0", whole::<_, 0, 3600>;
        /// Seconds that requests in flight have to finish after a stop signal.
        drain_seconds: u64 = Number "10", whole::<_, 0, 3600>;
        /// Maximum number of open connections. At the limit, new ones wait, and idle ones are closed to make room for them.
        max_connections: usize = Number "1024", whole::<_, 1, 1_000_000>;
        /// Seconds a client may take to begin HTTP after it has connected, the TLS handshake included. Then the connection is
        /// closed. Over HTTP/1.1, also the longest time for the head of a request.
        handshake_seconds: u64 = Number "10", whole::<_, 1, 300>;
        /// Seconds a connection may be open without a call. Then the client is asked to connect again for its next
        /// call.
        idle_seconds: u64 = Number "300", whole::<_, 1, 86_400>;
        /// Seconds a response may wait for a client that reads none of it. Then the call is reset. Must be more than
        /// `watch.patience_seconds`.
        stall_seconds: u64 = Number "60", whole::<_, 2, 7200>;
        /// Longest time that a request may take, in seconds, even if its caller allows more.
        longest_request_seconds: u64 = Number "30", whole::<_, 1, 3600>;
        /// Largest request message, in bytes.
        max_message_bytes: usize = Number "65536", whole::<_, 4096, 4_194_304>;
    }
    /// HTTP/1.1 for the SDKs of Alibaba Cloud and Huawei Cloud. Limits of connections and TLS are those of gRPC.
    http: Http {
        /// Address and port to listen on for the vendors' SDKs. Empty means none.
        listen: Option<SocketAddr> = Text "", optional_address;
        /// Longest time that a request of an SDK may take, in milliseconds. Below 3000, because SDKs give up after three
        /// seconds: a change that ends later leaves its caller with a password that it does not know.
        deadline_milliseconds: u64 = Number "2000", whole::<_, 100, 2999>;
    }
    /// TLS. The files are read again when their content changes, and on SIGHUP.
    tls: Tls {
        /// File with the certificate of the service in PEM, and after it the intermediate certificates. Empty means
        /// plaintext.
        certificate_file: Option<PathBuf> = Text "", optional_path;
        /// File with the private key of the certificate in PEM. Other users must not have access to it.
        key_file: Option<PathBuf> = Text "", optional_path;
        /// File with the CAs of client certificates in PEM. If it is set, clients need a certificate that one of them
        /// signed, unless `tls.client_certificates` is `optional`.
        client_ca_file: Option<PathBuf> = Text "", optional_path;
        /// Whether a client may connect without a certificate: `required` or `optional`.
        client_certificates: ClientCertificates = Text "required", ClientCertificates::parse;
        /// File with the rules by which client certificates name callers. In each line a SPIFFE id and the caller, for
        /// example `spiffe://example.org/relay service acme relay`. A line `spiffe://partner.example ca partner.pem` names
        /// the CAs of another trust domain.
        client_callers_file: Option<PathBuf> = Text "", optional_path;
        /// File with the certificate revocation lists of these CAs in PEM. If it is set, there must be one for each CA
        /// that signs client certificates.
        client_crl_file: Option<PathBuf> = Text "", optional_path;
        /// Lowest version of TLS that is accepted: `1.3` or `1.2`.
        minimum_version: TlsVersion = Text "1.3", TlsVersion::parse;
    }
    /// Callers by JWT. The files are read again when their content changes, and on SIGHUP.
    jwt: Jwt {
        /// File with the issuers whose tokens are accepted, and the callers that they name. Empty means no issuer.
        issuers_file: Option<PathBuf> = Text "", optional_path;
    }
    /// The store.
    store: Store {
        /// The store: `sqlite:` and the path of a file, or `postgres://user:password@host:port/database`. Separate
        /// several hosts with commas: the one that accepts writes is used.
        url: StoreLocation = Url "sqlite:credentiald-data/credentiald.db", StoreLocation::parse;
        /// File that holds the URL of the store, to keep its password out of the configuration. Overrides `store.url`.
        url_file: Option<PathBuf> = Text "", optional_path;
    }
    /// Connections to PostgreSQL.
    postgres: Postgres {
        /// Largest number of connections.
        connections: u32 = Number "16", whole::<_, 2, 1000>;
        /// Seconds to keep retrying when no connection is available, one is lost, or transactions conflict. Must be
        /// more than `postgres.statement_timeout_seconds`.
        patience_seconds: u64 = Number "10", whole::<_, 2, 300>;
        /// Longest time that a statement may take, in seconds, including waits for locks.
        statement_timeout_seconds: u64 = Number "5", whole::<_, 1, 300>;
    }
    /// How passwords are hashed: Argon2id.
    hashing: Hashing {
        /// Memory of one hash, in KiB.
        memory_kib: u32 = Number "47104", whole::<_, 8, 4_194_304>;
        /// Passes over the memory of one hash.
        iterations: u32 = Number "1", whole::<_, 1, 1000>;
        /// Lanes of one hash.
        parallelism: u32 = Number "1", whole::<_, 1, 64>;
        /// Largest memory of a stored hash that can be verified, in KiB. Each worker reserves at least this much. 0 means the
        /// memory of a new hash, at least 47104.
        ceiling_kib: u32 = Number "0", whole::<_, 0, 2_097_152>;
        /// Code that computes hashes: `auto` uses the CPU's vector instructions if a self-test at start passes,
        /// `portable` never does.
        kernel: HashKernel = Text "auto", HashKernel::parse;
        /// Number of threads that compute hashes. 0 means one for each usable CPU.
        workers: usize = Number "0", whole::<_, 0, 1024>;
        /// Number of hashes that a worker computes together under load, 1 or 2. Two take less time than one after the
        /// other, and more memory. Without a kernel that can do this, or without the memory, it is one.
        interleave: u32 = Number "2", whole::<_, 1, 2>;
        /// Longest wait for hashes, in seconds. A request that would wait longer is refused at once.
        longest_wait_seconds: u64 = Number "5", whole::<_, 1, 3600>;
    }
    /// Hashes from other systems.
    import: Import {
        /// Algorithms that are refused unless they are named here, separated by commas: md5-crypt, apr1, ssha, ssha256, ssha512,
        /// pbkdf2-sha1, phpass, drupal7, wordpress-bcrypt, bcrypt-sha256, yescrypt, scram-sha-256, caching-sha2,
        /// firebase-scrypt, flask-security.
        allow: AllowedAlgorithms = Text "", AllowedAlgorithms::parse;
        /// Forms of a password with other letters than ASCII that are also tried against hashes from elsewhere, separated by
        /// commas: nfd, nfkc, nfkd, latin-1. Each takes a further hash.
        forms: TriedForms = Text "", TriedForms::parse;
        /// The keys that hashes of some systems need, one per line as a name, a system and its fields. They are needed as long
        /// as such hashes are stored.
        keys: Secret = Secret "", secret;
        /// File with the keys, instead of `import.keys`. Other users must not have access to it. Empty means no file.
        keys_file: Option<PathBuf> = Text "", optional_path;
    }
    /// The web hook of another system, which verifies passwords of subjects that were imported without a hash.
    hook: Hook {
        /// URL that each password is posted to: `https://`, or `http://` and a loopback address. Empty means no hook.
        url: String = Url "", url;
        /// File with the CAs of its certificate in PEM, read at start. Empty means the public ones.
        ca_file: Option<PathBuf> = Text "", optional_path;
        /// File with a bearer token for it, read for each request. Other users must not have access to it. Empty means none.
        token_file: Option<PathBuf> = Text "", optional_path;
        /// Longest time that an answer may take, in milliseconds.
        timeout_milliseconds: u64 = Number "3000", whole::<_, 10, 30_000>;
        /// Largest number of passwords that it is asked about at a time. One tenant gets half of the places at most, rounded up.
        concurrency: usize = Number "16", whole::<_, 1, 1000>;
    }
    /// The pepper, which encrypts hashes before they are stored.
    pepper: Pepper {
        /// The keys, one per line as `id:key`. The first key encrypts; the others only decrypt.
        keys: Secret = Secret "", secret;
        /// File with the keys, instead of `pepper.keys`. Other users must not have access to it. Empty means no file.
        keys_file: Option<PathBuf> = Text "", optional_path;
        /// Refuse stored hashes that are not encrypted under a pepper key.
        required: bool = Flag "false", flag;
    }
    /// Limits on wrong passwords.
    attempts: Attempts {
        /// Wrong passwords in a row that one caller may send for one subject before it has to wait.
        allowance: u32 = Number "5", whole::<_, 1, 100>;
        /// Length of the first wait, in seconds. Each further wait is twice as long.
        backoff_seconds: u64 = Number "1", whole::<_, 1, 86_400>;
        /// Longest wait, in seconds.
        longest_backoff_seconds: u64 = Number "900", whole::<_, 1, 86_400>;
        /// Wrong passwords in a row after which a caller is stopped for that subject until an administrator clears its
        /// attempts or resets the password. 0 means never.
        stop_after: u32 = Number "0", whole::<_, 0, 100>;
        /// Wrong passwords in a row for one subject, from all callers together, before all of them are slowed.
        subject_allowance: u32 = Number "20", whole::<_, 1, 1000>;
        /// Longest delay for a slowed subject, in seconds.
        subject_longest_backoff_seconds: u64 = Number "5", whole::<_, 1, 60>;
    }
    /// Quotas of requests, counted in memory by each process. A request beyond them is answered `OVERLOADED`.
    quotas: Quotas {
        /// Requests per second of one caller. 0 means any number.
        per_caller: u32 = Number "0", whole::<_, 0, 1_000_000>;
        /// Requests per second of one tenant, from all of its callers together. 0 means any number.
        per_tenant: u32 = Number "0", whole::<_, 0, 1_000_000>;
        /// Seconds' worth of requests that may come at once.
        burst_seconds: u32 = Number "5", whole::<_, 1, 60>;
    }
    /// Watches of changes.
    watch: Watch {
        /// Days to keep change events. A cursor older than this cannot be resumed.
        kept_days: u32 = Number "7", whole::<_, 1, 366>;
        /// Seconds between heartbeats. Each one sends the cursor and checks that the caller may still watch.
        heartbeat_seconds: u64 = Number "10", whole::<_, 1, 3600>;
        /// Seconds to wait for a watcher that reads nothing before its watch is ended.
        patience_seconds: u64 = Number "30", whole::<_, 1, 3600>;
        /// Largest number of watches of one caller at a time.
        per_caller: u32 = Number "16", whole::<_, 1, 1000>;
        /// Largest number of watches at a time of all callers of one tenant.
        per_tenant: u32 = Number "64", whole::<_, 1, 10_000>;
    }
    /// The audit log.
    audit: Audit {
        /// Days to keep audit events. The database itself refuses to remove one that is younger than 30 days.
        kept_days: u32 = Number "400", whole::<_, 30, 3660>;
        /// File with the Ed25519 private key in PEM (PKCS#8) that signs the audit log. Other users must not have access to
        /// it. Empty means that the hash chain of the log is not signed.
        signing_key_file: Option<PathBuf> = Text "", optional_path;
        /// Name of this process in audit events: 1-64 of `A-Z a-z 0-9 . _ -`. Empty means the name of the host.
        process_name: Option<FreeName> = Text "", optional_free_name;
    }
    /// Rules for every new password, in addition to its own policy.
    policy: Policy {
        /// File of refused passwords, one per line, or a filter of `credentiald blocklist build`. Empty means no file.
        refused_passwords_file: Option<PathBuf> = Text "", optional_path;
        /// Refuse passwords that contain a part of the subject's names.
        refuse_subject_names: bool = Flag "false", flag;
    }
    /// Permissions: Cedar policies. The files are read again when their content changes, and on SIGHUP.
    policies: Policies {
        /// Directory with policies of your own: every file `*.cedar` in it. Empty means only the built-in ones.
        directory: Option<PathBuf> = Text "", optional_path;
        /// Keep the built-in permits in force besides those of `policies.directory`. No policy can permit a caller to
        /// leave its tenant, either way.
        built_in: bool = Flag "true", flag;
        /// Hours for which administrators can decode the message that a refused caller gets. There is a message only if there
        /// is a key of the pepper.
        denial_message_hours: u32 = Number "24", whole::<_, 1, 720>;
        /// Directory with policies to compare with those in force, for example before they replace them. Decisions that
        /// would differ are counted and logged, with no other effect. Empty means no comparison.
        candidate_directory: Option<PathBuf> = Text "", optional_path;
    }
    /// Defaults of the directory.
    directory: Directory {
        /// Region of mail domains and instances that are created without one, and of resources that do not exist.
        region: Region = Text "cn-hangzhou", region;
    }
    /// Metrics and probes.
    metrics: Metrics {
        /// Address and port of `/metrics`, for Prometheus over HTTP, and of the probes `/livez`, `/readyz` and `/startupz`.
        /// Empty means no endpoint. There is no authentication: metrics name no tenant and no subject.
        listen: Option<SocketAddr> = Text "", optional_address;
    }
    /// Traces: spans of sampled calls, sent to an OpenTelemetry collector over OTLP (gRPC).
    traces: Traces {
        /// URL of the collector, for example `https://collector.example:4317`. Empty means no traces.
        endpoint: String = Url "", url;
        /// Fraction of the calls to trace, between 0 and 1. A caller that sends a `traceparent` decides for its calls.
        sample_ratio: SampleRatio = Text "0.01", SampleRatio::parse;
        /// File with the CAs of its certificate in PEM, read at start. Empty means those of the system.
        ca_file: Option<PathBuf> = Text "", optional_path;
        /// File with headers for the collector, one per line as `name: value`, read at start. Other users must not have access
        /// to it. Empty means none.
        headers_file: Option<PathBuf> = Text "", optional_path;
    }
    /// The log, on standard error.
    log: Log {
        /// Log level: `error`, `warn`, `info`, `debug` or `trace`, optionally by module, as in `info,sqlx=warn`.
        level: String = Text "info", filter;
        /// Log format: `text` for people, `json` for programs.
        format: LogFormat = Text "text", LogFormat::parse;
        /// Calls that get a line in the log, whatever its level: `off` for none, `refusals` for those that do not succeed, `all`
        /// for every call.
        calls: LogCalls = Text "off", LogCalls::parse;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::opt_in_algorithm::OptInAlgorithm;

    #[test]
    fn the_help_names_every_algorithm_that_needs_to_be_allowed() {
        let help = Setting::of_key("import.allow").unwrap().help;
        let words: Vec<_> = help.split([' ', ',', '.']).collect();
        for algorithm in OptInAlgorithm::ALL {
            assert!(words.contains(&algorithm.as_str()), "{algorithm}");
        }
    }

    #[test]
    fn names_are_derived_from_the_key_and_are_unique() {
        let setting = Setting::of_key("hashing.memory_kib").unwrap();
        assert_eq!(setting.variable(), "CREDENTIALD_HASHING_MEMORY_KIB");
        assert_eq!(setting.flag(), "hashing-memory-kib");
        let mut variables: Vec<_> = SETTINGS.iter().map(Setting::variable).collect();
        variables.sort();
        variables.dedup();
        assert_eq!(variables.len(), SETTINGS.len());
    }
}
