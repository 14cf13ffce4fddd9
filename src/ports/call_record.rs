//! What is noted of a call while it is served, wherever that happens, for its line in the log and for metrics.
//!
//! The record and the span of a call follow its work from task to task. Code that works for a call notes what it does, and
//! needs no parameter for that; outside of a call, notes have no effect.

use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use tracing::{Instrument, Span};

use super::meter::RefusalReason;
use super::spans::{OpenSpan, Trace, Work};
use crate::domain::caller::Caller;
use crate::domain::names::TenantName;

tokio::task_local! {
    static RECORD: Arc<CallRecord>;
    /// The id of the span within which the call works. Without one it is that of the call.
    static PARENT: u64;
}

/// What is noted of one call.
#[derive(Debug, Default)]
pub struct CallRecord {
    /// Whether names are noted, for a line in the log.
    notes_names: bool,
    /// `None` if the call is not traced.
    trace: Option<Trace>,
    caller: OnceLock<Caller>,
    tenant: OnceLock<TenantName>,
    /// One more than the number of the reason; 0 for none.
    reason: AtomicUsize,
    hashes: AtomicU32,
    statements: AtomicU32,
}

impl CallRecord {
    /// The record of a call that begins. Without a line in the log, names are not noted.
    pub fn new(notes_names: bool, trace: Option<Trace>) -> Arc<Self> {
        Arc::new(Self { notes_names, trace, ..Self::default() })
    }

    /// Work for the call, within its span.
    pub fn around<T: Future>(self: &Arc<Self>, span: Span, work: T) -> impl Future<Output = T::Output> + use<T> {
        RECORD.scope(Arc::clone(self), work.instrument(span))
    }

    /// The trace of the call, if it is traced.
    pub const fn trace(&self) -> Option<&Trace> {
        self.trace.as_ref()
    }

    /// Notes who calls.
    pub fn note_caller(&self, caller: &Caller) {
        if self.notes_names {
            // A caller is authenticated once.
            let _ = self.caller.set(caller.clone());
        }
    }

    /// Notes why the call fails. The last reason counts.
    pub fn note_reason(&self, reason: RefusalReason) {
        self.reason.store(reason as usize + 1, Ordering::Relaxed);
    }

    /// The authenticated caller.
    pub fn caller(&self) -> Option<&Caller> {
        self.caller.get()
    }

    /// The tenant that the call is about, or that of the caller.
    pub fn tenant(&self) -> Option<&TenantName> {
        self.tenant.get().or_else(|| self.caller()?.tenant())
    }

    /// Why the call failed.
    pub fn reason(&self) -> Option<RefusalReason> {
        let number = self.reason.load(Ordering::Relaxed).checked_sub(1)?;
        RefusalReason::ALL.get(number).copied()
    }

    /// The number of hashes that were asked of the hash engine.
    pub fn hashes(&self) -> u32 {
        self.hashes.load(Ordering::Relaxed)
    }

    /// The number of statements that were sent to the store.
    pub fn statements(&self) -> u32 {
        self.statements.load(Ordering::Relaxed)
    }
}

fn note(note: impl FnOnce(&CallRecord)) {
    // Work in the background belongs to no call.
    let _ = RECORD.try_with(|record| note(record));
}

/// Notes a hash that the current call asks of the hash engine.
pub fn note_hash() {
    note(|record| {
        record.hashes.fetch_add(1, Ordering::Relaxed);
    });
}

/// Notes a statement that the current call sends to the store. Returns its span, as [`span`] does.
pub fn note_statement(work: impl FnOnce() -> Work) -> Option<OpenSpan> {
    let begin = |record: &Arc<CallRecord>| {
        record.statements.fetch_add(1, Ordering::Relaxed);
        begin(record, work)
    };
    RECORD.try_with(begin).ok().flatten()
}

/// A span of the current call, which ends when it is dropped; `None` if that is not traced.
pub fn span(work: impl FnOnce() -> Work) -> Option<OpenSpan> {
    RECORD.try_with(|record| begin(record, work)).ok().flatten()
}

fn begin(record: &Arc<CallRecord>, work: impl FnOnce() -> Work) -> Option<OpenSpan> {
    record.trace.as_ref()?;
    let parent = PARENT.try_with(|parent| *parent).ok();
    OpenSpan::begin(record, parent, work())
}

/// Work within the span of that id of the current call: spans that it begins are children of that one.
pub fn within<W: Future>(span: u64, work: W) -> impl Future<Output = W::Output> + use<W> {
    PARENT.scope(span, work)
}

/// Notes the tenant that the current call is about. The first one counts.
pub fn note_tenant(tenant: &TenantName) {
    note(|record| {
        if record.notes_names {
            let _ = record.tenant.set(tenant.clone());
        }
    });
}

/// Work of the current call that another task does.
pub fn for_same_call<T: Future>(work: T) -> impl Future<Output = T::Output> + use<T> {
    let record = RECORD.try_with(Arc::clone).unwrap_or_default();
    record.around(Span::current(), work)
}

/// Work of the current call that another thread does, without waiting for anything but that.
pub fn for_same_call_apart<T>(work: impl FnOnce() -> T) -> impl FnOnce() -> T {
    let record = RECORD.try_with(Arc::clone).ok();
    let parent = PARENT.try_with(|parent| *parent).ok();
    move || match (record, parent) {
        (None, _) => work(),
        (Some(record), None) => RECORD.sync_scope(record, work),
        (Some(record), Some(parent)) => RECORD.sync_scope(record, || PARENT.sync_scope(parent, work)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_other_tasks_do_for_a_call_is_noted_too() {
        let (record, other) = (CallRecord::new(true, None), CallRecord::new(false, None));
        let tenant = TenantName::parse("acme").unwrap();
        let work = async {
            note_hash();
            let detached = async {
                note_hash();
                note_statement(|| Work::Hash);
                let apart = for_same_call_apart(|| drop([(); 2].map(|()| note_statement(|| Work::Hash))));
                tokio::task::spawn_blocking(apart).await.unwrap();
            };
            tokio::spawn(for_same_call(detached)).await.unwrap();
            note_tenant(&tenant);
        };
        record.around(Span::none(), work).await;
        other.around(Span::none(), async { note_tenant(&tenant) }).await;
        note_hash();
        assert_eq!((record.hashes(), record.statements(), record.tenant()), (2, 3, Some(&tenant)));
        assert_eq!((other.hashes(), other.statements(), other.tenant()), (0, 0, None), "names are for lines");
    }

    #[test]
    fn the_last_reason_counts() {
        let record = CallRecord::new(false, None);
        assert_eq!(record.reason(), None);
        record.note_reason(RefusalReason::ALL[0]);
        record.note_reason(RefusalReason::ALL[RefusalReason::ALL.len() - 1]);
        assert_eq!(record.reason(), RefusalReason::ALL.last().copied());
    }
}
