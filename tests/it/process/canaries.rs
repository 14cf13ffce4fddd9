//! No password and no token appears where it does not belong: in logs, in the store, in errors, in help.

use std::collections::BTreeSet;

use http::{HeaderValue, Request};
use prost::Message;
use prost_reflect::{DynamicMessage, MethodDescriptor, Value as Field};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::installation::{Installation, outcome, write_secretly};
use super::quickstart::{Call, Demonstration};
use super::secrets::{PART_OF_A_KEY, PART_OF_A_PASSWORD, PART_OF_A_TOKEN, Secrets, Seen};
use super::serving::Serving;
use super::tenant::token;
use crate::support::Client;
use crate::support::client::{POOL, frame, method_named, path};
use crate::support::collector::Collector;
use crate::support::signer::{AccessKey, send};

const FIRST: &str = "Rk7vQz2mXw9tLp4";
const SECOND: &str = "Wy6JxDk2Pf9uTc3";
const WRONG: &str = "Uj5xNq3bYe8hVg1";
const WEAK: &str = "Kq4zVx7";
const WITH_NUL: &str = "Hf2wZk7\0Tq9vMx4";
const DECOMPOSED: &str = "Ae\u{301}Lq7vzKo\u{308}5wXu\u{308}9tBn";
const UNKNOWN_FIELD: &str = "Xn8jPv5qGz2kDw7";
const BROKEN_TEXT: &str = "Mz3hYk6wQc9xFj2";
const FROM_STDIN: &str = "Nb4tZq7yJv2gSx6";

/// A demonstration that is sent everything that can stand for a password.
struct Run {
    installation: Installation,
    /// The ring of the pepper.
    key: String,
    serving: Serving,
    /// Gets a trace of every call.
    collector: Collector,
    tokens: Vec<String>,
    calls: Vec<Call>,
    /// What the test sends.
    sent: Secrets,
    /// What the service makes.
    made: Secrets,
    seen: Seen,
}

impl Run {
    async fn start(format: &str) -> Self {
        let installation = Installation::new();
        let limits = ["--attempts-allowance", "100", "--attempts-subject-allowance", "1000"];
        let logs = ["--log-level", "trace", "--log-calls", "all", "--log-format", format];
        let key = installation.run(&["pepper", "new-key"]).printed();
        write_secretly(&installation.path("ring"), &key);
        let collector = Collector::start().await;
        let endpoint = format!("--traces-endpoint=http://{}", collector.address);
        let others = ["--pepper-keys-file=ring", "--http-listen=127.0.0.1:0", "--traces-sample-ratio=1", &endpoint];
        let serving = installation.quickstart(&[&logs[..], &limits, &others].concat()).await;
        let Demonstration { calls, tokens, .. } = Demonstration::of(&serving);
        let (mut sent, made, seen) = (Secrets::new(), Secrets::new(), Seen::default());
        let key = key.trim().to_owned();
        sent.add(key.split_once(':').unwrap().1, PART_OF_A_KEY);
        Self { installation, key, serving, collector, tokens, calls, sent, made, seen }
    }

    fn root(&self) -> &Client {
        &self.calls[0].client
    }

    fn relay(&self) -> Client {
        self.anybody().with_token(&self.tokens[2])
    }

    fn anybody(&self) -> Client {
        Client::new(self.serving.address)
    }

    /// Makes the four calls with that as the old and that as the new password.
    async fn change(&self, old: &str, new: &str) {
        for call in &self.calls {
            self.seen.call(&call.client, &call.method, with(&call.request, old, new)).await;
        }
    }

    /// Changes right passwords.
    async fn change_rightly(&mut self) {
        for call in &self.calls {
            assert_eq!(call.make().await.reason(), "OK");
            let passwords = call.request.as_object().unwrap().iter().filter(|(field, _)| field.contains("password"));
            passwords.for_each(|(_, password)| self.made.add(password.as_str().unwrap(), PART_OF_A_PASSWORD));
            let new = ["password", "new_password", "new_account_password"].map(|field| &call.request[field]);
            let right = new.into_iter().find_map(Value::as_str).unwrap();
            let reply = self.seen.call(&call.client, &call.method, with(&call.request, right, FIRST)).await;
            assert_eq!(reply.reason(), "OK", "{}", call.method);
        }
    }

    /// Sends whatever can be sent for a password, wherever there is one.
    async fn send_instead_of_a_password(&mut self, passwords: &[&str]) {
        for (number, password) in passwords.iter().enumerate() {
            self.sent.add(password, PART_OF_A_PASSWORD);
            self.change(WRONG, password).await;
            self.change(password, SECOND).await;
            for subject in [json!({ "ram_user": "alice" }), json!({ "mail_domain": "nobody.example" })] {
                let request = json!({ "subject": subject, "password": password });
                self.seen.call(&self.relay(), "VerifyPassword", request.clone()).await;
                self.seen.call(&self.relay(), "CheckPassword", request.clone()).await;
                self.seen.call(self.root(), "ResetPassword", request).await;
            }
            let request = json!({ "user_name": format!("user-{number}"), "password": password });
            self.seen.call(self.root(), "CreateRamUser", request).await;
        }
    }

    /// Calls every RPC with nothing but passwords, and with a token where none is looked for.
    async fn misplace(&self) {
        let (anybody, token) = (self.anybody(), &self.tokens[0]);
        let callers = [
            self.root().clone(),
            anybody.with_header("authorization", &format!("Basic {token}")),
            anybody.with_header("authorization", token),
            anybody.with_header("x-authorization", &format!("Bearer {token}")),
        ];
        for method in POOL.services().flat_map(|service| service.methods().collect::<Vec<_>>()) {
            let request = frame(&with_password_alone(&method, SECOND).encode_to_vec());
            for caller in &callers {
                // A watch would go on for ever.
                let timeout = if method.is_server_streaming() { "1S" } else { "1M" };
                let caller = caller.with_header("grpc-timeout", timeout);
                self.seen.reply(method.name(), caller.send(&path(&method), request.clone()).await);
            }
        }
    }

    /// Sends signed requests with whatever can be sent for a password, and with passwords where none belongs.
    async fn send_signed(&mut self, passwords: &[&str]) {
        let root = self.root().access_key("ROOT", "").await;
        let alice = self.root().access_key("RAM_USER", "alice").await;
        let bob = self.root().access_key("IAM_USER", "bob").await;
        let stranger = AccessKey { secret: SECOND.to_owned(), ..alice.clone() };
        for key in [&root, &alice, &bob] {
            self.made.add(&key.secret, PART_OF_A_TOKEN);
        }
        let mut requests = Vec::new();
        for password in passwords {
            for (old, new) in [(WRONG, password), (password, &SECOND)] {
                let own = [("OldPassword", old), ("NewPassword", new)];
                let body = json!({ "old_password": old, "new_password": new }).to_string();
                for key in [&alice, &stranger] {
                    requests.push(key.acs3("ChangePassword", "2015-05-01", &own));
                    requests.push(key.v1("ChangePassword", "2015-05-01", &own));
                }
                requests.push(bob.sdk_hmac("POST", "/v5/caller-password", &body, None));
                requests.push(alice.sdk_hmac("POST", "/v5/caller-password", &body, None));
                requests.push(bob.sdk_hmac("POST", "/v5/caller-password", &format!("{body}{body}"), None));
                requests.push(root.v1(old, new, &own));
                if HeaderValue::from_str(new).is_ok() {
                    requests.push(root.acs3("ChangePassword", new, &own));
                }
            }
            let domain = [("DomainName", *password), ("Password", *password), ("ClientToken", *password)];
            requests.push(root.acs3("ModifyPWByDomain", "2015-11-23", &domain));
            requests.push(root.acs3("SetPasswordPolicy", "2015-05-01", &[("MinimumPasswordLength", password)]));
            let form = alice.v1("ChangePassword", "2015-05-01", &[("OldPassword", password), ("NewPassword", WRONG)]);
            let body = form.uri().query().unwrap().to_owned().into();
            let form = Request::post("/").header("content-type", "application/x-www-form-urlencoded").body(body);
            requests.push(form.unwrap());
            let misplaced = ["content-type", "x-acs-date", "authorization", "user-agent", "x-acs-security-token"];
            for (name, value) in
                misplaced.iter().filter_map(|name| Some((*name, HeaderValue::from_str(password).ok()?)))
            {
                let mut request = alice.acs3("ChangePassword", "2015-05-01", &[("Action", password)]);
                request.headers_mut().insert(name, value);
                requests.push(request);
            }
        }
        // Those of one password stand for all: to look for each of many takes long.
        for request in &requests[..requests.len() / passwords.len()] {
            let authorization = request.headers().get("authorization").and_then(|value| value.to_str().ok());
            let carrier = authorization.or(request.uri().query()).unwrap_or_default();
            if let Some((_, signature)) = carrier.split_once("Signature=") {
                self.sent.add(signature, PART_OF_A_TOKEN);
            }
        }
        let address = self.serving.http_address();
        for head in [format!("GET /?OldPassword={SECOND} HTTP/1.1\r\n{WRONG}\r\n\r\n"), format!("{SECOND}\r\n\r\n")] {
            let mut connection = TcpStream::connect(address).await.unwrap();
            connection.write_all(head.as_bytes()).await.unwrap();
            let mut answer = Vec::new();
            connection.read_to_end(&mut answer).await.unwrap();
            assert!(answer.starts_with(b"HTTP/1.1 400"), "{}", String::from_utf8_lossy(&answer));
            self.seen.add("a malformed head", answer);
        }
        let mut statuses = BTreeSet::new();
        for request in requests {
            let path = request.uri().path().to_owned();
            let response = send(address, request).await;
            statuses.insert(response.status().as_u16());
            self.seen.add(&path, format!("{:?} {:?}", response.headers(), response.body()));
        }
        assert!(statuses.is_superset(&BTreeSet::from([200, 400, 404])), "{statuses:?}");
    }

    /// Watches everything that happened so far.
    async fn watch(&self) {
        let method = method_named("WatchChanges");
        let from_oldest = [0x10, 1];
        let reply = self.root().with_header("grpc-timeout", "2S").send(&path(&method), frame(&from_oldest)).await;
        assert!(reply.body.len() > 1000, "{:?}", reply.status);
        self.seen.reply(method.name(), reply);
    }

    /// Sends bytes that are no request.
    async fn send_bytes(&mut self) {
        self.sent.add(UNKNOWN_FIELD, PART_OF_A_PASSWORD);
        self.sent.add(BROKEN_TEXT, PART_OF_A_PASSWORD);
        let path = path(&method_named("ChangePassword"));
        let length = |text: &str| u8::try_from(text.len()).unwrap();
        let unknown = [&[0xfa, 0x3f, length(UNKNOWN_FIELD)], UNKNOWN_FIELD.as_bytes()].concat();
        let broken = [&[0x0a, length(BROKEN_TEXT) + 1], BROKEN_TEXT.as_bytes(), &[0xff]].concat();
        let truncated = [&[0x0a, 100], BROKEN_TEXT.as_bytes()].concat();
        let unframed = BROKEN_TEXT.as_bytes().to_vec().into();
        for body in [frame(&unknown), frame(&broken), frame(&truncated), unframed] {
            self.seen.reply("bytes", self.calls[1].client.send(&path, body).await);
        }
    }

    /// Lets the service make passwords and a token.
    async fn generate(&mut self) {
        let generated = self.relay().ok("GeneratePassword", json!({ "subject": { "ram_user": "alice" } })).await;
        self.made.add(generated["password"].as_str().unwrap(), PART_OF_A_PASSWORD);
        let reset = json!({ "subject": { "iam_user": "bob" }, "generate_password": true });
        let reset = self.root().ok("ResetPassword", reset).await;
        self.made.add(reset["generated_password"].as_str().unwrap(), PART_OF_A_PASSWORD);
        let issued = token(self.root(), json!({ "caller_kind": "CALLER_KIND_ROOT" })).await;
        self.anybody().with_token(&issued).ok("GetPasswordPolicy", json!({})).await;
        self.tokens.push(issued);
        self.tokens.iter().for_each(|token| self.made.add(token, PART_OF_A_TOKEN));
    }

    /// Runs commands that have a token and passwords, and those that show things.
    fn run_commands(&mut self, passwords: &[&str]) {
        let (address, token) = (self.serving.address.to_string(), &self.tokens[0]);
        for (number, password) in passwords.iter().enumerate() {
            self.sent.add(password, PART_OF_A_PASSWORD);
            for user in [&format!("stdin-{number}"), "a b"] {
                let create = ["create-ram-user", "--tenant", "demo", "--user-name", user, "--password-stdin"];
                self.seen.outcome("admin", &self.installation.admin(&address, token, &create, password));
            }
        }
        let shown = [
            "--help",
            "serve --help",
            "settings",
            "admin --help",
            "config show",
            "store check",
            "pepper status",
            "pepper rewrap",
        ];
        let mistaken = [self.key.clone(), format!("a{0}\nb:{0}\n{1}{1}", self.key, self.key.replace(':', " "))];
        for (arguments, ring) in shown.iter().flat_map(|arguments| mistaken.iter().map(move |ring| (arguments, ring))) {
            let mut command = self.installation.command(&arguments.split(' ').collect::<Vec<_>>());
            command.env("CREDENTIALD_TOKEN", token).env("CREDENTIALD_PEPPER_KEYS", ring);
            self.seen.outcome(arguments, &outcome(command));
        }
    }

    /// Stops the service, and looks for what was sent and made in everything that it let out.
    async fn search(self) {
        let Self { installation, serving, collector, sent, made, seen, .. } = self;
        let printed = serving.printed();
        seen.files(&installation.data());
        let log = serving.stop().await;
        seen.files(&installation.data());
        assert!(log.contains("TRACE"), "{log}");
        let calls = log.lines().filter(|line| line.contains("credentiald::calls") && line.contains("duration_ms"));
        assert!(calls.count() > 100, "{log}");
        seen.add("the log", log);
        assert!(collector.spans().len() > 300, "{}", collector.spans().len());
        for (headers, request) in collector.requests() {
            seen.add("the collector", [headers.as_bytes(), &request.encode_to_vec()].concat());
            seen.add("the collector, as text", format!("{request:?}"));
        }

        let mut hashes = Secrets::new();
        hashes.add("$argon2id$", "$argon2id$".len());
        let all = seen.all();
        assert!(all.len() > 100, "the run was short: {}", all.len());
        for (place, bytes) in all {
            // With a pepper, hashes can't be read in the store either.
            for secrets in [&sent, &made, &hashes] {
                assert_eq!(secrets.found_in(&bytes), BTreeSet::new(), "in {place}");
            }
        }
        assert_eq!(sent.found_in(printed.as_bytes()), BTreeSet::new(), "on the terminal");
        // What the demonstration prints on purpose shows that parts are found where they are.
        assert_eq!(made.found_in(printed.as_bytes()).len(), 5 + 7);
    }
}

/// The request with other passwords.
fn with(request: &Value, old: &str, new: &str) -> Value {
    let mut request = request.clone();
    for (field, value) in request.as_object_mut().unwrap() {
        match field.as_str() {
            "old_password" | "old_account_password" => *value = old.into(),
            "password" | "new_password" | "new_account_password" => *value = new.into(),
            _ => {}
        }
    }
    request
}

/// A request with that password in each field for one, and nothing else.
fn with_password_alone(method: &MethodDescriptor, password: &str) -> DynamicMessage {
    let mut request = DynamicMessage::new(method.input());
    for field in method.input().fields() {
        let option = field.options().get_field_by_name("debug_redact").and_then(|option| option.as_bool());
        if option == Some(true) {
            request.set_field(&field, Field::String(password.to_owned()));
        }
    }
    request
}

async fn let_nothing_out(format: &str) {
    let long = "Zq8kWv3nXj6tBp1mRy5c".repeat(55);
    let mut run = Run::start(format).await;
    run.change_rightly().await;
    run.send_instead_of_a_password(&[FIRST, SECOND, WRONG, WEAK, WITH_NUL, DECOMPOSED, &long]).await;
    run.misplace().await;
    run.send_signed(&[FIRST, SECOND, WRONG, WEAK, WITH_NUL, DECOMPOSED, &long]).await;
    run.send_bytes().await;
    run.generate().await;
    run.watch().await;
    run.run_commands(&[FROM_STDIN, WEAK, WITH_NUL, &long]);
    run.search().await;
}

#[tokio::test]
async fn no_secret_leaves_a_run_that_logs_everything_as_text() {
    let_nothing_out("text").await;
}

#[tokio::test]
async fn no_secret_leaves_a_run_that_logs_everything_as_json() {
    let_nothing_out("json").await;
}
