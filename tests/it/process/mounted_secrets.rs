//! Secrets as systemd and Kubernetes hand them over.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

use super::installation::{Installation, outcome, with_mounts};
use super::serving::Serving;
use crate::support::Client;
use crate::support::certificates::{Authority, ClientTls};
use crate::support::client::frame;

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
