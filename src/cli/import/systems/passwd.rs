//! Files with an account on each line, and colons between its fields.

use std::io::BufRead;

use serde_json::json;

use super::{Account, Accounts, Entry};
use crate::cli::import::row::trimmed;
use crate::cli::import::source::Input;

const SECONDS_OF_A_DAY: i64 = 86_400;

/// `user:password:uid:gid:gecos:home:shell:extra`.
pub(super) fn dovecot(input: Input) -> Accounts {
    lines(input, |number, user, hash, rest| {
        let field = |at: usize| rest.get(at).copied().unwrap_or_default();
        let fields = json!({
            "user": user, "uid": field(0), "gid": field(1), "gecos": field(2), "home": field(3), "shell": field(4),
        });
        Account { number, fields, hash: Ok(hash.to_owned()), changed: None }
    })
}

/// `name:hash:day of the last change:…`.
pub(super) fn shadow(input: Input) -> Accounts {
    lines(input, |number, user, hash, rest| {
        // Day 0 says that a new password is needed.
        let day = rest.first().and_then(|day| day.parse::<i64>().ok()).filter(|day| *day > 0);
        let seconds = day.and_then(|day| day.checked_mul(SECONDS_OF_A_DAY));
        let changed = seconds.map(|seconds| prost_types::Timestamp { seconds, nanos: 0 }.to_string());
        Account { number, fields: json!({ "user": user }), hash: Ok(hash.to_owned()), changed }
    })
}

/// `user:hash`.
pub(super) fn htpasswd(input: Input) -> Accounts {
    lines(input, |number, user, hash, _| Account {
        number,
        fields: json!({ "user": user }),
        hash: Ok(hash.to_owned()),
        changed: None,
    })
}

/// The accounts on the lines that are not empty and no comment.
fn lines(input: Input, account: impl Fn(u64, &str, &str, &[&str]) -> Account + Send + 'static) -> Accounts {
    let entry = move |(number, line): (u64, std::io::Result<Vec<u8>>)| {
        let line = match line {
            Ok(line) => line,
            Err(error) => return Some(Err(error)),
        };
        let Ok(line) = std::str::from_utf8(&line) else {
            return Some(Ok(Entry::Unreadable(number, "is not UTF-8".to_owned())));
        };
        let line = trimmed(line);
        if line.is_empty() || line.starts_with('#') {
            return None;
        }
        let mut parts = line.split(':');
        let user = parts.next().unwrap_or_default();
        let Some(hash) = parts.next() else {
            return Some(Ok(Entry::Unreadable(number, "has no colon between a name and a hash".to_owned())));
        };
        Some(Ok(Entry::Account(account(number, user, trimmed(hash), &parts.collect::<Vec<_>>()))))
    };
    Box::new((1..).zip(input.split(b'\n')).filter_map(entry))
}
