//! Permissions, and what no caller learns.

use serde_json::{Value, json};
use tonic::Code;

use crate::support::{Client, World};

#[tokio::test]
async fn a_refusal_does_not_tell_where_what_may_not_be_seen_is() {
    let world = World::start().await;
    let region = json!("eu-central-1");
    world.root.ok("CreateMailDomain", json!({ "domain_name": "there.example", "region": region })).await;
    world.root.ok("CreateInstance", json!({ "instance_id": "r-there", "region": region })).await;
    world.root.ok("CreateInstanceAccount", json!({ "instance_id": "r-there", "account_name": "app" })).await;
    let alice = world.ram_user("alice", "mypassword").await;
    let reset = |subject: Value| json!({ "subject": subject, "password": "NEWpassWd1234" });
    let account = |instance: &str| json!({ "instance_id": instance, "account_name": "app" });
    let change = |instance: &str| {
        let passwords = ["oldPassWd999", "newPassWd999"];
        json!({
            "instance_id": instance,
            "account_name": "app",
            "old_account_password": passwords[0],
            "new_account_password": passwords[1],
        })
    };
    for (method, there, nowhere) in [
        (
            "ResetPassword",
            reset(json!({ "mail_domain": "there.example" })),
            reset(json!({ "mail_domain": "where.example" })),
        ),
        (
            "ResetPassword",
            reset(json!({ "instance_account": account("r-there") })),
            reset(json!({ "instance_account": account("r-where") })),
        ),
        ("ModifyAccountPassword", change("r-there"), change("r-where")),
    ] {
        let there = alice.err(method, there, "ACCESS_DENIED").await.metadata("resource").unwrap();
        let nowhere = alice.err(method, nowhere, "ACCESS_DENIED").await.metadata("resource").unwrap();
        assert_eq!(there.replace("there", "where"), nowhere, "{method}");
    }
}

/// Headers with which proxies tell who their own client is. Here they name the tenant's root.
const FORWARDED: [(&str, &str); 8] = [
    ("x-forwarded-client-cert", "By=spiffe://example/proxy;Hash=00;Subject=\"CN=acme\";URI=spiffe://example/acme/root"),
    ("x-ssl-client-verify", "SUCCESS"),
    ("x-ssl-client-s-dn", "CN=acme,OU=root"),
    ("x-ssl-client-cert", "-----BEGIN%20CERTIFICATE-----%0AMIIB%0A-----END%20CERTIFICATE-----"),
    ("x-client-cert", ":MIIB:"),
    ("forwarded", "for=127.0.0.1;proto=https;by=127.0.0.1"),
    ("x-forwarded-for", "127.0.0.1"),
    ("x-forwarded-user", "root"),
];

#[tokio::test]
async fn no_header_of_a_proxy_makes_a_caller_or_another_caller() {
    let world = World::start().await;
    let alice = world.ram_user("alice", "mypassword").await;
    let with_all =
        |client: Client| FORWARDED.iter().fold(client, |client, (name, value)| client.with_header(name, value));
    with_all(world.anybody()).err("ListRamUsers", json!({}), "UNAUTHENTICATED").await;
    let alice = with_all(alice);
    alice.err("ListRamUsers", json!({}), "ACCESS_DENIED").await;
    let change = json!({ "old_password": "mypassword", "new_password": "newpassword" });
    alice.ok("ChangePassword", change).await;
    assert_eq!(world.verify(json!({ "ram_user": "alice" }), "newpassword").await, "MATCHED_CURRENT");
}

#[tokio::test]
async fn no_caller_crosses_tenants() {
    let world = World::start().await;
    world.ram_user("alice", "mypassword").await;
    let other = world.tenant("other").await;
    let requests: [(&str, Value); 6] = [
        ("DescribeRamUser", json!({ "tenant": "acme", "user_name": "alice" })),
        ("CreateRamUser", json!({ "tenant": "acme", "user_name": "eve" })),
        ("ResetPassword", json!({ "tenant": "acme", "subject": { "ram_user": "alice" }, "generate_password": true })),
        ("GetPasswordPolicy", json!({ "tenant": "acme" })),
        ("IssueAccessToken", json!({ "tenant": "acme", "caller_kind": "CALLER_KIND_ROOT" })),
        ("ListAccessTokens", json!({ "tenant": "acme" })),
    ];
    for (method, request) in requests {
        let there = other.err(method, request.clone(), "ACCESS_DENIED").await;
        let mut nowhere = request;
        nowhere["tenant"] = json!("nowhere");
        let nowhere = other.err(method, nowhere, "ACCESS_DENIED").await;
        assert_eq!(there.status.code(), Code::PermissionDenied);
        assert_eq!(there.status.message(), nowhere.status.message(), "{method}");
    }
}

#[tokio::test]
async fn an_operator_administers_tenants_and_may_not_verify() {
    let world = World::start().await;
    world.ram_user("alice", "mypassword").await;
    let user = json!({ "tenant": "acme", "user_name": "alice" });
    world.operator.ok("DescribeRamUser", user.clone()).await;
    let verify = json!({ "subject": { "ram_user": "alice" }, "password": "mypassword" });
    world.operator.err("VerifyPassword", verify, "CALLER_NOT_ELIGIBLE").await;
    let request = json!({ "domain_name": "example.com", "password": "DM1mail1234" });
    world.operator.err("ModifyPWByDomain", request, "CALLER_NOT_ELIGIBLE").await;

    world.operator.err("DescribeRamUser", json!({ "tenant": "nope", "user_name": "a" }), "TENANT_NOT_FOUND").await;
    let reply = world.operator.err("DescribeRamUser", json!({ "user_name": "alice" }), "INVALID_FIELD").await;
    assert_eq!(reply.problems(), ["tenant: REQUIRED"]);
    let listed = world.operator.ok("ListTenants", json!({})).await;
    assert_eq!(listed["tenants"][0]["tenant"], "acme");
}

#[tokio::test]
async fn a_relying_system_may_verify_check_and_generate_and_nothing_else() {
    let world = World::start().await;
    let alice = world.ram_user("alice", "mypassword").await;
    let relay = world.service().await;
    let subject = json!({ "ram_user": "alice" });
    relay.ok("GeneratePassword", json!({ "subject": subject })).await;
    for (method, request) in [
        ("DescribeRamUser", json!({ "user_name": "alice" })),
        ("ResetPassword", json!({ "subject": subject, "generate_password": true })),
        ("IssueAccessToken", json!({ "caller_kind": "CALLER_KIND_ROOT" })),
        ("ModifyPWByDomain", json!({ "domain_name": "example.com", "password": "DM1mail1234" })),
    ] {
        relay.err(method, request.clone(), "ACCESS_DENIED").await;
        alice.err(method, request, "ACCESS_DENIED").await;
    }
    let verify = json!({ "subject": subject, "password": "mypassword" });
    alice.err("VerifyPassword", verify, "ACCESS_DENIED").await;
}

#[tokio::test]
async fn a_root_runs_its_tenant_and_not_the_installation() {
    let world = World::start().await;
    for (method, request) in [
        ("CreateTenant", json!({ "tenant": "mine" })),
        ("ListTenants", json!({})),
        ("DeleteTenant", json!({ "tenant": "acme" })),
        ("IssueAccessToken", json!({ "caller_kind": "CALLER_KIND_OPERATOR", "caller_name": "me" })),
    ] {
        world.root.err(method, request, "ACCESS_DENIED").await;
    }
    world.root.ok("DescribeTenant", json!({ "tenant": "acme" })).await;
    let request = json!({ "caller_kind": "CALLER_KIND_OPERATOR", "caller_name": "second" });
    let issued = world.operator.ok("IssueAccessToken", request).await;
    world.anybody().with_token(issued["token"].as_str().unwrap()).ok("ListTenants", json!({})).await;
}

#[tokio::test]
async fn a_token_can_be_had_for_a_user_that_exists_only() {
    let world = World::start().await;
    for kind in ["RAM_USER", "IAM_USER"] {
        let request = json!({ "caller_kind": format!("CALLER_KIND_{kind}"), "caller_name": "nobody" });
        world.root.err("IssueAccessToken", request, "USER_NOT_FOUND").await;
    }
    let both = json!({ "caller_kind": "CALLER_KIND_SERVICE", "caller_name": "no spaces", "time_to_live": "-1s" });
    let reply = world.root.err("IssueAccessToken", both, "INVALID_FIELD").await;
    assert_eq!(reply.problems(), ["caller_name: CHARACTER_NOT_ALLOWED", "time_to_live: MALFORMED"]);
    for (request, problem) in [
        (json!({}), "caller_kind: REQUIRED"),
        (json!({ "caller_kind": "CALLER_KIND_SERVICE" }), "caller_name: REQUIRED"),
        (json!({ "caller_kind": "CALLER_KIND_ROOT", "caller_name": "me" }), "caller_name: MALFORMED"),
        (json!({ "caller_kind": "CALLER_KIND_ROOT", "time_to_live": "31708801s" }), "time_to_live: MALFORMED"),
    ] {
        assert_eq!(world.root.err("IssueAccessToken", request, "INVALID_FIELD").await.problems(), [problem]);
    }
}

#[tokio::test]
async fn no_token_text_is_ever_listed() {
    let world = World::start().await;
    let issued = world
        .root
        .ok("IssueAccessToken", json!({ "caller_kind": "CALLER_KIND_SERVICE", "caller_name": "relay" }))
        .await;
    let listed = world.root.ok("ListAccessTokens", json!({})).await;
    assert!(!listed.to_string().contains(issued["token"].as_str().unwrap()));
    assert_eq!(listed["access_tokens"].as_array().unwrap().last().unwrap(), &issued["access_token"]);
}
