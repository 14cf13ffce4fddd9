//! The only type that holds a plaintext password.

use unicode_normalization::UnicodeNormalization;
use unicode_properties::{GeneralCategory, UnicodeGeneralCategory};
use zeroize::Zeroizing;

use super::field::{FieldProblem, LengthUnit};

/// The longest password in bytes on the wire; a longer one is refused.
pub const MAX_PASSWORD_BYTES: usize = 1024;

/// A password in memory, in Unicode normalization form C (NIST SP 800-63B-4 §3.1.1.2).
///
/// It wipes itself. [`Password::expose`] gives its text, and it can be neither printed, cloned nor compared:
///
/// ```
/// # let password = credentiald::domain::password::Password::parse("secret".into()).unwrap();
/// let text = password.expose();
/// ```
/// ```compile_fail,E0277
/// # let password = credentiald::domain::password::Password::parse("secret".into()).unwrap();
/// println!("{password:?}");
/// ```
/// ```compile_fail,E0599
/// # let password = credentiald::domain::password::Password::parse("secret".into()).unwrap();
/// let copy = password.clone();
/// ```
/// ```compile_fail,E0369
/// # let password = credentiald::domain::password::Password::parse("secret".into()).unwrap();
/// # let other = credentiald::domain::password::Password::parse("secret".into()).unwrap();
/// let same = password == other;
/// ```
pub struct Password {
    normalized: Zeroizing<String>,
    /// Kept only if normalization changed it.
    received: Option<Zeroizing<String>>,
}

impl Password {
    /// Takes what a caller sent. Nothing is trimmed, truncated or case-folded.
    ///
    /// # Errors
    /// The text is empty or longer than [`MAX_PASSWORD_BYTES`].
    pub fn parse(text: String) -> Result<Self, FieldProblem> {
        let text = Zeroizing::new(text);
        let found = text.len();
        let problem = match found {
            0 => Some(FieldProblem::Missing),
            _ if found > MAX_PASSWORD_BYTES => {
                Some(FieldProblem::TooLong { max: MAX_PASSWORD_BYTES, found, unit: LengthUnit::Bytes })
            }
            _ => None,
        };
        if let Some(problem) = problem {
            return Err(problem);
        }
        let normalized = normalize(&text);
        let received = (*normalized != *text).then_some(text);
        Ok(Self { normalized, received })
    }

    /// The password itself, for hashing and for the policies.
    pub fn expose(&self) -> &str {
        &self.normalized
    }

    /// The password before normalization, if that changed it: the systems that hashes are imported from hashed what
    /// they received.
    pub fn expose_as_received(&self) -> Option<&str> {
        self.received.as_ref().map(|text| text.as_str())
    }

    /// Whether it holds only characters that a new password may hold.
    pub fn may_be_new(&self) -> bool {
        let is_refused =
            |c: char| matches!(c.general_category(), GeneralCategory::Control | GeneralCategory::Unassigned);
        !self.expose().chars().any(is_refused)
    }
}

/// NFC without leaving parts behind in memory: the buffer is large enough from the start, so that it is never moved.
fn normalize(text: &str) -> Zeroizing<String> {
    // NFC grows UTF-8 at most threefold (Unicode Standard Annex #15, "Maximum Expansion Factors").
    let mut normalized = Zeroizing::new(String::with_capacity(text.len().saturating_mul(3)));
    normalized.extend(text.nfc());
    normalized
}

/// A password that is to be set: no control character and no unassigned code point.
pub struct NewPassword(Password);

impl NewPassword {
    /// Takes what a caller sent.
    ///
    /// # Errors
    /// As [`Password::parse`], and a character that no new password may hold.
    pub fn parse(text: String) -> Result<Self, FieldProblem> {
        let password = Password::parse(text)?;
        if !password.may_be_new() {
            return Err(FieldProblem::Character { allowed: "assigned characters that are not control characters" });
        }
        Ok(Self(password))
    }

    /// The password.
    pub fn password(&self) -> &Password {
        &self.0
    }

    /// Takes the password out.
    pub fn into_password(self) -> Password {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn composed_and_decomposed_forms_are_one_password() {
        let composed = Password::parse("caf\u{e9}".to_owned()).map(|p| p.expose().to_owned());
        let decomposed = Password::parse("cafe\u{301}".to_owned()).map(|p| p.expose().to_owned());
        assert_eq!(composed, decomposed);
    }

    #[test]
    fn what_was_received_is_kept_where_it_differs() {
        let received =
            |text: &str| Password::parse(text.to_owned()).ok().and_then(|p| p.expose_as_received().map(str::to_owned));
        assert_eq!(received("caf\u{e9}"), None);
        assert_eq!(received("cafe\u{301}").as_deref(), Some("cafe\u{301}"));
    }

    #[test]
    fn the_limit_counts_bytes_as_received() {
        assert!(Password::parse("x".repeat(1024)).is_ok());
        assert_eq!(Password::parse("x".repeat(1025)).err().map(|p| p.reason()), Some("TOO_LONG"));
        assert_eq!(Password::parse("\u{e9}".repeat(513)).err().map(|p| p.reason()), Some("TOO_LONG"));
    }

    #[test]
    fn a_new_password_holds_neither_control_nor_unassigned_characters() {
        for bad in ["a\0b", "a\nb", "a\u{7f}b", "a\u{85}b", "a\u{378}b", "a\u{ffff}b"] {
            assert!(NewPassword::parse(bad.to_owned()).is_err(), "{bad:?}");
        }
        for good in ["emoji \u{1f914}", "\u{5d0}\u{200f}x", "a\u{301}\u{302}", "family \u{1f468}\u{200d}\u{1f469}"] {
            assert!(NewPassword::parse(good.to_owned()).is_ok(), "{good:?}");
        }
    }

    #[test]
    fn normalizing_never_moves_the_buffer() {
        // The code point that grows most: U+1D160 from 4 to 12 bytes.
        let text = "\u{1d160}".repeat(200);
        let normalized = normalize(&text);
        assert_eq!(normalized.len(), 2400);
        assert!(normalized.capacity() <= text.len() * 3);
    }
}
