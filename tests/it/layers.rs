//! The layer table of `docs/architecture.md`, enforced.

mod source;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use source::{Named, SourceFile};

/// What a layer may name besides itself, the standard library and the crates that belong to it alone.
struct Layer {
    name: &'static str,
    layers: &'static [&'static str],
    crates: Crates,
}

enum Crates {
    /// Only these: the layer is pure, or compiles without the edges.
    Only(&'static [&'static str]),
    /// Any that does not belong to other layers.
    Shared,
}

use Crates::{Only, Shared};

const LAYERS: &[Layer] = &[
    Layer {
        name: "domain",
        layers: &[],
        crates: Only(&["sha2", "thiserror", "unicode_normalization", "unicode_properties", "uuid", "zeroize"]),
    },
    Layer { name: "policy", layers: &["domain"], crates: Only(&["unicode_normalization", "zeroize"]) },
    Layer {
        name: "ports",
        layers: &["domain"],
        crates: Only(&["async_trait", "backon", "parking_lot", "thiserror", "tokio", "tracing", "uuid", "zeroize"]),
    },
    Layer {
        name: "service",
        layers: &["domain", "policy", "ports"],
        crates: Only(&[
            "async_trait",
            "futures_util",
            "governor",
            "hmac",
            "parking_lot",
            "sha2",
            "subtle",
            "thiserror",
            "tokio",
            "tokio_util",
            "uuid",
            "zeroize",
        ]),
    },
    Layer { name: "ambient", layers: &["domain", "ports"], crates: Shared },
    Layer { name: "store", layers: &["domain", "ports"], crates: Shared },
    Layer { name: "hashing", layers: &["domain", "ports"], crates: Shared },
    Layer { name: "authz", layers: &["domain", "ports"], crates: Shared },
    Layer { name: "blocklist", layers: &["domain", "policy"], crates: Shared },
    Layer { name: "outgoing", layers: &["domain", "ports"], crates: Shared },
    Layer { name: "jwt", layers: &["domain", "ports", "outgoing"], crates: Shared },
    Layer { name: "redis", layers: &["domain", "ports", "outgoing"], crates: Shared },
    Layer { name: "hook", layers: &["domain", "ports", "outgoing"], crates: Shared },
    Layer { name: "telemetry", layers: &["domain", "ports"], crates: Shared },
    Layer { name: "signing", layers: &["domain", "ports"], crates: Shared },
    Layer { name: "listener", layers: &["domain", "ports"], crates: Shared },
    Layer { name: "config", layers: &["domain"], crates: Shared },
    Layer { name: "edge", layers: &["domain", "policy", "ports", "service"], crates: Only(&["tracing", "uuid"]) },
    Layer { name: "grpc", layers: &["domain", "ports", "service", "edge"], crates: Shared },
    Layer { name: "http", layers: &["domain", "ports", "service", "edge"], crates: Shared },
    Layer { name: "server", layers: ALL_ABOVE, crates: Shared },
    Layer { name: "cli", layers: ALL_ABOVE, crates: Shared },
    Layer { name: "main", layers: &["cli"], crates: Only(&["zeroizing_alloc"]) },
    Layer { name: "lib", layers: &[], crates: Only(&[]) },
];

/// Every layer above in the table.
const ALL_ABOVE: &[&str] = &["*"];

/// Crates that only some layers may name.
const OWNED_CRATES: &[(&str, &[&str])] = &[
    ("rusqlite", &["store"]),
    ("sqlx", &["store"]),
    ("cedar_policy", &["authz"]),
    ("miette", &["authz"]),
    ("argon2", &["hashing"]),
    ("aws_lc_rs", &["blocklist", "hashing", "http", "jwt", "signing"]),
    ("md4", &["blocklist"]),
    ("argon2_rust", &["hashing"]),
    ("argon2_vectors", &["hashing"]),
    ("memmap2", &["hashing"]),
    ("bcrypt", &["hashing"]),
    ("md5", &["hashing"]),
    ("sha1", &["hashing"]),
    ("yescrypt", &["hashing"]),
    ("pbkdf2", &["hashing"]),
    ("scrypt", &["hashing"]),
    ("sha_crypt", &["hashing"]),
    ("hyper", &["outgoing", "listener"]),
    ("hyper_util", &["outgoing", "listener"]),
    ("rustls", &["outgoing", "listener", "signing", "cli"]),
    ("tokio_rustls", &["outgoing", "listener"]),
    ("webpki_roots", &["outgoing"]),
    ("x509_parser", &["listener"]),
    ("ratatui", &["cli"]),
    ("rcgen", &["cli"]),
    ("rustix", &["ambient", "listener", "store", "server", "cli"]),
    ("prometheus_client", &["telemetry"]),
    ("axum", &["telemetry"]),
    ("prost", &["grpc", "cli"]),
    ("prost_types", &["grpc", "cli"]),
    ("opentelemetry_proto", &["telemetry"]),
    ("tonic", &["grpc", "telemetry", "server", "cli"]),
    ("tonic_health", &["grpc", "server", "cli"]),
    ("tonic_prost", &["grpc", "cli"]),
    ("tonic_reflection", &["grpc", "server"]),
    ("tonic_types", &["grpc", "cli"]),
    ("clap", &["cli"]),
    ("clap_complete", &["cli"]),
    ("clap_mangen", &["cli"]),
    ("comfy_table", &["cli"]),
    ("unicode_width", &["cli"]),
    ("csv", &["cli"]),
    ("indicatif", &["cli"]),
    ("strsim", &["config"]),
];

/// The ports as traits. Whoever holds one can leave out a check, so that of the layers which use them only the gates do.
const PORTS: &[&str] = &[
    "Store",
    "Credentials",
    "Tenants",
    "Instances",
    "Subjects",
    "Attempts",
    "Deliveries",
    "AuditLog",
    "Imports",
    "ChangeEvents",
    "AccessTokens",
    "Upkeep",
    "StoredHashes",
    "Hasher",
    "AdmittedHashes",
    "Pepper",
    "AuditSealer",
    "DenialCipher",
    "Authorizer",
    "Entropy",
    "JwtVerifier",
    "PasswordHook",
    "Nodes",
];

const GATES: &[&str] = &["service", "gates"];

const MOST_LINES: usize = 400;
const MOST_LINES_OF_NINE_IN_TEN: usize = 300;
const MOST_LINES_OF_THE_MEDIAN: usize = 120;

#[test]
fn no_layer_names_what_it_must_not() {
    let crates = dependencies();
    let offences: Vec<String> = sources().iter().flat_map(|(path, text)| offences(path, text, &crates)).collect();
    assert!(offences.is_empty(), "\n{}", offences.join("\n"));
}

#[test]
fn files_stay_short() {
    let mut lengths: Vec<(usize, String)> =
        sources().into_iter().map(|(path, text)| (text.lines().count(), path)).collect();
    lengths.sort();
    let at = |tenths: usize| lengths[(lengths.len() - 1) * tenths / 10].0;
    let longest: Vec<String> = lengths.iter().rev().take(12).map(|(lines, path)| format!("{lines:5} {path}")).collect();
    let summary = format!("median {}, nine in ten up to {}, the longest:\n{}", at(5), at(9), longest.join("\n"));
    assert!(at(10) <= MOST_LINES, "no file has more than {MOST_LINES} lines; {summary}");
    assert!(at(9) < MOST_LINES_OF_NINE_IN_TEN, "nine in ten have under {MOST_LINES_OF_NINE_IN_TEN} lines; {summary}");
    assert!(at(5) <= MOST_LINES_OF_THE_MEDIAN, "the median is up to {MOST_LINES_OF_THE_MEDIAN} lines; {summary}");
}

#[test]
fn every_offence_is_found() {
    let offences = |path, text| offences(path, text, &dependencies());
    let table = [
        ("domain/subject.rs", "use crate::ports::Clock;", "ports"),
        ("domain/subject.rs", "fn a() { tokio::spawn(b()); }", "tokio"),
        ("domain/deep/down.rs", "use super::super::super::store;", "store"),
        ("domain/subject.rs", "use crate::*;", "*"),
        ("policy/rule.rs", "use {std::fmt, crate::{domain::{time, names}, service::Call}};", "service"),
        ("policy/rules/mod.rs", "pub(crate) use super::super::ports as outside;", "ports"),
        ("ports/store/mod.rs", "type Error = sqlx::Error;", "sqlx"),
        ("service/change.rs", "use crate::store::sqlite::open;", "store"),
        ("service/change.rs", "use tonic;", "tonic"),
        ("service/change.rs", "#[derive(prost::Message)] struct A;", "prost"),
        ("service/change.rs", "use crate::ports::{Deadline, Store};", "the port Store"),
        ("service/change.rs", "use crate::ports; struct A { store: Arc<dyn ports::Store> }", "the port Store"),
        ("service/change.rs", "use crate::ports as p; fn a<'a>(h: &'a dyn p::hasher::Hasher) {}", "the port Hasher"),
        ("service/change.rs", "use crate::ports::*;", "the port *"),
        ("service/gateskeeper.rs", "use crate::ports::Authorizer;", "the port Authorizer"),
        ("grpc/authenticate.rs", "use crate::ports::Store;", "the port Store"),
        ("grpc/status.rs", "use crate::hashing::Engine;", "hashing"),
        ("store/sqlite/mod.rs", "use crate::hashing::Engine;", "hashing"),
        ("store/sqlite/mod.rs", "use argon2 as kdf;", "argon2"),
        ("hashing/engine.rs", "fn a() { crate::service::call(); }", "service"),
        ("authz/mod.rs", "fn a() -> ::sqlx::Result<()> { let c = '\"'; /* \" */ sqlx::b() }", "sqlx"),
        ("grpc/mod.rs", "use crate::server::run;", "server"),
        ("cli/serve.rs", "fn a() { r#\"crate::grpc\"#; sqlx::query(\"\") }", "sqlx"),
        ("main.rs", "fn main() { credentiald::server::run() }", "server"),
        ("elsewhere/mod.rs", "", "a layer that the table does not have"),
    ];
    for (path, text, what) in table {
        let found = offences(path, text);
        assert_eq!(found.len(), 1, "{path}: {text}: {found:?}");
        assert!(found[0].ends_with(&format!(" {what}")), "{path}: {text}: {found:?}");
    }
}

#[test]
fn what_is_allowed_is_no_offence() {
    let table = [
        ("domain/subject.rs", "use std::fmt; use super::names::Region; use uuid::Uuid; use crate::domain::time;"),
        ("domain/subject.rs", "/// See [`crate::store`].\n// use tokio::sync;\n/* sqlx::query */ struct A;"),
        (
            "domain/subject.rs",
            "const A: &str = \"crate::store\"; const B: &str = r#\"\"crate::store\"\"#; const C: char = '\"';",
        ),
        ("domain/subject.rs", "#[cfg(test)] mod tests { use tokio::test; fn a() { crate::store::b(); } } struct A;"),
        (
            "domain/subject.rs",
            "#[cfg(test)] use tokio::test; #[cfg(test)] fn a() -> [u8; 2] { crate::store::b() } struct A;",
        ),
        ("domain/subject.rs", "pub(in crate::domain) fn a() -> impl Iterator + use<'_> { b::<u8>::c() }"),
        ("service/error.rs", "use crate::ports::{HasherError, StoreError}; fn a() { ServiceError::Store(b) }"),
        ("service/gates.rs", "use crate::ports::{Authorizer, Entropy, Hasher, Store};"),
        ("service/gates/load.rs", "use crate::ports::Store; use super::Permit;"),
        ("service/gates/mod.rs", "use crate::ports::store::Credentials;"),
        ("grpc/context.rs", "use crate::ports::Entropy; use super::generated::credential;"),
        ("store/sqlite/mod.rs", "use crate::ports::Store; use rusqlite::Connection; use super::row;"),
        ("service/change/tests.rs", "use crate::ports::Store; use crate::store::sqlite::open;"),
        ("main.rs", "fn main() { credentiald::cli::run() }"),
        ("lib.rs", "pub mod domain;"),
    ];
    for (path, text) in table {
        let found = offences(path, text, &dependencies());
        assert!(found.is_empty(), "{path}: {text}: {found:?}");
    }
}

/// What the shipped code of a file names and must not.
fn offences(path: &str, text: &str, crates: &BTreeSet<String>) -> Vec<String> {
    if path.split('/').any(|part| matches!(part, "tests" | "tests.rs")) {
        return Vec::new();
    }
    let file = SourceFile::read(path, text);
    let Some(layer) = LAYERS.iter().find(|layer| layer.name == file.layer()) else {
        return vec![format!("src/{path} is in a layer that the table does not have")];
    };
    let offence = |named: &Named| match named {
        Named::Own(path) => unwelcome_layer(layer, path).or_else(|| unwelcome_port(&file, path)),
        Named::Crate(name) => unwelcome_crate(layer, name),
    };
    let found: BTreeSet<String> = file.named(crates).iter().filter_map(offence).collect();
    found.into_iter().map(|what| format!("src/{path} names {what}")).collect()
}

fn unwelcome_layer(layer: &Layer, path: &[String]) -> Option<String> {
    let other = path.first()?;
    let mut above = LAYERS.iter().take_while(|above| above.name != layer.name);
    let is_welcome = match layer.layers {
        ALL_ABOVE => above.any(|above| above.name == other),
        layers => layers.contains(&other.as_str()),
    };
    (!is_welcome && other != layer.name).then(|| other.clone())
}

fn unwelcome_port(file: &SourceFile, path: &[String]) -> Option<String> {
    let (first, rest) = path.split_first()?;
    let is_held = |name: &&String| {
        let is_port = PORTS.contains(&name.as_str()) || *name == "*";
        // Edges number requests themselves.
        is_port && !(matches!(file.layer(), "edge" | "grpc" | "http") && *name == "Entropy")
    };
    let uses_ports = matches!(file.layer(), "service" | "edge" | "grpc" | "http") && !file.is_in(GATES);
    rest.iter().find(is_held).filter(|_| first == "ports" && uses_ports).map(|name| format!("the port {name}"))
}

fn unwelcome_crate(layer: &Layer, name: &str) -> Option<String> {
    let is_welcome = match layer.crates {
        Only(crates) => crates.contains(&name),
        Shared => OWNED_CRATES.iter().all(|(owned, owners)| *owned != name || owners.contains(&layer.name)),
    };
    (!is_welcome).then(|| name.to_owned())
}

/// Every file below `src`, by its path there.
fn sources() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(&root).unwrap().to_str().unwrap().replace('\\', "/");
                found.push((name, fs::read_to_string(&path).unwrap()));
            }
        }
    }
    assert!(found.len() > 20, "there is no source to read");
    found
}

/// The crates that `Cargo.toml` names, as Rust names them.
fn dependencies() -> BTreeSet<String> {
    let manifest = include_str!("../../Cargo.toml").parse::<toml::Table>().unwrap();
    let section = |name| manifest.get(name).and_then(toml::Value::as_table).into_iter().flatten();
    section("dependencies").chain(section("dev-dependencies")).map(|(name, _)| name.replace('-', "_")).collect()
}
