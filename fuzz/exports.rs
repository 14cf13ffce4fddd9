//! A file of another system, or one of ours, ends with its last row or with what can't be read, and its rows are in order.

use credentiald::cli::fuzzing::read_rows;

use crate::texts;

pub fn run(bytes: &[u8]) {
    let [format, file @ ..] = bytes else { return };
    let numbers = read_rows(format.wrapping_sub(b'0').into(), file);
    assert!(numbers.len() <= file.len(), "{numbers:?}");
    assert!(numbers.first().is_none_or(|first| *first > 0), "{numbers:?}");
    assert!(numbers.is_sorted_by(|one, next| one < next), "{numbers:?}");
}

/// The first byte is the number of the format, from `0` on.
pub fn seeds() -> Vec<Vec<u8>> {
    texts(&[
        r#"0{"users": [{"username": "a", "credentials": [{"type": "password", "algorithm": "pbkdf2-sha256", "hashIterations": 27500}]}]}"#,
        r#"1[{"credentials": {"password": {"identifiers": ["a"], "config": {"hashed_password": "$2a$10$x"}}}}]"#,
        r#"2{"orgs": [{"humanUsers": [{"user": {"userName": "a", "hashedPassword": {"value": "$2a$10$x"}}}]}]}"#,
        "3{\"email\": \"a@example.com\", \"passwordHash\": \"$2b$10$x\"}\n{}\n",
        r#"4{"users": [{"localId": "1", "email": "a@example.com", "passwordHash": "AA==", "salt": "AA=="}]}"#,
        "5dn: uid=a,dc=x\nobjectClass: account\nuid: a\nuserPassword:: e1NTSEF9\n QUFB\n\ndn: uid=b\n",
        "6a:{SHA512-CRYPT}$6$x$y:1000:1000::/home/a\n# comment\nb:{PLAIN}x\n",
        "7root:!:19000:0:99999:7:::\na:$y$j9T$x$y:19000:0:99999:7:::\n",
        "8a:$2y$05$x\nb:$apr1$x$y\n",
        "9id,password,username\n1,pbkdf2_sha256$1000$x$y,a\n2,!x,\"b\n\"\n",
        ":ID,user_login,user_pass\n1,a,$P$Bxxxxxxxxx\n",
        ";{\"kind\": \"ram-user\", \"name\": \"a\", \"hash\": \"$2b$10$x\"}\n\n{]\n",
        "<kind,name,hash\nram-user,a,$2b$10$x\nram-user\n",
    ])
}
