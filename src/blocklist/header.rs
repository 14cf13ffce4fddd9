//! The first bytes of a filter.
//!
//! | Bytes | Hold |
//! |---|---|
//! | 0–15 | the magic number. Its first byte begins no text, so that no list of passwords is taken for a filter |
//! | 16 | version of the format, 1 |
//! | 17 | digest: 1 SHA-1, 2 NTLM |
//! | 18 | 1 if case is folded, otherwise 0 |
//! | 19 | bytes of a fingerprint, 6 |
//! | 20–23 | 0 |
//! | 24–31 | when it was built: seconds since 1970, big endian |
//! | 32–39 | number of entries, big endian |
//! | 40–71 | SHA-256 of the entries, followed by bytes 0–39 |
//! | from 72 | the fingerprints, ascending, each once |

use super::digest::{Digest, FINGERPRINT_BYTES};

pub(super) const MAGIC: [u8; 16] = *b"\x89credentiald\r\n\x1a\n";
pub(super) const DESCRIBED_BYTES: usize = 40;
pub(super) const HEADER_BYTES: usize = 72;

/// What a filter says about itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// The digest that it holds of each password.
    pub digest: Digest,
    /// Whether case makes no difference.
    pub folds_case: bool,
    /// When it was built, in seconds since 1970.
    pub built_at: u64,
    /// The number of its entries.
    pub entries: u64,
}

impl Header {
    /// The probability that a password is refused that is not listed.
    pub fn false_positive_rate(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "a rate needs no more digits")]
        let entries = self.entries as f64;
        entries / 2_f64.powi(48)
    }

    pub(super) fn to_bytes(self) -> [u8; DESCRIBED_BYTES] {
        let mut bytes = [0; DESCRIBED_BYTES];
        let digest = match self.digest {
            Digest::Sha1 => 1,
            Digest::Ntlm => 2,
        };
        let kind = [1, digest, u8::from(self.folds_case), 6, 0, 0, 0, 0];
        let parts = [&MAGIC[..], &kind, &self.built_at.to_be_bytes(), &self.entries.to_be_bytes()];
        for (byte, value) in bytes.iter_mut().zip(parts.into_iter().flatten()) {
            *byte = *value;
        }
        bytes
    }

    /// Reads it, or returns `None` if this version does not know the format.
    pub(super) fn read(bytes: &[u8; DESCRIBED_BYTES]) -> Option<Self> {
        let (built_at, entries) = bytes.get(24..)?.split_first_chunk()?;
        let header = Self {
            digest: if *bytes.get(17)? == 1 { Digest::Sha1 } else { Digest::Ntlm },
            folds_case: *bytes.get(18)? == 1,
            built_at: u64::from_be_bytes(*built_at),
            entries: u64::from_be_bytes(*entries.first_chunk()?),
        };
        // Any other byte that differs belongs to a format of a later version.
        (header.to_bytes() == *bytes).then_some(header)
    }

    /// The length of the whole file.
    pub(super) fn file_bytes(&self) -> Option<u64> {
        self.entries.checked_mul(FINGERPRINT_BYTES as u64)?.checked_add(HEADER_BYTES as u64)
    }
}
