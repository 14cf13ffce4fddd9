//! What the demonstration has for the vendors' SDKs: access keys, the ring of keys that seals their secrets, and calls in
//! Python that succeed when they are pasted.

use std::io;
use std::net::SocketAddr;
use std::path::Path;

use serde_json::Value;
use zeroize::Zeroizing;

use super::certificates::write;
use super::demonstration::{Demonstration, Passwords};
use crate::ambient::SystemEntropy;
use crate::cli::failure::Failure;
use crate::domain::names::PepperKeyId;
use crate::hashing::new_key;

/// Where SDKs call it, unless a flag says otherwise.
pub(super) const LISTEN: &str = "127.0.0.1:8080";
/// The file of the ring, in the directory of the store.
pub(super) const RING: &str = "pepper.keys";

/// The packages of the calls.
const PACKAGES: &str = "alibabacloud_dm20151123 alibabacloud_ram20150501 \\\n  \
                        alibabacloud_r_kvstore20150101 huaweicloudsdkiam";
/// The columns of a terminal.
const COLUMNS: usize = 80;

/// What the calls need, beside the subjects.
pub(super) struct Edge {
    /// Where the SDKs call it.
    pub(super) address: SocketAddr,
    /// The key of the tenant's root.
    pub(super) root: AccessKey,
    /// The key of the relying system. What it may do, an operator's policy says.
    pub(super) service: AccessKey,
    /// The key of the RAM user.
    pub(super) ram_user: AccessKey,
    /// The key of the IAM user.
    pub(super) iam_user: AccessKey,
}

/// An access key.
pub(super) struct AccessKey {
    /// Its id.
    pub(super) id: String,
    /// Its secret.
    pub(super) secret: Zeroizing<String>,
}

/// Makes a ring of one key, unless an earlier start made it: without that one its secrets could not be read.
pub(super) fn make_ring(path: &Path) -> Result<(), Failure> {
    let make = || -> io::Result<()> {
        let id = PepperKeyId::parse("quickstart").map_err(|problem| io::Error::other(problem.to_string()))?;
        if path.try_exists()? { Ok(()) } else { write(path, &new_key(&id, &SystemEntropy), 0o600) }
    };
    make().map_err(|error| Failure::caused("can't make the ring of pepper keys", &error))
}

impl Edge {
    /// The keys, each on two lines, and the calls. A call is a program on standard input: its secrets are no arguments, which
    /// other users of the machine could see.
    pub(super) fn text(&self, demonstration: &Demonstration) -> String {
        let calls = self.calls(demonstration).join("\n\n");
        let ram_user = format!("RAM user {}", demonstration.ram_user.name);
        let iam_user = format!("IAM user {}", demonstration.iam_user.name);
        let keys = [
            ("root of the tenant", &self.root),
            ("relying system", &self.service),
            (ram_user.as_str(), &self.ram_user),
            (iam_user.as_str(), &self.iam_user),
        ];
        let keys: String =
            keys.map(|(caller, key)| format!("  {caller:<23} {}\n    {}\n", key.id, *key.secret)).concat();
        format!(
            "Access keys, id and secret, new with each start:\n{keys}\n\
             The vendors' SDKs for Python call it on {}.\n\
             The same four calls, each in place of the one above:\n\n\
             pip install {PACKAGES}\n\n{calls}\n",
            self.address
        )
    }

    fn calls(&self, of: &Demonstration) -> [String; 4] {
        let domain = [("domain_name", of.domain_name.as_str()), ("password", of.domain_password.expose())];
        let old_and_new =
            |passwords: &'_ Passwords| [passwords.old.expose().to_owned(), passwords.new.expose().to_owned()];
        let [ram_old, ram_new] = old_and_new(&of.ram_user.passwords);
        let [iam_old, iam_new] = old_and_new(&of.iam_user.passwords);
        let [account_old, account_new] = old_and_new(&of.account);
        let ram = [("old_password", ram_old.as_str()), ("new_password", &ram_new)];
        let account = [
            ("instance_id", of.instance_id.as_str()),
            ("account_name", &of.account_name),
            ("old_account_password", &account_old),
            ("new_account_password", &account_new),
        ];
        let iam = [("old_password", iam_old.as_str()), ("new_password", &iam_new)];
        [
            self.alibaba(of, &self.root, "dm20151123", "modify_pwby_domain", "ModifyPWByDomain", &domain),
            self.alibaba(of, &self.ram_user, "ram20150501", "change_password", "ChangePassword", &ram),
            self.huawei(of, &iam),
            self.alibaba(
                of,
                &self.root,
                "r_kvstore20150101",
                "modify_account_password",
                "ModifyAccountPassword",
                &account,
            ),
        ]
    }

    fn alibaba(
        &self,
        of: &Demonstration,
        key: &AccessKey,
        package: &str,
        method: &str,
        operation: &str,
        fields: &[(&str, &str)],
    ) -> String {
        let address = self.address.to_string();
        let mut config = vec![
            ("access_key_id", key.id.as_str()),
            ("access_key_secret", &key.secret),
            ("protocol", if of.ca.is_some() { "https" } else { "http" }),
            ("endpoint", &address),
        ];
        let ca = of.ca.as_ref().map(|ca| ca.display().to_string());
        config.extend(ca.as_deref().map(|ca| ("ca", ca)));
        python(&format!(
            "from alibabacloud_{package} import client, models\n\
             from alibabacloud_tea_openapi.models import Config\n\
             client = client.Client(Config({}))\n\
             request = models.{operation}Request({})\n\
             print(client.{method}(request).body)",
            arguments(&config),
            arguments(fields),
        ))
    }

    fn huawei(&self, of: &Demonstration, fields: &[(&str, &str)]) -> String {
        let ca = of.ca.as_ref().map(|ca| ca.display().to_string());
        let ca: Vec<_> = ca.as_deref().map(|ca| ("ssl_ca_cert", ca)).into_iter().collect();
        let scheme = if of.ca.is_some() { "https" } else { "http" };
        let credentials = [("ak", self.iam_user.id.as_str()), ("sk", &self.iam_user.secret), ("domain_id", &of.tenant)];
        python(&format!(
            "from huaweicloudsdkcore.auth.credentials import GlobalCredentials\n\
             from huaweicloudsdkcore.http.http_config import HttpConfig\n\
             from huaweicloudsdkiam.v5 import *\n\
             client = IamClient.new_builder()\n\
             client = client.with_http_config(HttpConfig({}))\n\
             client = client.with_endpoint({})\n\
             client = client.with_credentials(GlobalCredentials({})).build()\n\
             body = ChangePasswordReqBody({})\n\
             request = ChangePasswordV5Request(body)\n\
             print(client.change_password_v5(request).status_code)",
            arguments(&ca),
            literal(&format!("{scheme}://{}", self.address)),
            arguments(&credentials),
            arguments(fields),
        ))
    }
}

/// A program on standard input of Python.
fn python(program: &str) -> String {
    format!("python3 - <<'END'\n{program}\nEND")
}

/// Each on a line of its own, and one that is too long for a terminal on two.
fn arguments(arguments: &[(&str, &str)]) -> String {
    let argument = |(name, value): &(&str, &str)| {
        let value = literal(value);
        let line = format!("    {name}={value},\n");
        if line.chars().count() <= COLUMNS { line } else { format!("    {name}=\n        {value},\n") }
    };
    let lines: String = arguments.iter().map(argument).collect();
    if lines.is_empty() { lines } else { format!("\n{lines}") }
}

/// A text in Python: a string of JSON is one.
fn literal(text: &str) -> String {
    Value::from(text).to_string()
}
