//! Writes what a full run measured into the documents.

use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use crate::charts::Curves;
use crate::report::Report;

/// A part of the document, between marks: what stands there is the benchmark's, the rest the author's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    Load,
    Scale,
}

impl Part {
    const fn marks(self) -> [&'static str; 2] {
        match self {
            Self::Load => ["<!-- measured: begin -->", "<!-- measured: end -->"],
            Self::Scale => ["<!-- scale: begin -->", "<!-- scale: end -->"],
        }
    }
}

/// Puts the tables between the marks of `docs/performance.md`, and the charts beside it.
pub fn publish(part: Part, report: &Report, facts: &[(&str, String)], curves: &Curves) -> Result<(), Box<dyn Error>> {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
    let mut measured = report.markdown(facts);
    if part == Part::Load {
        measured.push_str("\n### Charts\n");
        for (title, file) in curves.draw(&docs.join("charts"))? {
            write!(measured, "\n![{title}](charts/{file})\n")?;
        }
    }
    let path = docs.join("performance.md");
    let text = fs::read_to_string(&path)?;
    fs::write(&path, between_marks(part, &text, &measured).ok_or("docs/performance.md has no marks")?)?;
    Ok(())
}

fn between_marks(part: Part, text: &str, measured: &str) -> Option<String> {
    let [begin, end] = part.marks();
    let (before, rest) = text.split_once(begin)?;
    let (_, after) = rest.split_once(end)?;
    Some(format!("{before}{begin}\n{measured}{end}{after}"))
}
