//! The bytes that a system may have hashed of a password that Unicode can write in several ways.

use super::names_in_list::names_in_list;
use super::password::Password;
use unicode_normalization::UnicodeNormalization;
use zeroize::Zeroizing;

/// Which bytes of a password are hashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PasswordForm {
    /// Normalization form C: what new hashes are made of.
    Nfc,
    /// As received, if normalizing changed it.
    AsReceived,
    /// Normalization form D.
    Nfd,
    /// Normalization form KC.
    Nfkc,
    /// Normalization form KD.
    Nfkd,
    /// ISO 8859-1, if it has all characters.
    Latin1,
}

impl PasswordForm {
    /// Those that are tried only where an operator names them, in the order in which they are tried.
    pub const NAMED: [Self; 4] = [Self::Nfd, Self::Nfkc, Self::Nfkd, Self::Latin1];

    /// Its name in the configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Nfc => "nfc",
            Self::AsReceived => "as-received",
            Self::Nfd => "nfd",
            Self::Nfkc => "nfkc",
            Self::Nfkd => "nfkd",
            Self::Latin1 => "latin-1",
        }
    }

    /// These bytes of a password; `None` if it has no such form.
    pub fn of(self, password: &Password) -> Option<Zeroizing<Vec<u8>>> {
        let text = password.expose();
        match self {
            Self::Nfc => Some(Zeroizing::new(text.as_bytes().to_vec())),
            Self::AsReceived => password.expose_as_received().map(|text| Zeroizing::new(text.as_bytes().to_vec())),
            Self::Nfd => Some(utf8(text.nfd(), text.len())),
            Self::Nfkc => Some(utf8(text.nfkc(), text.len())),
            Self::Nfkd => Some(utf8(text.nfkd(), text.len())),
            Self::Latin1 => {
                let mut bytes = Zeroizing::new(Vec::with_capacity(text.len()));
                for character in text.chars() {
                    bytes.push(u8::try_from(character).ok()?);
                }
                Some(bytes)
            }
        }
    }
}

/// In a buffer that is wiped, and large enough from the start, so that it is never moved. The few characters at a time
/// that the normalizer and the encoder hold are not wiped.
fn utf8(characters: impl Iterator<Item = char>, bytes: usize) -> Zeroizing<Vec<u8>> {
    // No form grows UTF-8 more than elevenfold (Unicode Standard Annex #15, "Maximum Expansion Factors").
    let mut text = Zeroizing::new(Vec::with_capacity(bytes.saturating_mul(11)));
    for character in characters {
        text.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
    }
    text
}

/// The forms that are tried against hashes from elsewhere, beside the usual ones.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TriedForms(u8);

impl TriedForms {
    /// Parses names, separated by commas. An empty text names none.
    ///
    /// # Errors
    /// A name is unknown: the text is a list of those that there are.
    pub fn parse(text: &str) -> Result<Self, String> {
        let named = names_in_list(text, &PasswordForm::NAMED, PasswordForm::as_str)?;
        Ok(Self(named.into_iter().fold(0, |forms, form| forms | 1 << form as u8)))
    }

    /// Each of them.
    pub fn iter(self) -> impl Iterator<Item = PasswordForm> {
        PasswordForm::NAMED.into_iter().filter(move |form| self.0 & 1 << *form as u8 != 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_form_has_its_bytes() {
        let password = Password::parse("\u{fb01}e\u{301}".to_owned()).unwrap();
        let of = |form: PasswordForm| form.of(&password).map(|bytes| bytes.to_vec());
        assert_eq!(of(PasswordForm::Nfc), Some("\u{fb01}\u{e9}".as_bytes().to_vec()));
        assert_eq!(of(PasswordForm::AsReceived), Some("\u{fb01}e\u{301}".as_bytes().to_vec()));
        assert_eq!(of(PasswordForm::Nfd), Some("\u{fb01}e\u{301}".as_bytes().to_vec()));
        assert_eq!(of(PasswordForm::Nfkc), Some("fi\u{e9}".as_bytes().to_vec()));
        assert_eq!(of(PasswordForm::Nfkd), Some("fie\u{301}".as_bytes().to_vec()));
        assert_eq!(of(PasswordForm::Latin1), None);
        let western = Password::parse("\u{e9}\u{ff}a".to_owned()).unwrap();
        assert_eq!(PasswordForm::Latin1.of(&western).map(|bytes| bytes.to_vec()), Some(vec![0xe9, 0xff, b'a']));
        assert_eq!(PasswordForm::AsReceived.of(&western), None);
    }

    #[test]
    fn no_form_moves_its_buffer() {
        // The code point that grows most: U+FDFA from 3 to 33 bytes.
        let password = Password::parse("\u{fdfa}".repeat(341)).unwrap();
        for form in [PasswordForm::Nfkc, PasswordForm::Nfkd] {
            let bytes = form.of(&password).unwrap();
            assert_eq!((bytes.len(), bytes.capacity()), (341 * 33, 341 * 33));
        }
    }

    #[test]
    fn forms_are_named_and_nothing_else() {
        let forms = TriedForms::parse("latin-1, nfd").unwrap();
        assert_eq!(forms.iter().collect::<Vec<_>>(), [PasswordForm::Nfd, PasswordForm::Latin1]);
        assert_eq!(TriedForms::parse(" "), Ok(TriedForms::default()));
        for bad in ["nfc", "as-received", "nfd,", "NFD", "latin1"] {
            assert!(TriedForms::parse(bad).is_err_and(|words| words.contains("nfkd, latin-1")), "{bad}");
        }
    }
}
