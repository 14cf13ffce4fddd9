//! SIGHUP at a bad moment: while the service starts, and while a file can't be read.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::process::Command;

use rustix::fs::OFlags;

use super::installation::Installation;
use super::serving::{Serving, eventually};

/// A configuration in a pipe: who reads it waits until it was written.
struct Pipe(PathBuf);

impl Pipe {
    fn new(installation: &Installation) -> Self {
        let path = installation.path("c.toml");
        assert!(Command::new("mkfifo").args(["-m", "600"]).arg(&path).status().unwrap().success());
        Self(path)
    }

    /// The other end, once the service reads. It does so until this is closed.
    async fn opened_by_reader(&self) -> File {
        let flags = i32::try_from(OFlags::NONBLOCK.bits()).unwrap();
        // As long as nothing reads a pipe, it can't be opened for writing without waiting.
        eventually("a reader", || OpenOptions::new().write(true).custom_flags(flags).open(&self.0).ok()).await
    }

    async fn write(&self, text: &str) {
        self.opened_by_reader().await.write_all(text.as_bytes()).unwrap();
    }
}

fn begin(installation: &Installation) -> Serving {
    let command = installation.command(&["serve", "--server-listen", "127.0.0.1:0", "--config", "c.toml"]);
    Serving::begin(command, &installation.path(""))
}

#[tokio::test]
async fn a_hangup_during_the_start_reloads_once_the_service_serves() {
    let installation = Installation::new();
    let pipe = Pipe::new(&installation);
    let mut serving = begin(&installation);
    let mut file = pipe.opened_by_reader().await;
    serving.signal("HUP");
    file.write_all(b"[log]\nformat = \"json\"\n").unwrap();
    drop(file);
    serving.listening().await.unwrap();
    pipe.write("[log]\nformat = \"json\"\nlevel = \"warn,credentiald=info\"\n").await;
    serving.logs(r#""message":"reloaded""#).await;
    let log = serving.stop().await;
    assert!(log.contains(r#""log_level":"warn,credentiald=info""#), "{log}");
    for line in log.lines() {
        assert_eq!(line.matches(r#""level":"#).count(), 1, "a member that is there twice: {line}");
    }
}

#[tokio::test]
async fn a_configuration_on_a_file_system_that_hangs_keeps_neither_callers_nor_a_stop_waiting() {
    let installation = Installation::new();
    let pipe = Pipe::new(&installation);
    let mut serving = begin(&installation);
    pipe.write("").await;
    serving.listening().await.unwrap();
    serving.signal("HUP");
    let file = pipe.opened_by_reader().await;
    assert!(serving.is_healthy());
    serving.signal("TERM");
    assert!(serving.ended().await.success(), "{}", serving.log());
    drop(file);
}
