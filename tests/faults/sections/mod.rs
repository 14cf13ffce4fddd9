//! What is tried: each section has a file and a table in `docs/reliability.md`, and its parts run side by side.

use std::pin::Pin;
use std::sync::Arc;

use clap::builder::PossibleValuesParser;

use crate::run::Run;

/// A kind of fault.
pub struct Section {
    pub name: &'static str,
    /// Its parts, each like a test.
    parts: &'static [(&'static str, Start)],
}

/// A part of a section. It panics where it can't go on, and tells its run what else is wrong.
#[derive(Debug, Clone, Copy)]
pub struct Part {
    pub section: &'static str,
    pub name: &'static str,
    pub run: Start,
}

type Start = fn(Arc<Run>) -> Pin<Box<dyn Future<Output = ()> + Send>>;

impl Section {
    pub fn parts(&self) -> impl Iterator<Item = Part> {
        let section = self.name;
        self.parts.iter().map(move |(name, run)| Part { section, name, run: *run })
    }
}

impl Part {
    pub fn name(&self) -> String {
        format!("{}::{}", self.section, self.name)
    }
}

/// The names that `--only` knows.
pub fn names() -> PossibleValuesParser {
    SECTIONS.iter().map(|section| section.name).collect::<Vec<_>>().into()
}

/// Lists sections: the module of each, and its functions that are a part.
macro_rules! sections {
    ($($section:ident: $($part:ident),+;)+) => {
        $(mod $section;)+

        pub const SECTIONS: &[Section] = &[
            $(Section {
                name: stringify!($section),
                parts: &[$((stringify!($part), |run| Box::pin($section::$part(run)))),+],
            },)+
        ];
    };
}

sections! {
    kills: sqlite, postgres;
    failover: postgres;
    clock: sqlite, postgres;
    linearizability: sqlite, postgres;
    network: database, clients;
    database: restarts, connections, disk, read_only;
    disk: full, locked;
    rotations: sqlite, postgres;
    damage: cut_log, flipped_bytes, flipped_bytes_with_pepper;
}
