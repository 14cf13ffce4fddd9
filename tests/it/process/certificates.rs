//! Client certificates as callers.

use std::fs;

use rcgen::{CustomExtension, SanType};
use serde_json::json;

use super::forwarded::escaped;
use super::installation::{outcome, write_secretly};
use super::serving::Serving;
use super::tenant::{change, token, verification};
use super::tls::{Closed, openssl};
use crate::support::Client;
use crate::support::certificates::{Authority, ClientTls, Leaf};

pub(super) const RULES: &str = "# callers of the tests
spiffe://example.org/ops operator ops
spiffe://example.org/root root acme
spiffe://example.org/relay service acme relay
spiffe://example.org/alice ram-user acme alice
spiffe://example.org/bob iam-user acme bob
spiffe://example.org/nobody ram-user acme nobody
spiffe://example.org/absent root absent
spiffe://example.org/edge proxy ssl-client-cert
spiffe://example.org/mesh proxy x-forwarded-client-cert
";
pub(super) const OLD: &str = "Old-Harbour-12";
const NEW: &str = "New-Harbour-34";

/// A service that takes client certificates, with rules for them.
pub(super) struct Ruled {
    pub(super) closed: Closed,
    pub(super) serving: Serving,
}

impl Ruled {
    pub(super) async fn start(arguments: &[&str]) -> Self {
        Self::by(Closed::new(), RULES, arguments).await
    }

    async fn by(closed: Closed, rules: &str, arguments: &[&str]) -> Self {
        fs::write(closed.site.path("callers"), rules).unwrap();
        let rules = ["--tls-client-callers-file", "callers", "--watch-heartbeat-seconds", "1"];
        let serving = closed.serve(&[&rules[..], arguments].concat()).await;
        Self { closed, serving }
    }

    /// A client whose certificate has these URIs, on a connection of its own.
    pub(super) fn with(&self, uris: &[&str]) -> Client {
        self.closed.caller(&self.serving, &self.leaf(uris, 100))
    }

    pub(super) fn caller(&self, name: &str) -> Client {
        self.with(&[&format!("spiffe://example.org/{name}")])
    }

    pub(super) fn leaf(&self, uris: &[&str], serial: u64) -> Leaf {
        self.closed.client(|params| {
            params.subject_alt_names = uris.iter().map(|uri| SanType::URI((*uri).try_into().unwrap())).collect();
            params.serial_number = Some(serial.into());
        })
    }

    /// The operator `ops`, and a tenant `acme` with its users.
    pub(super) async fn acme(&self) -> Client {
        let ops = self.caller("ops");
        ops.ok("CreateTenant", json!({ "tenant": "acme" })).await;
        let root = self.caller("root");
        root.ok("CreateRamUser", json!({ "user_name": "alice", "password": OLD })).await;
        root.ok("CreateIamUser", json!({ "user_id": "bob", "password": OLD })).await;
        ops
    }

    /// Replaces the rules, and waits until the service has taken that many new sets.
    pub(super) async fn reload(&self, rules: &str, sets: usize) {
        fs::write(self.closed.site.path("callers"), rules).unwrap();
        self.serving.signal("HUP");
        self.serving.logs_times("TLS files are in force", sets).await;
    }
}

#[tokio::test]
async fn a_certificate_calls_as_the_caller_that_its_rule_names() {
    let ruled = Ruled::start(&[]).await;
    ruled.acme().await;
    let relay = ruled.caller("relay");
    let verified = async |name: &str, password: &str| {
        relay.ok("VerifyPassword", verification(name, password)).await["result"].as_str().unwrap().to_owned()
    };
    ruled.caller("alice").ok("ChangePassword", change(OLD, NEW)).await;
    assert_eq!(verified("alice", NEW).await, "MATCHED_CURRENT");
    ruled.caller("bob").ok("ChangePasswordV5", change(OLD, NEW)).await;
    // The permissions and the kinds of callers are the same as with a token.
    ruled.caller("alice").err("ListRamUsers", json!({}), "ACCESS_DENIED").await;
    ruled.caller("root").err("ChangePassword", change(OLD, NEW), "CALLER_NOT_ELIGIBLE").await;
    ruled.caller("root").err("CreateTenant", json!({ "tenant": "other" }), "ACCESS_DENIED").await;
    // A tenant that is created again under the name is another one: its users are not those of the first.
    let alice = ruled.caller("alice");
    alice.err("ChangePassword", change(OLD, NEW), "OLD_PASSWORD_INCORRECT").await;
    ruled.caller("root").ok("DeleteRamUser", json!({ "user_name": "alice" })).await;
    alice.err("ChangePassword", change(NEW, OLD), "UNAUTHENTICATED").await;
    ruled.serving.stop().await;
}

#[tokio::test]
async fn a_certificate_that_names_no_caller_needs_a_token() {
    let ruled = Ruled::start(&[]).await;
    let ops = ruled.acme().await;
    let relay = json!({ "tenant": "acme", "caller_kind": "CALLER_KIND_SERVICE", "caller_name": "relay" });
    let relay = token(&ops, relay).await;
    for uris in [
        &[][..],
        &["spiffe://example.org/relay", "spiffe://example.org/other"],
        &["spiffe://example.org/relay", "spiffe://example.org/relay"],
        &["spiffe://example.org/relay", "https://example.org/relay"],
        &["spiffe://example.org/other"],
        &["spiffe://example.org/relay/a"],
        &["spiffe://example.org/Relay"],
        &["spiffe://example.net/relay"],
        &["https://example.org/relay"],
    ] {
        let client = ruled.with(uris);
        client.err("VerifyPassword", verification("alice", OLD), "UNAUTHENTICATED").await;
        client.with_token(&relay).ok("VerifyPassword", verification("alice", OLD)).await;
    }
    // A URI that is not text, beside a good one.
    let id = b"spiffe://example.org/relay";
    let names = [&[0x86, 26][..], id, &[0x86, 1, 0xFF]].concat();
    let names = [&[0x30, u8::try_from(names.len()).unwrap()][..], &names].concat();
    let leaf = ruled.closed.client(|params| {
        params.subject_alt_names.clear();
        params.custom_extensions = vec![CustomExtension::from_oid_content(&[2, 5, 29, 17], names)];
    });
    let client = ruled.closed.caller(&ruled.serving, &leaf);
    client.err("VerifyPassword", verification("alice", OLD), "UNAUTHENTICATED").await;
    // Callers of rules that do not exist.
    for name in ["nobody", "absent"] {
        ruled.caller(name).err("ListRamUsers", json!({}), "UNAUTHENTICATED").await;
    }
    ruled.serving.stop().await;
}

#[tokio::test]
async fn a_token_and_a_certificate_are_of_the_same_caller() {
    let ruled = Ruled::start(&["--tls-client-certificates", "optional"]).await;
    let ops = ruled.acme().await;
    let mut relay = json!({ "tenant": "acme", "caller_kind": "CALLER_KIND_SERVICE", "caller_name": "relay" });
    let tokens = [token(&ops, relay.clone()).await, {
        relay["caller_name"] = json!("other");
        token(&ops, relay).await
    }];
    let asked = || verification("alice", OLD);
    ruled.caller("relay").with_token(&tokens[0]).ok("VerifyPassword", asked()).await;
    ruled.caller("relay").with_token(&tokens[1]).err("VerifyPassword", asked(), "UNAUTHENTICATED").await;
    ruled.caller("ops").with_token(&tokens[0]).err("VerifyPassword", asked(), "UNAUTHENTICATED").await;
    // A bad header is not ignored.
    for header in ["Basic cmVsYXk6eA==", "Bearer", "", "Bearer cdt_0"] {
        let caller = ruled.caller("relay").with_header("authorization", header);
        caller.err("VerifyPassword", asked(), "UNAUTHENTICATED").await;
    }
    // Without a certificate, the token is enough and needed.
    let tls = ClientTls::trusting(&ruled.closed.site.authority.pem());
    let client = Client::new(ruled.serving.address).over(&tls);
    client.err("VerifyPassword", asked(), "UNAUTHENTICATED").await;
    client.with_token(&tokens[1]).ok("VerifyPassword", asked()).await;
    ruled.serving.stop().await;
}

#[tokio::test]
async fn a_removed_rule_and_a_revocation_end_calls_and_watches() {
    let ruled = Ruled::start(&[]).await;
    ruled.acme().await;
    let relay = ruled.closed.caller(&ruled.serving, &ruled.leaf(&["spiffe://example.org/relay"], 8));
    let asked = || verification("alice", OLD);
    let watch = relay.watch(json!({})).await;
    let other_watch = ruled.caller("root").watch(json!({})).await;

    let without = RULES.replace("spiffe://example.org/relay service acme relay\n", "");
    ruled.reload(&without, 1).await;
    assert_eq!(watch.end().await.reason(), "UNAUTHENTICATED");
    relay.err("VerifyPassword", asked(), "UNAUTHENTICATED").await;
    // A bad set does not replace that one.
    for (rules, words) in [
        (format!("{RULES}spiffe://example.net/a root acme\n"), "line 11 has another trust domain"),
        (format!("{RULES}spiffe://example.org/relay root acme"), "line 11 has the same id"),
        (RULES.replace("service acme", "service"), "line 4 must name a caller"),
    ] {
        fs::write(ruled.closed.site.path("callers"), rules).unwrap();
        ruled.serving.signal("HUP");
        let words = format!("tls.client_callers_file: {words}");
        ruled.serving.logs(&words).await;
        relay.err("VerifyPassword", asked(), "UNAUTHENTICATED").await;
    }
    // The rule is there again, and then it names another caller.
    ruled.reload(RULES, 2).await;
    relay.ok("VerifyPassword", asked()).await;
    ruled.reload(&RULES.replace("acme relay", "acme second"), 3).await;
    relay.err("VerifyPassword", asked(), "UNAUTHENTICATED").await;
    ruled.reload(RULES, 4).await;
    let watch = relay.watch(json!({})).await;
    ruled.closed.revoke(&[7, 8]);
    ruled.reload(RULES, 5).await;
    assert_eq!(watch.end().await.reason(), "UNAUTHENTICATED");
    relay.err("VerifyPassword", asked(), "UNAUTHENTICATED").await;
    // Other callers are not affected.
    let mut other_watch = other_watch;
    other_watch.next().await.expect("it continues");
    ruled.caller("relay").ok("VerifyPassword", asked()).await;
    ruled.serving.stop().await;
}

#[tokio::test]
async fn each_trust_domain_is_vouched_for_by_its_own_cas() {
    let (closed, partner) = (Closed::new(), Authority::new("partner"));
    fs::write(closed.site.path("partner.pem"), partner.pem()).unwrap();
    let revocations = fs::read_to_string(closed.site.path("crl.pem")).unwrap() + &partner.revocations(&[]);
    fs::write(closed.site.path("crl.pem"), revocations).unwrap();
    let (relay, others) = ("spiffe://partner.example/relay", "spiffe://example.org/relay");
    let lines = format!("{RULES}{relay} service acme relay\nspiffe://partner.example ca partner.pem\n");
    let ruled = Ruled::by(closed, &lines, &[]).await;
    ruled.acme().await;
    let of_partner = |id: &str| ruled.closed.caller(&ruled.serving, &partner.client(id));
    let asked = || verification("alice", OLD);
    let caller = of_partner(relay);
    for caller in [&caller, &ruled.caller("relay")] {
        caller.ok("VerifyPassword", asked()).await;
    }
    let refused = [of_partner(others), of_partner("spiffe://example.net/relay"), ruled.with(&[relay])];
    for caller in refused {
        assert!(caller.try_call("VerifyPassword", asked()).await.is_none());
    }
    let edge = ruled.caller("edge");
    let forwarded = |id: &str| edge.with_header("ssl-client-cert", &escaped(&partner.client(id)));
    forwarded(relay).ok("VerifyPassword", asked()).await;
    forwarded(others).err("VerifyPassword", asked(), "UNAUTHENTICATED").await;
    // Other CAs of the trust domain.
    let watch = caller.watch(json!({})).await;
    fs::write(ruled.closed.site.path("partner.pem"), Authority::new("another").pem()).unwrap();
    ruled.reload(&lines, 1).await;
    assert_eq!(watch.end().await.reason(), "UNAUTHENTICATED");
    caller.err("VerifyPassword", asked(), "UNAUTHENTICATED").await;
    ruled.caller("relay").ok("VerifyPassword", asked()).await;
    ruled.serving.stop().await;
}

#[tokio::test]
async fn commands_and_openssl_call_with_a_certificate_alone() {
    let ruled = Ruled::start(&[]).await;
    let leaf = ruled.leaf(&["spiffe://example.org/ops"], 100);
    let installation = &ruled.closed.site.installation;
    fs::write(installation.path("ops.pem"), &leaf.certificate).unwrap();
    write_secretly(&installation.path("ops.key"), &leaf.key);
    let url = format!("https://{}", ruled.serving.address);
    let run = |arguments: &[&str]| {
        let files = ["--address", &url, "--ca-file", "ca.pem", "--cert-file", "ops.pem", "--key-file", "ops.key"];
        installation.run(&[arguments, &files].concat())
    };
    assert!(run(&["admin", "create-tenant", "--tenant", "acme"]).printed().contains("acme"));
    fs::write(installation.path("rows.csv"), "tenant,kind,name,hash\n").unwrap();
    run(&["import", "rows.csv"]).printed();
    run(&["export", "-", "--tenant", "acme"]).printed();
    let denied = run(&["admin", "list-ram-users", "--tenant", "absent"]);
    assert!(denied.status == Some(1) && denied.stderr.contains("TENANT_NOT_FOUND"), "{}", denied.stderr);
    // A token beside it, which is of another caller.
    let operator = json!({ "caller_kind": "CALLER_KIND_OPERATOR", "caller_name": "other" });
    let token = token(&ruled.caller("ops"), operator).await;
    let mut both = installation.calling(&url, &token, &["admin", "list-tenants", "--ca-file", "ca.pem"]);
    both.args(["--cert-file", "ops.pem", "--key-file", "ops.key"]);
    let both = outcome(both);
    assert!(both.status == Some(1) && both.stderr.contains("UNAUTHENTICATED"), "{}", both.stderr);

    let [certificate, key] = ["ops.pem", "ops.key"].map(|name| installation.path(name).display().to_string());
    let handshake = openssl(&ruled.serving, &["-cert", &certificate, "-key", &key, "-alpn", "h2"]);
    assert!(handshake.contains("ALPN protocol: h2"), "{handshake}");
    ruled.serving.stop().await;
}

#[test]
fn bad_rules_are_refused_at_the_start_with_every_mistake() {
    let closed = Closed::new();
    fs::write(closed.site.path("callers"), "spiffe://a/* operator ops\n\nspiffe://a/b nobody\n").unwrap();
    let check = |more: &[&str]| {
        let files = "config check --tls-certificate-file=server.pem --tls-key-file=server.key";
        closed.site.installation.run(&[&files.split(' ').collect::<Vec<_>>()[..], more].concat())
    };
    let rules = "--tls-client-callers-file=callers";
    let checked = check(&["--tls-client-ca-file=clients.pem", rules]);
    assert_eq!(checked.status, Some(78), "{}", checked.stderr);
    for words in ["2 mistakes", "--tls-client-callers-file: line 1 must begin with an id", "line 3 must name a caller"]
    {
        assert!(checked.stderr.contains(words), "{words}: {}", checked.stderr);
    }
    let both = ["--tls-client-ca-file=clients.pem", rules];
    // One that another one has signed, in both directions.
    let (above, below) = (Authority::new("above"), Authority::new("above").intermediate("below", |_| {}));
    fs::write(closed.site.path("above.pem"), above.pem()).unwrap();
    fs::write(closed.site.path("below.pem"), below.pem()).unwrap();
    for (shared, own) in [("above.pem", "below.pem"), ("below.pem", "above.pem")] {
        fs::write(closed.site.path("callers"), format!("spiffe://b ca {own}\n")).unwrap();
        let shared = format!("--tls-client-ca-file={shared}");
        let checked = check(&[&shared, rules]);
        let words =
            format!("--tls-client-callers-file: {own} holds a CA that vouches for another trust domain as well");
        assert!(checked.status == Some(78) && checked.stderr.contains(&words), "{words}: {}", checked.stderr);
    }
    // Others of the same name, which have signed themselves, are unrelated.
    fs::write(closed.site.path("same.pem"), Authority::new("above").pem()).unwrap();
    fs::write(closed.site.path("callers"), "spiffe://b ca same.pem\n").unwrap();
    check(&["--tls-client-ca-file=above.pem", rules]).printed();
    for (file, words) in [
        ("absent.pem", "absent.pem can't be read"),
        ("callers", "callers holds no certificate in PEM"),
        ("clients.pem", "clients.pem holds a CA that vouches for another trust domain as well"),
    ] {
        fs::write(closed.site.path("callers"), format!("spiffe://b ca {file}\n")).unwrap();
        let checked = check(&both);
        let words = format!("--tls-client-callers-file: {words}");
        assert!(checked.status == Some(78) && checked.stderr.contains(&words), "{words}: {}", checked.stderr);
    }
    let alone = check(&[rules]);
    assert!(alone.stderr.contains("--tls-client-callers-file: needs tls.client_ca_file"), "{}", alone.stderr);
    let optional = check(&["--tls-client-certificates=maybe"]);
    assert!(optional.stderr.contains("use `required` or `optional`"), "{}", optional.stderr);
}
