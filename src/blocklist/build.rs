//! Builds a filter from lists of any length, in bounded memory: fingerprints are sorted in runs, which are merged.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::{File, Permissions};
use std::io::{self, BufRead, BufWriter, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};
use unicode_normalization::UnicodeNormalization;
use zeroize::Zeroizing;

use super::digest::{Digest, FINGERPRINT_BYTES, Fingerprint};
use super::filter::folded;
use super::header::{HEADER_BYTES, Header};

/// 192 MiB of fingerprints are sorted at a time.
const RUN: usize = 1 << 25;

/// A longer line is no password of a list, but a sign that the file is something else.
const MOST_LINE_BYTES: usize = 1 << 16;

/// How much of each run is in memory while the runs are merged.
const MERGE_BYTES: usize = FINGERPRINT_BYTES << 16;

/// What a line of a list holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListFormat {
    /// A password.
    Plain,
    /// The filter's digest in hexadecimal digits, then a colon and a count or nothing.
    Digests,
}

/// Why a list is not used.
#[derive(Debug, thiserror::Error)]
pub enum ListError {
    /// It can't be read, or the filter can't be written.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// A line has no end within reason.
    #[error("line {0} is longer than {MOST_LINE_BYTES} bytes: not a list of passwords")]
    TooLong(u64),
    /// A line is not text.
    #[error("line {0} is not UTF-8")]
    NotText(u64),
    /// A line is not a digest.
    #[error("line {line} is not {name}: {digits} hexadecimal digits, then nothing or a colon and a count", name = .digest.name(), digits = .digest.hex_digits())]
    NotADigest {
        /// The line, from 1.
        line: u64,
        /// The digest that was expected.
        digest: Digest,
    },
    /// The case of a password can't be folded that only its digest is known of.
    #[error("case can't be folded in a list of digests")]
    CaseOfDigests,
    /// No list holds an entry.
    #[error("the lists hold no password")]
    Empty,
}

/// Collects the entries of lists.
pub struct Builder {
    digest: Digest,
    folds_case: bool,
    output: PathBuf,
    sorted_at_a_time: usize,
    run: Vec<Fingerprint>,
    runs: File,
    /// Where each run in the file ends.
    ends: Vec<u64>,
}

impl Builder {
    /// A builder of a filter that will replace the file `output`. Its temporary files are beside it.
    ///
    /// # Errors
    /// There can be no file beside it.
    pub fn new(digest: Digest, folds_case: bool, output: &Path) -> io::Result<Self> {
        // Without a name, so that it is gone when the process ends, however it ends.
        let runs = tempfile::tempfile_in(folder(output))?;
        let (output, run, ends) = (output.to_owned(), Vec::new(), Vec::new());
        Ok(Self { digest, folds_case, output, sorted_at_a_time: RUN, run, runs, ends })
    }

    /// Adds the lines of a list, in any order. Empty lines are skipped.
    ///
    /// # Errors
    /// It can't be read, or a line is malformed.
    pub fn add(&mut self, mut list: impl BufRead, format: ListFormat) -> Result<(), ListError> {
        if self.folds_case && format == ListFormat::Digests {
            return Err(ListError::CaseOfDigests);
        }
        let mut bytes = Zeroizing::new(Vec::new());
        for line in 1.. {
            bytes.clear();
            let mut limited = list.by_ref().take(MOST_LINE_BYTES as u64);
            if limited.read_until(b'\n', &mut bytes)? == 0 {
                break;
            }
            if bytes.len() == MOST_LINE_BYTES {
                return Err(ListError::TooLong(line));
            }
            let text = bytes.strip_suffix(b"\n").map_or(&bytes[..], |text| text.strip_suffix(b"\r").unwrap_or(text));
            let text = if line == 1 { text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text) } else { text };
            if text.is_empty() {
                continue;
            }
            let fingerprint = match format {
                ListFormat::Plain => {
                    let password = str::from_utf8(text).map_err(|_| ListError::NotText(line))?;
                    if self.folds_case {
                        self.digest.fingerprint(folded(password))
                    } else {
                        self.digest.fingerprint(password.nfc())
                    }
                }
                ListFormat::Digests => {
                    listed(text, self.digest).ok_or(ListError::NotADigest { line, digest: self.digest })?
                }
            };
            self.run.push(fingerprint);
            if self.run.len() >= self.sorted_at_a_time {
                self.end_run()?;
            }
        }
        Ok(())
    }

    fn end_run(&mut self) -> io::Result<()> {
        self.run.sort_unstable();
        self.run.dedup();
        self.runs.write_all(self.run.as_flattened())?;
        self.run.clear();
        self.ends.push(self.runs.stream_position()?);
        Ok(())
    }

    /// Writes the filter. A filter that was there before stays until the new one is complete.
    ///
    /// # Errors
    /// It can't be written, or there is no entry.
    pub fn finish(mut self, built_at: u64) -> Result<Header, ListError> {
        self.end_run()?;
        self.run = Vec::new();
        // Each build has a file of its own, so that two of them do not write into the same one.
        let name = self.output.file_name().unwrap_or_default();
        let named = tempfile::Builder::new()
            .permissions(Permissions::from_mode(0o666))
            .prefix(name)
            .suffix(".new")
            .tempfile_in(folder(&self.output))?;
        let header = self.write(named.as_file(), built_at)?;
        named.persist(&self.output).map_err(|failed| failed.error)?;
        Ok(header)
    }

    fn write(&self, file: &File, built_at: u64) -> Result<Header, ListError> {
        let starts = std::iter::once(&0).chain(&self.ends);
        let mut cursors: Vec<_> = starts.zip(&self.ends).map(|(start, end)| Cursor::new(*start, *end)).collect();
        let mut heap = BinaryHeap::new();
        for (index, cursor) in cursors.iter_mut().enumerate() {
            heap.extend(cursor.next(&self.runs)?.map(|entry| Reverse((entry, index))));
        }
        let mut file = BufWriter::with_capacity(1 << 20, file);
        file.write_all(&[0; HEADER_BYTES])?;
        let (mut entries, mut last, mut sum) = (0, None, Sha256::new());
        while let Some(Reverse((entry, index))) = heap.pop() {
            if last != Some(entry) {
                file.write_all(&entry)?;
                sum.update(entry);
                entries += 1;
                last = Some(entry);
            }
            if let Some(cursor) = cursors.get_mut(index) {
                heap.extend(cursor.next(&self.runs)?.map(|entry| Reverse((entry, index))));
            }
        }
        if entries == 0 {
            return Err(ListError::Empty);
        }
        let header = Header { digest: self.digest, folds_case: self.folds_case, built_at, entries };
        let described = header.to_bytes();
        sum.update(described);
        file.seek(SeekFrom::Start(0))?;
        file.write_all(&described)?;
        file.write_all(&sum.finalize())?;
        file.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
        Ok(header)
    }
}

/// The next entries of a run.
struct Cursor {
    at: u64,
    end: u64,
    /// In descending order, so that the next one is the last.
    ahead: Vec<Fingerprint>,
}

impl Cursor {
    fn new(at: u64, end: u64) -> Self {
        Self { at, end, ahead: Vec::new() }
    }

    fn next(&mut self, runs: &File) -> io::Result<Option<Fingerprint>> {
        if self.ahead.is_empty() && self.at < self.end {
            let length = usize::try_from(self.end - self.at).unwrap_or(MERGE_BYTES).min(MERGE_BYTES);
            let mut bytes = vec![0; length];
            runs.read_exact_at(&mut bytes, self.at)?;
            self.at += length as u64;
            self.ahead.extend(bytes.as_chunks().0.iter().rev());
        }
        Ok(self.ahead.pop())
    }
}

/// The folder of a file.
fn folder(file: &Path) -> &Path {
    file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// The fingerprint of a digest in a list.
fn listed(line: &[u8], digest: Digest) -> Option<Fingerprint> {
    let (hex, count) = line.split_at_checked(digest.hex_digits())?;
    let is_count = match count {
        [] => true,
        [b':', digits @ ..] => !digits.is_empty() && digits.iter().all(u8::is_ascii_digit),
        _ => false,
    };
    let mut fingerprint = Fingerprint::default();
    let mut nibbles =
        hex.iter().map(|digit| char::from(*digit).to_digit(16).and_then(|value| u8::try_from(value).ok()));
    for byte in &mut fingerprint {
        *byte = nibbles.next()?? << 4 | nibbles.next()??;
    }
    (is_count && nibbles.all(|nibble| nibble.is_some())).then_some(fingerprint)
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
