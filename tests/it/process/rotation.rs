//! The walk-through of a rotation without an outage, with the commands that `docs/overlaps.md` shows.

use serde_json::{Value, json};

use super::installation::Installation;
use super::tenant::token;

const FIRST: &str = "First-Mail-12";
const SECOND: &str = "Second-Mail-23";

#[tokio::test]
async fn a_password_is_rotated_without_an_outage_as_the_document_says() {
    let installation = Installation::new();
    let (serving, acme) = installation.acme(&[]).await;
    let root = token(&acme.operator, json!({ "tenant": "acme", "caller_kind": "CALLER_KIND_ROOT" })).await;
    let address = format!("http://{}", serving.address);
    let admin = |arguments: &[&str]| -> Value {
        let arguments = [arguments, &["--mail-domain", "example.com", "--json"]].concat();
        serde_json::from_str(&installation.admin(&address, &root, &arguments, "").printed()).unwrap()
    };
    let verified = async |password: &str| {
        let request = json!({ "subject": { "mail_domain": "example.com" }, "password": password });
        acme.relay.ok("VerifyPassword", request).await["result"].clone()
    };
    acme.root.ok("CreateMailDomain", json!({ "domain_name": "example.com", "password": FIRST })).await;

    admin(&["set-password-overlap", "--overlap-seconds", "86400"]);
    assert_eq!(verified(FIRST).await, "MATCHED_CURRENT");
    let change = json!({ "domain_name": "example.com", "password": SECOND, "client_token": "rotation-1" });
    acme.root.ok("ModifyPWByDomain", change.clone()).await;
    acme.root.ok("ModifyPWByDomain", change).await;
    assert_eq!(verified(FIRST).await, "MATCHED_PREVIOUS");

    let overlap = &admin(&["describe-password-overlap"])["overlap"];
    let version = |password: &str| overlap[password]["version"].to_string().replace('"', "");
    assert_eq!((version("current"), version("previous")), ("2".to_owned(), "1".to_owned()), "{overlap}");

    let table = ["describe-password-overlap", "--mail-domain", "example.com"];
    let table = installation.admin(&address, &root, &table, "").printed();
    let rows: Vec<_> = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    for row in ["current version 2", "previous version 1"] {
        assert!(rows.iter().any(|line| line == row), "{row} in {table}");
    }

    assert_eq!(verified(SECOND).await, "MATCHED_CURRENT");
    admin(&["end-password-overlap"]);
    assert_eq!((verified(FIRST).await, verified(SECOND).await), (json!("NOT_MATCHED"), json!("MATCHED_CURRENT")));
}
