//! Every setting: this is the one file that lists them all.

use std::net::SocketAddr;
use std::path::PathBuf;

use super::parse::{
    HashKernel, LogFormat, StoreLocation, address, filter, flag, format, kernel, optional_address, optional_path,
    region, secret, store, whole,
};
use super::secret::Secret;
use super::values::{Mistake, Values};
use crate::domain::names::Region;

/// What a setting is written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Text, in quotes where it stands in a file.
    Text,
    /// Text that is never shown, and is no flag.
    Secret,
    /// Text whose part between `//` and `@` is not shown where it holds a password.
    Url,
    /// A whole number.
    Number,
    /// `true` or `false`.
    Flag,
}

/// What is known of a setting without its value.
#[derive(Debug)]
pub struct Setting {
    /// Its key in a file, for example `server.listen`.
    pub key: &'static str,
    /// The value where nobody sets it.
    pub default: &'static str,
    /// What it is written as.
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

/// Declares the settings: sections, and in each its settings as `name: type = kind default, parser;`, with what it is for
/// as its documentation.
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
            /// What is wrong with each given value, whether it is in force or not.
            pub(super) fn mistakes(values: &Values) -> Vec<Mistake> {
                let mut mistakes = Vec::new();
                $($(mistakes.extend(values.mistakes::<$type>(concat!(stringify!($section), ".", stringify!($name)), $parser));)+)+
                mistakes
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
    /// How the service is reached.
    server: Server {
        /// Where the service listens: an address and a port.
        listen: SocketAddr = Text "127.0.0.1:50051", address;
        /// Whether to serve without TLS on an address that is not a loopback one.
        allow_plaintext: bool = Flag "false", flag;
        /// Whether clients may ask which services and messages there are (gRPC server reflection).
        reflection: bool = Flag "true", flag;
        /// Seconds to go on serving after SIGTERM while health answers `NOT_SERVING`, so that load balancers can send new
        /// calls elsewhere before the drain begins.
        shutdown_delay_seconds: u64 = Number "0", whole::<_, 0, 3600>;
        /// How many seconds requests in flight have to finish once the service is told to stop.
        drain_seconds: u64 = Number "10", whole::<_, 0, 3600>;
        /// Maximum number of open connections. New ones wait in the system's queue until another closes.
        max_connections: usize = Number "1024", whole::<_, 1, 1_000_000>;
        /// Seconds a client may take to begin HTTP/2 after it has connected. Then the connection is closed.
        handshake_seconds: u64 = Number "10", whole::<_, 1, 300>;
        /// Seconds a connection may be open without a call. Then the client is asked to connect again for its next one.
        idle_seconds: u64 = Number "300", whole::<_, 1, 86_400>;
        /// Seconds an answer may wait for a client that takes nothing of it. Then the call is reset.
        stall_seconds: u64 = Number "20", whole::<_, 1, 3600>;
        /// How many seconds a request may take at most, whatever its caller allows.
        longest_request_seconds: u64 = Number "30", whole::<_, 1, 3600>;
        /// How many bytes a request may have at most.
        max_message_bytes: usize = Number "65536", whole::<_, 4096, 4_194_304>;
    }
    /// Where credentials are kept.
    store: Store {
        /// The store: `sqlite:` and the path of a file, or `postgres://user:password@host:port/database`, with several hosts
        /// where one takes over from another.
        url: StoreLocation = Url "sqlite:credentiald-data/credentiald.db", store;
        /// A file that holds the URL, so that a password in it stands nowhere else; where set, it wins over `store.url`.
        url_file: Option<PathBuf> = Text "", optional_path;
    }
    /// How a PostgreSQL store is used.
    postgres: Postgres {
        /// How many connections there are at most.
        connections: u32 = Number "16", whole::<_, 2, 1000>;
        /// How many seconds one goes on where no connection is to be had, one is lost, or other writers come in between. More
        /// than a statement may take.
        patience_seconds: u64 = Number "10", whole::<_, 2, 300>;
        /// How many seconds a statement may take, its wait for locks included.
        statement_timeout_seconds: u64 = Number "5", whole::<_, 1, 300>;
    }
    /// How passwords are hashed: Argon2id.
    hashing: Hashing {
        /// The memory that one hash takes, in KiB.
        memory_kib: u32 = Number "47104", whole::<_, 8, 4_194_304>;
        /// How many passes one hash makes over its memory.
        iterations: u32 = Number "1", whole::<_, 1, 1000>;
        /// How many lanes one hash has.
        parallelism: u32 = Number "1", whole::<_, 1, 64>;
        /// The most memory of a stored hash that is verified, in KiB; each worker reserves as much; 0 means that of a new
        /// hash, at least 47104.
        ceiling_kib: u32 = Number "0", whole::<_, 0, 2_097_152>;
        /// How hashes are computed: `auto`, by the CPU's vector instructions where a self-test at the start proves them
        /// right, or `portable`.
        kernel: HashKernel = Text "auto", kernel;
        /// How many hashes are computed at a time; 0 means one for each usable CPU.
        workers: usize = Number "0", whole::<_, 0, 1024>;
        /// A request that would have to wait longer than so many seconds for its hashes is refused at once.
        longest_wait_seconds: u64 = Number "5", whole::<_, 1, 3600>;
    }
    /// The pepper, which wraps hashes before they are stored.
    pepper: Pepper {
        /// The keys, each on a line as `id:key`; the first one wraps, the others only open.
        keys: Secret = Secret "", secret;
        /// A file of such lines instead, which not everybody can read; empty means none.
        keys_file: Option<PathBuf> = Text "", optional_path;
        /// Whether a stored hash that is not wrapped is refused.
        required: bool = Flag "false", flag;
    }
    /// How wrong passwords are limited.
    attempts: Attempts {
        /// How many wrong passwords in a row one caller has for one subject before it has to wait.
        allowance: u32 = Number "5", whole::<_, 1, 100>;
        /// How many seconds the first wait takes; each further one takes twice as long.
        backoff_seconds: u64 = Number "1", whole::<_, 1, 86_400>;
        /// How many seconds a wait takes at most.
        longest_backoff_seconds: u64 = Number "900", whole::<_, 1, 86_400>;
        /// How many wrong passwords in a row a subject has from all callers before all are slowed.
        subject_allowance: u32 = Number "20", whole::<_, 1, 1000>;
        /// How many seconds a subject is slowed at most.
        subject_longest_backoff_seconds: u64 = Number "5", whole::<_, 1, 60>;
    }
    /// How changes are watched.
    watch: Watch {
        /// How many days change events are kept: so old a cursor can still be gone on from.
        kept_days: u32 = Number "7", whole::<_, 1, 366>;
        /// How many seconds pass until a watcher is told where it is, and it is checked whether it still may watch.
        heartbeat_seconds: u64 = Number "10", whole::<_, 1, 3600>;
        /// How many seconds a watcher that takes nothing is waited for before it is dropped.
        patience_seconds: u64 = Number "30", whole::<_, 1, 3600>;
        /// How many watches one caller has at a time, at most.
        per_caller: u32 = Number "16", whole::<_, 1, 1000>;
        /// How many watches one tenant has at a time, at most.
        per_tenant: u32 = Number "64", whole::<_, 1, 10_000>;
    }
    /// What every new password has to satisfy on top of its own policy.
    policy: Policy {
        /// A file of refused passwords, one a line; empty means none.
        refused_passwords_file: Option<PathBuf> = Text "", optional_path;
        /// Whether a password that contains a part of its subject's names is refused.
        refuse_subject_names: bool = Flag "false", flag;
    }
    /// What the directory assumes.
    directory: Directory {
        /// The region of what is created without one, and of what does not exist.
        region: Region = Text "cn-hangzhou", region;
    }
    /// What is measured.
    metrics: Metrics {
        /// Where metrics are scraped, as `/metrics` over HTTP: an address and a port; empty means nowhere. Whoever reaches it
        /// may read them: they name no tenant and no subject.
        listen: Option<SocketAddr> = Text "", optional_address;
    }
    /// What is logged, to standard error.
    log: Log {
        /// How much is logged: `error`, `warn`, `info`, `debug` or `trace`, also by module, as in `info,sqlx=warn`.
        level: String = Text "info", filter;
        /// How it is logged: `text` for people, `json` for programs.
        format: LogFormat = Text "text", format;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
