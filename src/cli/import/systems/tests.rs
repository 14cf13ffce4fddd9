//! What the readers make of files that are written in other ways than usual, or wrong.

use std::io::{self, BufReader, Cursor, Read};

use serde_json::json;

use super::*;

/// What is found: `number name hash time` of each account, with a question mark before a reason.
fn read(system: System, file: impl AsRef<[u8]>) -> Vec<String> {
    let input = Box::new(Cursor::new(file.as_ref().to_vec()));
    system.accounts(input).map(|entry| shown(system, entry.unwrap())).collect()
}

fn shown(system: System, entry: Entry) -> String {
    match entry {
        Entry::Account(Account { number, hash, changed, fields }) => {
            let name = values::text_at(&fields, system.name_field()).unwrap_or_default();
            let hash = hash.unwrap_or_else(|why| format!("?{why}"));
            [number.to_string(), name, hash, changed.unwrap_or_default()].join(" ").trim_end().to_owned()
        }
        Entry::Unreadable(number, why) => format!("{number} ?{why}"),
    }
}

#[test]
fn lines_of_ldif_are_joined_and_decoded() {
    let file = "\u{feff}version: 1\r\n\
        # a comment\r\n  that goes on\r\n\
        dn: uid=a,dc=x\r\n\
        objectclass: top\r\n\
        OBJECTCLASS: InetOrgPerson\r\n\
        jpegPhoto:: /9j/4A==\r\n\
        uid;lang-en: a\r\n\
        userPassword:: e1NTSEF9\r\n QUFB\r\n\
        pwdChangedTime: 20260131120000.123Z\r\n\
        \r\n\r\n\
        dn: ou=people,dc=x\r\nobjectClass: organizationalUnit\r\n\
        \r\n\
        dn: uid=b,dc=x\nobjectClass: posixAccount\nuid:b\nuserPassword: {CRYPT}$6$x$y:z \npwdChangedTime: today\n";
    assert_eq!(read(System::Ldif, file), ["1 a {SSHA}AAA 2026-01-31T12:00:00Z", "17 b {CRYPT}$6$x$y:z"]);
}

#[test]
fn entries_of_ldif_that_give_no_hash_say_why() {
    let entry = |attributes: &str| read(System::Ldif, format!("dn: uid=a\nobjectClass: account\nuid: a\n{attributes}"));
    for (attributes, expected) in [
        ("", "1 a"),
        ("userPassword: $h\nnsAccountLock: TRUE\n", "1 a !"),
        ("userPassword: $h\nnsAccountLock: false\n", "1 a $h"),
        ("userPassword: $h\npwdAccountLockedTime: 000001010000Z\n", "1 a !"),
        ("userPassword: $h\nuserPassword: $i\n", "1 a ?it has 2 values of userPassword, one is imported"),
        ("userPassword:: $$$\n", "1 ?has a value that is not base64"),
        ("userPassword:< file:///etc/passwd\n", "1 ?has a value in another file, which is not read"),
        ("userPassword\n", "1 ?has a line without a colon"),
        ("changetype: modify\n", "1 ?is a change, not an entry"),
        ("changetype: add\nuserPassword: $h\n", "1 a $h"),
    ] {
        assert_eq!(entry(attributes), [expected], "{attributes}");
    }
    let bytes = b"dn: uid=a\nobjectClass: account\nuid: \xff\n\ndn: uid=b\nobjectClass: account\nuid: b\n";
    assert_eq!(read(System::Ldif, bytes), ["1 ?is not UTF-8", "5 b"], "the next is read");
}

#[test]
fn credentials_of_keycloak_are_read_as_it_wrote_them_before_version_8_and_since() {
    let before = |algorithm: &str| {
        json!({ "type": "password", "algorithm": algorithm, "hashIterations": 27500, "salt": "c2FsdA==",
                "hashedSaltedValue": "dGFn", "createdDate": 1_767_323_045_000_u64 })
    };
    let since = |secret: &Value, data: &Value| json!({ "type": "password", "secretData": secret.to_string(), "credentialData": data.to_string() });
    let secret = json!({ "value": "dGFn", "salt": "c2FsdA==" });
    let argon2 = |version: &str| {
        let parameters = json!({ "hashLength": ["32"], "memory": ["7168"], "type": ["id"], "version": [version], "parallelism": ["1"] });
        json!({ "algorithm": "argon2", "hashIterations": 5, "additionalParameters": parameters })
    };
    let own = json!({ "value": "$2y$05$x", "salt": "" });
    let other = json!({ "value": "x", "salt": "" });
    let bcrypt = json!({ "algorithm": "bcrypt", "hashIterations": 5 });
    for (credential, expected) in [
        (before("pbkdf2-sha256"), "$pbkdf2-sha256$i=27500$c2FsdA$dGFn 2026-01-02T03:04:05Z"),
        (before("pbkdf2-sha512"), "$pbkdf2-sha512$i=27500$c2FsdA$dGFn 2026-01-02T03:04:05Z"),
        (before("pbkdf2"), "$pbkdf2-sha1$i=27500$c2FsdA$dGFn 2026-01-02T03:04:05Z"),
        (since(&secret, &argon2("1.3")), "$argon2id$v=19$m=7168,t=5,p=1$c2FsdA$dGFn"),
        (since(&secret, &argon2("1.0")), "$argon2id$v=16$m=7168,t=5,p=1$c2FsdA$dGFn"),
        (since(&secret, &argon2("2")), "?its version of argon2 is \"2\", known are 1.3 and 1.0"),
        (since(&secret, &json!({ "algorithm": "argon2", "hashIterations": 5 })), "?its version is missing"),
        (since(&secret, &json!({ "algorithm": "pbkdf2-sha256" })), "?its hashIterations is missing"),
        (since(&json!({ "salt": "" }), &bcrypt), "?its value is missing"),
        (since(&own, &bcrypt), "$2y$05$x"),
        (json!({ "type": "password", "secretData": "x" }), "?its secretData is not JSON"),
        (json!({ "type": "otp" }), ""),
    ] {
        let realm = json!({ "realm": "r", "users": [{ "username": "a", "credentials": [credential] }] });
        assert_eq!(read(System::Keycloak, realm.to_string()), [format!("1 a {expected}").trim_end()], "{credential}");
    }
    let named =
        read(System::Keycloak, json!([{ "username": "a", "credentials": [since(&other, &bcrypt)] }]).to_string());
    assert!(named[0].starts_with("1 a ?its algorithm \"bcrypt\" is not one of Keycloak's own"), "{named:?}");
}

#[test]
fn tables_are_read_as_databases_write_csv() {
    let file = "\u{feff}id,password ,username,is_active\r\n\
        1,$h,\"a, \"\"b\"\"\r\nc\",t\r\n\r\n\
        2,\" $h\t\",b,False\r\n3,,c,1\r\n4,$h\r\n5,$h,e,0\r\n";
    let expected = ["1 a, \"b\"\r\nc $h", "2 b !", "3 c", "4 ?has 2 values for 4 columns", "5 e !"];
    assert_eq!(read(System::Django, file), expected);
    assert_eq!(read(System::Wordpress, b"user_login,user_pass\na,\xff\nb,$P$x\n"), ["1 ?is not UTF-8", "2 b $P$x"]);
    for (system, column) in [(System::Django, "password"), (System::Wordpress, "user_pass")] {
        let error = system.accounts(Box::new(&b"id,name\n1,a\n"[..])).next().unwrap().err().unwrap();
        assert!(error.to_string().contains(&format!("the first line names no column {column:?}")), "{error}");
    }
}

#[test]
fn accounts_in_json_come_as_they_are_read() {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("the disk is gone"))
        }
    }
    let start = "{\"clients\": [{}], \"users\": [{\"username\": \"a\"}, 7, {\"username\": \"b\"},";
    let input = Box::new(BufReader::new(Cursor::new(start).chain(Broken)));
    let mut accounts = System::Keycloak.accounts(input);
    for expected in ["1 a", "2 ?is not a JSON object", "3 b"] {
        assert_eq!(shown(System::Keycloak, accounts.next().unwrap().unwrap()), expected);
    }
    assert_eq!(accounts.next().unwrap().err().unwrap().to_string(), "the disk is gone");
    assert!(accounts.next().is_none());
    // A reader ends if its accounts are not taken.
    drop(System::Keycloak.accounts(Box::new(Cursor::new("{}".repeat(1000)))));
}

#[test]
fn documents_in_json_have_accounts_where_their_lists_are() {
    for (text, expected) in [
        ("", &[][..]),
        (" \n", &[]),
        ("\u{feff}{\"email\": \"a\"}\n{\"email\": \"b\"}", &["1 a", "2 b"]),
        ("[{\"email\": \"a\"}, [{\"email\": \"b\"}]]", &["1 a", "2 b"]),
        ("{\"users\": [{\"email\": \"a\"}], \"more\": {\"email\": \"x\"}}", &["1 a"]),
        ("{\"users\": []}", &[]),
        ("null", &["1 ?is not a JSON object"]),
    ] {
        assert_eq!(read(System::Auth0, text), expected, "{text}");
    }
    let error = System::Auth0.accounts(Box::new(&b"[{}\n}"[..])).last().unwrap().err().unwrap();
    assert!(error.to_string().contains("line 2"), "{error}");
}
