//! The keys of other systems, without which no password verifies against their hashes.
//!
//! Each line of a ring has a name, a system and what that system's hashes need. Stored hashes have the name of their key,
//! and nothing else of it. No message repeats the input, because it might be a key.

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use zeroize::Zeroizing;

use super::formats::parts::{ANY_PADDING, decimal, values};
use crate::domain::field::FieldProblem;
use crate::domain::names::ImportKeyId;

/// Bytes of a signer key of Firebase.
pub(super) const SIGNER_KEY_BYTES: usize = 64;
/// Firebase's separators have one byte.
const MAX_SEPARATOR_BYTES: usize = 16;

/// The keys in the order of their lines. The first one of a system is that of new imports.
#[derive(Debug, Default)]
pub struct ImportKeys {
    firebase: Vec<Arc<FirebaseKey>>,
    flask_security: Vec<Arc<HmacKey>>,
}

/// A key that is in use, and never shown.
#[derive(PartialEq, Eq)]
pub(super) struct KeyBytes(Zeroizing<Vec<u8>>);

impl KeyBytes {
    /// The key, for the code that needs it.
    pub(super) fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for KeyBytes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("KeyBytes(hidden)")
    }
}

/// The password hash parameters of a project of Firebase.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct FirebaseKey {
    pub id: ImportKeyId,
    pub signer_key: KeyBytes,
    pub separator: Vec<u8>,
    /// r of scrypt.
    pub rounds: u32,
    /// The logarithm of N of scrypt.
    pub mem_cost: u32,
}

/// The key of an application with Flask-Security.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct HmacKey {
    pub id: ImportKeyId,
    pub key: KeyBytes,
}

/// A mistake in a ring, with its line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {problem}")]
pub struct ImportKeyMistake {
    /// The number of the line; the first is 1.
    pub line: usize,
    /// The problem in that line.
    pub problem: ImportKeyProblem,
}

/// A problem in a line of a ring.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ImportKeyProblem {
    /// A field is missing, or there is no such system.
    #[error("must be a name, a system (firebase or flask-security) and its fields, separated by blanks")]
    Line,
    /// The name is invalid.
    #[error("the name {0}")]
    Id(FieldProblem),
    /// Another line has that name.
    #[error("the name is already used on line {0}")]
    IdTaken(usize),
    /// Something is missing, not known or not readable in a line of Firebase.
    #[error(
        "must have base64_signer_key= (64 bytes), base64_salt_separator= (at most 16 bytes), rounds= and mem_cost=, \
         each once, as the console of Firebase shows them"
    )]
    Firebase,
    /// The key is missing in a line of Flask-Security.
    #[error("must have SECURITY_PASSWORD_SALT= and its value, which the rest of the line is, with its blanks")]
    FlaskSecurity,
}

impl ImportKeys {
    /// No keys.
    pub(super) const NONE: &'static Self = &Self { firebase: Vec::new(), flask_security: Vec::new() };

    /// Parses a ring: a key on each line. Empty lines, and those that begin with `#`, are left out.
    ///
    /// # Errors
    /// Every mistake.
    pub fn parse(text: &str) -> Result<Self, Vec<ImportKeyMistake>> {
        let (mut keys, mut ids, mut mistakes) = (Self::default(), Vec::new(), Vec::new());
        // A value may end with blanks.
        for (number, line) in (1..).zip(text.lines().map(str::trim_start)) {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            match keys.add(line, number, &mut ids) {
                Ok(()) => {}
                Err(problem) => mistakes.push(ImportKeyMistake { line: number, problem }),
            }
        }
        if mistakes.is_empty() { Ok(keys) } else { Err(mistakes) }
    }

    fn add(&mut self, line: &str, number: usize, ids: &mut Vec<(usize, ImportKeyId)>) -> Result<(), ImportKeyProblem> {
        let (id, rest) = line.split_once(char::is_whitespace).ok_or(ImportKeyProblem::Line)?;
        let id = ImportKeyId::parse(id).map_err(ImportKeyProblem::Id)?;
        if let Some((line, _)) = ids.iter().find(|(_, taken)| *taken == id) {
            return Err(ImportKeyProblem::IdTaken(*line));
        }
        ids.push((number, id.clone()));
        match rest.trim_start().split_once(char::is_whitespace) {
            Some(("firebase", fields)) => {
                self.firebase.push(Arc::new(FirebaseKey::parse(id, fields).ok_or(ImportKeyProblem::Firebase)?));
                Ok(())
            }
            Some(("flask-security", field)) => {
                let key = field.trim_start().strip_prefix("SECURITY_PASSWORD_SALT=");
                let key = key
                    .filter(|key| !key.trim().is_empty())
                    .ok_or(ImportKeyProblem::FlaskSecurity)?
                    .as_bytes()
                    .to_vec();
                self.flask_security.push(Arc::new(HmacKey { id, key: KeyBytes(Zeroizing::new(key)) }));
                Ok(())
            }
            _ => Err(ImportKeyProblem::Line),
        }
    }

    /// Whether it holds no key.
    pub const fn is_empty(&self) -> bool {
        self.firebase.is_empty() && self.flask_security.is_empty()
    }

    /// The first key of Firebase that is one of those.
    pub(super) fn firebase(&self, is_one: impl Fn(&FirebaseKey) -> bool) -> Option<&Arc<FirebaseKey>> {
        self.firebase.iter().find(|key| is_one(key))
    }

    /// The first key of Flask-Security that is one of those.
    pub(super) fn flask_security(&self, is_one: impl Fn(&HmacKey) -> bool) -> Option<&Arc<HmacKey>> {
        self.flask_security.iter().find(|key| is_one(key))
    }
}

impl FirebaseKey {
    fn parse(id: ImportKeyId, fields: &str) -> Option<Self> {
        const NAMES: [&str; 4] = ["base64_signer_key", "base64_salt_separator", "rounds", "mem_cost"];
        let [signer_key, separator, rounds, mem_cost] = values(fields.split_whitespace(), NAMES)?;
        let signer_key = Zeroizing::new(ANY_PADDING.decode(signer_key).ok()?);
        let separator = ANY_PADDING.decode(separator).ok()?;
        let has_lengths = signer_key.len() == SIGNER_KEY_BYTES && separator.len() <= MAX_SEPARATOR_BYTES;
        let (rounds, mem_cost) = (decimal(rounds)?, decimal(mem_cost)?);
        has_lengths.then(|| Self { id, signer_key: KeyBytes(signer_key), separator, rounds, mem_cost })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIGNER_KEY: &str = "jxspr8Ki0RYycVU8zykbdLGjFQ3McFUH0uiiTvC8pVMXAn210wjLNmdZJzxUECKbm0QsEmYUSDzZvpjeJ9WmXA==";

    fn line(id: &str) -> String {
        format!("{id} firebase base64_signer_key={SIGNER_KEY} base64_salt_separator=Bw== rounds=8 mem_cost=14")
    }

    #[test]
    fn a_ring_is_read_and_the_first_key_is_that_of_imports() {
        let ring = ImportKeys::parse(&format!("# both\n\n {}\r\n{}\n", line("new"), line("old"))).unwrap();
        let first = ring.firebase(|_| true).unwrap();
        assert_eq!((first.id.as_str(), first.rounds, first.mem_cost), ("new", 8, 14));
        assert_eq!((first.signer_key.expose().len(), first.separator.as_slice()), (64, &[7][..]));
        assert_eq!(ring.firebase(|key| key.id.as_str() == "old").unwrap().id.as_str(), "old");
        assert!(!ring.is_empty() && ImportKeys::parse("# none\n").unwrap().is_empty());
    }

    #[test]
    fn a_salt_of_flask_security_is_the_rest_of_its_line_with_its_blanks() {
        for (text, salt) in [
            (" shop  flask-security  SECURITY_PASSWORD_SALT=a =b", "a =b"),
            ("shop flask-security SECURITY_PASSWORD_SALT=a \t \n", "a \t "),
            ("shop flask-security SECURITY_PASSWORD_SALT= a \u{a0}\r\n# next", " a \u{a0}"),
        ] {
            let keys = ImportKeys::parse(text).unwrap();
            assert_eq!(keys.flask_security(|_| true).unwrap().key.expose(), salt.as_bytes(), "{text:?}");
        }
    }

    #[test]
    fn every_mistake_is_named_and_no_key_is_repeated() {
        let bad = |from: &str, to: &str| line("a").replacen(from, to, 1);
        for (text, words) in [
            ("a".to_owned(), "line 1: must be a name, a system"),
            ("a firebase".to_owned(), "line 1: must be a name, a system"),
            ("a okta key=x".to_owned(), "line 1: must be a name, a system"),
            ("a flask-security".to_owned(), "line 1: must be a name, a system"),
            ("a flask-security PASSWORD_SALT=x".to_owned(), "line 1: must have SECURITY_PASSWORD_SALT="),
            ("a flask-security SECURITY_PASSWORD_SALT=".to_owned(), "line 1: must have SECURITY_PASSWORD_SALT="),
            ("a flask-security SECURITY_PASSWORD_SALT=  ".to_owned(), "line 1: must have SECURITY_PASSWORD_SALT="),
            (line("a/b"), "line 1: the name "),
            (format!("{}\n{}", line("a"), line("a")), "line 2: the name is already used on line 1"),
            (bad("jxspr8", "jx"), "line 1: must have base64_signer_key="),
            (bad("mem_cost=14", "mem_cost=014"), "line 1: must have base64_signer_key="),
            (bad("mem_cost=14", ""), "line 1: must have base64_signer_key="),
            (bad("mem_cost=14", "rounds=8"), "line 1: must have base64_signer_key="),
            (bad("Bw==", "B*"), "line 1: must have base64_signer_key="),
        ] {
            let mistakes = ImportKeys::parse(&text).unwrap_err();
            let said = mistakes[0].to_string();
            assert!(said.starts_with(words) && !said.contains("Kbm0QsEmYUSDzZvpjeJ9WmXA"), "{text}: {said}");
        }
        let two = ImportKeys::parse("a\nb\n").unwrap_err();
        assert_eq!(two.iter().map(|mistake| mistake.line).collect::<Vec<_>>(), [1, 2]);
    }

    #[test]
    fn a_key_is_not_printed() {
        let printed = format!("{:?}", ImportKeys::parse(&line("a")).unwrap());
        assert!(printed.contains("hidden") && !printed.contains("143"), "{printed}");
    }
}
