//! The text of the demonstration: the tokens, and commands to paste.

use std::fmt::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use serde_json::{Value, json};

use super::edge::Edge;
use crate::domain::action::Action;
use crate::domain::password::Password;

/// The demonstration directory, and everything that its calls need.
pub(super) struct Demonstration {
    /// The address of the service.
    pub(super) address: SocketAddr,
    /// The directory of this program.
    pub(super) programs: PathBuf,
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

/// A command to paste, and what it does.
struct Step {
    words: String,
    command: String,
}

impl Demonstration {
    /// The text for the terminal.
    pub(super) fn text(&self) -> String {
        let steps = self.steps().map(|Step { words, command }| format!("{words}\n\n{command}\n\n")).concat();
        let edge = self.edge.as_ref().map(|edge| edge.text(self) + "\n").unwrap_or_default();
        format!(
            "credentiald serves on {}, with a demonstration tenant \"{}\".\n\
             Paste what follows into another terminal. Where to get grpcurl:\n\
             https://github.com/fullstorydev/grpcurl/releases\n\n{}\n\n{steps}{edge}\
             Ctrl-C stops it. A second start keeps the data and prints calls that\nsucceed again.",
            self.address,
            self.tenant,
            self.variables(),
        )
    }

    /// The same commands as a script.
    pub(super) fn script(&self) -> String {
        let comment = |words: &str| format!("# {}\n", words.replace('\n', "\n# "));
        let steps = self.steps().map(|Step { words, command }| format!("\n{}{command}\n", comment(&words))).concat();
        format!("{}\n{steps}", self.variables())
    }

    /// The variables that the commands use. Without `export` before it, a token fits on a line.
    fn variables(&self) -> String {
        let scheme = if self.ca.is_some() { "https://" } else { "" };
        let mut text = format!("export CREDENTIALD_ADDRESS={scheme}{}\n", self.address);
        if let Some(ca) = &self.ca {
            let _ = writeln!(text, "export CREDENTIALD_CA_FILE={}", quoted(&ca.display().to_string()));
        }
        let _ = writeln!(text, "export PATH=\"$PATH\":{}", quoted(&self.programs.display().to_string()));
        let tokens = [
            ("ADMIN_TOKEN", &self.operator_token),
            ("ROOT_TOKEN", &self.root_token),
            ("RELAY_TOKEN", &self.service_token),
            ("ALICE_TOKEN", &self.ram_user.token),
            ("BOB_TOKEN", &self.iam_user.token),
        ];
        let lines = tokens.map(|(name, token)| format!("\n{name}={token}")).concat();
        format!("{text}export {}{lines}", tokens.map(|(name, _)| name).join(" "))
    }

    fn steps(&self) -> [Step; 7] {
        let (ram, iam, account) = (&self.ram_user.passwords, &self.iam_user.passwords, &self.account);
        let change = |passwords: &Passwords| {
            [("old_password", json!(passwords.old.expose())), ("new_password", json!(passwords.new.expose()))]
        };
        let domain = |password: &str| [("domain_name", json!(self.domain_name)), ("password", json!(password))];
        let of_account = [
            ("instance_id", json!(self.instance_id)),
            ("account_name", json!(self.account_name)),
            ("old_account_password", json!(account.old.expose())),
            ("new_account_password", json!(account.new.expose())),
        ];
        let verification =
            [("subject", json!({ "ram_user": self.ram_user.name })), ("password", json!(ram.new.expose()))];
        let step = |words: String, command| Step { words, command };
        [
            step(
                format!(
                    "1. The root of the tenant sets the password of the mail domain\n   {}. You should see the \
                     version of the new password.",
                    self.domain_name
                ),
                self.call(Action::ModifyPwByDomain, "ROOT_TOKEN", &domain(self.domain_password.expose())),
            ),
            step(
                format!("2. The RAM user {} changes its own password. You should see its version.", self.ram_user.name),
                self.call(Action::ChangePassword, "ALICE_TOKEN", &change(ram)),
            ),
            step(
                format!("3. The IAM user {} changes its own password. You should see its version.", self.iam_user.name),
                self.call(Action::ChangePasswordV5, "BOB_TOKEN", &change(iam)),
            ),
            step(
                format!(
                    "4. The root changes the password of the account {} of {}.\n   You should see its version.",
                    self.account_name, self.instance_id
                ),
                self.call(Action::ModifyAccountPassword, "ROOT_TOKEN", &of_account),
            ),
            step(
                "5. A password that is refused. You should see every rule that it breaks, with\n   what was found."
                    .to_owned(),
                self.call(Action::ModifyPwByDomain, "ROOT_TOKEN", &domain("dm1mail")),
            ),
            step(
                format!(
                    "6. A relying system verifies the new password of {}. You should see\n   MATCHED_CURRENT.",
                    self.ram_user.name
                ),
                self.call(Action::VerifyPassword, "RELAY_TOKEN", &verification),
            ),
            step(
                "7. An operator lists the RAM users. You should see each with its version.".to_owned(),
                format!(
                    "CREDENTIALD_TOKEN=$ADMIN_TOKEN credentiald admin list-ram-users \\\n  --tenant {}",
                    self.tenant
                ),
            ),
        ]
    }

    /// A call whose token and message are no arguments, which other users of the machine could see.
    fn call(&self, action: Action, token: &str, fields: &[(&str, Value)]) -> String {
        let transport = if self.ca.is_some() { "-cacert \"$CREDENTIALD_CA_FILE\"" } else { "-plaintext" };
        let fields: Vec<_> = fields.iter().map(|(name, value)| format!("\"{name}\": {value}")).collect();
        format!(
            "grpcurl {transport} -expand-headers \\\n  -H 'authorization: Bearer ${{{token}}}' -d @ \\\n  \
             {} {}/{} <<'END'\n{{{}}}\nEND",
            self.address,
            action.service(),
            action.rpc(),
            fields.join(",\n ")
        )
    }
}

/// A quoted word of a POSIX shell: between single quotes, only `'` is special (POSIX.1-2017, XCU 2.2.2).
fn quoted(text: &str) -> String {
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
            programs: "/usr/bin".into(),
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
    fn the_text_fits_a_terminal_and_holds_every_kind_of_call() {
        let token = || format!("cdt_{}", "0".repeat(64));
        let (operator_token, root_token, service_token) = (token(), token(), token());
        let mut long = Demonstration { operator_token, root_token, service_token, ..demonstration() };
        (long.ram_user.token, long.iam_user.token) = (token(), token());
        let text = long.text();
        let rpcs = [
            "ModifyPWByDomain",
            "ChangePassword",
            "ChangePasswordV5",
            "ModifyAccountPassword",
            "ModifyPWByDomain",
            "VerifyPassword",
        ];
        let calls: Vec<_> = text.lines().filter(|line| line.ends_with("<<'END'")).collect();
        assert_eq!(calls.len(), rpcs.len(), "{text}");
        for (call, rpc) in calls.iter().zip(rpcs) {
            assert!(call.ends_with(&format!("/{rpc} <<'END'")), "{call}");
        }
        let first = "grpcurl -plaintext -expand-headers \\\n  -H 'authorization: Bearer ${ROOT_TOKEN}' -d @ \\\n  \
             127.0.0.1:50051 credential.v1.CredentialService/ModifyPWByDomain <<'END'\n\
             {\"domain_name\": \"example.com\",\n \"password\": \"DM1mail1234\"}\nEND\n";
        assert!(text.contains(first), "{text}");
        for line in text.lines() {
            assert!(line.chars().count() <= 80, "{line}");
        }
        let encrypted = Demonstration { ca: Some("/tmp/a b/ca.pem".into()), ..demonstration() }.text();
        assert!(encrypted.contains("export CREDENTIALD_CA_FILE='/tmp/a b/ca.pem'\n"), "{encrypted}");
        assert!(encrypted.contains("grpcurl -cacert \"$CREDENTIALD_CA_FILE\" "), "{encrypted}");
    }

    #[test]
    fn a_shell_understands_the_script() {
        let script = demonstration().script();
        let check = std::process::Command::new("sh").args(["-n", "-c", &script]).output().unwrap();
        assert!(check.status.success() && check.stderr.is_empty(), "{check:?}\n{script}");
        // What the shell hands to the commands.
        let echo =
            format!("grpcurl() {{ echo \"$@\"; cat; }}\ncredentiald() {{ echo \"$CREDENTIALD_TOKEN $@\"; }}\n{script}");
        let output = std::process::Command::new("sh").args(["-e", "-c", &echo]).output().unwrap();
        let printed = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success(), "{printed}");
        assert!(printed.contains("{\"old_password\": \"o'ld\\\"\\\\$`\",\n \"new_password\": \"new\"}\n"), "{printed}");
        assert!(printed.contains("operator-token admin list-ram-users --tenant demo\n"), "{printed}");
    }

    #[test]
    fn the_sdks_have_a_call_for_each_operation_too() {
        let key = |name: &str| AccessKey { id: format!("{name}-id"), secret: format!("{name}-secret").into() };
        let address = SocketAddr::from(([127, 0, 0, 1], 8080));
        let (root, service, ram_user, iam_user) = (key("root"), key("relay"), key("alice"), key("bob"));
        let edge = Edge { address, root, service, ram_user, iam_user };
        let text = Demonstration { edge: Some(edge), ..demonstration() }.text();
        let calls: Vec<_> = text.split("\npython3 - <<'END'\n").skip(1).collect();
        let calls: Vec<_> = calls.iter().map(|call| call.split_once("\nEND\n").unwrap().0).collect();
        assert_eq!(calls.len(), 4, "{text}");
        for lines in [
            "  root of the tenant      root-id\n    root-secret\n",
            "  relying system          relay-id\n    relay-secret\n",
        ] {
            assert!(text.contains(lines), "{text}");
        }
        let ram = "from alibabacloud_ram20150501 import client, models\n\
             from alibabacloud_tea_openapi.models import Config\n\
             client = client.Client(Config(\n    access_key_id=\"alice-id\",\n    access_key_secret=\"alice-secret\",\n    \
             protocol=\"http\",\n    endpoint=\"127.0.0.1:8080\",\n))\n\
             request = models.ChangePasswordRequest(\n    old_password=\"o'ld\\\"\\\\$`\",\n    new_password=\"new\",\n)\n\
             print(client.change_password(request).body)";
        assert_eq!(calls[1], ram);
        assert!(calls[2].contains("bob-secret") && calls[2].contains("http://127.0.0.1:8080"), "{}", calls[2]);
        for line in text.lines() {
            assert!(line.chars().count() <= 80, "{line}");
        }
    }

    #[test]
    fn a_shell_reads_back_what_was_quoted() {
        let words = r#"it's "quoted" \ $HOME `id` !x"#;
        let output = std::process::Command::new("sh").arg("-c").arg(format!("printf %s {}", quoted(words))).output();
        assert_eq!(String::from_utf8(output.unwrap().stdout).unwrap(), words);
    }
}
