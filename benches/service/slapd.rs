//! OpenLDAP: Debian's slapd in a scratch folder, with ppolicy and argon2 at the same cost.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use argon2::{Algorithm, Argon2, Params, Version};
use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use credentiald::hashing::Cost;
use ldap3::exop::PasswordModify;
use ldap3::{Ldap, LdapConnAsync};
use tempfile::TempDir;

use crate::load::{Caller, Outcome};
use crate::process::{Process, free_address};

const PROGRAM: &str = "/usr/sbin/slapd";
const SUFFIX: &str = "dc=example,dc=com";
const FIRST_PASSWORD: &str = "Long-enough-1";
const SALT: &[u8; 16] = b"0123456789abcdef";

/// A server that runs, with some users.
pub struct Slapd {
    pub process: Process,
    url: String,
    users: usize,
    _folder: TempDir,
}

impl Slapd {
    /// Installs slapd where it is missing, without a directory and a daemon of its own.
    pub fn install() -> Result<(), String> {
        if Path::new(PROGRAM).exists() {
            return Ok(());
        }
        let script = "source tests/setup.sh
            echo 'slapd slapd/no_configuration boolean true' | debconf-set-selections
            need_packages slapd";
        let status = Command::new("bash").args(["-euc", script]).current_dir(env!("CARGO_MANIFEST_DIR")).status();
        match status {
            Ok(status) if status.success() && Path::new(PROGRAM).exists() => Ok(()),
            _ => Err("slapd is not there and can't be installed".to_owned()),
        }
    }

    /// Its version, as it says itself.
    pub fn version() -> Option<String> {
        let output = Command::new(PROGRAM).arg("-VV").output().ok()?;
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        text.split_whitespace().skip_while(|word| *word != "slapd").nth(1).map(str::to_owned)
    }

    /// Starts one on a directory with so many users.
    pub async fn start(cost: Cost, users: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let (configuration, entries) = (path("slapd.conf"), path("entries.ldif"));
        fs::create_dir(path("data")).unwrap();
        fs::write(&configuration, self::configuration(cost, folder.path())).unwrap();
        fs::write(&entries, self::entries(cost, users)).unwrap();
        let mut add = Command::new("/usr/sbin/slapadd");
        let output = add.arg("-q").arg("-f").arg(&configuration).arg("-l").arg(&entries).output().unwrap();
        assert!(output.status.success(), "slapadd: {}", String::from_utf8_lossy(&output.stderr));

        let url = format!("ldap://{}", free_address());
        let mut command = Command::new(PROGRAM);
        // In the foreground, so that it ends with the benchmark.
        command.args(["-d", "0", "-h", &format!("{url}/"), "-f"]).arg(&configuration);
        let process = Process::start(&command, &path("log"));
        let slapd = Self { process, url, users, _folder: folder };
        slapd.until_ready().await;
        slapd
    }

    /// So many users from that one on, each bound to a connection of its own. Nobody must have had them before: their
    /// passwords are still the first.
    pub async fn changers(&self, first: usize, count: usize) -> Vec<Modify> {
        assert!(first + count <= self.users);
        let mut changers = Vec::new();
        for number in first..first + count {
            let mut ldap = connect(&self.url).await.unwrap();
            let name = format!("uid=user-{number},{SUFFIX}");
            ldap.simple_bind(&name, FIRST_PASSWORD).await.unwrap().success().unwrap();
            changers.push(Modify { ldap, name, changes: 1 });
        }
        changers
    }

    async fn until_ready(&self) {
        let start = Instant::now();
        while connect(&self.url).await.is_err() {
            assert!(start.elapsed() < Duration::from_secs(30), "slapd does not start");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

async fn connect(url: &str) -> ldap3::result::Result<Ldap> {
    let (connection, ldap) = LdapConnAsync::new(url).await?;
    tokio::spawn(connection.drive());
    Ok(ldap)
}

/// Everything that is not named is as Debian and OpenLDAP have it, above all durability. Logging is off, in its favour.
fn configuration(cost: Cost, folder: &Path) -> String {
    let (m, t, p) = (cost.memory_kib(), cost.iterations(), cost.parallelism());
    let folder = folder.display();
    format!(
        "include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
modulepath /usr/lib/ldap
moduleload back_mdb
moduleload ppolicy
moduleload argon2 m={m} t={t} p={p}
pidfile {folder}/pid
argsfile {folder}/arguments
loglevel 0
password-hash {{ARGON2}}
database mdb
suffix {SUFFIX}
directory {folder}/data
maxsize 1073741824
index objectClass eq
overlay ppolicy
ppolicy_default cn=policy,{SUFFIX}
access to attrs=userPassword by self write by anonymous auth by * none
access to * by users read
"
    )
}

fn entries(cost: Cost, users: usize) -> String {
    let mut entries = format!(
        "dn: {SUFFIX}\nobjectClass: domain\ndc: example\n\n\
         dn: cn=policy,{SUFFIX}\nobjectClass: device\nobjectClass: pwdPolicy\ncn: policy\n\
         pwdAttribute: userPassword\npwdSafeModify: TRUE\npwdLockout: TRUE\npwdMaxFailure: 5\n\n"
    );
    let hash = hash(cost);
    for number in 0..users {
        write!(
            entries,
            "dn: uid=user-{number},{SUFFIX}\nobjectClass: account\nobjectClass: simpleSecurityObject\n\
             uid: user-{number}\nuserPassword: {{ARGON2}}{hash}\n\n"
        )
        .unwrap();
    }
    entries
}

/// The first password's.
fn hash(cost: Cost) -> String {
    let (m, t, p) = (cost.memory_kib(), cost.iterations(), cost.parallelism());
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::new(m, t, p, Some(32)).unwrap());
    let mut tag = [0; 32];
    argon2.hash_password_into(FIRST_PASSWORD.as_bytes(), SALT, &mut tag).unwrap();
    let [salt, tag] = [&SALT[..], &tag[..]].map(|bytes| STANDARD_NO_PAD.encode(bytes));
    format!("$argon2id$v=19$m={m},t={t},p={p}${salt}${tag}")
}

/// Changes its own password again and again, with the old one (RFC 3062).
pub struct Modify {
    ldap: Ldap,
    name: String,
    changes: u64,
}

impl Caller for Modify {
    fn deadline(&self) -> Duration {
        Duration::from_secs(30)
    }

    async fn call(&mut self) -> Outcome {
        let [old, new] = [self.changes, self.changes + 1].map(|version| format!("Long-enough-{version}"));
        let request = PasswordModify { user_id: Some(&self.name), old_pass: Some(&old), new_pass: Some(&new) };
        match self.ldap.extended(request).await {
            Ok(answer) if answer.1.rc == 0 => {
                self.changes += 1;
                Outcome::Done
            }
            Ok(answer) => Outcome::Refused(format!("{} {}", answer.1.rc, answer.1.text)),
            Err(_) => Outcome::Lost,
        }
    }
}
