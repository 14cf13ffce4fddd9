//! Writes what a full run measured into `docs/reliability.md`.

use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::run::{Figure, Verdict};
use crate::sections::SECTIONS;

/// Puts the figures of each section all of whose parts ran between its marks, and answers which those are.
pub fn publish(verdicts: &[Verdict]) -> Result<Vec<&'static str>, Box<dyn Error>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/reliability.md");
    let (mut text, mut written) = (fs::read_to_string(&path)?, Vec::new());
    for section in SECTIONS {
        let of_section: Vec<_> = verdicts.iter().filter(|verdict| verdict.part.section == section.name).collect();
        if of_section.len() == section.parts().count() {
            text = between_marks(&text, section.name, &table(&of_section)?).ok_or(section.name)?;
            written.push(section.name);
        }
    }
    fs::write(&path, text)?;
    Ok(written)
}

fn table(verdicts: &[&Verdict]) -> Result<String, Box<dyn Error>> {
    let mut table = String::from("| | Figure | Measured | Demanded |\n|---|---|---|---|\n");
    for verdict in verdicts {
        for Figure { name, measured, demand } in &verdict.figures {
            writeln!(table, "| {} | {name} | {measured} | {demand} |", verdict.part.name)?;
        }
    }
    let date = Command::new("date").args(["--utc", "+%Y-%m-%d"]).output()?.stdout;
    let build = if cfg!(debug_assertions) { "debug" } else { "release" };
    let (date, seed) = (String::from_utf8(date)?, verdicts.first().map_or(0, |verdict| verdict.seed));
    write!(table, "\n{}, {build} build, seed {seed}.\n", date.trim())?;
    Ok(table)
}

/// What stands between a section's marks is the harness's, the rest the author's.
fn between_marks(text: &str, section: &str, measured: &str) -> Option<String> {
    let [begin, end] = ["begin", "end"].map(|word| format!("<!-- {section}: {word} -->"));
    let (before, rest) = text.split_once(&begin)?;
    let (_, after) = rest.split_once(&end)?;
    Some(format!("{before}{begin}\n{measured}{end}{after}"))
}
