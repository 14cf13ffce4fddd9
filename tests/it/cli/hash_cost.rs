//! `hash-cost`, with budgets that leave little to measure.

use serde_json::Value;

use super::credentiald;

/// Memory for the OWASP lines, on one worker.
const SMALL: [&str; 5] = ["hash-cost", "--memory-mib", "46", "--hashing-workers", "1"];

#[test]
fn the_strongest_cost_within_the_budget_is_proposed_and_accepted_as_configuration() {
    let measured = credentiald(&[&SMALL[..], &["--latency-ms", "60000"]].concat(), &[]);
    assert_eq!((measured.status, measured.stderr.as_str()), (0, ""));
    let ending = |end: &str| measured.stdout.lines().filter(|line| line.ends_with(end)).collect::<Vec<_>>();
    assert_eq!((ending("  fits").len(), ending("  too large").len()), (4, 10), "{}", measured.stdout);
    let cost = |row: &str| row.split_whitespace().take(3).collect::<Vec<_>>().join(" ");
    assert_eq!(ending("  fits, in force").into_iter().map(cost).collect::<Vec<_>>(), ["47104 1 1"]);
    assert_eq!(ending("  fits, proposed").into_iter().map(cost).collect::<Vec<_>>(), ["47104 2 1"]);

    let (_, toml) = measured.stdout.split_once("Proposed:").unwrap();
    let (_folder, path) = super::file(toml);
    let shown = credentiald(&["config", "show", "--config", &path], &[]);
    assert!(shown.line("memory_kib").starts_with("memory_kib = 47104 "), "{}", shown.stdout);
    assert!(shown.line("iterations").starts_with("iterations = 2 "), "{}", shown.stdout);
}

#[test]
fn json_has_the_same_values() {
    let measured = credentiald(&[&SMALL[..], &["--latency-ms", "60000", "--json"]].concat(), &[]);
    let report: Value = serde_json::from_str(&measured.stdout).unwrap();
    assert_eq!(report["proposal"], serde_json::json!({ "memory_kib": 47104, "iterations": 2, "parallelism": 1 }));
    let candidates = report["candidates"].as_array().unwrap();
    let fitting: Vec<_> = candidates.iter().filter(|candidate| candidate["verdict"] == "fits").collect();
    assert_eq!(fitting.len(), 6);
    for candidate in fitting {
        assert!(
            candidate["alone_ms"].as_f64().unwrap() > 0.0 && candidate["hashes_per_second"].as_f64().unwrap() > 0.0
        );
    }
    assert_eq!(report["workers"], 1);
}

#[test]
fn less_memory_than_the_usual_ceiling_is_proposed_with_a_ceiling() {
    let arguments = ["hash-cost", "--memory-mib", "8", "--hashing-workers", "1", "--latency-ms", "60000"];
    let measured = credentiald(&arguments, &[]);
    assert_eq!(measured.line("memory_kib = "), "memory_kib = 7168");
    assert_eq!(measured.line("ceiling_kib = "), "ceiling_kib = 7168");
}

#[test]
fn a_budget_that_allows_nothing_is_a_failure() {
    let arguments = ["hash-cost", "--memory-mib", "6", "--hashing-workers", "1"];
    let refused = credentiald(&arguments, &[]);
    assert_eq!(refused.status, 1);
    assert!(refused.stderr.starts_with("error: no cost"), "{}", refused.stderr);
    assert_eq!(credentiald(&["hash-cost", "--latency-ms", "0"], &[]).status, 2);
}
