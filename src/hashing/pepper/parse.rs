//! Parses a ring of keys. No message repeats the input, because it might be a key.

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use zeroize::Zeroizing;

use super::key::{KEY_BYTES, PepperKey};
use crate::domain::field::FieldProblem;
use crate::domain::names::PepperKeyId;

/// Keys may be written with or without padding.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A mistake in a ring, with its line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {problem}")]
pub struct RingMistake {
    /// The number of the line; the first is 1.
    pub line: usize,
    /// The problem in that line.
    pub problem: LineProblem,
}

/// A problem in a line of a ring.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LineProblem {
    /// The colon is missing.
    #[error("must be an id, a colon and a key")]
    NoColon,
    /// The id is invalid.
    #[error("the id {0}")]
    Id(FieldProblem),
    /// Another line has that id.
    #[error("the id is already used on line {0}")]
    IdTaken(usize),
    /// The key is invalid.
    #[error("the key must be 32 bytes in base64, or the word lost")]
    Key,
}

/// The word in place of a key that no longer exists.
const LOST: &str = "lost";

/// The keys in the order of their lines, and the ids of the lost ones.
pub(super) fn keys(text: &str) -> Result<(Vec<PepperKey>, Vec<PepperKeyId>), Vec<RingMistake>> {
    let (mut keys, mut lost, mut ids, mut mistakes) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for (number, line) in (1..).zip(text.lines().map(str::trim)) {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let mut mistake = |problem| mistakes.push(RingMistake { line: number, problem });
        let Some((id, key)) = line.split_once(':') else {
            mistake(LineProblem::NoColon);
            continue;
        };
        let id = PepperKeyId::parse(id.trim_end()).map_err(|problem| mistake(LineProblem::Id(problem))).ok();
        let key = key.trim_start();
        let bytes = key_bytes(key);
        if bytes.is_none() && key != LOST {
            mistake(LineProblem::Key);
        }
        let Some(id) = id else { continue };
        match ids.iter().find(|(_, taken)| *taken == id) {
            Some((line, _)) => mistake(LineProblem::IdTaken(*line)),
            None => ids.push((number, id.clone())),
        }
        match bytes {
            Some(bytes) => keys.extend(PepperKey::new(id, &bytes)),
            None => lost.push(id),
        }
    }
    if mistakes.is_empty() { Ok((keys, lost)) } else { Err(mistakes) }
}

fn key_bytes(text: &str) -> Option<Zeroizing<[u8; KEY_BYTES]>> {
    // The decoder needs a buffer of a multiple of three bytes.
    let mut bytes = Zeroizing::new([0; KEY_BYTES.next_multiple_of(3)]);
    let length = BASE64.decode_slice(text, &mut *bytes).ok()?;
    let key = bytes.get(..length)?;
    Some(Zeroizing::new(key.try_into().ok()?))
}
