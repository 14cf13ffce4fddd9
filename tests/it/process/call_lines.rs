//! A line in the log for each call.

use std::fs;

use serde_json::{Value, json};

use super::installation::{Installation, outcome, write_secretly};
use super::tenant::{token, verification};
use crate::support::Client;
use crate::support::signer::send;

const OLD: &str = "Old-Harbour-12";
/// Only what finds the addresses is written, besides the lines of calls.
const QUIET: &str = "--log-level=error,credentiald::cli=info";

/// The lines of a log in JSON.
fn parsed(log: &str) -> Vec<Value> {
    log.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
}

/// The one line of the call with that id.
fn line_of<'a>(lines: &'a [Value], id: &str) -> &'a Value {
    let of_id: Vec<_> = lines.iter().filter(|line| line["message"] == "call" && line["request_id"] == id).collect();
    assert_eq!(of_id.len(), 1, "{id}: {lines:#?}");
    of_id[0]
}

#[tokio::test]
async fn each_call_has_one_line_under_the_id_that_its_caller_gets() {
    let installation = Installation::new();
    let ring = installation.run(&["pepper", "new-key"]).printed();
    write_secretly(&installation.path("ring"), &ring);
    let others = ["--pepper-keys-file=ring", "--http-listen=127.0.0.1:0", QUIET];
    let flags = [&["--log-calls=all", "--log-format=json"], &others[..]].concat();
    let (serving, acme) = installation.acme(&flags).await;
    let user = acme.ram_user("jane", OLD).await;
    let key = acme.root.access_key("RAM_USER", "jane").await;

    let verified = acme.relay.with_header("x-request-id", "order-7");
    let verified = verified.call("VerifyPassword", verification("jane", OLD)).await;
    let denied = acme.relay.call("CreateRamUser", json!({ "user_name": "b" })).await;
    let stranger = Client::new(serving.address).call("GetPasswordPolicy", json!({})).await;
    let elsewhere = json!({ "tenant": "acme", "user_name": "jane" });
    let by_operator = acme.operator.call("DescribeRamUser", elsewhere).await;
    let change = [("OldPassword", "Other-Port-34"), ("NewPassword", "New-Harbour-22")];
    let wrong = send(serving.http_address(), key.acs3("ChangePassword", "2015-05-01", &change)).await;
    let operator = json!({ "caller_kind": "CALLER_KIND_OPERATOR", "caller_name": "jane" });
    let operator = token(&acme.operator, operator).await;
    let address = serving.address.to_string();
    let audit = outcome(installation.calling(&address, &operator, &["audit", "list", "--json"])).printed();
    let log = serving.stop().await;
    let lines = parsed(&log);

    let line = line_of(&lines, verified.header("x-request-id").unwrap());
    for (field, expected) in [
        ("level", json!("INFO")),
        ("target", json!("credentiald::calls")),
        ("correlation_id", json!("order-7")),
        ("rpc", json!("VerifyPassword")),
        ("caller", json!("acme/service/relay")),
        ("tenant", json!("acme")),
        ("code", json!("OK")),
        ("reason", Value::Null),
        ("hashes", json!(1)),
    ] {
        assert_eq!(line[field], expected, "{field}: {line}");
    }
    assert!(line["statements"].as_u64().unwrap() >= 1 && line["duration_ms"].as_f64().unwrap() > 0.0, "{line}");
    assert!(line["peer"].as_str().unwrap().starts_with("127.0.0.1:"), "{line}");

    let line = line_of(&lines, denied.trailer("x-request-id").unwrap());
    assert_eq!((&line["code"], &line["reason"]), (&json!("PERMISSION_DENIED"), &json!("ACCESS_DENIED")), "{line}");
    assert_eq!((&line["correlation_id"], &line["hashes"]), (&Value::Null, &json!(0)), "{line}");
    let line = line_of(&lines, stranger.trailer("x-request-id").unwrap());
    assert_eq!((&line["reason"], &line["caller"]), (&json!("UNAUTHENTICATED"), &Value::Null), "{line}");
    let line = line_of(&lines, by_operator.header("x-request-id").unwrap());
    assert!(line["caller"].as_str().unwrap().starts_with("-/operator/") && line["tenant"] == "acme", "{line}");

    // Over the other edge, and in the audit log, the id is written in the same way.
    let id = wrong.headers()["x-request-id"].to_str().unwrap();
    let line = line_of(&lines, id);
    let expected = [&json!("ChangePassword"), &json!("acme/ram-user/jane"), &json!("OLD_PASSWORD_INCORRECT")];
    assert_eq!([&line["rpc"], &line["caller"], &line["reason"]], expected, "{line}");
    for id in [id, denied.trailer("x-request-id").unwrap()] {
        assert!(parsed(&audit).iter().any(|event| event["request_id"] == id), "{id}: {audit}");
    }
    assert!([OLD, "Other-Port-34", &user, &key.secret].iter().all(|secret| !log.contains(secret)), "{log}");
}

#[tokio::test]
async fn other_lines_of_a_call_carry_its_id() {
    let installation = Installation::new();
    fs::create_dir(installation.path("next")).unwrap();
    fs::write(installation.path("next/next.cedar"), "@id(\"next\") forbid (principal is Service, action, resource);")
        .unwrap();
    let flags = ["--log-calls=refusals", "--log-format=json", "--policies-candidate-directory=next"];
    let (serving, acme) = installation.acme(&flags).await;
    acme.ram_user("jane", OLD).await;
    let generated = acme.relay.call("GeneratePassword", json!({ "subject": { "ram_user": "jane" } })).await;
    let id = generated.header("x-request-id").unwrap();
    let log = serving.stop().await;
    let lines = parsed(&log);
    let otherwise = |line: &&Value| line["message"] == "the candidate policies decide otherwise";
    let line = lines.iter().find(otherwise).unwrap_or_else(|| panic!("{log}"));
    let expected = json!({ "name": "call", "request_id": id, "rpc": "GeneratePassword" });
    assert_eq!(line["span"], expected, "{line}");
    assert!(!lines.iter().any(|line| line["message"] == "call"), "it is no refusal: {log}");
}

#[tokio::test]
async fn lines_of_refusals_are_for_people_too_and_off_by_default() {
    for (flags, calls) in [(&["--log-calls=refusals"][..], 1), (&["--log-calls=off"], 0), (&[], 0)] {
        let installation = Installation::new();
        let (serving, acme) = installation.acme(flags).await;
        let denied = acme.relay.call("CreateRamUser", json!({ "user_name": "b" })).await;
        let id = denied.trailer("x-request-id").unwrap().to_owned();
        let log = serving.stop().await;
        let lines: Vec<_> = log.lines().filter(|line| line.contains("credentiald::calls")).collect();
        assert_eq!(lines.len(), calls, "{flags:?}: {log}");
        for line in lines {
            let fields = format!(
                " INFO credentiald::calls: call request_id={id} rpc=\"CreateRamUser\" caller=acme/service/relay \
                 tenant=\"acme\" code=\"PERMISSION_DENIED\" reason=\"ACCESS_DENIED\" duration_ms="
            );
            assert!(line.contains(&fields), "{fields}: {line}");
        }
    }
}
