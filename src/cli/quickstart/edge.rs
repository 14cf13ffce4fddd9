//! What the demonstration has for the vendors' SDKs: access keys, the ring of keys that seals their secrets, and calls in
//! Python that succeed when they are pasted.

use std::io;
use std::net::SocketAddr;
use std::path::Path;

use serde_json::Value;
use zeroize::Zeroizing;

use super::certificates::write;
use super::demonstration::{Demonstration, Passwords, quoted};
use crate::ambient::SystemEntropy;
use crate::cli::failure::Failure;
use crate::domain::names::PepperKeyId;
use crate::hashing::new_key;

/// Where SDKs call it, unless a flag says otherwise.
pub(super) const LISTEN: &str = "127.0.0.1:8080";
/// The file of the ring, in the directory of the store.
pub(super) const RING: &str = "pepper.keys";

/// The packages of the calls.
const PACKAGES: &str =
    "alibabacloud_dm20151123 alibabacloud_ram20150501 alibabacloud_r_kvstore20150101 huaweicloudsdkiam";

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
    /// The keys, and the calls, each on one line that begins with `python3`.
    pub(super) fn text(&self, demonstration: &Demonstration) -> String {
        let calls = self.calls(demonstration).join("\n");
        let ram_user = format!("RAM user {}", demonstration.ram_user.name);
        let iam_user = format!("IAM user {}", demonstration.iam_user.name);
        let keys = [
            ("root of the tenant", &self.root),
            ("relying system", &self.service),
            (ram_user.as_str(), &self.ram_user),
            (iam_user.as_str(), &self.iam_user),
        ];
        let keys: String = keys.map(|(caller, key)| format!("  {caller:<23} {} {}\n", key.id, *key.secret)).concat();
        format!(
            "Access keys, id and secret, new with each start:\n{keys}\n\
             The vendors' SDKs for Python call it on {}. The same four calls, each instead of the one above:\n\n\
             pip install {PACKAGES}\n{calls}\n",
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
            "from alibabacloud_{package} import client, models; from alibabacloud_tea_openapi.models import Config; \
             print(client.Client(Config({})).{method}(models.{operation}Request({})).body)",
            arguments(&config),
            arguments(fields),
        ))
    }

    fn huawei(&self, of: &Demonstration, fields: &[(&str, &str)]) -> String {
        let ca = of.ca.as_ref().map(|ca| ca.display().to_string());
        let ca: Vec<_> = ca.as_deref().map(|ca| ("ssl_ca_cert", ca)).into_iter().collect();
        let scheme = if of.ca.is_some() { "https" } else { "http" };
        python(&format!(
            "from huaweicloudsdkcore.auth.credentials import GlobalCredentials; \
             from huaweicloudsdkcore.http.http_config import HttpConfig; from huaweicloudsdkiam.v5 import *; \
             print(IamClient.new_builder().with_http_config(HttpConfig({})).with_endpoint({})\
             .with_credentials(GlobalCredentials({}, {}, {})).build()\
             .change_password_v5(ChangePasswordV5Request(ChangePasswordReqBody({}))).status_code)",
            arguments(&ca),
            literal(&format!("{scheme}://{}", self.address)),
            literal(&self.iam_user.id),
            literal(&self.iam_user.secret),
            literal(&of.tenant),
            arguments(fields),
        ))
    }
}

fn python(program: &str) -> String {
    format!("python3 -c {}", quoted(program))
}

fn arguments(arguments: &[(&str, &str)]) -> String {
    arguments.iter().map(|(name, value)| format!("{name}={}", literal(value))).collect::<Vec<_>>().join(", ")
}

/// A text in Python: a string of JSON is one.
fn literal(text: &str) -> String {
    Value::from(text).to_string()
}
