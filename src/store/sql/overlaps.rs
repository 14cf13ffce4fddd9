//! Overlaps, during which the previous password is valid too.

use std::time::Duration;

use async_trait::async_trait;

use super::rows::{self, Read};
use super::upkeep::AT_ONCE;
use super::{Row, SqlStore, Step, Transaction, deliveries, sql};
use crate::domain::credential::Version;
use crate::domain::overlap::{KnownPassword, NOTED_EVERY, Overlap, OverlapState, PasswordUse};
use crate::domain::subject::SubjectId;
use crate::domain::time::{Timestamp, Window};
use crate::ports::StoreError;
use crate::ports::meter::StoreWork;
use crate::ports::store::{Authority, Commit, Overlaps};

#[async_trait]
impl Overlaps for SqlStore {
    async fn set_overlap(
        &self,
        subject: SubjectId,
        length: Duration,
        authority: &Authority,
    ) -> Result<bool, StoreError> {
        let write = self.write(StoreWork::SetOverlap).authorized_by(authority);
        write.run(|transaction| Box::pin(set(transaction, subject, length, authority.event.at))).await
    }

    async fn end_overlap(&self, subject: SubjectId, authority: &Authority) -> Result<bool, StoreError> {
        let write = self.write(StoreWork::EndOverlap).authorized_by(authority);
        write.run(|transaction| Box::pin(end_of_known(transaction, subject))).await
    }

    async fn overlap(&self, subject: SubjectId, callers: u32) -> Result<Option<OverlapState>, StoreError> {
        let select = sql("SELECT s.overlap, c.version, c.changed_at, c.overlap_started_at, c.overlap_length,
                         e.version AS earlier_version, e.changed_at AS earlier_changed_at
                     FROM subject s
                     LEFT JOIN credential c ON c.subject_id = s.id
                     LEFT JOIN earlier_hash e ON e.subject_id = c.subject_id AND e.version = c.version - 1
                     WHERE s.id = $1");
        let row = self.read_first(select.bind(subject)).await?;
        let Some(row) = row else { return Ok(None) };
        Ok(Some(OverlapState {
            overlap: Overlap { length: length(&row, "overlap")?, window: window(&row)? },
            current: self.known(&row, subject, ["version", "changed_at"], callers).await?,
            previous: self.known(&row, subject, ["earlier_version", "earlier_changed_at"], callers).await?,
        }))
    }

    async fn note_use(&self, subject: SubjectId, version: Version, used: &PasswordUse) -> Result<(), StoreError> {
        let noted = sql("SELECT used_at FROM password_use
                 WHERE subject_id = $1 AND version = $2 AND caller_kind = $3 AND caller_name = $4")
        .bind(subject)
        .bind(version)
        .bind(used.caller.kind())
        .bind(used.caller.name());
        if let Some(row) = self.read_first(noted).await? {
            let since = used.at.since(rows::time(&row, "used_at")?);
            if since.is_some_and(|since| since < NOTED_EVERY) {
                return Ok(());
            }
        }
        self.write(StoreWork::NoteUse).run(|transaction| Box::pin(note(transaction, subject, version, used))).await
    }
}

impl SqlStore {
    /// Reads a password's version, time and uses, from those columns; `None` if there is no such password.
    async fn known(
        &self,
        row: &Row,
        subject: SubjectId,
        [version, changed_at]: [&str; 2],
        callers: u32,
    ) -> Result<Option<KnownPassword>, StoreError> {
        if row.optional_integer(version)?.is_none() {
            return Ok(None);
        }
        let version = rows::version(row, version)?;
        let changed_at = row.optional_integer(changed_at)?.map(Timestamp::from_micros);
        let select = sql("SELECT caller_tenant, caller_kind, caller_name, caller_subject_id, used_at FROM password_use
                     WHERE subject_id = $1 AND version = $2 ORDER BY used_at DESC, caller_kind, caller_name LIMIT $3");
        let found = self.read(select.bind(subject).bind(version).bind(callers)).await?;
        let uses = found.iter().map(password_use).collect::<Read<Vec<_>>>()?;
        Ok(Some(KnownPassword { version, changed_at, uses }))
    }
}

/// Keeps the hash that a change replaces, if it is kept for the history or for an overlap.
pub(super) fn keep_replaced(commit: &Commit, expected: Version) -> Step {
    Step::change(
        "INSERT INTO earlier_hash (subject_id, version, hash, pepper_key, change_id, changed_at)
         SELECT c.subject_id, c.version, c.hash, c.pepper_key, c.change_id, c.changed_at
         FROM credential c JOIN subject s ON s.id = c.subject_id
         WHERE c.subject_id = $1 AND c.version = $2 AND $3 + $4 * s.overlap > 0",
    )
    .bind(commit.subject)
    .bind(expected)
    .bind(commit.keep_history)
    .bind(commit.begins_overlap)
}

/// Removes earlier hashes and uses that are no longer needed after a change.
pub(super) fn forget_before(commit: &Commit, version: Version) -> [Step; 2] {
    let hashes = Step::change(
        "DELETE FROM earlier_hash WHERE subject_id = $1 AND version < $2
             - CASE WHEN $3 * (SELECT s.overlap FROM subject s WHERE s.id = $1) > 0 THEN $5 ELSE $4 END",
    );
    let hashes = hashes.bind(commit.subject).bind(version).bind(commit.begins_overlap);
    let uses = Step::change(
        "DELETE FROM password_use WHERE subject_id = $1 AND version < $2
             - CASE WHEN $3 * (SELECT s.overlap FROM subject s WHERE s.id = $1) > 0 THEN 1 ELSE 0 END",
    );
    [
        hashes.bind(commit.keep_history).bind(commit.keep_history.max(1)),
        uses.bind(commit.subject).bind(version).bind(commit.begins_overlap),
    ]
}

/// Clears a batch of overlaps that are over. Returns the number found.
pub(super) async fn remove_old(transaction: &mut dyn Transaction, now: Timestamp) -> Result<u64, StoreError> {
    let select = sql("SELECT subject_id, version, overlap_history FROM credential
                 WHERE overlap_started_at IS NOT NULL AND overlap_started_at + overlap_length <= $1
                 ORDER BY overlap_started_at + overlap_length LIMIT $2");
    let over = transaction.fetch(select.bind(now).bind(AT_ONCE)).await?;
    for row in &over {
        clear(transaction, SubjectId(rows::uuid(row, "subject_id")?), row).await?;
    }
    Ok(over.len() as u64)
}

/// The window of a credential's overlap, if its last change began one.
pub(super) fn window(row: &Row) -> Read<Option<Window>> {
    let started = row.optional_integer("overlap_started_at")?;
    started.map(|_| rows::window(row, "overlap_started_at", "overlap_length")).transpose()
}

/// Reads a duration.
pub(super) fn length(row: &Row, column: &str) -> Read<Duration> {
    u64::try_from(row.integer(column)?).map(Duration::from_micros).map_err(|_| rows::damaged(column))
}

/// Reads a use from a row with all columns.
pub(super) fn password_use(row: &Row) -> Read<PasswordUse> {
    Ok(PasswordUse {
        caller: rows::caller(row, ["caller_tenant", "caller_kind", "caller_name", "caller_subject_id"])?,
        at: rows::time(row, "used_at")?,
    })
}

/// Sets the length of a subject's overlaps. Returns whether the subject exists.
async fn set(
    transaction: &mut dyn Transaction,
    subject: SubjectId,
    length: Duration,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let update = sql("UPDATE subject SET overlap = $2 WHERE id = $1");
    let set = transaction.execute(update.bind(subject).bind(length)).await?;
    shorten(transaction, subject, length, now).await?;
    deliveries::look_again(transaction, subject).await?;
    if length.is_zero() {
        let uses = sql("DELETE FROM password_use WHERE subject_id = $1");
        transaction.execute(uses.bind(subject)).await?;
    }
    Ok(set > 0)
}

/// Shortens the running overlap, or ends it if the shorter one is over by now.
async fn shorten(
    transaction: &mut dyn Transaction,
    subject: SubjectId,
    length: Duration,
    now: Timestamp,
) -> Result<(), StoreError> {
    let running = sql("SELECT overlap_started_at, overlap_length FROM credential WHERE subject_id = $1");
    let Some(row) = transaction.fetch_first(running.bind(subject)).await? else { return Ok(()) };
    let Some(window) = window(&row)? else { return Ok(()) };
    let shorter = window.at_most(length);
    if length.is_zero() || !shorter.is_open(now) {
        return end(transaction, subject).await;
    }
    let update = sql("UPDATE credential SET overlap_length = $2 WHERE subject_id = $1");
    transaction.execute(update.bind(subject).bind(shorter.length)).await.map(drop)
}

/// Ends the running overlap. Returns whether the subject exists.
async fn end_of_known(transaction: &mut dyn Transaction, subject: SubjectId) -> Result<bool, StoreError> {
    let known = sql("SELECT id FROM subject WHERE id = $1").bind(subject);
    let is_known = transaction.fetch_first(known).await?.is_some();
    end(transaction, subject).await?;
    deliveries::look_again(transaction, subject).await?;
    Ok(is_known)
}

/// Ends the running overlap.
async fn end(transaction: &mut dyn Transaction, subject: SubjectId) -> Result<(), StoreError> {
    let running = sql("SELECT version, overlap_history FROM credential
         WHERE subject_id = $1 AND overlap_started_at IS NOT NULL");
    match transaction.fetch_first(running.bind(subject)).await? {
        Some(row) => clear(transaction, subject, &row).await,
        None => Ok(()),
    }
}

/// Ends the overlap of a version, and removes rows that only the overlap needed. Does nothing if the password has
/// changed since; the first statement locks out further changes.
async fn clear(transaction: &mut dyn Transaction, subject: SubjectId, row: &Row) -> Result<(), StoreError> {
    let (version, history) = (rows::version(row, "version")?, row.integer("overlap_history")?);
    let of_version = |text| sql(text).bind(subject).bind(version);
    let ended = of_version(
        "UPDATE credential SET overlap_started_at = NULL, overlap_length = NULL, overlap_history = NULL
         WHERE subject_id = $1 AND version = $2 AND overlap_started_at IS NOT NULL",
    );
    if transaction.execute(ended).await? == 0 {
        return Ok(());
    }
    remove_earlier(transaction, subject, version, history).await?;
    let uses = of_version("DELETE FROM password_use WHERE subject_id = $1 AND version < $2");
    transaction.execute(uses).await.map(drop)
}

/// Removes all but the newest `kept` hashes before a version.
async fn remove_earlier(
    transaction: &mut dyn Transaction,
    subject: SubjectId,
    version: Version,
    kept: i64,
) -> Result<(), StoreError> {
    let delete = sql("DELETE FROM earlier_hash WHERE subject_id = $1 AND version < $2 - $3");
    transaction.execute(delete.bind(subject).bind(version).bind(kept)).await.map(drop)
}

async fn note(
    transaction: &mut dyn Transaction,
    subject: SubjectId,
    version: Version,
    used: &PasswordUse,
) -> Result<(), StoreError> {
    let select = sql("SELECT version, overlap_started_at FROM credential WHERE subject_id = $1");
    let row = transaction.fetch_first(select.bind(subject)).await?;
    let Some(row) = row else { return Ok(()) };
    let current = rows::version(&row, "version")?;
    let has_previous = row.optional_integer("overlap_started_at")?.is_some();
    if version != current && !(has_previous && version.next() == current) {
        return Ok(());
    }
    let PasswordUse { caller, at } = used;
    let insert = sql("INSERT INTO password_use
             (subject_id, version, caller_tenant, caller_kind, caller_name, caller_subject_id, used_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7)
         ON CONFLICT (subject_id, version, caller_kind, caller_name)
         DO UPDATE SET caller_subject_id = excluded.caller_subject_id, used_at = excluded.used_at
         WHERE excluded.used_at - password_use.used_at NOT BETWEEN 0 AND $8");
    let insert = insert.bind(subject).bind(version).bind(caller.tenant()).bind(caller.kind()).bind(caller.name());
    let insert = insert.bind(caller.subject_id()).bind(*at).bind(NOTED_EVERY.saturating_sub(Duration::from_micros(1)));
    transaction.execute(insert).await.map(drop)
}
