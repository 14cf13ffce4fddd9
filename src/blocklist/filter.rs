//! Looks passwords up in a filter.

use std::fs::{File, Metadata};
use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;

use sha2::{Digest as _, Sha256};
use unicode_normalization::UnicodeNormalization;

use super::digest::{FINGERPRINT_BYTES, Fingerprint};
use super::header::{DESCRIBED_BYTES, HEADER_BYTES, Header, MAGIC};
use crate::policy::{RefusedPasswords, ignoring_case};

/// How many entries are read at a time.
const BLOCK: usize = 512;

/// So many times, a look-up estimates where its entry is. After that it halves what is left, so that it stays short also
/// where the entries are not spread evenly.
const ESTIMATES: u32 = 8;

/// A file of sorted fingerprints. It is read with `pread`, and not mapped: a map of a file that is cut short meanwhile
/// ends the process, a failed read refuses one password.
#[derive(Debug)]
pub struct Filter {
    file: File,
    stamp: Stamp,
    header: Header,
}

/// What changes when a file is replaced or written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamp {
    file: (u64, u64),
    length: u64,
    modified: (i64, i64),
}

impl Stamp {
    /// That of a file.
    pub fn of(file: &Metadata) -> Self {
        Self { file: (file.dev(), file.ino()), length: file.len(), modified: (file.mtime(), file.mtime_nsec()) }
    }
}

/// Why a filter is not used.
#[derive(Debug, thiserror::Error)]
pub enum FilterProblem {
    /// It can't be read.
    #[error("can't be read: {0}")]
    Unreadable(#[from] io::Error),
    /// It is not a filter.
    #[error("is not a filter of refused passwords")]
    NotAFilter,
    /// Its format is not known.
    #[error("is a filter in a format that this version does not know")]
    UnknownFormat,
    /// Its length is not the one that its header states.
    #[error("is cut short or has bytes added: it has {actual} bytes and should have {stated}")]
    WrongLength {
        /// The length that the header states.
        stated: u64,
        /// The length of the file.
        actual: u64,
    },
    /// Its contents are not those that were written.
    #[error("is damaged: its contents do not have the checksum in its header")]
    Damaged,
}

impl Filter {
    /// Opens a filter and verifies all of it.
    ///
    /// # Errors
    /// It can't be read, is not a filter, is cut short or is damaged.
    pub fn open(path: &Path) -> Result<Self, FilterProblem> {
        let file = File::open(path)?;
        let metadata = file.metadata()?;
        let (stamp, actual) = (Stamp::of(&metadata), metadata.len());
        let mut reader = BufReader::with_capacity(1 << 20, &file);
        let begun = reader.fill_buf()?;
        let begun = begun.get(..MAGIC.len()).unwrap_or(begun);
        if begun.is_empty() || !MAGIC.starts_with(begun) {
            return Err(FilterProblem::NotAFilter);
        }
        let stated = HEADER_BYTES as u64;
        if actual < stated {
            return Err(FilterProblem::WrongLength { stated, actual });
        }
        let mut bytes = [0; DESCRIBED_BYTES];
        let mut checksum = [0; HEADER_BYTES - DESCRIBED_BYTES];
        reader.read_exact(&mut bytes)?;
        reader.read_exact(&mut checksum)?;
        let header = Header::read(&bytes).ok_or(FilterProblem::UnknownFormat)?;
        let stated = header.file_bytes().ok_or(FilterProblem::UnknownFormat)?;
        if actual != stated {
            return Err(FilterProblem::WrongLength { stated, actual });
        }
        let mut sum = Sha256::new();
        loop {
            let part = reader.fill_buf()?;
            if part.is_empty() {
                break;
            }
            sum.update(part);
            let length = part.len();
            reader.consume(length);
        }
        sum.update(bytes);
        if sum.finalize().as_slice() == checksum {
            Ok(Self { file, stamp, header })
        } else {
            Err(FilterProblem::Damaged)
        }
    }

    /// What it says about itself.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Whether there is such an entry. Reads about two blocks, however many entries there are: digests are spread evenly,
    /// so an estimate of the place is nearly right. That is shorter than to hand the work over to another thread.
    pub(super) fn holds(&self, wanted: Fingerprint) -> io::Result<bool> {
        if Stamp::of(&self.file.metadata()?) != self.stamp {
            return Err(io::Error::other("it was written to after it was verified"));
        }
        let number = |fingerprint: Fingerprint| fingerprint.iter().fold(0, |sum, byte| sum << 8 | u128::from(*byte));
        let mut block = [[0; FINGERPRINT_BYTES]; BLOCK];
        // Entries before `from` are at most `low`, and those from `to` on at least `high`.
        let (mut from, mut to) = (0, self.header.entries);
        let (mut low, mut high) = (0, 1 << 48);
        for step in 0.. {
            if from >= to {
                break;
            }
            let part = (number(wanted) - low) * u128::from(to - from) / (high - low + 1);
            let estimated = u64::try_from(part).unwrap_or_default();
            let middle = from + if step < ESTIMATES { estimated } else { (to - from) / 2 };
            let start = middle.saturating_sub(BLOCK as u64 / 2).max(from);
            let Some(block) = block.get_mut(..usize::try_from(to - start).unwrap_or(BLOCK).min(BLOCK)) else {
                break;
            };
            self.file
                .read_exact_at(block.as_flattened_mut(), HEADER_BYTES as u64 + start * FINGERPRINT_BYTES as u64)?;
            match (block.binary_search(&wanted), &*block) {
                (Ok(_), _) => return Ok(true),
                (Err(0), [first, ..]) => (to, high) = (start, number(*first)),
                (Err(place), [.., last]) if place == block.len() => {
                    (from, low) = (start + block.len() as u64, number(*last));
                }
                _ => break,
            }
        }
        Ok(false)
    }
}

impl RefusedPasswords for Filter {
    /// A digest can't be normalized, so both forms are looked up. If it can't be read, every password is refused.
    fn contains(&self, password: &str) -> bool {
        let Header { digest, folds_case, .. } = self.header;
        let found = if folds_case {
            self.holds(digest.fingerprint(folded(password)))
        } else {
            let [composed, decomposed] = [digest.fingerprint(password.nfc()), digest.fingerprint(password.nfd())];
            self.holds(composed).and_then(|found| Ok(found || composed != decomposed && self.holds(decomposed)?))
        };
        found.unwrap_or_else(|error| {
            let error = &error as &dyn std::error::Error;
            tracing::error!(error, "the filter of refused passwords can't be read; every new password is refused");
            true
        })
    }
}

/// A password without its case, in normalization form C.
pub(super) fn folded(password: &str) -> impl Iterator<Item = char> {
    ignoring_case::folded(password.nfc()).nfc()
}
