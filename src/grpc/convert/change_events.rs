//! Change events for watchers, and the cursors that they resume from.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::times::timestamp;
use crate::domain::change_event::{ChangeEvent, ChangeKind, Position};
use crate::domain::credential::Version;
use crate::domain::field::FieldProblem;
use crate::grpc::generated::credential::v1 as wire;
use crate::service::requests::WatchItem;
use wire::change_event::Kind;

impl From<WatchItem> for wire::WatchChangesResponse {
    fn from(item: WatchItem) -> Self {
        Self { cursor: cursor_at(item.cursor), event: item.event.map(Into::into) }
    }
}

impl From<ChangeEvent> for wire::ChangeEvent {
    fn from(event: ChangeEvent) -> Self {
        Self {
            id: event.id.to_string(),
            at: Some(timestamp(event.at)),
            tenant: event.tenant.to_string(),
            subject_id: event.subject.to_string(),
            subject: Some(event.name.into()),
            kind: Some(kind(event.kind)),
        }
    }
}

fn kind(kind: ChangeKind) -> Kind {
    match kind {
        ChangeKind::Created { version } => {
            Kind::Created(wire::SubjectCreated { version: version.map_or(0, Version::number) })
        }
        ChangeKind::Changed { version, overlap_until } => Kind::Changed(wire::CredentialChanged {
            version: version.number(),
            overlap_until: overlap_until.map(timestamp),
        }),
        ChangeKind::Reset { version, overlap_until } => Kind::Reset(wire::CredentialReset {
            version: version.number(),
            overlap_until: overlap_until.map(timestamp),
        }),
        ChangeKind::Locked { until } => Kind::Locked(wire::SubjectLocked { until: until.map(timestamp) }),
        ChangeKind::Deleted => Kind::Deleted(wire::SubjectDeleted {}),
    }
}

/// A position as callers see it: encoded, so that they do not depend on its content.
pub(super) fn cursor_at(position: Position) -> String {
    URL_SAFE_NO_PAD.encode(position.0.to_be_bytes())
}

/// The position in a cursor.
pub(in crate::grpc) fn position_of(cursor: &str) -> Result<Position, FieldProblem> {
    let bytes = URL_SAFE_NO_PAD.decode(cursor).ok().and_then(|bytes| bytes.try_into().ok());
    let position = bytes.map(|bytes| Position(u64::from_be_bytes(bytes)));
    position.ok_or(FieldProblem::Malformed { expected: "must be a cursor of a response" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_leads_back_to_its_position() {
        for position in [0, 1, 255, u64::MAX].map(Position) {
            assert_eq!(position_of(&cursor_at(position)), Ok(position));
        }
        for bad in ["", "0", "AAAAAAAAAA", "AAAAAAAAAAAA", "AAAAAAAAAA=", "AAAAAAAAAA\u{e4}", "AAAAAAAAAB_"] {
            let found = position_of(bad);
            assert!(matches!(found, Err(FieldProblem::Malformed { .. })), "{bad}: {found:?}");
        }
    }
}
