//! The digests under which published lists hold passwords.

use aws_lc_rs::digest::{Context, SHA1_FOR_LEGACY_USE_ONLY};
use md4::{Digest as _, Md4};

/// The beginning of a digest. Digests are spread evenly, so a password that is not listed has the fingerprint of one
/// that is with a probability of the number of entries divided by 2⁴⁸.
pub(super) type Fingerprint = [u8; FINGERPRINT_BYTES];

pub(super) const FINGERPRINT_BYTES: usize = 6;

/// The digest that a filter holds of each password. Neither protects a password; they are those of the lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Digest {
    /// SHA-1 of the password in UTF-8.
    Sha1,
    /// MD4 of the password in UTF-16 (little endian), as Windows stores it.
    Ntlm,
}

impl Digest {
    /// Its name in messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sha1 => "SHA-1",
            Self::Ntlm => "NTLM",
        }
    }

    /// The number of hexadecimal digits in a list.
    pub(super) fn hex_digits(self) -> usize {
        match self {
            Self::Sha1 => 40,
            Self::Ntlm => 32,
        }
    }

    /// The fingerprint of a password, made from its characters one by one, so that no copy of it is made.
    pub(super) fn fingerprint(self, characters: impl Iterator<Item = char>) -> Fingerprint {
        match self {
            Self::Sha1 => {
                let mut context = Context::new(&SHA1_FOR_LEGACY_USE_ONLY);
                characters.for_each(|character| context.update(character.encode_utf8(&mut [0; 4]).as_bytes()));
                beginning(context.finish().as_ref())
            }
            Self::Ntlm => {
                let mut context = Md4::new();
                for character in characters {
                    for unit in character.encode_utf16(&mut [0; 2]) {
                        context.update(unit.to_le_bytes());
                    }
                }
                beginning(&context.finalize())
            }
        }
    }
}

fn beginning(digest: &[u8]) -> Fingerprint {
    digest.first_chunk().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_those_of_the_published_lists() {
        // SHA-1 5BAA61E4C9B93F3F0682250B6CF8331B7EE68FD8, NTLM 8846F7EAEE8FB117AD06BDD830B7586C.
        let of = |digest: Digest| digest.fingerprint("password".chars());
        assert_eq!(of(Digest::Sha1), [0x5b, 0xaa, 0x61, 0xe4, 0xc9, 0xb9]);
        assert_eq!(of(Digest::Ntlm), [0x88, 0x46, 0xf7, 0xea, 0xee, 0x8f]);
    }
}
