//! What the documents name is in the code, spelt like that.

use std::collections::BTreeSet;
use std::fs;

use credentiald::config::{OTHER_VARIABLES, SETTINGS, Setting};
use credentiald::domain::field::{FieldProblem, LengthUnit};
use credentiald::domain::hash_problem::HashProblem;
use credentiald::domain::opt_in_algorithm::OptInAlgorithm;
use credentiald::edge::Reason;
use credentiald::grpc::DESCRIPTORS;
use prost_reflect::DescriptorPool;
use tonic::Code;

use super::{assert_none, document, documents, files_below, root};

/// Names of other programs.
const FOREIGN: [&str; 11] = [
    "PATH",
    "REDISCLI_AUTH",
    "auth_cache_size",
    "max_connections",
    "ResourceInfo",
    "pg_dump",
    "pg_basebackup",
    "auth:export",
    "db2ldif",
    "nsAccountLock",
    "pwdAccountLockedTime",
];

/// The text of every source file apart from these tests, which would find themselves.
fn sources() -> String {
    let folders = ["benches", "src", "tests", "proto", "fuzz"].into_iter().flat_map(files_below);
    let files = folders.chain([root().join("Cargo.toml"), root().join("build.rs")]);
    let files = files.filter(|path| !path.starts_with(root().join("tests/it/documents")));
    files.filter_map(|path| fs::read_to_string(path).ok()).collect()
}

fn words(text: &str) -> BTreeSet<&str> {
    text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').collect()
}

/// Whether a span is one name: a word, a path of words, or words with hyphens.
fn is_name(span: &str) -> bool {
    span.len() > 2
        && span.starts_with(|c: char| c.is_ascii_alphabetic())
        && span.chars().all(|c| c.is_ascii_alphanumeric() || "_:-".contains(c))
}

#[test]
fn every_name_is_in_the_code() {
    let sources = sources();
    let words = words(&sources);
    let codes: Vec<String> = (0..=16).map(|code| snake(&format!("{:?}", Code::from(code))).to_uppercase()).collect();
    let is_known = |name: &str| {
        let is_hyphenated = name.contains('-') && sources.contains(name);
        let is_code = codes.iter().any(|code| code == name);
        // A name in a scrape has a prefix and a suffix; `process/metrics.rs` compares them with a scrape.
        let is_metric = name.starts_with("credentiald_");
        is_code
            || is_metric
            || is_hyphenated
            || name.split("::").all(|word| words.contains(word) || words.contains(&*snake(word)))
    };
    let mut wrong = Vec::new();
    // Most names in these two are those of proxies and of the vendors.
    let foreign = ["docs/proxies.md", "docs/vendor-sdks.md"];
    for document in documents().iter().filter(|document| !foreign.contains(&document.name.as_str())) {
        let names = document.spans().into_iter().filter(|span| is_name(span) && !FOREIGN.contains(&&**span));
        wrong.extend(names.filter(|name| !is_known(name)).map(|name| format!("{}: {name}", document.name)));
    }
    assert_none(&wrong);
}

#[test]
fn every_test_that_covers_a_threat_a_standard_or_a_rule_of_grpc_exists() {
    let sources = sources();
    for (name, column) in [
        ("docs/threats.md", "Tests"),
        ("docs/compliance.md", "Tests"),
        ("docs/grpc.md", "Test"),
        ("docs/vendor-sdks.md", "Tests"),
    ] {
        let document = document(name);
        let tests: Vec<String> = document.tables().iter().flat_map(|table| table.column(column)).collect();
        assert!(tests.len() > 20, "{tests:?}");
        let is_in_shell = |test: &str| sources.contains(&format!("\n{test}() {{\n"));
        let is_there = |test: &str| {
            ["fn", "def"].iter().any(|word| sources.contains(&format!("{word} {test}("))) || is_in_shell(test)
        };
        assert_none(&tests.into_iter().filter(|test| !is_there(test)).collect::<Vec<_>>());
    }
}

/// The test above finds the tests; a row without any says why.
#[test]
fn every_row_of_a_standard_names_tests_or_says_why_not() {
    let tables = document("docs/compliance.md").tables();
    assert_eq!(tables.len(), 3);
    let mut wrong = Vec::new();
    for table in &tables {
        assert_eq!(table.head, ["Id", "Requirement", "Here", "Tests", "Reason, and what to do instead"]);
        for row in &table.rows {
            let [_, _, here, tests, reason] = &row[..] else { panic!("{row:?}") };
            let (is_tested, is_explained) = (tests.split(", ").all(is_span), !reason.is_empty());
            let is_complete = match here.as_str() {
                "met" => is_tested,
                "partly" => is_tested && is_explained,
                "not met" | "not yet" | "out of scope" => tests.is_empty() && is_explained,
                _ => false,
            };
            if !is_complete {
                wrong.push(row.join(" | "));
            }
        }
    }
    assert_none(&wrong);
}

/// Whether a text is one name in backticks, and nothing else.
fn is_span(text: &str) -> bool {
    text.strip_prefix('`').and_then(|rest| rest.strip_suffix('`')).is_some_and(is_name)
}

#[test]
fn every_setting_and_variable_exists() {
    let is_section = |word: &str| SETTINGS.iter().any(|setting| setting.key.split('.').next() == Some(word));
    let variables: BTreeSet<String> =
        SETTINGS.iter().map(Setting::variable).chain(OTHER_VARIABLES.map(str::to_owned)).collect();
    let mut wrong = Vec::new();
    for document in documents() {
        for span in document.spans() {
            let is_key = span.split_once('.').is_some_and(|(section, name)| is_section(section) && is_name(name));
            // `server.rs` and `store.db` are files.
            let is_file = [".rs", ".db"].iter().any(|end| span.contains(end));
            if is_key && !is_file && !SETTINGS.iter().any(|setting| setting.key == span) {
                wrong.push(format!("{}: {span}", document.name));
            }
        }
        let named = words(document.text()).into_iter().filter(|word| word.starts_with("CREDENTIALD_"));
        wrong.extend(named.filter(|word| !variables.contains(*word)).map(|word| format!("{}: {word}", document.name)));
    }
    assert_none(&wrong);
}

#[test]
fn every_reason_rule_and_policy_setting_in_a_table_exists() {
    let policies: String = files_below("src/policy").iter().filter_map(|path| fs::read_to_string(path).ok()).collect();
    let pool = DescriptorPool::decode(DESCRIPTORS).unwrap();
    let fields: BTreeSet<String> = pool
        .all_messages()
        .flat_map(|message| message.fields().map(|field| field.name().to_owned()).collect::<Vec<_>>())
        .collect();
    let problems = [
        FieldProblem::Missing,
        FieldProblem::TooLong { max: 0, found: 0, unit: LengthUnit::Bytes },
        FieldProblem::Character { allowed: "" },
        FieldProblem::OutOfRange { min: 0, max: 0, found: 0 },
        FieldProblem::Malformed { expected: "" },
        FieldProblem::Hash(HashProblem::NotSupported { algorithm: "", why: "" }),
        FieldProblem::Hash(HashProblem::NotAllowed(OptInAlgorithm::Yescrypt)),
        FieldProblem::Hash(HashProblem::KeyMissing(OptInAlgorithm::FirebaseScrypt)),
    ];
    let is_reason = |name: &str| {
        let of_field = problems.iter().any(|problem| problem.reason() == name);
        // `…_NOT_FOUND` stands for several.
        let end = name.trim_start_matches('…');
        of_field
            || Reason::ALL.iter().any(|reason| reason.name() == name || end != name && reason.name().ends_with(end))
    };
    let mut wrong = Vec::new();
    for document in documents() {
        for table in document.tables() {
            let reasons = table.column("Reason").into_iter().filter(|name| !is_reason(name));
            let rules = table.column("Rule").into_iter().filter(|id| !policies.contains(&format!("\"{id}\"")));
            let settings = table.column("Setting").into_iter().filter(|name| !fields.contains(&snake(name)));
            let all = reasons.chain(rules).chain(settings);
            wrong.extend(all.map(|name| format!("{}: {name}", document.name)));
        }
    }
    assert_none(&wrong);
}

#[test]
fn how_long_data_is_kept_is_what_the_settings_say() {
    let [table] = &document("docs/retention.md").tables()[..] else { panic!("one table") };
    assert_eq!(table.head, ["Data", "Key", "Default", "Kept"]);
    let keys: Vec<_> = table.rows.iter().filter(|row| !row[1].is_empty()).collect();
    for row in &keys {
        let setting = Setting::of_key(row[1].trim_matches('`')).unwrap_or_else(|| panic!("{row:?}"));
        assert_eq!(row[2], setting.default, "{row:?}");
    }
    // Every setting of a time to keep is in it.
    let kept = SETTINGS.iter().filter(|setting| setting.key.ends_with("kept_days"));
    let missing = kept.filter(|setting| !keys.iter().any(|row| row[1].trim_matches('`') == setting.key));
    assert_none(&missing.map(|setting| setting.key.to_owned()).collect::<Vec<_>>());
}

#[test]
fn every_service_exists() {
    let pool = DescriptorPool::decode(DESCRIPTORS).unwrap();
    let mut wrong = Vec::new();
    for document in documents() {
        let named =
            document.spans().into_iter().filter(|span| span.starts_with("credential.") && span.ends_with("Service"));
        wrong.extend(named.filter(|name| pool.get_service_by_name(name).is_none()));
    }
    assert_none(&wrong);
}

/// A vendor's `CamelCase` as the contract writes it.
fn snake(name: &str) -> String {
    let mut snake = String::new();
    for character in name.chars() {
        if character.is_ascii_uppercase() && !snake.is_empty() {
            snake.push('_');
        }
        snake.push(character.to_ascii_lowercase());
    }
    snake
}
