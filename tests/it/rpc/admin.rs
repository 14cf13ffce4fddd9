//! The directory, the policies, resets and access tokens.

use serde_json::{Value, json};
use tonic::Code;
use tonic_types::StatusExt;

use crate::store::connection_to;
use crate::support::{World, database};

#[tokio::test]
async fn each_kind_of_subject_can_be_created_described_listed_and_deleted() {
    let world = World::start().await;
    world.root.ok("CreateInstance", json!({ "instance_id": "r-1", "region": "eu-central-1" })).await;
    let kinds: [(&str, &str, Value, &str); 4] = [
        ("MailDomain", "mail_domain", json!({ "domain_name": "example.com" }), "DOMAIN_NOT_FOUND"),
        ("RamUser", "ram_user", json!({ "user_name": "alice" }), "USER_NOT_FOUND"),
        ("IamUser", "iam_user", json!({ "user_id": "bob" }), "USER_NOT_FOUND"),
        (
            "InstanceAccount",
            "instance_account",
            json!({ "instance_id": "r-1", "account_name": "app" }),
            "ACCOUNT_NOT_FOUND",
        ),
    ];
    for (kind, field, name, missing) in kinds {
        let rpc = |verb: &str| format!("AdminService/{verb}{kind}");
        world.root.err(&rpc("Describe"), name.clone(), missing).await;
        world.root.err(&rpc("Delete"), name.clone(), missing).await;
        let mut request = name.clone();
        request["generate_password"] = json!(true);

        let created = world.root.ok(&rpc("Create"), request.clone()).await;

        assert_eq!(created[field]["credential"]["version"], "1");
        let generated = created["generated_password"].as_str().unwrap().to_owned();
        world.root.err(&rpc("Create"), request, "ALREADY_EXISTS").await;
        let described = world.root.ok(&rpc("Describe"), name.clone()).await;
        assert_eq!(described[field], created[field]);
        assert!(!described.to_string().contains(&generated));
        let mut list = json!({});
        if kind == "InstanceAccount" {
            list["instance_id"] = json!("r-1");
        }
        let listed = world.root.ok(&format!("AdminService/List{kind}s"), list).await;
        assert_eq!(listed[format!("{field}s")], json!([created[field]]));
        world.root.ok(&rpc("Delete"), name.clone()).await;
        world.root.err(&rpc("Describe"), name, missing).await;
    }
}

#[tokio::test]
async fn names_that_no_mail_domain_and_no_ram_user_can_have_are_refused() {
    let world = World::start().await;
    for name in ["a..b.com", ".example.com", "-a.com", "a-.com"] {
        let request = json!({ "domain_name": name });
        let reply = world.root.err("CreateMailDomain", request.clone(), "INVALID_FIELD").await;
        assert_eq!(reply.problems(), ["domain_name: MALFORMED"], "{name}");
        let request = json!({ "domain_name": name, "password": "AB12cdefgh" });
        world.root.err("ModifyPWByDomain", request, "INVALID_FIELD").await;
        // An earlier version stored such names: what is there can be deleted.
        world.root.err("DeleteMailDomain", json!({ "domain_name": name }), "DOMAIN_NOT_FOUND").await;
    }
    let reply = world.root.err("CreateRamUser", json!({ "user_name": "-alice" }), "INVALID_FIELD").await;
    assert_eq!(reply.problems(), ["user_name: MALFORMED"]);
    world.root.err("DeleteRamUser", json!({ "user_name": "-alice" }), "USER_NOT_FOUND").await;
}

#[tokio::test]
async fn the_store_writes_a_request_id_as_answers_do() {
    let world = World::start().await;
    let alice = world.ram_user("alice", "mypassword1").await;
    let reply = alice.err("AdminService/ListRamUsers", json!({}), "ACCESS_DENIED").await;
    let id = reply.status.get_error_details().request_info().unwrap().request_id.clone();
    let found = "SELECT outcome FROM audit_event WHERE request_id = $1";
    let found: String = connection_to(&database(&world.directory)).query_row(found, [id], |row| row.get(0)).unwrap();
    assert_eq!(found, "denied");
}

#[tokio::test]
async fn lists_have_pages() {
    let world = World::start().await;
    for number in 0..7 {
        world.root.ok("CreateRamUser", json!({ "user_name": format!("user-{number}") })).await;
    }
    let (mut names, mut token) = (Vec::new(), String::new());
    loop {
        let page = world.root.ok("ListRamUsers", json!({ "page_size": 3, "page_token": token })).await;
        let users = page["ram_users"].as_array().unwrap();
        assert!(users.len() <= 3);
        names.extend(users.iter().map(|user| user["user_name"].as_str().unwrap().to_owned()));
        match page["next_page_token"].as_str() {
            Some(next) => token = next.to_owned(),
            None => break,
        }
    }
    assert_eq!(names, (0..7).map(|number| format!("user-{number}")).collect::<Vec<_>>());
    let reply = world.root.err("ListRamUsers", json!({ "page_size": 1001, "page_token": "?" }), "INVALID_FIELD").await;
    assert_eq!(reply.problems(), ["page_size: OUT_OF_RANGE", "page_token: MALFORMED"]);
}

#[tokio::test]
async fn a_page_token_leads_on_in_its_own_list_alone() {
    let world = World::start().await;
    let globex = world.tenant("globex").await;
    for root in [&world.root, &globex] {
        for instance in ["r-1", "r-2"] {
            root.ok("CreateInstance", json!({ "instance_id": instance })).await;
        }
        for name in ["one", "two"] {
            root.ok("CreateRamUser", json!({ "user_name": name })).await;
            for instance in ["r-1", "r-2"] {
                let account = json!({ "instance_id": instance, "account_name": name });
                root.ok("CreateInstanceAccount", account).await;
            }
        }
    }
    let listed = world.root.ok("ListRamUsers", json!({ "page_size": 1 })).await;
    let users = listed["next_page_token"].as_str().unwrap().to_owned();
    let listed = world.root.ok("ListInstanceAccounts", json!({ "instance_id": "r-1", "page_size": 1 })).await;
    let accounts = listed["next_page_token"].as_str().unwrap().to_owned();

    let of_acme = json!({ "tenant": "acme", "page_token": users });
    assert_eq!(world.operator.ok("ListRamUsers", of_acme).await["ram_users"][0]["user_name"], "two");
    let mut altered = users.clone();
    altered.replace_range(..1, if users.starts_with('A') { "B" } else { "A" });
    let (r_1, r_2) = (json!({ "instance_id": "r-1" }), json!({ "instance_id": "r-2" }));
    let refused = [
        (&globex, "ListRamUsers", json!({}), &users),
        (&world.root, "ListIamUsers", json!({}), &users),
        (&world.root, "ListInstances", json!({}), &users),
        (&world.root, "ListInstanceAccounts", r_1, &users),
        (&world.root, "ListInstanceAccounts", r_2, &accounts),
        (&world.operator, "ListTenants", json!({}), &users),
        (&world.operator, "ListAccessTokens", json!({}), &users),
        (&world.root, "ListRamUsers", json!({}), &altered),
        // A NUL, and a key as it is.
        (&world.root, "ListRamUsers", json!({}), &"AA".to_owned()),
        (&world.root, "ListRamUsers", json!({}), &"b25l".to_owned()),
    ];
    for (caller, method, mut request, token) in refused {
        request["page_token"] = json!(token);
        let reply = caller.err(method, request, "INVALID_FIELD").await;
        assert_eq!(reply.problems(), ["page_token: MALFORMED"], "{method}");
    }
    // The key is the store's: a token leads on after a restart.
    let world = world.restart().await;
    let rest = world.root.ok("ListRamUsers", json!({ "page_token": users })).await;
    assert_eq!(rest["ram_users"][0]["user_name"], "two");
}

#[tokio::test]
async fn an_operator_revokes_a_token_by_its_id_whosever_it_is() {
    let world = World::start().await;
    let globex = world.tenant("globex").await;
    let request = json!({ "tenant": "globex", "caller_kind": "CALLER_KIND_ROOT" });
    let issue = async || {
        let issued = world.operator.ok("IssueAccessToken", request.clone()).await;
        (world.anybody().with_token(issued["token"].as_str().unwrap()), issued["access_token"]["token_id"].clone())
    };

    let (caller, id) = issue().await;
    world.operator.ok("RevokeAccessToken", json!({ "token_id": id })).await;
    caller.err("ListRamUsers", json!({}), "UNAUTHENTICATED").await;

    let (caller, id) = issue().await;
    let wrong = json!({ "tenant": "acme", "token_id": id });
    let reply = world.operator.err("RevokeAccessToken", wrong, "INVALID_FIELD").await;
    assert_eq!(reply.problems(), ["tenant: MALFORMED"]);
    // A root does not learn what other tenants have, or that a token was revoked.
    world.root.err("RevokeAccessToken", json!({ "token_id": id }), "ACCESS_TOKEN_NOT_FOUND").await;
    caller.ok("ListRamUsers", json!({})).await;
    world.operator.ok("RevokeAccessToken", json!({ "tenant": "globex", "token_id": id })).await;
    caller.err("ListRamUsers", json!({}), "UNAUTHENTICATED").await;

    // Nor does any caller learn that of one that is gone, or never existed.
    for id in [id, json!("00000000-0000-4000-8000-000000000000")] {
        for caller in [&world.operator, &globex, &world.root] {
            caller.err("RevokeAccessToken", json!({ "token_id": id }), "ACCESS_TOKEN_NOT_FOUND").await;
        }
        let named = json!({ "tenant": "globex", "token_id": id });
        world.operator.err("RevokeAccessToken", named, "ACCESS_TOKEN_NOT_FOUND").await;
    }
}

#[tokio::test]
async fn what_has_children_is_not_deleted() {
    let world = World::start().await;
    world.instance_account("r-1", "app", "oldPassWd999").await;
    let reply = world.root.err("DeleteInstance", json!({ "instance_id": "r-1" }), "NOT_EMPTY").await;
    assert_eq!(reply.status.code(), Code::FailedPrecondition);
    world.operator.err("DeleteTenant", json!({ "tenant": "acme" }), "NOT_EMPTY").await;
    world.root.ok("DeleteInstanceAccount", json!({ "instance_id": "r-1", "account_name": "app" })).await;
    world.root.ok("DeleteInstance", json!({ "instance_id": "r-1" })).await;
    world.operator.ok("DeleteTenant", json!({ "tenant": "acme" })).await;
    world.root.err("ListRamUsers", json!({}), "UNAUTHENTICATED").await;
}

#[tokio::test]
async fn settings_out_of_range_are_refused_with_the_range_and_nothing_is_stored() {
    let world = World::start().await;
    let request = json!({
        "minimum_password_length": 33, "max_password_age": 1096, "password_reuse_prevention": 25,
        "max_login_attemps": 33, "minimum_password_different_character": 9, "require_numbers": true,
    });
    let reply = world.root.err("SetPasswordPolicy", request, "INVALID_FIELD").await;
    assert_eq!(reply.problems().len(), 5);
    assert!(reply.violations()[0].description.contains('8') && reply.violations()[0].description.contains("32"));
    let policy = world.root.ok("GetPasswordPolicy", json!({})).await;
    assert_eq!(policy["password_policy"], json!({ "minimum_password_length": 8 }));

    world.root.ok("SetPasswordPolicy", json!({ "require_numbers": true, "max_password_age": 90 })).await;
    let policy = world.root.ok("SetPasswordPolicy", json!({ "minimum_password_length": 14 })).await;
    let expected = json!({ "minimum_password_length": 14, "require_numbers": true, "max_password_age": 90 });
    assert_eq!(policy["password_policy"], expected);
}

#[tokio::test]
async fn the_iam_policy_has_the_ten_fields_of_the_vendor() {
    let world = World::start().await;
    let shown = world.root.ok("ShowPasswordPolicyV5", json!({})).await;
    let policy = &shown["password_policy"];
    assert_eq!(policy["minimum_password_length"], 8);
    assert_eq!(policy["maximum_password_length"], 32);
    assert_eq!(policy["password_reuse_prevention"], 1);
    assert_eq!(policy["password_char_combination"], 2);
    assert_eq!(policy["password_not_username_or_invert"], true);
    assert_eq!(policy["allow_user_to_change_password"], true);
    assert!(policy["password_requirements"].as_str().unwrap().contains('2'));
    let request = json!({ "password_char_combination": 1, "minimum_password_age": 1441 });
    let reply = world.root.err("UpdatePasswordPolicyV5", request, "INVALID_FIELD").await;
    assert_eq!(reply.problems(), ["minimum_password_age: OUT_OF_RANGE", "password_char_combination: OUT_OF_RANGE"]);
}

#[tokio::test]
async fn a_reset_needs_no_old_password_and_is_held_to_the_policy() {
    let world = World::start().await;
    world.ram_user("alice", "mypassword").await;
    let subject = json!({ "ram_user": "alice" });
    let weak = json!({ "subject": subject, "password": "short" });
    world.root.err("ResetPassword", weak, "PASSWORD_POLICY_VIOLATION").await;
    let neither = json!({ "subject": subject });
    assert_eq!(world.root.err("ResetPassword", neither, "INVALID_FIELD").await.problems().len(), 1);

    let reset = world.root.ok("ResetPassword", json!({ "subject": subject, "generate_password": true })).await;

    assert_eq!(reset["version"], "2");
    let generated = reset["generated_password"].as_str().unwrap();
    assert_eq!(world.verify(subject, generated).await, "MATCHED_CURRENT");
}

#[tokio::test]
async fn tairs_own_names_work() {
    let world = World::start().await;
    world.instance_account("r-1", "app", "oldPassWd999").await;
    let request = json!({ "instance_id": "r-1", "account_name": "app", "account_password": "newPassWd888" });
    let reset = world.root.ok("ResetAccountPassword", request).await;
    assert_eq!(reset["version"], "2");
    let described = world.root.ok("DescribeAccounts", json!({ "instance_id": "r-1" })).await;
    assert_eq!(described["accounts"][0]["account_name"], "app");
    assert_eq!(described["accounts"][0]["account_status"], "INSTANCE_ACCOUNT_STATUS_AVAILABLE");
    let one = json!({ "instance_id": "r-1", "account_name": "nope" });
    world.root.err("DescribeAccounts", one, "ACCOUNT_NOT_FOUND").await;
    world.root.err("DescribeAccounts", json!({ "instance_id": "r-2" }), "INSTANCE_NOT_FOUND").await;
}

#[tokio::test]
async fn a_password_can_be_checked_and_generated() {
    let world = World::start().await;
    world.mail_domain("example.com", "DM1mail1234").await;
    let relay = world.service().await;
    let check = |password: &str| json!({ "subject": { "mail_domain": "example.com" }, "password": password });

    let refused = relay.ok("CheckPassword", check("short")).await;
    assert!(refused["accepted"].is_null() && refused["violations"].as_array().unwrap().len() >= 3);
    // Never compared with stored ones: the current password is accepted.
    assert_eq!(relay.ok("CheckPassword", check("DM1mail1234")).await, json!({ "accepted": true }));
    for _ in 0..10 {
        let subject = json!({ "subject": { "mail_domain": "example.com" } });
        let generated = relay.ok("GeneratePassword", subject).await;
        let accepted = relay.ok("CheckPassword", check(generated["password"].as_str().unwrap())).await;
        assert_eq!(accepted["accepted"], true);
    }
    relay
        .err("CheckPassword", json!({ "subject": { "mail_domain": "nope.com" }, "password": "x" }), "DOMAIN_NOT_FOUND")
        .await;
}

#[tokio::test]
async fn an_iam_user_whose_id_starts_with_a_digit_is_a_user_like_any_other() {
    let world = World::start().await;
    let user = world.iam_user("07609fb9358010e21f7bc003751c7c32", "mypassword-1").await;
    user.ok("ChangePasswordV5", json!({ "old_password": "mypassword-1", "new_password": "mypassword-2" })).await;
    let listed = world.root.ok("ListIamUsers", json!({})).await;
    assert_eq!(listed["iam_users"][0]["user_name"], "07609fb9358010e21f7bc003751c7c32");
    // Its id is also taken as the name that it has, and no other name may start with a digit.
    world.root.ok("CreateIamUser", json!({ "user_id": "42", "user_name": "42" })).await;
    world.root.err("CreateIamUser", json!({ "user_id": "43", "user_name": "42" }), "INVALID_FIELD").await;
}
