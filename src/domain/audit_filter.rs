//! Which audit events a caller asks for.

use super::audit_event::AuditEvent;
use super::named_caller::NamedCaller;
use super::subject::SubjectId;
use super::tenant::TenantId;
use super::time::Timestamp;

/// Which audit events a caller asks for. An event has to match everything that is set.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuditFilter {
    /// The tenant that the event belongs to.
    pub tenant: Option<TenantId>,
    /// The subject.
    pub subject: Option<SubjectId>,
    /// The caller.
    pub caller: Option<NamedCaller>,
    /// The outcome, as one of [`AuditOutcome::WORDS`](super::audit_event::AuditOutcome::WORDS).
    pub outcome: Option<&'static str>,
    /// The earliest time.
    pub from: Option<Timestamp>,
    /// The time before which it happened.
    pub until: Option<Timestamp>,
}

impl AuditFilter {
    /// Whether an event matches.
    pub fn matches(&self, event: &AuditEvent) -> bool {
        self.tenant.is_none_or(|tenant| event.tenant == Some(tenant))
            && self.subject.is_none_or(|subject| event.subject == Some(subject))
            && self.caller.as_ref().is_none_or(|caller| caller.is_name_of(&event.caller))
            && self.outcome.is_none_or(|outcome| event.outcome.as_str() == outcome)
            && self.from.is_none_or(|from| event.at >= from)
            && self.until.is_none_or(|until| event.at < until)
    }
}
