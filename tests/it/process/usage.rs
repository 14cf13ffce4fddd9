//! What the administration commands require, and what the service requires.

use std::collections::BTreeSet;

use serde_json::json;

use super::installation::Installation;
use crate::support::Client;
use crate::support::client::POOL;

/// The flags that the usage of a command names as required.
fn required_flags(help: &str) -> BTreeSet<String> {
    let usage = help.lines().find(|line| line.starts_with("Usage: ")).unwrap();
    usage
        .split(|c: char| !c.is_ascii_alphanumeric() && c != '-')
        .filter_map(|word| word.strip_prefix("--"))
        .map(str::to_owned)
        .collect()
}

/// The flags for a field of a request, where a password may be one that is generated.
fn flags_of(field: &str, has_choice: bool) -> Vec<String> {
    let flags: &[&str] = match field.split(['.', '[']).next().unwrap() {
        "subject" => &["mail-domain", "ram-user", "iam-user", "account-name"],
        "password" if has_choice => &["password-stdin", "generate-password"],
        "password" | "account_password" => &["password-stdin"],
        "nodes" => &["node"],
        name => return vec![name.replace('_', "-")],
    };
    flags.iter().map(|flag| (*flag).to_owned()).collect()
}

#[tokio::test]
async fn usage_names_the_flags_that_the_service_requires() {
    let installation = Installation::new();
    let token = installation.bootstrap();
    let serving = installation.serve(&[]).await;
    let operator = Client::new(serving.address).with_token(&token);
    operator.ok("CreateTenant", json!({ "tenant": "acme" })).await;
    let service = POOL.get_service_by_name("credential.admin.v1.AdminService").unwrap();
    let single = service.methods().filter(|method| !method.is_client_streaming() && !method.is_server_streaming());
    let mut differing = Vec::new();
    for method in single {
        let names_tenant = ["CreateTenant", "DescribeTenant", "DeleteTenant"].contains(&method.name());
        let has_tenant = !names_tenant && method.input().get_field_by_name("tenant").is_some();
        let request = if has_tenant { json!({ "tenant": "acme" }) } else { json!({}) };
        let reply = operator.call(method.name(), request).await;
        let has_choice = method.input().get_field_by_name("generate_password").is_some();
        // An operator has to name a tenant; a tenant's root does not.
        let missing = reply.violations().into_iter().filter(|violation| names_tenant || violation.field != "tenant");
        let wanted = missing.flat_map(|violation| flags_of(&violation.field, has_choice)).collect::<BTreeSet<_>>();
        let mut command = String::new();
        for character in method.name().chars() {
            if character.is_ascii_uppercase() && !command.is_empty() {
                command.push('-');
            }
            command.push(character.to_ascii_lowercase());
        }
        let required = required_flags(&installation.run(&["admin", &command, "--help"]).printed());
        if required != wanted {
            differing.push(format!("{command}: {required:?}, but the service requires {wanted:?}"));
        }
    }
    assert!(differing.is_empty(), "{differing:#?}");
    serving.stop().await;
}
