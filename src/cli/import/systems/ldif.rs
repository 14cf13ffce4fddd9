//! Entries of LDAP directories (RFC 2849).

use std::io::{self, BufRead};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

use super::{Account, Accounts, Entry};
use crate::cli::import::source::Input;
use crate::domain::text::BYTE_ORDER_MARK;

/// Classes of entries that are people or accounts. One entry of a directory in many is not.
const ACCOUNTS: [&str; 8] = [
    "person",
    "organizationalperson",
    "inetorgperson",
    "posixaccount",
    "shadowaccount",
    "account",
    "user",
    "simplesecurityobject",
];

pub(super) fn accounts(input: Input) -> Accounts {
    let mut lines = Lines { input, number: 0, ahead: None };
    Box::new(std::iter::from_fn(move || lines.next_account().transpose()))
}

/// The attributes of an entry, each with its values, or what is wrong with one.
type Attributes = Result<Map<String, Value>, &'static str>;

/// The lines of a file, with those that continue one joined to it.
struct Lines {
    input: Input,
    number: u64,
    /// The line after the current one, which has been read to see whether it continues that.
    ahead: Option<Vec<u8>>,
}

impl Lines {
    /// The next account, past entries of other things.
    fn next_account(&mut self) -> io::Result<Option<Entry>> {
        while let Some((number, fields)) = self.next_entry()? {
            let entry = match fields {
                Ok(fields) => account(number, fields),
                Err(why) => Some(Entry::Unreadable(number, why.to_owned())),
            };
            if entry.is_some() {
                return Ok(entry);
            }
        }
        Ok(None)
    }

    /// The number of the first line of the next entry, and its attributes or what is wrong with one.
    fn next_entry(&mut self) -> io::Result<Option<(u64, Attributes)>> {
        let (mut first, mut fields) = (0, Ok(Map::new()));
        loop {
            let number = self.number + u64::from(self.ahead.is_none());
            let Some(line) = self.next_line()? else { break };
            if line.starts_with(b"#") {
                continue;
            }
            if line.is_empty() && first > 0 {
                break;
            }
            if line.is_empty() {
                continue;
            }
            first = if first > 0 { first } else { number };
            fields = fields.and_then(|mut fields| {
                attribute(&line).map(|(name, value)| {
                    add(&mut fields, name, value);
                    fields
                })
            });
        }
        Ok((first > 0).then_some((first, fields)))
    }

    /// The next line as a whole, or `None` at the end.
    fn next_line(&mut self) -> io::Result<Option<Vec<u8>>> {
        let Some(mut line) = self.read()? else { return Ok(None) };
        while let Some(next) = self.read()? {
            match next.strip_prefix(b" ") {
                Some(rest) if !line.is_empty() => line.extend_from_slice(rest),
                _ => {
                    self.ahead = Some(next);
                    break;
                }
            }
        }
        Ok(Some(line))
    }

    fn read(&mut self) -> io::Result<Option<Vec<u8>>> {
        if let Some(line) = self.ahead.take() {
            return Ok(Some(line));
        }
        let mut line = Vec::new();
        if self.input.read_until(b'\n', &mut line)? == 0 {
            return Ok(None);
        }
        self.number += 1;
        while line.last().is_some_and(|byte| b"\r\n".contains(byte)) {
            line.pop();
        }
        if line.starts_with(BYTE_ORDER_MARK.as_bytes()) {
            line.drain(..BYTE_ORDER_MARK.len());
        }
        Ok(Some(line))
    }
}

/// The name and the value of a line: `name: text`, or `name:: base64`.
fn attribute(line: &[u8]) -> Result<(String, String), &'static str> {
    let line = std::str::from_utf8(line).map_err(|_| "is not UTF-8")?;
    let (name, rest) = line.split_once(':').ok_or("has a line without a colon")?;
    // Options of an attribute, such as a language, follow a semicolon.
    let name = name.split(';').next().unwrap_or_default().to_ascii_lowercase();
    let value = if let Some(encoded) = rest.strip_prefix(':') {
        let bytes = STANDARD.decode(encoded.trim()).map_err(|_| "has a value that is not base64")?;
        // Photographs and certificates are no text, and nothing is taken from them.
        String::from_utf8(bytes).unwrap_or_default()
    } else if rest.starts_with('<') {
        return Err("has a value in another file, which is not read");
    } else {
        rest.trim().to_owned()
    };
    Ok((name, value))
}

fn add(fields: &mut Map<String, Value>, name: String, value: String) {
    if let Value::Array(list) = fields.entry(name).or_insert_with(|| Value::Array(Vec::new())) {
        list.push(value.into());
    }
}

fn account(number: u64, fields: Map<String, Value>) -> Option<Entry> {
    let of = |name: &str| fields.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let text = |name: &str| of(name).first().and_then(Value::as_str);
    if text("changetype").is_some_and(|change| !change.eq_ignore_ascii_case("add")) {
        return Some(Entry::Unreadable(number, "is a change, not an entry".to_owned()));
    }
    let is_account =
        |class: &Value| class.as_str().is_some_and(|class| ACCOUNTS.contains(&class.to_ascii_lowercase().as_str()));
    if !of("objectclass").iter().any(is_account) {
        return None;
    }
    let is_locked = text("nsaccountlock").is_some_and(|value| value.eq_ignore_ascii_case("true"))
        || text("pwdaccountlockedtime").is_some();
    let hash = match of("userpassword") {
        _ if is_locked => Ok(super::LOCKED.to_owned()),
        [] => Ok(String::new()),
        [hash] => Ok(hash.as_str().unwrap_or_default().to_owned()),
        several => Err(format!("it has {} values of userPassword, one is imported", several.len())),
    };
    let changed = text("pwdchangedtime").and_then(generalized_time);
    Some(Entry::Account(Account { number, hash, changed, fields: Value::Object(fields) }))
}

/// A time as in `20260131120000Z` or `20260131120000.123Z`, as it is written in a row.
fn generalized_time(text: &str) -> Option<String> {
    let text = text.strip_suffix('Z')?;
    let part =
        |from: usize, to: usize| text.get(from..to).filter(|part| part.bytes().all(|byte| byte.is_ascii_digit()));
    let (year, month, day) = (part(0, 4)?, part(4, 6)?, part(6, 8)?);
    let (hour, minute, second) = (part(8, 10)?, part(10, 12)?, part(12, 14)?);
    Some(format!("{year}-{month}-{day}T{hour}:{minute}:{second}Z"))
}
