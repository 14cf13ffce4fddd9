//! Writes what a full run measured into the documents.

use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use crate::charts::Curves;
use crate::report::Report;

/// What stands between these is the benchmark's, the rest the author's.
const BEGIN: &str = "<!-- measured: begin -->";
const END: &str = "<!-- measured: end -->";

/// Puts the tables between the marks of `docs/performance.md`, and the charts beside it.
pub fn publish(report: &Report, facts: &[(&str, String)], curves: &Curves) -> Result<(), Box<dyn Error>> {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
    let charts = curves.draw(&docs.join("charts"))?;
    let mut measured = report.markdown(facts);
    measured.push_str("\n### Charts\n");
    for (title, file) in charts {
        write!(measured, "\n![{title}](charts/{file})\n")?;
    }
    let path = docs.join("performance.md");
    let text = fs::read_to_string(&path)?;
    fs::write(&path, between_marks(&text, &measured).ok_or("docs/performance.md has no marks")?)?;
    Ok(())
}

fn between_marks(text: &str, measured: &str) -> Option<String> {
    let (before, rest) = text.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{BEGIN}\n{measured}{END}{after}"))
}
