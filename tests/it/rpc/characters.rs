//! Passwords in every script, and the characters that none may hold.

use serde_json::json;

use crate::support::World;

#[tokio::test]
async fn both_normal_forms_are_one_password() {
    let world = World::start().await;
    let alice = world.ram_user("alice", "caf\u{e9}-au-lait").await;
    assert_eq!(world.verify(json!({ "ram_user": "alice" }), "cafe\u{301}-au-lait").await, "MATCHED_CURRENT");
    let request = json!({ "old_password": "cafe\u{301}-au-lait", "new_password": "na\u{ef}ve-caf\u{e9}" });
    alice.ok("ChangePassword", request).await;
    assert_eq!(world.verify(json!({ "ram_user": "alice" }), "nai\u{308}ve-cafe\u{301}").await, "MATCHED_CURRENT");
}

#[tokio::test]
async fn every_script_and_sign_is_accepted_where_the_policy_does_not_forbid_it() {
    let world = World::start().await;
    let passwords = [
        "emoji \u{1f914}\u{1f97a} password",
        "family \u{1f468}\u{200d}\u{1f469}\u{200d}\u{1f467} time",
        "\u{5e9}\u{5dc}\u{5d5}\u{5dd}\u{200f} \u{5e2}\u{5d5}\u{5dc}\u{5dd}",
        "\u{5bc6}\u{7801}\u{5bc6}\u{7801}\u{5bc6}\u{7801}\u{5bc6}\u{7801}",
        "a\u{301}\u{302}\u{303}\u{304} combining",
        "  spaces kept  ",
    ];
    for (number, password) in passwords.iter().enumerate() {
        let name = format!("user-{number}");
        world.ram_user(&name, password).await;
        assert_eq!(world.verify(json!({ "ram_user": name }), password).await, "MATCHED_CURRENT", "{password}");
        assert_eq!(
            world.verify(json!({ "ram_user": name }), password.trim_end()).await == "MATCHED_CURRENT",
            password.trim_end() == *password
        );
    }
}

#[tokio::test]
async fn control_and_unassigned_characters_are_refused_in_new_passwords() {
    let world = World::start().await;
    let alice = world.ram_user("alice", "mypassword").await;
    for bad in ["new\0password", "new\npassword", "new\u{7f}password", "new\u{9f}password", "new\u{378}password"] {
        let request = json!({ "old_password": "mypassword", "new_password": bad });
        let reply = alice.err("ChangePassword", request, "INVALID_FIELD").await;
        assert_eq!(reply.problems(), ["new_password: CHARACTER_NOT_ALLOWED"], "{bad:?}");
    }
    // In an old password they are merely wrong.
    let request = json!({ "old_password": "my\0password", "new_password": "newpassword" });
    alice.err("ChangePassword", request, "OLD_PASSWORD_INCORRECT").await;
}

#[tokio::test]
async fn the_whole_password_counts() {
    let world = World::start().await;
    let long = "x".repeat(127);
    world.ram_user("alice", &format!("{long}a")).await;
    assert_eq!(world.verify(json!({ "ram_user": "alice" }), &format!("{long}b")).await, "NOT_MATCHED");
    assert_eq!(world.verify(json!({ "ram_user": "alice" }), &format!("{long}A")).await, "NOT_MATCHED");
    assert_eq!(world.verify(json!({ "ram_user": "alice" }), &format!("{long}a")).await, "MATCHED_CURRENT");
}
