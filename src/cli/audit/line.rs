//! The lines of an exported audit log: JSON objects, each in the one form in which it is written.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use crate::domain::audit_chain::{ChainHash, Checkpoint, Cut, EventFields, Seal};
use crate::domain::change_event::Position;
use crate::domain::names::FreeName;
use crate::domain::time::Timestamp;

/// A line: first the cut, then for each range its events and its checkpoint.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub(super) enum Line {
    /// Where the log begins.
    Cut(CutLine),
    /// An event.
    Event(EventLine),
    /// The end of a range.
    Checkpoint(CheckpointLine),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EventLine {
    pub(super) position: u64,
    pub(super) fields: EventFields,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CutLine {
    last: u64,
    hash: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    signature: Option<String>,
}

/// Times are microseconds since 1970-01-01 UTC.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CheckpointLine {
    first: u64,
    last: u64,
    closed_at: i64,
    latest_at: i64,
    hash: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    signature: Option<String>,
}

impl Line {
    /// The line as it is written.
    pub(super) fn text(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string(self)
    }

    /// Reads a line, or returns `None` if it is not as it was written: another form of the same content counts as
    /// altered.
    pub(super) fn read(text: &str) -> Option<Self> {
        let line: Self = serde_json::from_str(text).ok()?;
        (line.text().ok()? == text).then_some(line)
    }
}

impl From<&Cut> for CutLine {
    fn from(cut: &Cut) -> Self {
        let (key, signature) = parts(cut.seal.as_ref());
        Self { last: cut.last.0, hash: STANDARD.encode(cut.hash.0), key, signature }
    }
}

impl CutLine {
    pub(super) fn cut(&self) -> Option<Cut> {
        let seal = seal(self.key.as_deref(), self.signature.as_deref())?;
        Some(Cut { last: Position(self.last), hash: hash(&self.hash)?, seal })
    }
}

impl From<&Checkpoint> for CheckpointLine {
    fn from(checkpoint: &Checkpoint) -> Self {
        let (key, signature) = parts(checkpoint.seal.as_ref());
        Self {
            first: checkpoint.first.0,
            last: checkpoint.last.0,
            closed_at: checkpoint.closed_at.as_micros(),
            latest_at: checkpoint.latest_at.as_micros(),
            hash: STANDARD.encode(checkpoint.hash.0),
            key,
            signature,
        }
    }
}

impl CheckpointLine {
    pub(super) fn checkpoint(&self) -> Option<Checkpoint> {
        Some(Checkpoint {
            first: Position(self.first),
            last: Position(self.last),
            closed_at: Timestamp::from_micros(self.closed_at),
            latest_at: Timestamp::from_micros(self.latest_at),
            hash: hash(&self.hash)?,
            seal: seal(self.key.as_deref(), self.signature.as_deref())?,
        })
    }
}

fn parts(seal: Option<&Seal>) -> (Option<String>, Option<String>) {
    (seal.map(|seal| seal.key.to_string()), seal.map(|seal| STANDARD.encode(&seal.signature)))
}

fn hash(text: &str) -> Option<ChainHash> {
    STANDARD.decode(text).ok()?.try_into().ok().map(ChainHash)
}

/// The seal, `Some(None)` if it is absent, or `None` if it can't be read.
#[expect(clippy::option_option, reason = "unreadable and absent are different")]
fn seal(key: Option<&str>, signature: Option<&str>) -> Option<Option<Seal>> {
    match (key, signature) {
        (None, None) => Some(None),
        (Some(key), Some(signature)) => {
            let signature = STANDARD.decode(signature).ok()?;
            Some(Some(Seal { key: FreeName::parse(key).ok()?, signature }))
        }
        _ => None,
    }
}
