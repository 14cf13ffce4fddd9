//! Realm exports of Keycloak: the users of one realm or several, with their credentials.

use serde_json::Value;

use super::values::{self, at};
use super::{Account, Accounts, LOCKED};
use crate::cli::import::source::Input;

pub(super) fn accounts(input: Input) -> Accounts {
    values::accounts(input, &["users"], is_person, account)
}

/// Clients act as users of their own, which have no password; a realm without users has nothing to import.
fn is_person(fields: &Value) -> bool {
    at(fields, &["serviceAccountClientId"]).is_null() && fields.get("realm").is_none()
}

fn account(number: u64, fields: Value) -> Account {
    let credentials = fields.get("credentials").and_then(Value::as_array).into_iter().flatten();
    let password = credentials.into_iter().find(|credential| at(credential, &["type"]) == "password");
    let hash = match password {
        _ if at(&fields, &["enabled"]) == false => Ok(LOCKED.to_owned()),
        None => Ok(String::new()),
        Some(credential) => hash(credential),
    };
    let changed = password.and_then(|credential| values::of_millis(at(credential, &["createdDate"])));
    Account { number, hash, changed, fields }
}

/// The hash of a credential. Its parts are JSON in a text, or fields of their own before Keycloak 8.
fn hash(credential: &Value) -> Result<String, String> {
    let inner = |name: &str| match credential.get(name).and_then(Value::as_str) {
        Some(text) => serde_json::from_str(text).map_err(|_| format!("its {name} is not JSON")),
        None => Ok(credential.clone()),
    };
    let (secret, data): (Value, Value) = (inner("secretData")?, inner("credentialData")?);
    let text = |value: &Value, names: &[&str]| {
        let found = names.iter().find_map(|name| value.get(name)?.as_str().map(str::to_owned));
        found.ok_or_else(|| format!("its {} is missing", names.first().copied().unwrap_or_default()))
    };
    let (tag, salt) = (text(&secret, &["value", "hashedSaltedValue"])?, text(&secret, &["salt"])?);
    let algorithm = text(&data, &["algorithm"])?;
    let iterations = at(&data, &["hashIterations"]).as_u64().ok_or("its hashIterations is missing")?;
    let additional = |name: &str| {
        values::text_at(at(&data, &["additionalParameters"]), name).ok_or_else(|| format!("its {name} is missing"))
    };
    let (unpadded_salt, unpadded_tag) = (salt.trim_end_matches('='), tag.trim_end_matches('='));
    match algorithm.as_str() {
        "pbkdf2" => Ok(format!("$pbkdf2-sha1$i={iterations}${unpadded_salt}${unpadded_tag}")),
        "pbkdf2-sha256" | "pbkdf2-sha512" => Ok(format!("${algorithm}$i={iterations}${unpadded_salt}${unpadded_tag}")),
        "argon2" => {
            let version = match additional("version")?.as_str() {
                "1.3" => 19,
                "1.0" => 16,
                other => return Err(format!("its version of argon2 is {other:?}, known are 1.3 and 1.0")),
            };
            let (kind, memory, lanes) = (additional("type")?, additional("memory")?, additional("parallelism")?);
            Ok(format!("$argon2{kind}$v={version}$m={memory},t={iterations},p={lanes}${unpadded_salt}${unpadded_tag}"))
        }
        // A provider of its own, which usually keeps whole strings.
        _ if tag.starts_with(['$', '{']) => Ok(tag),
        other => Err(format!(
            "its algorithm {other:?} is not one of Keycloak's own: pbkdf2, pbkdf2-sha256, pbkdf2-sha512, argon2"
        )),
    }
}
