//! What a supervisor hears, as systemd gives it a socket and a watchdog.

use std::fs;
use std::net::TcpStream;
#[cfg(target_os = "linux")]
use std::os::linux::net::SocketAddrExt;
#[cfg(target_os = "linux")]
use std::os::unix::net::SocketAddr;
use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use super::installation::Installation;
use super::serving::Serving;

/// Far longer than anything takes.
const PATIENCE: Duration = Duration::from_mins(1);

/// The end of a supervisor.
struct Heard(UnixDatagram);

impl Heard {
    fn on(socket: UnixDatagram) -> Self {
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Self(socket)
    }

    fn next(&self) -> String {
        let mut message = [0; 512];
        let length = self.0.recv(&mut message).expect("nothing is heard");
        String::from_utf8(message[..length].to_vec()).unwrap()
    }

    /// Waits for a message with that line, and answers all before it.
    fn wait_for(&self, line: &str) -> Vec<String> {
        let mut before = Vec::new();
        loop {
            let message = self.next();
            if message.lines().any(|of_message| of_message == line) {
                return before;
            }
            assert!(before.len() < 10_000, "{line} is not in {before:?}");
            before.push(message);
        }
    }
}

async fn served(installation: &Installation, socket: &str, arguments: &[&str]) -> Serving {
    let arguments = [&["serve", "--server-listen", "127.0.0.1:0"], arguments].concat();
    let mut command = installation.command(&arguments);
    command.env("NOTIFY_SOCKET", socket).env("WATCHDOG_USEC", "400000");
    Serving::start(command, &installation.path("")).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_supervisor_hears_when_the_service_is_ready_answers_reloads_and_stops() {
    let installation = Installation::new();
    fs::write(installation.path("refused"), "mypassword\n").unwrap();
    let path = installation.path("notify");
    let heard = Heard::on(UnixDatagram::bind(&path).unwrap());
    let mut serving =
        served(&installation, path.to_str().unwrap(), &["--policy-refused-passwords-file", "refused"]).await;
    let wait_for = |line: &str| tokio::task::block_in_place(|| heard.wait_for(line));
    let before = wait_for("READY=1");
    assert!(!before.contains(&"STOPPING=1".to_owned()), "{before:?}");
    assert!(serving.is_healthy());
    wait_for("WATCHDOG=1");
    wait_for("WATCHDOG=1");

    // The file is also read every few seconds, which may be just before a signal, but not before each.
    let is_taken_at_a_signal = (0..5).any(|turn| {
        fs::write(installation.path("refused"), format!("another password {turn}\n")).unwrap();
        serving.signal("HUP");
        wait_for("RELOADING=1");
        wait_for("READY=1");
        serving.log().contains("reloaded in_force=\"refused passwords\"")
    });
    assert!(is_taken_at_a_signal, "{}", serving.log());

    serving.signal("TERM");
    let before = wait_for("STOPPING=1");
    assert!(!before.iter().any(|message| message.contains("READY=1")), "{before:?}");
    assert!(serving.ended().await.success());
    let log = serving.log();
    assert!(!log.contains(" WARN "), "{log}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_whose_connections_are_all_taken_is_alive() {
    let installation = Installation::new();
    let path = installation.path("notify");
    let heard = Heard::on(UnixDatagram::bind(&path).unwrap());
    let wait_for = |line: &str| tokio::task::block_in_place(|| heard.wait_for(line));
    let serving = served(&installation, path.to_str().unwrap(), &["--server-max-connections", "1"]).await;
    wait_for("WATCHDOG=1");
    assert!(serving.is_healthy(), "the watchdog takes no connection");
    let taken = TcpStream::connect(serving.address).unwrap();
    for _ in 0..20 {
        wait_for("WATCHDOG=1");
    }
    drop(taken);
    serving.stop().await;
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_supervisor_may_listen_on_an_abstract_name() {
    let installation = Installation::new();
    let name = format!("credentiald-test-{}", std::process::id());
    let address = SocketAddr::from_abstract_name(&name).unwrap();
    let heard = Heard::on(UnixDatagram::bind_addr(&address).unwrap());
    let serving = served(&installation, &format!("@{name}"), &[]).await;
    tokio::task::block_in_place(|| heard.wait_for("READY=1"));
    serving.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_supervisor_that_does_not_listen_is_said_and_not_needed() {
    let installation = Installation::new();
    let serving = served(&installation, "/does/not/exist", &[]).await;
    assert!(serving.is_healthy());
    let log = serving.stop().await;
    assert!(log.contains("NOTIFY_SOCKET can't be used"), "{log}");
}
