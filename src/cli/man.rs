//! `man`.

use std::fs;
use std::path::PathBuf;

use clap::{Args, Command};

use super::failure::Failure;
use super::terminal::Terminal;

/// Write the manual pages: one for each command.
///
/// `man -l` shows one that is not installed.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  credentiald man /usr/local/share/man/man1")]
pub(super) struct ManArgs {
    /// Folder to write them to. It is created if it does not exist.
    folder: PathBuf,
}

pub(super) fn run(args: &ManArgs, program: Command, terminal: &mut Terminal) -> Result<(), Failure> {
    let folder = args.folder.display();
    let write = || {
        fs::create_dir_all(&args.folder)?;
        clap_mangen::generate_to(program, &args.folder)
    };
    write().map_err(|error| Failure::caused(format!("can't write to {folder}"), &error))?;
    terminal.print(&format!("the manual pages are in {folder}"))
}
