//! The clock of a process, moved while it runs: a small library, loaded before the C library, adds to the time of day.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// How far the clock of whoever was started with it is moved.
pub struct MovedClock {
    file: File,
    path: PathBuf,
    library: PathBuf,
}

impl MovedClock {
    /// A clock that is right, kept in that folder.
    pub fn in_folder(folder: &Path) -> Self {
        let (path, library) = (folder.join("moved-clock"), folder.join("moved_clock.so"));
        // There is one wherever Rust programs are linked.
        let mut compiler = Command::new("cc");
        compiler.args(["-shared", "-fPIC", "-Wall", "-Werror", "-O2", "-o"]).arg(&library);
        compiler.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/faults/moved_clock.c"));
        assert!(compiler.status().unwrap().success());
        fs::write(&path, 0_i64.to_ne_bytes()).unwrap();
        Self { file: OpenOptions::new().write(true).open(&path).unwrap(), path, library }
    }

    /// Moves the clock to so many seconds from the right time.
    pub fn set(&self, seconds: i64) {
        self.file.write_all_at(&seconds.to_ne_bytes(), 0).unwrap();
    }

    /// What has to be in the environment of who is to go by it.
    pub fn environment(&self) -> [(&'static str, &Path); 2] {
        [("LD_PRELOAD", &self.library), ("MOVED_CLOCK", &self.path)]
    }
}
