//! `ModifyAccountPassword`: the password of an instance account is changed with its old one.

use serde_json::{Value, json};
use tonic::Code;

use crate::support::World;

const OLD: &str = "oldPassWd999";
const NEW: &str = "newPassWd888";

fn change(instance: &str, account: &str) -> Value {
    json!({
        "instance_id": instance, "account_name": account,
        "old_account_password": OLD, "new_account_password": NEW,
    })
}

#[tokio::test]
async fn an_instance_accounts_password_is_changed() {
    let world = World::start().await;
    world.instance_account("r-bp1zxszhcgatnx", "testaccount", OLD).await;

    let reply = world.root.call("ModifyAccountPassword", change("r-bp1zxszhcgatnx", "testaccount")).await;

    assert_eq!(reply.reason(), "OK");
    assert_eq!(reply.json["version"], "2");
    assert_eq!(reply.json["request_id"].as_str(), reply.header("x-request-id"));
    let subject = json!({ "instance_account": { "instance_id": "r-bp1zxszhcgatnx", "account_name": "testaccount" } });
    assert_eq!(world.verify(subject, NEW).await, "MATCHED_CURRENT");
}

#[tokio::test]
async fn a_missing_instance_and_a_missing_account_have_different_reasons() {
    let world = World::start().await;
    world.instance_account("r-1", "app", OLD).await;

    let reply = world.root.err("ModifyAccountPassword", change("r-2", "app"), "INSTANCE_NOT_FOUND").await;
    assert_eq!(reply.status.code(), Code::NotFound);
    assert_eq!(reply.metadata("vendor_code_nearest").as_deref(), Some("InvalidInstanceId.NotFound"));
    let reply = world.root.err("ModifyAccountPassword", change("r-1", "other"), "ACCOUNT_NOT_FOUND").await;
    assert_eq!(reply.metadata("vendor_code_nearest").as_deref(), Some("InvalidAccountName.NotFound"));
}

#[tokio::test]
async fn another_tenants_instance_is_one_that_does_not_exist() {
    let world = World::start().await;
    world.instance_account("r-1", "app", OLD).await;
    let other = world.tenant("other").await;

    let theirs = other.err("ModifyAccountPassword", change("r-1", "app"), "INSTANCE_NOT_FOUND").await;
    let nobodys = other.err("ModifyAccountPassword", change("r-9", "app"), "INSTANCE_NOT_FOUND").await;

    assert_eq!(theirs.status.message(), nobodys.status.message());
}

#[tokio::test]
async fn an_instance_that_is_not_running_and_an_account_that_is_unavailable_keep_their_password() {
    let world = World::start().await;
    world.instance_account("r-1", "app", OLD).await;

    let status = |status| json!({ "instance_id": "r-1", "status": status });
    world.root.ok("SetInstanceStatus", status("INSTANCE_STATUS_FLUSHING")).await;
    let reply = world.root.err("ModifyAccountPassword", change("r-1", "app"), "RESOURCE_STATE").await;
    assert_eq!(reply.status.code(), Code::FailedPrecondition);
    assert_eq!(reply.metadata("http_status").as_deref(), Some("403"));
    assert_eq!(reply.metadata("vendor_code_nearest").as_deref(), Some("IncorrectDBInstanceState"));
    world.root.ok("SetInstanceStatus", status("INSTANCE_STATUS_NORMAL")).await;

    let status = |status| json!({ "instance_id": "r-1", "account_name": "app", "account_status": status });
    world.root.ok("SetInstanceAccountStatus", status("INSTANCE_ACCOUNT_STATUS_UNAVAILABLE")).await;
    let reply = world.root.err("ModifyAccountPassword", change("r-1", "app"), "RESOURCE_STATE").await;
    assert_eq!(reply.metadata("state").as_deref(), Some("unavailable"));
    world.root.ok("SetInstanceAccountStatus", status("INSTANCE_ACCOUNT_STATUS_AVAILABLE")).await;
    world.root.ok("ModifyAccountPassword", change("r-1", "app")).await;
}

#[tokio::test]
async fn every_bad_field_is_reported_at_once() {
    let world = World::start().await;
    let reply = world.root.err("ModifyAccountPassword", json!({ "account_name": "1App" }), "INVALID_FIELD").await;
    let fields: Vec<String> = reply.violations().iter().map(|violation| violation.field.clone()).collect();
    assert_eq!(fields, ["instance_id", "account_name", "old_account_password", "new_account_password"]);
    assert_eq!(reply.metadata("vendor_code_nearest").as_deref(), Some("MissingInstanceId"));
}

#[tokio::test]
async fn a_wrong_old_password_and_a_weak_new_one_are_reported() {
    let world = World::start().await;
    world.instance_account("r-1", "app", OLD).await;
    let mut request = change("r-1", "app");

    request["old_account_password"] = json!("guessedWrong1");
    let reply = world.root.err("ModifyAccountPassword", request.clone(), "OLD_PASSWORD_INCORRECT").await;
    assert_eq!((reply.metadata("vendor_code"), reply.metadata("vendor_code_nearest")), (None, None));

    // Step 5 comes before step 7: the weak password is reported with any old one.
    request["new_account_password"] = json!("short~");
    let reply = world.root.err("ModifyAccountPassword", request, "PASSWORD_POLICY_VIOLATION").await;
    assert_eq!(reply.metadata("vendor_code_nearest").as_deref(), Some("InvalidAccountPassword.Format"));
    assert_eq!(reply.problems().len(), 3, "{:?}", reply.problems());
    assert!(reply.problems().iter().all(|problem| problem.starts_with("new_account_password: ")));
}
