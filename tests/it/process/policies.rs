//! An operator's own policies: in force, at a reload, and in the commands.

use std::fs;

use serde_json::{Value, json};

use super::installation::{Installation, Outcome};
use super::metrics::{get, scraped_at};
use super::serving::{Serving, eventually};
use super::tenant::{Acme, token};
use crate::support::Client;

const PASSWORD: &str = "Old-Harbour-12";
const IN_FORCE: &str = "the new policies are in force";

/// An installation with a directory of policies.
struct Site(Installation);

impl Site {
    fn new() -> Self {
        let site = Self(Installation::new());
        fs::create_dir(site.0.path("policies")).unwrap();
        site
    }

    /// Replaces a file of policies.
    fn put(&self, name: &str, text: &str) {
        fs::write(self.0.path("policies/new"), text).unwrap();
        fs::rename(self.0.path("policies/new"), self.0.path("policies").join(name)).unwrap();
    }

    async fn serve(&self) -> (Serving, Acme) {
        self.0.acme(&["--policies-directory", "policies", "--metrics-listen", "127.0.0.1:0"]).await
    }

    /// A command with the directory.
    fn run(&self, arguments: &[&str]) -> Outcome {
        self.0.run(&[arguments, &["--policies-directory", "policies"]].concat())
    }
}

/// Waits for the line about the reload number `count`.
async fn reloaded(serving: &Serving, count: usize) {
    serving.signal("HUP");
    serving.logs_times(IN_FORCE, count).await;
}

const PERMIT: &str = r#"@id("jane") permit (principal == RamUser::"acs:ram::acme:user/jane",
    action == Action::"dm:ModifyPWByDomain", resource is MailDomain)
when { resource.resource_name like "*:domain/*.example.com" };"#;

fn change(domain: &str) -> Value {
    change_number(0, domain)
}

/// The next change of a password.
fn change_number(number: usize, domain: &str) -> Value {
    json!({ "domain_name": domain, "password": format!("Harbour-Light-4{number}") })
}

/// A RAM user as a caller, and two mail domains.
async fn jane(serving: &Serving, acme: &Acme) -> Client {
    for domain in ["mail.example.com", "example.org"] {
        acme.root.ok("CreateMailDomain", json!({ "domain_name": domain, "password": "Old-Harbour-1234" })).await;
    }
    Client::new(serving.address).with_token(&acme.ram_user("jane", PASSWORD).await)
}

#[tokio::test]
async fn a_permit_and_a_forbid_are_put_in_force_without_a_restart() {
    let site = Site::new();
    site.put("jane.cedar", PERMIT);
    let (serving, acme) = site.serve().await;
    let jane = jane(&serving, &acme).await;
    jane.ok("ModifyPWByDomain", change("mail.example.com")).await;
    jane.err("ModifyPWByDomain", change("example.org"), "ACCESS_DENIED").await;

    site.put("no.cedar", "@id(\"no\") forbid (principal is RamUser, action, resource);");
    reloaded(&serving, 1).await;
    jane.err("ModifyPWByDomain", change("mail.example.com"), "ACCESS_DENIED").await;
    jane.err("ChangePassword", super::tenant::change(PASSWORD, "New-Harbour-22"), "ACCESS_DENIED").await;

    // Without a signal, too.
    fs::remove_file(site.0.path("policies/no.cedar")).unwrap();
    serving.logs_times(IN_FORCE, 2).await;
    jane.ok("ChangePassword", super::tenant::change(PASSWORD, "New-Harbour-22")).await;
    serving.stop().await;
}

#[tokio::test]
async fn bad_policies_never_replace_good_ones() {
    let site = Site::new();
    site.put("jane.cedar", PERMIT);
    let (serving, acme) = site.serve().await;
    let jane = jane(&serving, &acme).await;
    let scraped = scraped_at(&serving);
    let unused = |count| get(scraped, "/metrics").contains(&format!("files_not_used{{files=\"policies\"}} {count}\n"));
    assert!(unused(0));
    let deep = format!("@id(\"x\") permit (principal, action, resource) when {{ {}true", "(".repeat(100_000));
    let many = (0..1001).map(|n| format!("@id(\"p{n}\") permit (principal is Root, action, resource);\n"));
    let many = many.collect::<Vec<_>>().concat();
    for (number, (text, words)) in (5..).zip([
        (r#"@id("x") forbid (principal in Group::"jane", action, resource);"#, "which groups.toml does not have"),
        ("permit (principal", "bad.cedar:1: unexpected end of input"),
        ("@id(\"x\") permit (principal, action == Action::\"dm:ModifyPwByDomain\", resource);", "unrecognized action"),
        ("@id(\"x\") permit (principal == ?principal, action, resource);", "bad.cedar:1: is a template"),
        (&deep, "bad.cedar:1: nests more than 32 brackets"),
        (&many, "there are 1002 policies, and at most 1000 are allowed"),
        (&" ".repeat(1024 * 1024), "bytes of policies, and at most 1048576 are allowed"),
    ]) {
        site.put("bad.cedar", text);
        serving.signal("HUP");
        serving.logs(words).await;
        eventually("the metric", || unused(1).then_some(())).await;
        jane.ok("ModifyPWByDomain", change_number(number, "mail.example.com")).await;
        jane.err("ModifyPWByDomain", change("example.org"), "ACCESS_DENIED").await;
    }
    fs::remove_file(site.0.path("policies/bad.cedar")).unwrap();
    site.put("groups.toml", "admins = [\"jane\"]");
    serving.signal("HUP");
    serving.logs("groups.toml:1: \"jane\" in the group \"admins\" must be tenant/kind/name").await;
    jane.ok("ModifyPWByDomain", change("mail.example.com")).await;
    for file in ["groups.toml", "jane.cedar"] {
        fs::remove_file(site.0.path("policies").join(file)).unwrap();
    }
    serving.signal("HUP");
    serving.logs("holds no file *.cedar").await;
    jane.ok("ModifyPWByDomain", change_number(12, "mail.example.com")).await;
    site.put("jane.cedar", PERMIT);
    serving.signal("HUP");
    eventually("the metric", || unused(0).then_some(())).await;
    let log = serving.stop().await;
    assert!(!log.contains(IN_FORCE), "{log}");
}

#[tokio::test]
async fn groups_and_policies_are_put_in_force_together() {
    let site = Site::new();
    let policy =
        r#"@id("mail") permit (principal in Group::"mail-admins", action == Action::"dm:ModifyPWByDomain", resource);"#;
    site.put("groups.toml", "mail-admins = []");
    site.put("mail.cedar", policy);
    let (serving, acme) = site.serve().await;
    let jane = jane(&serving, &acme).await;
    jane.err("ModifyPWByDomain", change("mail.example.com"), "ACCESS_DENIED").await;
    site.put("groups.toml", "mail-admins = [\"acme/ram-user/jane\"]");
    reloaded(&serving, 1).await;
    jane.ok("ModifyPWByDomain", change("mail.example.com")).await;
    serving.stop().await;

    let explain = ["policy", "explain", "--caller", "acme/ram-user/jane", "--action", "dm:ModifyPWByDomain"];
    let domain = "acs:dm:cn-hangzhou:acme:domain/mail.example.com";
    let explained = site.run(&[&explain[..], &["--resource", domain]].concat()).printed();
    assert!(explained.contains("allow") && explained.contains("mail.cedar/mail"), "{explained}");
}

#[tokio::test]
async fn a_policy_that_never_applies_is_reported_wherever_policies_are_read() {
    let site = Site::new();
    let never = "@id(\"x\") permit (principal is Root, action == Action::\"ram:ChangePassword\", resource);";
    site.put("never.cedar", never);
    let checked = site.run(&["config", "check"]);
    assert!(checked.status == Some(0) && checked.stderr.contains("warning: never.cedar:1: "), "{}", checked.stderr);
    let (serving, _) = site.serve().await;
    serving.logs("never.cedar:1: ").await;
    site.put("nor-this.cedar", never);
    serving.signal("HUP");
    serving.logs("nor-this.cedar:1: ").await;
    let log = serving.stop().await;
    assert!(log.contains("the policies are probably not as intended"), "{log}");
}

#[tokio::test]
async fn a_permission_depends_on_the_tags_of_an_iam_user() {
    let site = Site::new();
    site.put(
        "tags.cedar",
        r#"@id("only-production") forbid (principal, action == Action::"iam:users:changePasswordV5", resource)
           unless { resource.hasTag("env") && resource.getTag("env") == "prod" };"#,
    );
    let (serving, acme) = site.serve().await;
    for (id, tags, may) in
        [("a", json!({ "env": "prod" }), true), ("b", json!({ "env": "dev" }), false), ("c", json!({}), false)]
    {
        acme.root.ok("CreateIamUser", json!({ "user_id": id, "password": PASSWORD, "tags": tags })).await;
        let caller = json!({ "caller_kind": "CALLER_KIND_IAM_USER", "caller_name": id });
        let user = Client::new(serving.address).with_token(&token(&acme.root, caller).await);
        let change = super::tenant::change(PASSWORD, "New-Harbour-22");
        if may {
            user.ok("ChangePasswordV5", change).await;
        } else {
            user.err("ChangePasswordV5", change, "ACCESS_DENIED").await;
        }
    }
    serving.stop().await;
}

/// It passes the validator, and overflows when it is evaluated. Cedar would skip it.
#[tokio::test]
async fn a_forbid_that_fails_denies_and_is_counted() {
    let site = Site::new();
    let overflow = "forbid (principal is Service, action, resource) when { 9223372036854775807 + 1 == 0 };";
    site.put("overflow.cedar", &format!("@id(\"overflow\") {overflow}"));
    let (serving, acme) = site.serve().await;
    acme.root.ok("ListRamUsers", json!({})).await;
    acme.relay.err("VerifyPassword", super::tenant::verification("jane", PASSWORD), "ACCESS_DENIED").await;
    assert!(get(scraped_at(&serving), "/metrics").contains("credentiald_policy_failures_total 1\n"));
    assert!(serving.stop().await.contains("denied: a policy failed"));
}

#[test]
fn bad_policies_are_refused_at_the_start_with_every_mistake() {
    let site = Site::new();
    let empty = site.run(&["config", "check"]);
    assert!(empty.status == Some(78) && empty.stderr.contains("holds no file *.cedar"), "{}", empty.stderr);
    site.put("a.cedar", "@id(\"x\")\npermit (principal, action == Action::\"ram:ChangePasword\", resource);");
    site.put("b.cedar", "permit (principal is Root, action, resource);");
    site.put(".hidden.cedar", "nothing");
    site.put("notes.txt", "nothing");
    for command in [&["config", "check"][..], &["policy", "check"]] {
        let checked = site.run(command);
        assert_eq!(checked.status, Some(78), "{}", checked.stderr);
        for words in ["2 mistakes", "--policies-directory: a.cedar:2: ", "--policies-directory: b.cedar:1: has no @id"]
        {
            assert!(checked.stderr.contains(words), "{words}: {}", checked.stderr);
        }
    }
    let refused = site.run(&["serve", "--server-listen=127.0.0.1:0"]);
    assert!(
        refused.status == Some(1) && refused.stderr.contains("a.cedar:2: ") && refused.stderr.contains("b.cedar:1: ")
    );
    let absent = site.0.run(&["policy", "check", "absent"]);
    assert!(absent.status == Some(78) && absent.stderr.contains("absent can't be read"), "{}", absent.stderr);
    let alone = site.0.run(&["config", "check", "--policies-built-in=false"]);
    assert!(alone.status == Some(78) && alone.stderr.contains("permits nothing"), "{}", alone.stderr);
}

#[test]
fn policies_are_checked_tested_and_explained_without_a_service() {
    let site = Site::new();
    site.put("jane.cedar", PERMIT);
    assert_eq!(site.run(&["policy", "check"]).printed(), "7 policies are valid, 6 of them built in\n");
    site.put(
        "never.cedar",
        "@id(\"x\") permit (principal is Root, action == Action::\"ram:ChangePassword\", resource);",
    );
    let warned = site.0.run(&["policy", "check", "policies/never.cedar"]);
    assert!(warned.status == Some(0) && warned.stderr.contains("warning: never.cedar:1: "), "{}", warned.stderr);

    let domain = "acs:dm:cn-hangzhou:acme:domain/mail.example.com";
    let ask =
        |arguments: &[&str]| site.run(&[&["policy", "explain", "--caller", "acme/ram-user/jane"], arguments].concat());
    let one = ask(&["--action", "dm:ModifyPWByDomain", "--resource", domain, "--json"]).printed();
    let one: Value = serde_json::from_str(&one).unwrap();
    let answer = json!({ "caller": "acme/ram-user/jane", "action": "dm:ModifyPWByDomain", "resource": domain,
        "decision": "allow", "policies": ["jane.cedar/jane"], "eligible": true });
    assert_eq!(one, json!({ "decisions": [answer] }));
    let table = ask(&["--resource", domain, "--caller", "-/operator/ops"]).printed();
    let row = |start: &str, action: &str| {
        let row = table.lines().find(|line| line.starts_with(start) && line.contains(action));
        row.unwrap_or_else(|| panic!("{start} {action}: {table}")).split_whitespace().collect::<Vec<_>>()[3..].join(" ")
    };
    assert_eq!(row("acme/", "dm:ModifyPWByDomain"), "allow jane.cedar/jane");
    assert_eq!(row("acme/", "admin:ResetPassword"), "deny (no policy permits it)");
    assert_eq!(row("-/", "admin:ResetPassword"), "allow operator-administers");
    assert_eq!(row("-/", "dm:ModifyPWByDomain"), "deny (not for this kind of caller)");
    assert!(!table.contains("ram:ChangePassword"), "it does not apply: {table}");
    for (arguments, words) in [
        (&["--resource", "nothing"][..], "is not a resource"),
        (&["--resource", domain, "--tag", "a=b"], "has no tags"),
        (&["--resource", domain, "--state", "normal"], "has no state"),
        (&["--resource", domain, "--action", "ram:ChangePasword"], "is not an action"),
        (&["--resource", domain, "--caller", "acme/user/jane"], "must be tenant/kind/name"),
        (&["--resource", domain, "--action", "ram:ChangePassword"], "ram:ChangePassword of acs:dm:"),
    ] {
        let refused = ask(arguments);
        assert!(refused.status == Some(2) && refused.stderr.contains(words), "{words}: {}", refused.stderr);
    }
}

#[test]
fn decisions_that_are_not_as_expected_are_listed() {
    let site = Site::new();
    site.put("jane.cedar", PERMIT);
    let test = |text: &str| {
        fs::write(site.0.path("expected.toml"), text).unwrap();
        site.run(&["policy", "test", "expected.toml"])
    };
    let case = |domain: &str, expect: &str| {
        format!(
            "[[decision]]\ncaller = \"acme/ram-user/jane\"\naction = \"dm:ModifyPWByDomain\"\n\
             resource = \"acs:dm:x:acme:domain/{domain}\"\nstate = \"verified\"\nexpect = \"{expect}\"\n"
        )
    };
    let right = [case("a.example.com", "allow"), case("example.org", "deny")].concat();
    assert_eq!(test(&right).printed(), "2 decisions are as expected\n");
    let wrong = test(&[right, case("b.example.com", "deny"), case("c.org", "allow")].concat());
    assert_eq!((wrong.status, wrong.stderr.as_str()), (Some(1), "error: 2 of 4 decisions are not as expected\n"));
    assert_eq!(wrong.stdout.lines().count(), 3, "{}", wrong.stdout);
    for words in ["domain/b.example.com allow", "domain/c.org"] {
        let stdout = wrong.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(stdout.contains(words), "{words}: {stdout}");
    }
    for (text, words) in [
        (case("a", "maybe"), "expect"),
        (case("a", "deny").replace("state", "status"), "unknown field"),
        (case("a", "deny").replace("dm:M", "dm:m"), "decision 1: \"dm:modifyPWByDomain\" is not an action"),
    ] {
        let refused = test(&text);
        assert!(refused.status == Some(1) && refused.stderr.contains(words), "{words}: {}", refused.stderr);
    }
}

/// The policies of the document are valid, and decide as it says.
#[test]
fn the_examples_of_the_document_work_as_written() {
    let site = Site::new();
    let document = include_str!("../../../docs/permissions.md");
    let blocks = |language: &str| {
        let parts: Vec<_> = document.split(&format!("```{language}\n")).skip(1).collect();
        parts.into_iter().map(|part| part.split("```").next().unwrap()).collect::<Vec<_>>()
    };
    let policies = blocks("cedar");
    assert_eq!(policies.len(), 4);
    for text in policies {
        let name = text.strip_prefix("// ").and_then(|text| text.split(':').next()).unwrap();
        site.put(name, text);
    }
    let checked = site.run(&["policy", "check"]);
    assert_eq!((checked.status, checked.stderr.as_str()), (Some(0), ""), "{}", checked.stderr);
    let expected = blocks("toml").into_iter().find(|block| block.contains("[[decision]]")).unwrap();
    fs::write(site.0.path("expected.toml"), expected).unwrap();
    assert_eq!(site.run(&["policy", "test", "expected.toml"]).printed(), "2 decisions are as expected\n");
}

#[tokio::test]
async fn candidates_are_compared_and_never_enforced() {
    let site = Site::new();
    site.put("jane.cedar", PERMIT);
    let candidates = site.0.path("candidates");
    fs::create_dir(&candidates).unwrap();
    let candidate = |text: &str| {
        fs::write(candidates.join("new"), text).unwrap();
        fs::rename(candidates.join("new"), candidates.join("next.cedar")).unwrap();
    };
    candidate("@id(\"next\") forbid (principal, action == Action::\"verification:GeneratePassword\", resource);");
    let directories = ["--policies-directory", "policies", "--policies-candidate-directory", "candidates"];
    let (serving, acme) = site.0.acme(&[&directories[..], &["--metrics-listen", "127.0.0.1:0"]].concat()).await;
    let jane = jane(&serving, &acme).await;
    let generate = json!({ "subject": { "ram_user": "jane" } });
    for _ in 0..12 {
        acme.relay.ok("GeneratePassword", generate.clone()).await;
    }
    // What is permitted by the policies in force alone.
    jane.ok("ModifyPWByDomain", change("mail.example.com")).await;
    let counted = |decision: &str, count: u32| {
        let line = format!("candidate_decisions_total{{decision=\"{decision}\"}} {count}\n");
        let metrics = get(scraped_at(&serving), "/metrics");
        assert!(metrics.contains(&line), "{line}: {metrics}");
    };
    counted("denies", 13);
    counted("permits", 0);

    candidate("@id(\"next\") permit (principal is RamUser, action, resource);");
    let new = "the new candidate policies are in force";
    serving.signal("HUP");
    serving.logs(new).await;
    jane.err("ModifyPWByDomain", change("example.org"), "ACCESS_DENIED").await;
    counted("permits", 1);

    candidate("permit (principal");
    serving.signal("HUP");
    serving.logs("policies.candidate_directory: next.cedar:1: ").await;
    jane.err("ModifyPWByDomain", change("example.org"), "ACCESS_DENIED").await;
    counted("permits", 2);
    let checked = site.0.run(&["config", "check", "--policies-candidate-directory", "candidates"]);
    assert!(checked.status == Some(78) && checked.stderr.contains("--policies-candidate-directory: next.cedar:1: "));
    let log = serving.stop().await;
    let lines: Vec<_> = log.lines().filter(|line| line.contains("the candidate policies decide otherwise")).collect();
    assert_eq!(lines.iter().filter(|line| line.contains("verification:GeneratePassword")).count(), 2, "{log}");
    assert!(lines.iter().any(|line| line.contains("permit") && line.contains("next.cedar/next")), "{log}");
}

#[test]
fn the_schema_is_printed_as_cedar_reads_it() {
    let printed = Installation::new().run(&["policy", "schema"]).printed();
    let (schema, _) = cedar_policy::Schema::from_cedarschema_str(&printed).unwrap();
    let actions: Vec<_> = schema.actions().map(ToString::to_string).collect();
    assert!(actions.contains(&"Action::\"dm:ModifyPWByDomain\"".to_owned()), "{actions:?}");
}
