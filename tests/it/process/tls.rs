//! TLS: the service's side, its files, and the commands that call it.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, GeneralSubtree, IsCa, NameConstraints, date_time_ymd,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::installation::{Installation, outcome, write_secretly};
use super::metrics::{get, scraped_at};
use super::serving::{PATIENCE, Serving, eventually};
use crate::support::Client;
use crate::support::certificates::{Authority, ClientTls, Leaf, client_params};
use crate::support::client::frame;

const CHECK: &str = "/grpc.health.v1.Health/Check";
const SERVING: &[u8] = &[0, 0, 0, 0, 2, 8, 1];
const LOOPBACK: &[&str] = &["127.0.0.1", "localhost"];

/// An installation with a CA and the certificate that it signed.
pub(super) struct Site {
    pub(super) installation: Installation,
    pub(super) authority: Authority,
}

impl Site {
    fn new() -> Self {
        let site = Self { installation: Installation::new(), authority: Authority::new("first") };
        fs::write(site.path("ca.pem"), site.authority.pem()).unwrap();
        site.put(&site.authority.server(LOOPBACK));
        site
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.installation.path(name)
    }

    /// Replaces the files of the service.
    fn put(&self, leaf: &Leaf) {
        fs::write(self.path("server.pem"), &leaf.certificate).unwrap();
        write_secretly(&self.path("server.key"), &leaf.key);
    }

    async fn serve(&self, arguments: &[&str]) -> Serving {
        let files = ["--tls-certificate-file", "server.pem", "--tls-key-file", "server.key"];
        self.installation.serve(&[&files[..], arguments].concat()).await
    }

    /// The command with the files of the service and no others.
    fn run(&self, command: &[&str]) -> super::installation::Outcome {
        self.installation.run(&[command, &["--tls-certificate-file=server.pem", "--tls-key-file=server.key"]].concat())
    }
}

/// A new connection that trusts that CA, or nothing where it fails.
async fn checked(serving: &Serving, authority: &Authority) -> Option<Client> {
    let client = Client::new(serving.address).over(&ClientTls::trusting(&authority.pem()));
    let reply = client.try_send(CHECK, frame(b"")).await?;
    assert_eq!(&reply.body[..], SERVING);
    Some(client)
}

/// What OpenSSL says about a handshake.
pub(super) fn openssl(serving: &Serving, arguments: &[&str]) -> String {
    let mut command = Command::new("openssl");
    command.args(["s_client", "-connect", &serving.address.to_string()]).args(arguments).stdin(Stdio::null());
    let outcome = outcome(command);
    outcome.stdout + &outcome.stderr
}

#[tokio::test]
async fn tls_1_3_is_spoken_with_h2_and_an_older_version_by_choice() {
    let site = Site::new();
    let ca = site.path("ca.pem");
    let openssl = |serving: &Serving, arguments: &[&str]| {
        openssl(
            serving,
            &[&["-verify_return_error", "-CAfile", ca.to_str().unwrap(), "-alpn", "h2"], arguments].concat(),
        )
    };
    let serving = site.serve(&[]).await;
    checked(&serving, &site.authority).await.unwrap();
    let handshake = openssl(&serving, &["-tls1_3"]);
    for words in ["TLSv1.3", "ALPN protocol: h2", "Verify return code: 0 (ok)"] {
        assert!(handshake.contains(words), "{words}: {handshake}");
    }
    assert!(openssl(&serving, &["-tls1_2"]).contains("alert protocol version"));
    assert!(openssl(&serving, &["-alpn", "http/1.1"]).contains("alert no application protocol"));
    serving.stop().await;

    let serving = site.serve(&["--tls-minimum-version", "1.2"]).await;
    let handshake = openssl(&serving, &["-tls1_2"]);
    assert!(handshake.contains("TLSv1.2") && handshake.contains("ALPN protocol: h2"), "{handshake}");
    assert!(openssl(&serving, &["-tls1_1"]).contains("alert"));
    serving.stop().await;
}

#[tokio::test]
async fn new_files_are_used_without_a_connection_lost() {
    let site = Site::new();
    let serving = site.serve(&[]).await;
    let before = checked(&serving, &site.authority).await.unwrap();
    let other = Authority::new("other");
    site.put(&other.server(LOOPBACK));
    serving.signal("HUP");
    serving.logs("the new TLS files are in force").await;
    checked(&serving, &other).await.unwrap();
    assert!(checked(&serving, &site.authority).await.is_none(), "it has the new certificate");
    assert_eq!(&before.send(CHECK, frame(b"")).await.body[..], SERVING, "the connection from before");
    // Without a signal, too.
    site.put(&site.authority.server(LOOPBACK));
    serving.logs_times("the new TLS files are in force", 2).await;
    checked(&serving, &site.authority).await.unwrap();
    serving.signal("HUP");
    serving.logs("the TLS files have not changed").await;
    serving.stop().await;
}

/// Sets of files that do not fit together, each with what is said about it.
fn bad_sets(authority: &Authority) -> Vec<(Leaf, &'static str)> {
    let good = authority.server(LOOPBACK);
    let dated = |from: i32, until: i32| {
        let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        (params.not_before, params.not_after) = (date_time_ymd(from, 1, 1), date_time_ymd(until, 1, 1));
        authority.issue(&params)
    };
    let with = |certificate: &str, key: &str| Leaf { certificate: certificate.to_owned(), key: key.to_owned() };
    vec![
        (with(&good.certificate, &authority.server(LOOPBACK).key), "tls.key_file: is not the key of the certificate"),
        (with("", &good.key), "tls.certificate_file: holds no certificate in PEM"),
        (with(&good.certificate[..200], &good.key), "tls.certificate_file: is not valid PEM: a section has no end"),
        (with(&good.certificate, "nothing"), "tls.key_file: holds no private key in PEM"),
        (
            with(
                &good.certificate,
                "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAA==\n-----END ENCRYPTED PRIVATE KEY-----\n",
            ),
            "tls.key_file: is encrypted",
        ),
        (dated(1990, 2000), "tls.certificate_file: has expired: it was valid until Jan  1 00:00:00 2000"),
        (dated(3000, 3001), "tls.certificate_file: is not valid before Jan  1 00:00:00 3000"),
    ]
}

#[tokio::test]
async fn files_that_do_not_fit_together_never_replace_good_ones() {
    let site = Site::new();
    let good = (fs::read(site.path("server.pem")).unwrap(), fs::read(site.path("server.key")).unwrap());
    let serving = site.serve(&["--metrics-listen", "127.0.0.1:0"]).await;
    let scraped = scraped_at(&serving);
    let unused = |count| get(scraped, "/metrics").contains(&format!("files_not_used{{files=\"tls\"}} {count}\n"));
    assert!(unused(0));
    let before = checked(&serving, &site.authority).await.unwrap();
    for (leaf, words) in bad_sets(&site.authority) {
        site.put(&leaf);
        serving.signal("HUP");
        serving.logs(words).await;
        eventually("the metric", || unused(1).then_some(())).await;
        checked(&serving, &site.authority).await.expect(words);
    }
    fs::remove_file(site.path("server.key")).unwrap();
    serving.signal("HUP");
    serving.logs("server.key can't be read").await;
    assert_eq!(&before.send(CHECK, frame(b"")).await.body[..], SERVING);
    // The good ones again are the ones in force.
    fs::write(site.path("server.pem"), good.0).unwrap();
    write_secretly(&site.path("server.key"), good.1);
    serving.signal("HUP");
    serving.logs("the TLS files have not changed").await;
    eventually("the metric", || unused(0).then_some(())).await;
    let log = serving.stop().await;
    assert!(!log.contains("are in force"), "{log}");
    assert!(!log.contains("PRIVATE KEY"), "{log}");
}

#[test]
fn bad_files_are_refused_at_the_start_with_every_mistake() {
    let site = Site::new();
    for (leaf, words) in bad_sets(&site.authority) {
        site.put(&leaf);
        let checked = site.run(&["config", "check"]);
        assert_eq!(checked.status, Some(78), "{}", checked.stderr);
        let (setting, message) = words.split_once(": ").unwrap();
        let flag = format!("--{}: {message}", setting.replace(['.', '_'], "-"));
        assert!(checked.stderr.contains(&flag), "{flag}: {}", checked.stderr);
        let refused = site.run(&["serve", "--server-listen=127.0.0.1:0"]);
        assert!(refused.status == Some(1) && refused.stderr.contains(words), "{words}: {}", refused.stderr);
    }
    site.put(&Leaf { certificate: "a".to_owned(), key: "b".to_owned() });
    let both = site.run(&["config", "check"]).stderr;
    assert!(
        both.contains("2 mistakes") && both.contains("no certificate") && both.contains("no private key"),
        "{both}"
    );

    site.put(&site.authority.server(LOOPBACK));
    assert_eq!(site.run(&["config", "check"]).status, Some(0));
    let open = site.path("server.key");
    fs::set_permissions(&open, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    let refused = site.run(&["config", "check"]);
    assert!(refused.status == Some(78) && refused.stderr.contains("run chmod o= server.key"), "{}", refused.stderr);
    // Each needs the other.
    for flag in ["--tls-certificate-file=server.pem", "--tls-key-file=server.key"] {
        let alone = site.installation.run(&["config", "check", flag]);
        assert!(alone.status == Some(78) && alone.stderr.contains(": needs tls."), "{}", alone.stderr);
    }
}

#[tokio::test]
async fn with_tls_every_address_may_be_listened_on() {
    let site = Site::new();
    let arguments = ["--tls-certificate-file", "server.pem", "--tls-key-file", "server.key"];
    let serving = site.installation.serve_on("0.0.0.0:0", &arguments).await;
    serving.stop().await;
}

/// Waits until the other side closes the connection, while bytes are sent one at a time.
async fn closed(mut socket: TcpStream, bytes: &[u8]) {
    let mut bytes = bytes.iter();
    let end = async {
        let mut answer = [0; 64];
        loop {
            tokio::select! {
                read = socket.read(&mut answer) => if matches!(read, Ok(0) | Err(_)) { return },
                () = tokio::time::sleep(Duration::from_millis(50)) => {
                    if let Some(byte) = bytes.next() {
                        let _ = socket.write_all(&[*byte]).await;
                    }
                }
            }
        }
    };
    tokio::time::timeout(PATIENCE, end).await.expect("the connection stays");
}

#[tokio::test]
async fn a_peer_that_is_silent_or_slow_in_the_handshake_is_closed() {
    let site = Site::new();
    let serving = site.serve(&["--server-handshake-seconds", "1"]).await;
    let connect = || TcpStream::connect(serving.address);
    // The beginning of a ClientHello whose record is longer than what ever comes.
    let hello = [&[22, 3, 1, 2, 0, 1, 0, 1, 0xFC, 3, 3][..], &[7; 400]].concat();
    tokio::join!(
        async { closed(connect().await.unwrap(), &[]).await },
        async { closed(connect().await.unwrap(), &hello).await },
        async { closed(connect().await.unwrap(), b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await },
        // The handshake is done, and HTTP/2 does not begin.
        async {
            let tls = ClientTls::trusting(&site.authority.pem());
            let connector = tokio_rustls::TlsConnector::from(tls.config);
            let mut stream = connector.connect(tls.name, connect().await.unwrap()).await.unwrap();
            let mut answer = Vec::new();
            let _ = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await.expect("it stays");
        }
    );
    checked(&serving, &site.authority).await.unwrap();
    serving.stop().await;
}

#[tokio::test]
async fn commands_speak_tls() {
    let site = Site::new();
    let token = site.installation.bootstrap();
    let serving = site.serve(&[]).await;
    let url = format!("https://{}", serving.address);
    let admin = |address: &str, arguments: &[&str]| {
        let arguments = [&["admin", "create-tenant", "--tenant", "acme"], arguments].concat();
        outcome(site.installation.calling(address, &token, &arguments))
    };
    let said = |outcome: super::installation::Outcome, status, words: &[&str]| {
        assert_eq!(outcome.status, Some(status), "{}", outcome.stderr);
        assert!(words.iter().all(|words| outcome.stderr.contains(words)), "{words:?}: {}", outcome.stderr);
    };
    assert!(admin(&url, &["--ca-file", "ca.pem"]).printed().contains("acme"));
    fs::write(site.path("other.pem"), Authority::new("other").pem()).unwrap();
    said(admin(&url, &["--ca-file", "other.pem"]), 1, &["UnknownIssuer", "name its CA with --ca-file"]);
    let plain = serving.address.to_string();
    said(admin(&plain, &["--ca-file", "ca.pem"]), 2, &["is plaintext", "use https://"]);
    said(admin(&url, &["--ca-file", "absent.pem"]), 1, &["absent.pem can't be read"]);
    said(admin(&url, &["--ca-file", "server.key"]), 1, &["server.key holds no certificate in PEM"]);
    said(admin(&url, &["--ca-file", "ca.pem", "--cert-file", "server.pem"]), 2, &["belong together"]);
    said(admin("ftp://x", &[]), 2, &["ftp:// is not supported"]);
    // The files by variables; the other commands.
    fs::write(site.path("rows.csv"), "tenant,kind,name,hash\n").unwrap();
    for arguments in [
        &["admin", "list-tenants"][..],
        &["import", "rows.csv"],
        &["export", "-", "--tenant", "acme"],
        &["healthcheck", "--address", &url],
    ] {
        let mut command = site.installation.calling(&url, &token, arguments);
        command.env("CREDENTIALD_CA_FILE", "ca.pem");
        outcome(command).printed();
    }
    // A name that the certificate does not have, and a name that it has.
    site.put(&site.authority.server(&["elsewhere.example"]));
    serving.signal("HUP");
    serving.logs("are in force").await;
    said(admin(&url, &["--ca-file", "ca.pem"]), 1, &["elsewhere.example", "certificate is for another name"]);
    // The health check of the configured address asks this machine, under no name.
    assert!(serving.is_healthy());
    let checked = site.installation.run(&["healthcheck", "--address", &url, "--ca-file", "ca.pem"]);
    said(checked, 1, &["another name"]);
    serving.stop().await;
}

#[tokio::test]
async fn commands_say_what_is_wrong_with_a_certificate() {
    let site = Site::new();
    for (leaf, words) in bad_sets(&site.authority).split_off(5) {
        let acceptor = leaf.acceptor();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://localhost:{}", listener.local_addr().unwrap().port());
        let asked = tokio::task::spawn_blocking({
            let command = site.installation.command(&["healthcheck", "--address", &url, "--ca-file", "ca.pem"]);
            move || outcome(command)
        });
        let (socket, _) = listener.accept().await.unwrap();
        assert!(acceptor.accept(socket).await.is_err());
        let asked = asked.await.unwrap();
        let said = if words.contains("expired") { "certificate has expired" } else { "certificate is not valid yet" };
        assert!(asked.status == Some(1) && asked.stderr.contains(said), "{said}: {}", asked.stderr);
    }
    // A service without TLS.
    let serving = site.installation.serve(&[]).await;
    let url = format!("https://{}", serving.address);
    let asked = site.installation.run(&["healthcheck", "--address", &url, "--ca-file", "ca.pem"]);
    assert!(asked.status == Some(1) && asked.stderr.contains("does not speak TLS"), "{}", asked.stderr);
    serving.stop().await;
}

/// A service that requires client certificates of the CA `clients`, and of `constrained`, which may sign only for
/// names below example.com.
pub(super) struct Closed {
    pub(super) site: Site,
    clients: Authority,
    constrained: Authority,
}

impl Closed {
    pub(super) fn new() -> Self {
        let constrained = Authority::with("constrained", |params| {
            let permitted_subtrees = vec![GeneralSubtree::DnsName("example.com".to_owned())];
            params.name_constraints = Some(NameConstraints { permitted_subtrees, excluded_subtrees: Vec::new() });
        });
        let closed = Self { site: Site::new(), clients: Authority::new("clients"), constrained };
        fs::write(closed.site.path("clients.pem"), closed.clients.pem() + &closed.constrained.pem()).unwrap();
        closed.revoke(&[7]);
        closed
    }

    pub(super) fn revoke(&self, serials: &[u64]) {
        let lists = self.clients.revocations(serials) + &self.constrained.revocations(&[]);
        fs::write(self.site.path("crl.pem"), lists).unwrap();
    }

    pub(super) async fn serve(&self, arguments: &[&str]) -> Serving {
        let files = "serve --server-listen 127.0.0.1:0 --tls-certificate-file server.pem --tls-key-file server.key \
                         --tls-client-ca-file clients.pem --tls-client-crl-file crl.pem";
        let arguments = [&files.split_whitespace().collect::<Vec<_>>()[..], arguments].concat();
        let command = self.site.installation.command(&arguments);
        let mut serving = Serving::begin(command, &self.site.path(""));
        serving.listening().await.unwrap();
        serving
    }

    /// A client with that certificate.
    pub(super) fn caller(&self, serving: &Serving, leaf: &Leaf) -> Client {
        let tls = ClientTls::with_certificate(&self.site.authority.pem(), leaf);
        Client::new(serving.address).over(&tls)
    }

    /// A call with that certificate, or nothing where it is refused.
    async fn call(&self, serving: &Serving, leaf: &Leaf) -> Option<Client> {
        let client = self.caller(serving, leaf);
        client.try_send(CHECK, frame(b"")).await.map(|reply| assert_eq!(&reply.body[..], SERVING))?;
        Some(client)
    }

    /// A certificate of `clients`, whose parameters the test changes.
    pub(super) fn client(&self, change: impl FnOnce(&mut CertificateParams)) -> Leaf {
        let mut params = client_params(&["spiffe://example.org/a"]);
        change(&mut params);
        self.clients.issue(&params)
    }

    fn named(&self, name: &str) -> Leaf {
        let mut params = client_params(&[]);
        params.subject_alt_names = vec![rcgen::SanType::DnsName(name.try_into().unwrap())];
        self.constrained.issue(&params)
    }

    /// Certificates that are refused, and what is wrong with them.
    pub(super) fn bad(&self) -> Vec<(&'static str, Leaf)> {
        let client = |change: fn(&mut CertificateParams)| self.client(change);
        vec![
            ("of another CA", Authority::new("clients").client("spiffe://example.org/a")),
            ("expired", client(|params| params.not_after = date_time_ymd(2000, 1, 1))),
            ("not yet valid", client(|params| params.not_before = date_time_ymd(3000, 1, 1))),
            ("revoked", client(|params| params.serial_number = Some(7.into()))),
            ("a CA", client(|params| params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained))),
            ("a server's", client(|params| params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth])),
            ("beyond the name constraint", self.named("a.example.org")),
        ]
    }
}

#[tokio::test]
async fn an_intermediate_ca_that_is_revoked_vouches_for_no_client() {
    let closed = Closed::new();
    let [good, revoked] = [(20, "good"), (21, "revoked")].map(|(serial, name)| {
        closed.clients.intermediate(name, |params| params.serial_number = Some(rcgen::SerialNumber::from(serial)))
    });
    let lists = closed.clients.revocations(&[21]) + &good.revocations(&[]) + &revoked.revocations(&[]);
    fs::write(closed.site.path("crl.pem"), lists).unwrap();
    let serving = closed.serve(&[]).await;
    let of = |intermediate: &Authority| {
        let leaf = intermediate.client("spiffe://example.org/a");
        Leaf { certificate: leaf.certificate + &intermediate.pem(), ..leaf }
    };
    closed.call(&serving, &of(&good)).await.expect("an intermediate CA");
    assert!(closed.call(&serving, &of(&revoked)).await.is_none());
    serving.stop().await;
}

#[tokio::test]
async fn where_certificates_are_optional_a_bad_one_is_refused() {
    let closed = Closed::new();
    let serving = closed.serve(&["--tls-client-certificates", "optional"]).await;
    checked(&serving, &closed.site.authority).await.expect("without a certificate");
    closed.call(&serving, &closed.client(|_| {})).await.unwrap();
    for (what, leaf) in closed.bad() {
        assert!(closed.call(&serving, &leaf).await.is_none(), "{what}");
    }
    serving.stop().await;
}

#[tokio::test]
async fn where_there_are_cas_for_it_every_client_needs_a_certificate() {
    let closed = Closed::new();
    let serving = closed.serve(&[]).await;
    let good = closed.client(|params| params.serial_number = Some(8.into()));
    let before = closed.call(&serving, &good).await.unwrap();
    closed.call(&serving, &closed.named("a.example.com")).await.unwrap();
    for (what, leaf) in closed.bad() {
        assert!(closed.call(&serving, &leaf).await.is_none(), "{what}");
    }
    assert!(checked(&serving, &closed.site.authority).await.is_none(), "without a certificate");
    // No session can be resumed, which would skip the verification.
    write_secretly(&closed.site.path("client.key"), &good.key);
    fs::write(closed.site.path("client.pem"), &good.certificate).unwrap();
    let [certificate, key] = ["client.pem", "client.key"].map(|name| closed.site.path(name).display().to_string());
    let handshake = openssl(&serving, &["-cert", &certificate, "-key", &key, "-alpn", "h2"]);
    assert!(handshake.contains("ALPN protocol: h2") && !handshake.contains("Session Ticket arrived"), "{handshake}");

    let url = format!("https://{}", serving.address);
    let ask = |more: &[&str]| {
        closed.site.installation.run(&[&["healthcheck", "--address", &url, "--ca-file", "ca.pem"], more].concat())
    };
    assert_eq!(ask(&["--cert-file", "client.pem", "--key-file", "client.key"]).printed(), "serving\n");
    // The alert may be lost on its way through HTTP/2, and then only the closed connection is reported.
    assert_eq!(ask(&[]).status, Some(1));

    // A new list applies to new connections; a bad one and a bad CA file to none.
    closed.revoke(&[7, 8]);
    serving.signal("HUP");
    serving.logs("are in force").await;
    assert!(closed.call(&serving, &good).await.is_none(), "it is revoked now");
    assert_eq!(&before.send(CHECK, frame(b"")).await.body[..], SERVING);
    let other = closed.client(|params| params.serial_number = Some(9.into()));
    for (file, words) in
        [("crl.pem", "holds no revocation list in PEM"), ("clients.pem", "holds no certificate in PEM")]
    {
        fs::write(closed.site.path(file), "nothing").unwrap();
        serving.signal("HUP");
        serving.logs(words).await;
        closed.call(&serving, &other).await.expect(words);
    }
    serving.stop().await;
}

#[tokio::test]
async fn an_administrator_on_the_machine_trusts_the_certificate_of_the_configuration_alone() {
    let site = Site::new();
    let token = site.installation.bootstrap();
    let serving = site.serve(&[]).await;
    let file = site.path("credentiald.toml");
    let listen = serving.address;
    let text = format!(
        "[server]\nlisten = \"{listen}\"\n[tls]\ncertificate_file = \"server.pem\"\nkey_file = \"server.key\"\n"
    );
    fs::write(&file, text).unwrap();
    let list = || {
        let mut command = site.installation.command(&["admin", "list-tenants", "--config", "credentiald.toml"]);
        command.env("CREDENTIALD_TOKEN", &token);
        outcome(command)
    };
    list().printed();
    // The same name, by the same CA, but another certificate: who answers there is another program.
    site.put(&site.authority.server(LOOPBACK));
    let refused = list();
    assert_eq!(refused.status, Some(1), "{}", refused.stderr);
    assert!(refused.stderr.contains("another certificate"), "{}", refused.stderr);
    serving.stop().await;
}
