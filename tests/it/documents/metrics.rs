//! The document of the metrics is made from the code.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;

use credentiald::telemetry::{DescribedMetric, described};

use super::root;

/// Where the part that is made begins.
const MARK: &str = "<!-- From here on made from the code: tests/it/documents/metrics.rs -->\n";

/// Labels with more values than this, and without a meaning for each, are described above the mark.
const LISTED: usize = 16;

fn made() -> String {
    let metrics = described();
    let mut text = String::from("\n| Metric | Type | Labels | Meaning | When to worry |\n|---|---|---|---|---|\n");
    for DescribedMetric { name, kind, labels, help, worry } in &metrics {
        let labels: Vec<_> = labels.iter().map(|(label, _)| format!("`{label}`")).collect();
        writeln!(text, "| `{name}` | {kind} | {} | {help} | {worry} |", labels.join(", ")).unwrap();
    }
    text.push_str("\n## Values of labels\n\n| Metric | Label | Value | Meaning |\n|---|---|---|---|\n");
    let is_listed =
        |values: &[(&str, &str)]| values.len() <= LISTED || values.iter().all(|(_, meaning)| !meaning.is_empty());
    let mut listed = Vec::new();
    for (label, values) in metrics.iter().flat_map(|metric| &metric.labels) {
        if !is_listed(values) || listed.contains(&(label, values)) {
            continue;
        }
        listed.push((label, values));
        let with_it =
            metrics.iter().filter(|metric| metric.labels.iter().any(|other| *other == (*label, values.clone())));
        let names: Vec<_> = with_it.map(|metric| format!("`{}`", metric.name)).collect();
        for (value, meaning) in values {
            writeln!(text, "| {} | `{label}` | `{value}` | {} |", names.join(", "), meaning.trim()).unwrap();
        }
    }
    text
}

#[test]
fn the_document_of_the_metrics_is_made_from_the_code() {
    let path = root().join("docs/metrics.md");
    let text = fs::read_to_string(&path).unwrap();
    let (written, found) = text.split_once(MARK).expect("the mark");
    if found != made() {
        let renewed = root().join("target/metrics.md");
        fs::write(&renewed, format!("{written}{MARK}{}", made())).unwrap();
        panic!("docs/metrics.md is old; to renew it: cp target/metrics.md docs/metrics.md");
    }
}

#[test]
fn each_metric_has_a_name_of_its_own_and_says_when_to_worry() {
    let metrics = described();
    let names: BTreeSet<_> = metrics.iter().map(|metric| &metric.name).collect();
    assert_eq!(names.len(), metrics.len());
    for metric in &metrics {
        let texts = [metric.help, metric.worry];
        assert!(texts.iter().all(|text| !text.is_empty() && !text.contains('|')), "{metric:?}");
        assert!(metric.worry.ends_with('.'), "{metric:?}");
    }
}
