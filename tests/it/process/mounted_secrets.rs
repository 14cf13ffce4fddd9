//! Secrets as systemd and Kubernetes hand them over.

use std::collections::BTreeSet;
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

use credentiald::config::SETTINGS as SETTINGS_OF_ALL;

use super::installation::{Installation, outcome, with_mounts, write_secretly};
use super::serving::Serving;
use crate::support::Client;
use crate::support::certificates::{Authority, ClientTls};
use crate::support::client::frame;
use crate::support::jwt::issuers;

const CHECK: &str = "/grpc.health.v1.Health/Check";
/// The first test of RFC 8032, section 7.1.
const SIGNING: &str = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n-----END PRIVATE KEY-----\n";
/// Every setting of a secret, with the name of its file.
const SETTINGS: [(&str, &str); 5] = [
    ("CREDENTIALD_STORE_URL_FILE", "store-url"),
    ("CREDENTIALD_PEPPER_KEYS_FILE", "pepper"),
    ("CREDENTIALD_TLS_CERTIFICATE_FILE", "tls.crt"),
    ("CREDENTIALD_TLS_KEY_FILE", "tls.key"),
    ("CREDENTIALD_AUDIT_SIGNING_KEY_FILE", "audit.key"),
];

/// An installation that gets its secrets from a folder.
struct Mounted {
    installation: Installation,
    authority: Authority,
}

impl Mounted {
    fn new() -> Self {
        Self { installation: Installation::new(), authority: Authority::new("CA") }
    }

    /// Writes every secret into a folder, with a mode.
    fn write(&self, folder: &Path, mode: u32) {
        fs::create_dir_all(folder).unwrap();
        let leaf = self.authority.server(&["127.0.0.1"]);
        let pepper = self.installation.run(&["pepper", "new-key", "--id", "a"]).printed();
        for ((_, name), text) in SETTINGS.iter().zip([
            &format!("sqlite:{}\n", self.installation.path("store.db").display()),
            &pepper,
            &leaf.certificate,
            &leaf.key,
            SIGNING,
        ]) {
            fs::write(folder.join(name), text).unwrap();
            fs::set_permissions(folder.join(name), Permissions::from_mode(mode)).unwrap();
        }
    }

    /// The command with the settings in its environment, as a unit or a pod sets them.
    fn command(&self, arguments: &[&str], folder: &Path) -> Command {
        let mut command = self.installation.command(arguments);
        command.envs(SETTINGS.map(|(variable, name)| (variable, folder.join(name))));
        command
    }

    async fn serve(&self, folder: &Path) -> Serving {
        let command = self.command(&["serve", "--server-listen", "127.0.0.1:0"], folder);
        Serving::start(command, &self.installation.path("")).await
    }

    async fn answers(&self, serving: &Serving) -> bool {
        let client = Client::new(serving.address).over(&ClientTls::trusting(&self.authority.pem()));
        client.try_send(CHECK, frame(b"")).await.is_some()
    }
}

#[tokio::test]
async fn credentials_of_systemd_work_as_they_come() {
    let mounted = Mounted::new();
    let folder = mounted.installation.path("credentials");
    mounted.write(&folder, 0o400);
    fs::set_permissions(&folder, Permissions::from_mode(0o500)).unwrap();
    let mut command = mounted.command(&["serve", "--server-listen", "127.0.0.1:0"], &folder);
    command.env("CREDENTIALS_DIRECTORY", &folder);
    let serving = Serving::start(command, &mounted.installation.path("")).await;
    assert!(mounted.answers(&serving).await);
    serving.stop().await;
}

/// Kubernetes writes a new folder, and then replaces the symbolic link through which all files are read.
#[tokio::test]
async fn a_secret_volume_that_is_renewed_is_followed() {
    let mut mounted = Mounted::new();
    let volume = mounted.installation.path("volume");
    mounted.write(&volume.join("..first"), 0o440);
    symlink("..first", volume.join("..data")).unwrap();
    for (_, name) in SETTINGS {
        symlink(Path::new("..data").join(name), volume.join(name)).unwrap();
    }
    let serving = mounted.serve(&volume).await;
    assert!(mounted.answers(&serving).await);
    mounted.authority = Authority::new("another CA");
    mounted.write(&volume.join("..second"), 0o440);
    symlink("..second", volume.join("..new")).unwrap();
    fs::rename(volume.join("..new"), volume.join("..data")).unwrap();
    serving.logs("the new TLS files are in force").await;
    assert!(mounted.answers(&serving).await);
    serving.stop().await;
}

/// Commands that fill the folder `$v` as Kubernetes does, with modes as they come.
const FILLED: &str = "mkdir $v/..first; cp -p source/* $v/..first; ln -s ..first $v/..data
    for file in source/*; do ln -s ..data/${file#*/} $v/; done
";
const READ_ONLY: &str = "mount -o remount,bind,ro $v\n";

#[test]
fn a_secret_volume_is_taken_as_it_comes_and_nothing_else_that_all_users_can_read() {
    let mounted = Mounted::new();
    mounted.write(&mounted.installation.path("source"), 0o644);
    let checked = |volume: &str, script: &[&str]| {
        let check = mounted.command(&["config", "check"], &mounted.installation.path(volume));
        let mut command = with_mounts(&format!("v={volume}; mkdir -p $v\n{}", script.concat()), &check);
        command.envs(check.get_envs().filter_map(|(name, value)| Some((name, value?))));
        outcome(command)
    };
    let memory = "mount -t tmpfs -o mode=0755 none $v\n";
    let as_it_comes = checked("volume", &[memory, FILLED, READ_ONLY]);
    assert_eq!(as_it_comes.status, Some(0), "{as_it_comes:?}");
    let larger = "mount -t tmpfs -o mode=0755 none memory; mkdir $v\n";
    for (why, volume, script) in [
        ("it can be written", "volume", &[memory, FILLED][..]),
        ("another file system", "volume", &["mount -t ramfs none $v; chmod 755 $v\n", FILLED, READ_ONLY]),
        ("no link ..data", "volume", &[memory, "cp -p source/* $v\n", READ_ONLY]),
        ("all users can write it", "volume", &[memory, FILLED, "chmod o+w $v/..first/*\n", READ_ONLY]),
        ("a part of a file system", "memory/volume", &[larger, FILLED, "mount --bind $v $v\n", READ_ONLY]),
    ] {
        let refused = checked(volume, script);
        assert!(refused.status == Some(78) && refused.stderr.contains("chmod o="), "{why}: {refused:?}");
    }
}

/// Every setting that names a file, except those whose files hold no secret.
const PUBLIC: [&str; 10] = [
    "tls.certificate_file",
    "tls.client_ca_file",
    "tls.client_callers_file",
    "tls.client_crl_file",
    "jwt.issuers_file",
    "hook.ca_file",
    "traces.ca_file",
    "policy.refused_passwords_file",
    "policies.directory",
    "policies.candidate_directory",
];

#[test]
fn each_file_that_holds_a_secret_is_refused_while_all_users_can_read_it() {
    let mounted = Mounted::new();
    let installation = &mounted.installation;
    mounted.write(&installation.path(""), 0o600);
    let put = |name: &str, text: &str| write_secretly(&installation.path(name), text);
    put("database.url", "postgres://u:hunter2@h/d");
    put("settings.toml", "[pepper]\nkeys = \"\"\n[store]\nurl = \"postgres://u:hunter2@h/d\"\n");
    put("jwks.token", "secret");
    put("access.token", "secret");
    put("hook.token", "secret");
    put("traces.headers", "authorization: Bearer secret");
    put("import.keys", "mail flask-security SECURITY_PASSWORD_SALT=secret\n");
    let jwks = "jwks_url = \"https://127.0.0.1:1/\"\njwks_token_file = \"jwks.token\"";
    fs::write(installation.path("issuers.toml"), issuers(jwks)).unwrap();
    let url = "--store-url=postgres://u@h/d?sslmode=verify-full&sslcert=tls.crt&sslkey=tls.key";
    let tls = "--tls-certificate-file=tls.crt";
    let client = ["--ca-file=tls.crt", "--cert-file=tls.crt", "--key-file=tls.key"];
    let of_client = [&["admin", "list-tenants", "--address=https://127.0.0.1:1"], &client[..]].concat();
    let with_token = ["admin", "list-tenants", "--address=http://127.0.0.1:1", "--token-file=access.token"];
    let check = |flags: &[&'static str]| [&["config", "check"], flags].concat();
    let table = [
        ("store.url_file", "database.url", check(&["--store-url-file=database.url"])),
        ("pepper.keys_file", "pepper", check(&["--pepper-keys-file=pepper"])),
        ("import.keys_file", "import.keys", check(&["--import-keys-file=import.keys"])),
        ("tls.key_file", "tls.key", check(&[tls, "--tls-key-file=tls.key"])),
        ("audit.signing_key_file", "audit.key", check(&["--audit-signing-key-file=audit.key"])),
        ("sslkey in the URL of the store", "tls.key", check(&[url])),
        ("sslkey for a command", "tls.key", vec!["migrate", url]),
        ("jwks_token_file in the file of issuers", "jwks.token", check(&["--jwt-issuers-file=issuers.toml"])),
        ("jwks_token_file at the start", "jwks.token", vec!["serve", "--jwt-issuers-file=issuers.toml"]),
        ("hook.token_file", "hook.token", check(&["--hook-url=http://127.0.0.1:1/", "--hook-token-file=hook.token"])),
        (
            "traces.headers_file",
            "traces.headers",
            check(&["--traces-endpoint=http://127.0.0.1:1/", "--traces-headers-file=traces.headers"]),
        ),
        ("the configuration", "settings.toml", check(&["--config=settings.toml"])),
        ("--token-file", "access.token", with_token.to_vec()),
        ("--key-file", "tls.key", of_client),
    ];
    for (what, file, command) in &table {
        let set_mode = |mode| fs::set_permissions(installation.path(file), Permissions::from_mode(mode)).unwrap();
        set_mode(0o644);
        let open = installation.run(command);
        let words = format!("{file} is accessible to all users");
        assert!(open.status != Some(0) && open.stderr.contains(&words), "{what}: {open:?}");
        assert!(!open.stderr.contains("hunter2"), "{what}: {open:?}");
        set_mode(0o640);
        if command[0] != "serve" {
            let closed = installation.run(command);
            assert!(!closed.stderr.contains("accessible to all users"), "{what}: {closed:?}");
            assert!(command[0] != "config" || closed.status == Some(0), "{what}: {closed:?}");
        }
    }
    // A new setting that names a file is in one of the two lists.
    let of_files = SETTINGS_OF_ALL.iter().map(|setting| setting.key);
    let of_files: BTreeSet<_> = of_files.filter(|key| key.ends_with("_file") || key.ends_with("directory")).collect();
    let in_table = table.iter().map(|(what, ..)| *what).filter(|what| what.contains('.') && !what.contains(' '));
    assert_eq!(of_files, in_table.chain(PUBLIC).collect());
}
