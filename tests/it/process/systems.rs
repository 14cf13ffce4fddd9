//! `import --from`: the files of other systems, imported into a service that is another process.

use std::fs;

use serde_json::{Value, json};

use super::installation::{Installation, Outcome, outcome};
use super::serving::Serving;
use crate::support::Client;

const PASSWORD: &str = "Correct-Horse_7";
const ALLOW: &str = "yescrypt, apr1, ssha, ssha512, phpass, wordpress-bcrypt";

/// A service with everything allowed that the files here have.
struct Target {
    installation: Installation,
    serving: Serving,
    operator: String,
    relay: Client,
}

impl Target {
    async fn start() -> Self {
        let installation = Installation::new();
        let operator = installation.bootstrap();
        let settings = ["--hashing-workers", "1", "--import-allow", ALLOW, "--hashing-ceiling-kib", "65536"];
        let serving = installation.serve(&settings).await;
        let client = Client::new(serving.address).with_token(&operator);
        client.ok("CreateTenant", json!({ "tenant": "acme" })).await;
        let relay = json!({ "tenant": "acme", "caller_kind": "CALLER_KIND_SERVICE", "caller_name": "relay" });
        let relay = Client::new(serving.address).with_token(&super::tenant::token(&client, relay).await);
        Self { installation, serving, operator, relay }
    }

    fn import(&self, file: &str, text: &str, arguments: &[&str]) -> Outcome {
        fs::write(self.installation.path(file), text).unwrap();
        let arguments = [&["import", file, "--tenant", "acme"], arguments].concat();
        outcome(self.installation.calling(&self.serving.address.to_string(), &self.operator, &arguments))
    }

    async fn verify(&self, subject: &Value, password: &str) -> Value {
        let verify = json!({ "subject": subject, "password": password });
        self.relay.ok("VerifyPassword", verify).await["result"].clone()
    }

    /// Imports so many accounts, each once, and checks that they have that password and no other.
    async fn takes(&self, file: &str, text: &str, arguments: &[&str], subjects: &[(&str, &str)]) {
        let imported = self.import(file, text, arguments);
        let count = subjects.len();
        let totals = format!("imported {count}, unchanged 0, skipped 0, refused 0, held back with them 0\n");
        assert_eq!((imported.stdout.as_str(), imported.status), (totals.as_str(), Some(0)), "{}", imported.stderr);
        let kind = if arguments.contains(&"iam-user") { "iam_user" } else { "ram_user" };
        for (name, password) in subjects {
            let subject = json!({ kind: name });
            for wrong in [format!("{password}x"), format!("{password}\0"), "!".to_owned(), "another".to_owned()] {
                assert_eq!(self.verify(&subject, &wrong).await, "NOT_MATCHED", "{file}: {name}");
            }
            if !password.is_empty() {
                assert_eq!(self.verify(&subject, password).await, "MATCHED_CURRENT", "{file}: {name}");
            }
        }
        let again = self.import(file, text, arguments);
        let totals = format!("imported 0, unchanged {count}, skipped 0, refused 0, held back with them 0\n");
        assert_eq!(again.stdout, totals, "{file}");
    }
}

/// As chpasswd wrote it, with the hashes of mkpasswd 5.5.17.
const SHADOW: &str = "\
daemon:*:20228:0:99999:7:::
alice:$y$j9T$ZUPdyuVMy5laprPYfq8ic.$wwC7x8kT14bDkbPy/NMFQRhQDtt1r05yODXyToqEih2:20786:0:99999:7:::
bob:$6$e1Ruinnob2flY7ZB$yRXO6Aisy9WWNggqS.u7YbXYF9WNZKWar2sNCxjHaFTklKNa071jj.waBy7P/IVO4w.6CHoxWhM4.kZ5OdysD1:20786:0:99999:7:::
carol:!$6$e1Ruinnob2flY7ZB$yRXO6Aisy9WWNggqS.u7YbXYF9WNZKWar2sNCxjHaFTklKNa071jj.waBy7P/IVO4w.6CHoxWhM4.kZ5OdysD1:20786:0:99999:7:::
";

/// htpasswd 2.4.
const HTPASSWD: &str = "\
hpalice:$2y$05$4JOLmCTBqECmjKopuvOW7ugRT2TebIRNKk5M1ePr2iTHgRge8u0dW
hpbob:$apr1$NpoxZTqw$CQLoNik56OLz2y2lkI0Ht1
# a comment
hpcarol:$6$HsL/26WN.gLt39T7$0X2LDflxtsQRafzZ.vepgkr/Z2Nv2lIriiomiIHDtWyhkIf7R9m7t7HHL7fqAm3D5OlbuXVqr5EIunf.4LqvE/
";

/// doveadm 2.3.19.1.
const DOVECOT: &str = "\
dvalice:{ARGON2ID}$argon2id$v=19$m=65536,t=3,p=1$h5bC+9j1J0YwDYK9X5PwPw$vtUcdIjnmifeZqby2+Lps+sLTnNmw9wgPpC5bnaLVo0:1001:1001::/home/alice::userdb_quota_rule=*:bytes=1G
dvbob:{BLF-CRYPT}$2y$05$lrdZz/D6QfCNPdYmLeB/SuKaudfVPlujNUzB4F8Mhz7FQS9vzgpsy::::::
dvcarol:{SSHA512}NMVZpvzM7St8pl//Pvd5ugFPApDHdfYc+tr40NvqOToHRxWCwLljNMQdOCbx+6KmaZ0k+m+OEyNGQ1eNcWnnBMYqzF0=
dvdave:{SHA512-CRYPT}$6$lTh4W5y6Xgm6LVfC$BAPAHVPIzmkSgLoIeEbB8cL5.bnr2KmfJa9bRHE0HzVkPON/rudcyAd8FsrfTSdv4T/wJFlJu9yrVBDn.7JYj/
";

/// slapcat 2.5.13, with fewer operational attributes.
const LDIF: &str = "\
dn: dc=example,dc=com
objectClass: dcObject
objectClass: organization
o: Example
dc: example

dn: uid=alice,ou=people,dc=example,dc=com
objectClass: inetOrgPerson
uid: ldalice
cn:: QWxpY2Ugw4VuZ3N0csO2bQ==
mail: alice@example.com
userPassword:: e0FSR09OMn0kYXJnb24yaSR2PTE5JG09NDA5Nix0PTMscD0xJFJ6OUdSc3M1Yy8
 zY0JvK1o3dU1qdmckMXd6aytWdURuMXl3NDRSbmtDVVlSeE94YlJwVEJ2UExKQlJHUUF4MmYrbw==
structuralObjectClass: inetOrgPerson
createTimestamp: 20261129041124Z

dn: uid=bob,ou=people,dc=example,dc=com
objectClass: inetOrgPerson
uid: ldbob
userPassword:: e1NTSEF9TVFhZStzVGVUZ1poWlpHYTJ0MHlISFRqQlJEQjdKeFk=

# A comment that is
 continued.
dn: uid=carol,ou=people,dc=example,dc=com
objectClass: account
objectClass: simpleSecurityObject
uid: ldcarol
userPassword:: e0NSWVBUfSQ2JC9sZVFuNVBPbG45UW0vR2EkQTJXS2Uva0gvUmY4UHRJQ1lqWER
 CdlJqQlc4TTBEczFHcGQvUHI2VTRhQ2lhOEFHTW1jdzBpenRLL3N3bmx2bzAucTA0N0dvbDZSMW1K
 V1c5cXEuby4=
";

/// Of Django 5.2.19, as SQLite writes the table.
const DJANGO: &str = "\
id,password,last_login,is_superuser,username,last_name,email,is_staff,is_active,date_joined,first_name
1,pbkdf2_sha256$1000000$AHhoLlgeG5uk9hqQOIIz0N$blDkt60rqXgDXHp7BulgZS+A5z/fIbQRHzx4GNeAD90=,,0,djalice,,alice@example.com,0,1,2026-11-29 04:12:40.944820,
2,!9fBImrzDZSWBmWTrg8UeJFAEsB5YCTHiRTIx5P0f,,0,djbob,,bob@example.com,0,1,2026-11-29 04:12:41.891460,
3,pbkdf2_sha256$1000000$61VH9QAyEFOZG4c09Bq6p5$wNUu3QWdALEeMOfm4a56b+86Sd7Gopu9UlnqLAFFg8w=,,0,djcarol,,carol@example.com,0,0,2026-11-29 04:12:41.935491,
";

const NONE: &str = "";

#[tokio::test]
async fn password_files_of_unix_dovecot_and_apache_come_in() {
    let target = Target::start().await;
    let from = |system| ["--from", system, "--kind", "ram-user", "--without-password"];
    let of = |names: &[&'static str]| names.iter().map(|name| (*name, PASSWORD)).collect::<Vec<_>>();
    let shadow = [("daemon", NONE), ("alice", PASSWORD), ("bob", PASSWORD), ("carol", NONE)];
    target.takes("shadow", SHADOW, &from("shadow"), &shadow).await;
    target.takes("htpasswd", HTPASSWD, &from("htpasswd"), &of(&["hpalice", "hpbob", "hpcarol"])).await;
    target.takes("passwd", DOVECOT, &from("dovecot"), &of(&["dvalice", "dvbob", "dvcarol", "dvdave"])).await;
    assert_eq!(target.posture("hashes").await, json!("9"), "the others have none");
}

#[tokio::test]
async fn directories_and_tables_of_users_come_in() {
    let target = Target::start().await;
    let from = |system| ["--from", system, "--kind", "ram-user", "--without-password"];
    let of = |names: &[&'static str]| names.iter().map(|name| (*name, PASSWORD)).collect::<Vec<_>>();
    target.takes("people.ldif", LDIF, &from("ldif"), &of(&["ldalice", "ldbob", "ldcarol"])).await;
    let django = [("djalice", PASSWORD), ("djbob", NONE), ("djcarol", NONE)];
    target.takes("auth_user.csv", DJANGO, &from("django"), &django).await;
    let wordpress = "ID,user_login,user_pass,user_nicename,user_email\r\n\
        1,wpadmin,$wp$2y$10$Q1xinFjrZeLWJBvxviIL6u834Fu.evIEFHAUVisQ5O.w9Dm0sMdES,admin,admin@example.com\r\n\
        2,wpold,$P$68h.o39RWsc4zlQ5UR1.2RIwgUjFIA1,old,old@example.com\r\n";
    target.takes("wp_users.csv", wordpress, &from("wordpress"), &[("wpadmin", "admin"), ("wpold", PASSWORD)]).await;
}

const BCRYPT: &str = "$2y$05$4JOLmCTBqECmjKopuvOW7ugRT2TebIRNKk5M1ePr2iTHgRge8u0dW";

/// A realm with what Keycloak 26 keeps of the password "secret", and what older ones kept.
fn keycloak() -> String {
    let argon2 = json!({ "type": "password", "createdDate": 1_767_604_673_211_u64,
        "secretData": r#"{"value":"xKjWvB9+0sSP6wTqI1JoEI7w+iA0x9VDhPgmrOHRG80=","salt":"LRScGShC7shkdoU5B1UgUQ==","additionalParameters":{}}"#,
        "credentialData": r#"{"hashIterations":5,"algorithm":"argon2","additionalParameters":{"hashLength":["32"],"memory":["7168"],"type":["id"],"version":["1.3"],"parallelism":["1"]}}"# });
    let otp = json!({ "type": "otp", "secretData": r#"{"value":"JBSWY3DPEHPK3PXP"}"#, "credentialData": "{}" });
    json!({ "realm": "acme", "users": [
        { "id": "a1", "username": "jane", "email": "jane@example.com", "enabled": true, "attributes": { "plan": ["gold"] },
          "credentials": [otp, argon2] },
        { "id": "a2", "username": "gone", "enabled": false, "credentials": [argon2] },
        { "id": "a3", "username": "linked", "enabled": true, "credentials": [] },
        { "id": "a4", "username": "service-account-app", "enabled": true, "serviceAccountClientId": "app" },
    ], "clients": [] })
    .to_string()
}

#[tokio::test]
async fn exports_of_identity_providers_come_in() {
    let target = Target::start().await;
    let from = |system, map| ["--from", system, "--kind", "iam-user", "--without-password", "--map", map];
    let keycloak_users = [("a1", "secret"), ("a2", NONE), ("a3", NONE)];
    target.takes("realm.json", &keycloak(), &from("keycloak", "name=id"), &keycloak_users).await;
    assert_eq!(target.changed_at("a1").await, "2026-01-05T09:17:53.211Z");

    let kratos = json!([
        { "id": "k1", "state": "active", "traits": { "email": "a@example.com" }, "credentials": { "password": {
            "identifiers": ["a@example.com"], "config": { "hashed_password": BCRYPT }, "updated_at": "2025-06-01T12:00:00Z" } } },
        { "id": "k2", "state": "inactive", "traits": {}, "credentials": { "password": { "config": { "hashed_password": BCRYPT } } } },
        { "id": "k3", "state": "active", "traits": {}, "credentials": { "oidc": {} } },
    ]);
    let users = [("k1", PASSWORD), ("k2", NONE), ("k3", NONE)];
    target.takes("identities.json", &kratos.to_string(), &from("kratos", "name=id"), &users).await;

    let zitadel = json!({ "orgs": [{ "orgId": "1", "humanUsers": [
        { "userId": "z1", "user": { "userName": "a", "hashedPassword": { "value": BCRYPT } } },
        { "userId": "z2", "user": { "userName": "b" } },
    ] }, { "orgId": "2" }] });
    let users = [("z1", PASSWORD), ("z2", NONE)];
    target.takes("zitadel.json", &zitadel.to_string(), &from("zitadel", "name=userId"), &users).await;

    let auth0 = [
        json!({ "_id": { "$oid": "5dea9f9c82dd7c0e76e4ec93" }, "email": "a@example.com", "passwordHash": BCRYPT,
                "password_set_date": { "$date": "2019-12-06T18:36:12.412Z" } }),
        json!({ "_id": { "$oid": "5dea9f9c82dd7c0e76e4ec94" }, "custom_password_hash": {
                "algorithm": "ldap", "hash": { "value": "{SSHA}C5rlq6mRMSKCXHpaLqgxCONRhzxfh9RT" } } }),
    ];
    let auth0 = auth0.map(|user| user.to_string()).join("\n");
    let users = [("5dea9f9c82dd7c0e76e4ec93", PASSWORD), ("5dea9f9c82dd7c0e76e4ec94", PASSWORD)];
    target.takes("auth0.ndjson", &auth0, &from("auth0", "name=_id.$oid"), &users).await;
}

impl Target {
    async fn posture(&self, field: &str) -> Value {
        let client = Client::new(self.serving.address).with_token(&self.operator);
        client.ok("DescribeHashPosture", json!({ "tenant": "acme" })).await[field].clone()
    }

    async fn changed_at(&self, iam_user: &str) -> Value {
        let client = Client::new(self.serving.address).with_token(&self.operator);
        let described = client.ok("DescribeIamUser", json!({ "tenant": "acme", "user_id": iam_user })).await;
        described["iam_user"]["credential"]["change_time"].clone()
    }
}

#[tokio::test]
async fn a_dry_run_says_what_would_come_in_and_what_would_not_with_a_service_or_without() {
    let target = Target::start().await;
    let large = "frank:$argon2id$v=19$m=102400,t=2,p=8$M05NYlg5ZmNIUzQ5RUVUWTFCOTdJeA$sMWNUfrbrGXWzBJwxeR/bQKBXE9XwTsuZ84trZJ2cI4:1::";
    let shadow = format!("{SHADOW}erin:$1$wcLrRCzP$YkMkJwiHyEv7CrkZpAIaJ/:1\n{large}\nnobody\n");
    let from = ["--from", "shadow", "--kind", "ram-user", "--dry-run"];
    let dry = target.import("shadow", &shadow, &from);
    let locked = "this is a locked account, which can't be imported: it has no hash that any password matches";
    let expected = format!("\
row 1: hash: {locked} (ALGORITHM_NOT_SUPPORTED)
row 4: hash: {locked} (ALGORITHM_NOT_SUPPORTED)
row 5: hash: this is md5-crypt, which is imported only where it is allowed: add `md5-crypt` to `import.allow` (ALGORITHM_NOT_ALLOWED)
row 6: hash: takes 102400 KiB, at most 65536 are verified: set `hashing.ceiling_kib` to 102400 or more (OUT_OF_RANGE)
row 7: has no colon between a name and a hash (MALFORMED)
1 of argon2id
1 of md5-crypt
3 of no hash
1 of sha512-crypt
1 of yescrypt
2 refused: hash: ALGORITHM_NOT_SUPPORTED
1 refused: hash: ALGORITHM_NOT_ALLOWED
1 refused: hash: OUT_OF_RANGE
1 refused: MALFORMED
with `hashing.ceiling_kib` at 102400, no row is refused for its memory
dry run: would import 0, unchanged 0, skipped 0, refused 5, held back with them 2
");
    assert_eq!((dry.stdout.as_str(), dry.status), (expected.as_str(), Some(1)));
    assert_eq!(target.posture("hashes").await, Value::Null, "nothing is stored");

    // Without a service, the settings are those of its file.
    let settings = format!("[import]\nallow = {ALLOW:?}\n[hashing]\nceiling_kib = 65536\n");
    fs::write(target.installation.path("service.toml"), settings).unwrap();
    let offline = target.import("shadow", &shadow, &[&from[..], &["--offline", "--config", "service.toml"]].concat());
    assert_eq!((offline.stdout.as_str(), offline.status), (expected.as_str(), Some(1)), "{}", offline.stderr);
    let usual = target.import("shadow", &shadow, &[&from[..], &["--offline", "--without-password"]].concat());
    assert!(usual.stdout.contains("this is yescrypt") && !usual.stdout.contains("locked"), "{}", usual.stdout);
}

#[tokio::test]
async fn a_field_that_is_missing_is_reported_with_those_that_are_there() {
    let target = Target::start().await;
    let one = r#"{"_id": {"$oid": "1"}, "identifiers": [{"value": "a@example.com"}]}"#;
    let refused = target.import("auth0.ndjson", one, &["--from", "auth0", "--kind", "iam-user", "--without-password"]);
    let expected = "row 1: name: the account has no \"email\": name another with --map name=; it has _id, identifiers (MALFORMED)\n";
    assert!(refused.stdout.starts_with(expected), "{}", refused.stdout);
    let mapped = ["--from", "auth0", "--kind", "iam-user", "--without-password", "--map", "name=_id.$oid"];
    assert!(target.import("auth0.ndjson", one, &mapped).stdout.starts_with("imported 1,"));
    for (arguments, message) in [
        (&["--from", "auth0"][..], "--kind"),
        (&["--kind", "iam-user"], "--from"),
        (&["--from", "auth0", "--kind", "user"], "mail-domain, ram-user"),
        (&["--from", "auth0", "--kind", "iam-user", "--map", "hash=x"], "COLUMN=FIELD"),
        (&["--offline"], "--dry-run"),
    ] {
        let ended = target.import("auth0.ndjson", one, arguments);
        assert!(ended.status == Some(2) && ended.stderr.contains(message), "{}", ended.stderr);
    }
    let broken = target.import("realm.json", "{\"users\": [\n{]", &["--from", "keycloak", "--kind", "iam-user"]);
    assert!(broken.stderr.contains("line 2"), "{}", broken.stderr);
}
