//! What the documents name exists, and what they tell a reader to type works.

mod calls;
mod commands;
mod examples;
mod markdown;
mod metrics;
mod names;
mod programs;

use std::fs;
use std::path::{Path, PathBuf};

use markdown::Document;

/// Where the project is.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every document: those at the top, and all below `docs`.
fn documents() -> Vec<Document> {
    let top = fs::read_dir(root()).unwrap().map(|entry| entry.unwrap().path());
    let mut paths: Vec<PathBuf> = top.filter(|path| path.is_file()).chain(files_below("docs")).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "md"));
    paths.sort();
    paths.iter().map(|path| Document::read(root(), path)).collect()
}

/// The document at that path from the project's root.
fn document(name: &str) -> Document {
    Document::read(root(), &root().join(name))
}

/// Every file below a folder of the project.
fn files_below(folder: &str) -> Vec<PathBuf> {
    let mut folders = vec![root().join(folder)];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    files
}

/// Fails with everything that is wrong at once.
fn assert_none(wrong: &[String]) {
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn every_link_leads_somewhere() {
    let documents = documents();
    let mut wrong = Vec::new();
    for document in &documents {
        for link in document.links().iter().filter(|link| !link.contains("://")) {
            let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = if path.is_empty() { document.path.clone() } else { document.beside(path) };
            let heads = documents.iter().find(|other| other.path == target).map(Document::anchors);
            let is_there = target.exists() && (anchor.is_empty() || heads.is_some_and(|all| all.contains(anchor)));
            if !is_there {
                wrong.push(format!("{}: {link}", document.name));
            }
        }
    }
    assert_none(&wrong);
}

#[test]
fn every_path_exists() {
    let top = ["src", "crates", "tests", "docs", "findings", "proto", ".ci"];
    let is_path = |span: &str| {
        let is_below = span.split_once('/').is_some_and(|(first, _)| top.contains(&first));
        let is_at_top = ["Dockerfile", "LICENSE"].contains(&span)
            || [".md", ".toml", ".rs"].iter().any(|end| span.ends_with(end)) && !span.contains('/');
        (is_below || is_at_top) && !span.contains(' ')
    };
    let mut wrong = Vec::new();
    for document in documents() {
        for span in document.spans().iter().filter(|span| is_path(span)) {
            // A file in `src` may be called by its name alone, as in `server.rs`.
            if !root().join(span).exists() && !root().join("src").join(span).exists() {
                wrong.push(format!("{}: {span}", document.name));
            }
        }
    }
    assert_none(&wrong);
}

/// The list has each script with the words at its top.
#[test]
fn the_list_of_findings_is_that_of_the_scripts() {
    let scripts = files_below("findings").into_iter().filter(|path| path.extension().is_some_and(|end| end == "sh"));
    let mut rows: Vec<String> = scripts
        .map(|path| {
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            let text = fs::read_to_string(path).unwrap();
            let shows = text.lines().nth(1).and_then(|line| line.strip_prefix("# ")).unwrap();
            format!("| [`{name}`]({name}) | {shows} |")
        })
        .collect();
    rows.sort();
    let list = fs::read_to_string(root().join("findings/README.md")).unwrap();
    let listed: Vec<&str> = list.lines().filter(|line| line.starts_with("| [")).collect();
    assert!(rows.len() > 10, "{rows:?}");
    assert_eq!(listed, rows);
}
