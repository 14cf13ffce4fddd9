//! The text of the demonstration: the tokens, and four calls that succeed when they are pasted.

use std::fmt::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use serde_json::{Value, json};

use super::edge::Edge;
use crate::domain::action::{Action, CREDENTIAL_SERVICE};
use crate::domain::password::Password;

/// The demonstration directory, and everything that its calls need.
pub(super) struct Demonstration {
    /// The address of the service.
    pub(super) address: SocketAddr,
    /// The CA that signed its certificate; `None` means plaintext.
    pub(super) ca: Option<PathBuf>,
    /// What the vendors' SDKs need, if they are served.
    pub(super) edge: Option<Edge>,
    /// The tenant that owns the subjects.
    pub(super) tenant: String,
    /// The operator's token.
    pub(super) operator_token: String,
    /// The token of the tenant's root.
    pub(super) root_token: String,
    /// The token of a relying system.
    pub(super) service_token: String,
    /// The mail domain's name.
    pub(super) domain_name: String,
    /// The mail domain's next password.
    pub(super) domain_password: Arc<Password>,
    /// The RAM user.
    pub(super) ram_user: User,
    /// The IAM user.
    pub(super) iam_user: User,
    /// The instance.
    pub(super) instance_id: String,
    /// The instance account.
    pub(super) account_name: String,
    /// The account's passwords.
    pub(super) account: Passwords,
}

/// A user who changes its own password.
pub(super) struct User {
    /// Its name or id.
    pub(super) name: String,
    /// Its token.
    pub(super) token: String,
    /// Its passwords.
    pub(super) passwords: Passwords,
}

/// The current password of a subject, and the next one.
pub(super) struct Passwords {
    /// The current one.
    pub(super) old: Arc<Password>,
    /// The next one.
    pub(super) new: Arc<Password>,
}

impl Demonstration {
    /// The text for the terminal. Each call is on one line that begins with `grpcurl`.
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        let _ = self.write(&mut text);
        text
    }

    fn write(&self, text: &mut String) -> std::fmt::Result {
        let [domain, ram, iam, account] = self.calls();
        writeln!(text, "credentiald serves on {}, with a demonstration tenant \"{}\".\n", self.address, self.tenant)?;
        writeln!(text, "Tokens, new with each start:")?;
        writeln!(text, "  operator                {}", self.operator_token)?;
        writeln!(text, "  root of the tenant      {}", self.root_token)?;
        writeln!(text, "  relying system          {}", self.service_token)?;
        writeln!(text, "  RAM user {:<14} {}", self.ram_user.name, self.ram_user.token)?;
        writeln!(text, "  IAM user {:<14} {}\n", self.iam_user.name, self.iam_user.token)?;
        writeln!(text, "Four calls to paste into another terminal, each of which succeeds once:\n")?;
        writeln!(text, "The password of the mail domain {}:\n{domain}\n", self.domain_name)?;
        writeln!(text, "The password of the RAM user {}, by itself:\n{ram}\n", self.ram_user.name)?;
        writeln!(text, "The password of the IAM user {}, by itself:\n{iam}\n", self.iam_user.name)?;
        writeln!(text, "The password of the account {} of {}:\n{account}\n", self.account_name, self.instance_id)?;
        if let Some(edge) = &self.edge {
            writeln!(text, "{}", edge.text(self))?;
        }
        write!(text, "Ctrl-C stops it. A second start keeps the data and prints calls that succeed again.")
    }

    fn calls(&self) -> [String; 4] {
        let domain = json!({ "domain_name": self.domain_name, "password": self.domain_password.expose() });
        let change = |passwords: &Passwords| json!({ "old_password": passwords.old.expose(), "new_password": passwords.new.expose() });
        let account = json!({
            "instance_id": self.instance_id,
            "account_name": self.account_name,
            "old_account_password": self.account.old.expose(),
            "new_account_password": self.account.new.expose(),
        });
        [
            self.call(Action::ModifyPwByDomain, &self.root_token, &domain),
            self.call(Action::ChangePassword, &self.ram_user.token, &change(&self.ram_user.passwords)),
            self.call(Action::ChangePasswordV5, &self.iam_user.token, &change(&self.iam_user.passwords)),
            self.call(Action::ModifyAccountPassword, &self.root_token, &account),
        ]
    }

    fn call(&self, action: Action, token: &str, message: &Value) -> String {
        let header = quoted(&format!("authorization: Bearer {token}"));
        let data = quoted(&message.to_string());
        let transport = match &self.ca {
            Some(ca) => format!("-cacert {}", quoted(&ca.display().to_string())),
            None => "-plaintext".to_owned(),
        };
        format!("grpcurl {transport} -H {header} -d {data} {} {CREDENTIAL_SERVICE}/{}", self.address, action.rpc())
    }
}

/// A quoted word of a POSIX shell: between single quotes, only `'` is special (POSIX.1-2017, XCU 2.2.2).
pub(super) fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::super::edge::AccessKey;
    use super::*;

    fn password(text: &str) -> Arc<Password> {
        Arc::new(Password::parse(text.to_owned()).unwrap())
    }

    fn demonstration() -> Demonstration {
        let user = |name: &str, token: &str| User {
            name: name.to_owned(),
            token: token.to_owned(),
            passwords: Passwords { old: password("o'ld\"\\$`"), new: password("new") },
        };
        Demonstration {
            address: SocketAddr::from(([127, 0, 0, 1], 50051)),
            ca: None,
            edge: None,
            tenant: "demo".to_owned(),
            operator_token: "operator-token".to_owned(),
            root_token: "root-token".to_owned(),
            service_token: "service-token".to_owned(),
            domain_name: "example.com".to_owned(),
            domain_password: password("DM1mail1234"),
            ram_user: user("alice", "alice-token"),
            iam_user: user("bob", "bob-token"),
            instance_id: "r-demo".to_owned(),
            account_name: "app".to_owned(),
            account: Passwords { old: password("a"), new: password("b") },
        }
    }

    #[test]
    fn there_is_one_call_for_each_rpc_and_each_stands_on_one_line() {
        let text = demonstration().text();
        let calls: Vec<_> = text.lines().filter(|line| line.starts_with("grpcurl ")).collect();
        let rpcs: Vec<_> = calls.iter().filter_map(|call| call.rsplit_once('/').map(|(_, rpc)| rpc)).collect();
        assert_eq!(rpcs, ["ModifyPWByDomain", "ChangePassword", "ChangePasswordV5", "ModifyAccountPassword"]);
        let first = "grpcurl -plaintext -H 'authorization: Bearer root-token' \
             -d '{\"domain_name\":\"example.com\",\"password\":\"DM1mail1234\"}' \
             127.0.0.1:50051 credential.v1.CredentialService/ModifyPWByDomain";
        assert_eq!(calls[0], first);

        let encrypted = Demonstration { ca: Some("/tmp/a b/ca.pem".into()), ..demonstration() };
        let begin = "grpcurl -cacert '/tmp/a b/ca.pem' -H ";
        assert!(encrypted.calls().iter().all(|call| call.starts_with(begin)), "{:?}", encrypted.calls());
    }

    #[test]
    fn the_sdks_have_a_call_for_each_operation_too() {
        let key = |name: &str| AccessKey { id: format!("{name}-id"), secret: format!("{name}-secret").into() };
        let address = SocketAddr::from(([127, 0, 0, 1], 8080));
        let (root, service, ram_user, iam_user) = (key("root"), key("relay"), key("alice"), key("bob"));
        let edge = Edge { address, root, service, ram_user, iam_user };
        let text = Demonstration { edge: Some(edge), ..demonstration() }.text();
        let calls: Vec<_> = text.lines().filter(|line| line.starts_with("python3 -c ")).collect();
        assert_eq!(calls.len(), 4, "{text}");
        for line in
            ["  root of the tenant      root-id root-secret\n", "  relying system          relay-id relay-secret\n"]
        {
            assert!(text.contains(line), "{text}");
        }
        let ram = "python3 -c 'from alibabacloud_ram20150501 import client, models; \
             from alibabacloud_tea_openapi.models import Config; \
             print(client.Client(Config(access_key_id=\"alice-id\", access_key_secret=\"alice-secret\", protocol=\"http\", \
             endpoint=\"127.0.0.1:8080\")).change_password(models.ChangePasswordRequest(old_password=\"o'\\''ld\\\"\\\\$`\", \
             new_password=\"new\")).body)'";
        assert_eq!(calls[1], ram);
        assert!(calls[2].contains("bob-secret") && calls[2].contains("http://127.0.0.1:8080"), "{}", calls[2]);
    }

    #[test]
    fn a_shell_reads_back_what_was_quoted() {
        let words = r#"it's "quoted" \ $HOME `id` !x"#;
        let output = std::process::Command::new("sh").arg("-c").arg(format!("printf %s {}", quoted(words))).output();
        assert_eq!(String::from_utf8(output.unwrap().stdout).unwrap(), words);
        assert!(demonstration().calls()[1].contains(r#""old_password":"o'\''ld\"\\$`""#));
    }
}
