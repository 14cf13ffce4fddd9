//! Hashes of systems that put a key into each: imported with the key, useless without it.

use std::fs;

use serde_json::{Value, json};

use super::installation::{Installation, outcome, write_secretly};
use super::serving::Serving;
use super::tenant::token;
use crate::support::Client;

/// The example of Firebase's own tool (<https://github.com/firebase/scrypt>): a project, and a hash of `user1password`.
const PROJECT: &str = "app firebase base64_signer_key=jxspr8Ki0RYycVU8zykbdLGjFQ3McFUH0uiiTvC8pVMXAn210wjLNmdZJzxUECKbm0QsEmYUSDzZvpjeJ9WmXA== base64_salt_separator=Bw== rounds=8 mem_cost=14\n";
const SALT: &str = "42xEC+ixf3L2lw==";
const HASH: &str = "lSrfV15cpx95/sZS2W9c9Kp6i/LVgQNDNC/qzrCnh1SAyZvqmZqAjTdn3aoItz+VHjoZilo78198JAdRuid5lQ==";
const PASSWORD: &str = "user1password";

/// An installation with keys in a file, and a tenant.
struct Keyed {
    installation: Installation,
    serving: Serving,
    operator: String,
    relay: Client,
}

impl Keyed {
    async fn start(keys: &str, settings: &[&str]) -> Self {
        let installation = Installation::new();
        write_secretly(&installation.path("keys"), keys);
        let operator = installation.bootstrap();
        let serving = installation.serve(&[&["--hashing-workers", "1"], settings].concat()).await;
        let client = Client::new(serving.address).with_token(&operator);
        client.ok("CreateTenant", json!({ "tenant": "acme" })).await;
        let relay = json!({ "tenant": "acme", "caller_kind": "CALLER_KIND_SERVICE", "caller_name": "relay" });
        let relay = Client::new(serving.address).with_token(&token(&client, relay).await);
        Self { installation, serving, operator, relay }
    }

    fn import(&self, file: &str, text: &str, arguments: &[&str]) -> String {
        fs::write(self.installation.path(file), text).unwrap();
        let arguments = [&["import", file], arguments].concat();
        outcome(self.installation.calling(&self.serving.address.to_string(), &self.operator, &arguments)).stdout
    }

    async fn verify(&self, user: &str, password: &str) -> Value {
        let verify = json!({ "subject": { "iam_user": user }, "password": password });
        self.relay.ok("VerifyPassword", verify).await["result"].clone()
    }

    async fn algorithms(&self) -> String {
        let client = Client::new(self.serving.address).with_token(&self.operator);
        client.ok("DescribeHashPosture", json!({ "tenant": "acme" })).await.to_string()
    }

    async fn restart(&mut self, settings: &[&str]) {
        self.serving.signal("TERM");
        assert!(self.serving.ended().await.success());
        self.serving = self.installation.serve(&[&["--hashing-workers", "1"], settings].concat()).await;
        self.relay = self.relay.at(self.serving.address);
    }
}

fn export() -> String {
    let user =
        |id: &str| json!({ "localId": id, "email": format!("{id}@example.com"), "passwordHash": HASH, "salt": SALT });
    let disabled = json!({ "localId": "f3", "passwordHash": HASH, "salt": SALT, "disabled": true });
    json!({ "users": [user("f1"), user("f2"), disabled, { "localId": "f4" }] }).to_string()
}

const ALLOWED: [&str; 4] = ["--import-keys-file", "keys", "--import-allow", "firebase-scrypt"];
const FROM: [&str; 9] =
    ["--tenant", "acme", "--from", "firebase", "--kind", "iam-user", "--map", "name=localId", "--without-password"];

#[tokio::test]
async fn hashes_of_firebase_come_in_and_are_replaced() {
    let mut keyed = Keyed::start(PROJECT, &ALLOWED).await;
    let imported = keyed.import("users.json", &export(), &FROM);
    assert_eq!(imported, "imported 4, unchanged 0, skipped 0, refused 0, held back with them 0\n");
    let csv = format!("f5,f5@example.com,true,{HASH},{SALT},Name\n");
    let imported = keyed.import("users.csv", &csv, &FROM);
    assert_eq!(imported, "imported 1, unchanged 0, skipped 0, refused 0, held back with them 0\n");
    let algorithms = keyed.algorithms().await;
    assert!(algorithms.contains(r#""algorithm":"firebase-scrypt""#), "{algorithms}");
    for wrong in ["user2password", "user1passwordx", "user1password\0"] {
        assert_eq!(keyed.verify("f1", wrong).await, "NOT_MATCHED", "{wrong:?}");
    }
    for user in ["f1", "f2", "f5"] {
        assert_eq!(keyed.verify(user, PASSWORD).await, "MATCHED_CURRENT");
    }
    for user in ["f3", "f4"] {
        assert_eq!(keyed.verify(user, PASSWORD).await, "NOT_MATCHED");
    }
    keyed.restart(&ALLOWED).await;
    let algorithms = keyed.algorithms().await;
    assert!(!algorithms.contains("firebase"), "{algorithms}");
    let again = keyed.import("users.json", &export(), &FROM);
    assert_eq!(again, "imported 0, unchanged 4, skipped 0, refused 0, held back with them 0\n");
    assert_eq!(keyed.verify("f1", "user1passwordx").await, "NOT_MATCHED");
    // What was replaced needs no key any more.
    keyed.restart(&[]).await;
    assert_eq!(keyed.verify("f1", PASSWORD).await, "MATCHED_CURRENT");
}

const WITHOUT_KEY: &str = "stored hashes do not verify: their key is not in import.keys_file or import.keys";

#[tokio::test]
async fn a_hash_whose_key_is_gone_is_told_at_start_and_verifies_nothing() {
    let mut keyed = Keyed::start(PROJECT, &ALLOWED).await;
    keyed.import("users.json", &export(), &FROM);
    keyed.restart(&["--import-allow", "firebase-scrypt"]).await;
    keyed.serving.logs(WITHOUT_KEY).await;
    assert!(keyed.serving.log().contains("firebase-scrypt"), "{}", keyed.serving.log());
    let verify = json!({ "subject": { "iam_user": "f1" }, "password": PASSWORD });
    let refused = keyed.relay.call("VerifyPassword", verify).await;
    assert_eq!(refused.reason(), "INTERNAL");
    let shown = refused.status.to_string();
    assert!(!shown.contains("firebase") && !shown.contains("key"), "{shown}");
    keyed.serving.logs("this is firebase-scrypt, and its key is missing").await;
    let algorithms = keyed.algorithms().await;
    assert!(algorithms.contains("its key is missing"), "{algorithms}");
    let refused = keyed.import("more.json", &export().replace("\"f", "\"g"), &FROM);
    assert!(
        refused.contains(
            "row 1: hash: this is firebase-scrypt, and its key is missing: add it to `import.keys_file` or \
             `import.keys` (KEY_MISSING)"
        ),
        "{refused}"
    );
    keyed.restart(&ALLOWED).await;
    assert_eq!(keyed.verify("f1", PASSWORD).await, "MATCHED_CURRENT");
}

#[tokio::test]
async fn earlier_hashes_whose_key_is_gone_are_told_at_start() {
    let mut keyed = Keyed::start(PROJECT, &ALLOWED).await;
    let operator = Client::new(keyed.serving.address).with_token(&keyed.operator);
    let root = json!({ "tenant": "acme", "caller_kind": "CALLER_KIND_ROOT" });
    let root = Client::new(keyed.serving.address).with_token(&token(&operator, root).await);
    root.ok("SetPasswordPolicy", json!({ "password_reuse_prevention": 3 })).await;
    keyed.import(
        "users.json",
        &export(),
        &FROM.map(|argument| argument.replace("iam-user", "ram-user")).each_ref().map(String::as_str),
    );
    root.ok("ResetPassword", json!({ "subject": { "ram_user": "f1" }, "password": "mypassword-1" })).await;
    let other = PROJECT.replacen("app", "other", 1);
    write_secretly(&keyed.installation.path("other.toml"), format!("[import]\nkeys = {other:?}\n"));
    keyed.restart(&["--config", "other.toml"]).await;
    keyed.serving.logs(WITHOUT_KEY).await;
    assert!(keyed.serving.log().contains("current=1 earlier=1"), "{}", keyed.serving.log());
}

/// By Flask-Security 5.9.2 of the same password as [`PLAIN`], under the key of [`SHOP`].
const FLASK: [&str; 2] = [
    "$2b$05$q8nOniwAMcOF0q.4hCVH3uB4myW.jPdUCuuQEqaCaM8d7pEbCXCUG",
    "$argon2id$v=19$m=65536,t=3,p=4$PGds7T3nfK/Ves+Z8x7jXA$Cg3erlwoZF9R15p3Gm5k1Npy1JNndjerrfm6Ra6JuS8",
];
const SHOP: &str = "shop flask-security SECURITY_PASSWORD_SALT=146585145368132386173505678016728509634\n";
const PLAIN: &str = "Correct-Horse_7";

#[tokio::test]
async fn hashes_of_flask_security_come_in_where_that_is_said_and_are_replaced() {
    let settings = ["--import-keys-file", "keys", "--import-allow", "flask-security", "--hashing-ceiling-kib", "65536"];
    let mut keyed = Keyed::start(SHOP, &settings).await;
    let row = |(number, hash): (usize, &&str)| {
        json!({ "tenant": "acme", "kind": "iam-user", "name": format!("s{number}"), "hash": hash }).to_string()
    };
    let rows = FLASK.iter().enumerate().map(row).collect::<Vec<_>>().join("\n");
    let pre_hash = ["--pre-hash", "flask-security"];
    let imported = keyed.import("users.jsonl", &rows, &pre_hash);
    assert_eq!(imported, "imported 2, unchanged 0, skipped 0, refused 0, held back with them 0\n");
    let algorithms = keyed.algorithms().await;
    assert!(algorithms.contains("k=shop,bcrypt,cost=5") && algorithms.contains("k=shop,argon2id,v=19"), "{algorithms}");
    for user in ["s0", "s1"] {
        for wrong in ["Correct-Horse_8", "Correct-Horse_7x", "Correct-Horse_7\0"] {
            assert_eq!(keyed.verify(user, wrong).await, "NOT_MATCHED", "{wrong:?}");
        }
        assert_eq!(keyed.verify(user, PLAIN).await, "MATCHED_CURRENT");
    }
    keyed.restart(&settings).await;
    assert_eq!(keyed.import("users.jsonl", &rows, &pre_hash).split(',').nth(1), Some(" unchanged 2"));
    // What was replaced needs no key any more.
    keyed.restart(&[]).await;
    assert!(!keyed.algorithms().await.contains("flask"));
    for user in ["s0", "s1"] {
        assert_eq!(keyed.verify(user, PLAIN).await, "MATCHED_CURRENT");
    }
}

/// The hash is Synapse's, which hashes NFKC.
#[tokio::test]
async fn a_password_in_another_form_verifies_where_that_is_set() {
    const HASH: &str = "$2b$05$vho5C3vw3/.3bnF3GnHkR.DupOOSx4DjidOb19gpDOSfHBx8cfdi.";
    const WIDE: &str = "\u{fb01}le-\u{2167}-\u{ff57}\u{ff49}\u{ff44}\u{ff45}";
    let mut keyed = Keyed::start("", &[]).await;
    let row = json!({ "tenant": "acme", "kind": "iam-user", "name": "s", "hash": HASH }).to_string();
    keyed.import("users.jsonl", &row, &[]);
    assert_eq!(keyed.verify("s", WIDE).await, "NOT_MATCHED");
    keyed.restart(&["--import-forms", "nfkc"]).await;
    assert_eq!(keyed.verify("s", &format!("{WIDE}x")).await, "NOT_MATCHED");
    assert_eq!(keyed.verify("s", WIDE).await, "MATCHED_CURRENT");
    // It is now a hash of the service's own.
    keyed.restart(&[]).await;
    assert_eq!(keyed.verify("s", WIDE).await, "MATCHED_CURRENT");
    assert_eq!(keyed.verify("s", "file-VIII-wide").await, "NOT_MATCHED");
}
