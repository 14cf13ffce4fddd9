//! The commands of the documents that run a benchmark or a program of tests name one that there is, and flags that it has.

use std::fs;

use super::{assert_none, documents, root};

/// What a command runs: `--test` or `--bench`, its name, and the flags that it is given.
struct Started {
    target: String,
    name: String,
    flags: Vec<String>,
}

impl Started {
    fn of(command: &str) -> Option<Self> {
        let words: Vec<&str> = command.split(" #").next()?.split_whitespace().collect();
        let ["cargo", "test" | "bench", arguments @ ..] = words.as_slice() else { return None };
        let (own, flags) = match arguments.iter().position(|word| *word == "--") {
            Some(at) => arguments.split_at(at + 1),
            None => (arguments, &[][..]),
        };
        let at = own.iter().position(|word| ["--test", "--bench"].contains(word))?;
        let flags = flags.iter().filter_map(|word| word.strip_prefix("--")).map(str::to_owned).collect();
        Some(Self { target: own[at][2..].to_owned(), name: (*own.get(at + 1)?).to_owned(), flags })
    }

    /// What is wrong with it.
    fn problem(&self) -> Option<String> {
        let Self { target, name, flags } = self;
        let cargo = fs::read_to_string(root().join("Cargo.toml")).unwrap();
        if !cargo.contains(&format!("[[{target}]]\nname = \"{name}\"")) {
            return Some(format!("no {target} {name}"));
        }
        let folder = if target == "test" { "tests" } else { "benches" };
        let program = fs::read_to_string(root().join(folder).join(name).join("main.rs")).unwrap_or_default();
        let missing = flags.iter().find(|flag| !program.contains(&format!("    {}: ", flag.replace('-', "_"))))?;
        Some(format!("{target} {name} has no --{missing}"))
    }
}

#[test]
fn every_program_of_tests_and_its_flags_exist() {
    let (mut wrong, mut count) = (Vec::new(), 0);
    for document in documents() {
        let scripts = document.blocks().into_iter().map(|block| block.text).chain(document.spans());
        let commands: Vec<String> =
            scripts.flat_map(|script| script.lines().map(str::to_owned).collect::<Vec<_>>()).collect();
        for started in commands.iter().filter_map(|command| Started::of(command)) {
            count += 1;
            wrong.extend(started.problem().map(|problem| format!("{}: {problem}", document.name)));
        }
    }
    assert_none(&wrong);
    assert!(count >= 4, "{count}");
}

#[test]
fn every_section_of_the_faults_has_its_place_in_the_document() {
    let sections = include_str!("../../faults/sections/mod.rs");
    let document = include_str!("../../../docs/reliability.md");
    let (_, list) = sections.rsplit_once("sections! {").unwrap();
    let names: Vec<&str> = list.lines().filter_map(|line| line.trim().split_once(": ")).map(|(name, _)| name).collect();
    assert!(names.len() >= 4, "{names:?}");
    let marks = names.iter().flat_map(|name| ["begin", "end"].map(|end| format!("<!-- {name}: {end} -->")));
    assert_none(&marks.filter(|mark| document.matches(mark).count() != 1).collect::<Vec<_>>());
}
