//! The guide in `docs/rotating-redis.md`, run word for word beside an application that signs in all the time.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::serving::PATIENCE;
use crate::support::ports::steady_port;
use crate::support::redis::Connection;

/// A process with all that it has started, which end with it.
struct Group(Child);

impl Drop for Group {
    fn drop(&mut self) {
        let _ = Command::new("sh").args(["-c", "kill -s KILL -- -\"$0\"", &self.0.id().to_string()]).status();
        let _ = self.0.wait();
    }
}

/// Everything that the guide has a shell do, with other ports.
fn commands(ports: [u16; 2]) -> String {
    let guide = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/rotating-redis.md")).unwrap();
    let blocks = guide.split("```sh\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    blocks.collect::<String>().replace("6379", &ports[0].to_string()).replace("6380", &ports[1].to_string())
}

/// What a server answers to the application, which reads its password first. Nothing if either is not there yet.
fn sign_in(port: u16, password: &Path) -> Option<(String, String)> {
    let password = fs::read_to_string(password).ok().filter(|text| text.ends_with('\n'))?.trim().to_owned();
    let reply = Connection::try_to(&format!("127.0.0.1:{port}"))?.command(&["AUTH", "app", &password]);
    Some((password, reply))
}

#[test]
fn no_client_is_refused_while_the_guide_is_followed() {
    let folder = tempfile::tempdir().unwrap();
    let [first, second, service] = [(); 3].map(|()| steady_port());
    let service = format!("127.0.0.1:{service}");
    let binaries = Path::new(env!("CARGO_BIN_EXE_credentiald")).parent().unwrap().display();
    let output = fs::File::create(folder.path().join("output")).unwrap();
    let mut shell = Command::new("bash");
    shell.args(["-euxo", "pipefail", "-c", &commands([first, second])]).env_clear().current_dir(folder.path());
    shell.env("PATH", format!("{binaries}:{}", std::env::var("PATH").unwrap()));
    shell.env("CREDENTIALD_SERVER_LISTEN", &service).env("CREDENTIALD_ADDRESS", &service);
    shell.stdin(Stdio::null()).stdout(output.try_clone().unwrap()).stderr(output).process_group(0);
    let mut guide = Group(shell.spawn().unwrap());

    let (password, start) = (folder.path().join("app.password"), Instant::now());
    let printed = || fs::read_to_string(folder.path().join("output")).unwrap();
    let mut used = BTreeSet::new();
    let status = loop {
        for port in [first, second] {
            let Some((tried, reply)) = sign_in(port, &password) else { continue };
            if reply == "+OK\r\n" {
                used.insert(tried);
            } else if reply.starts_with("-WRONGPASS") {
                // It may have read its password just before that was replaced.
                let now = fs::read_to_string(&password).unwrap();
                assert_ne!(now.trim(), tried, "{port} refused the password of the application: {}", printed());
            }
        }
        if let Some(status) = guide.0.try_wait().unwrap() {
            break status;
        }
        assert!(start.elapsed() < PATIENCE, "{}", printed());
        std::thread::sleep(Duration::from_millis(5));
    };
    assert!(status.success(), "{status}: {}", printed());
    assert_eq!(used.into_iter().collect::<Vec<_>>(), ["first-Redis-12", "second-Redis-12"]);
    for port in [first, second] {
        let saved = fs::read_to_string(folder.path().join(format!("node-{port}/users.acl"))).unwrap();
        assert_eq!(
            saved
                .lines()
                .filter(|line| line.starts_with("user app "))
                .map(|line| line.matches('#').count())
                .sum::<usize>(),
            1
        );
    }
}
