//! Credentials and their look-ups.

use async_trait::async_trait;

use super::rows::{self};
use super::{
    SqlStore, Statement, Transaction, attempts, change_events, client_tokens, hash_pages, overlaps, sql, tokens,
};
use crate::domain::change_event::ChangeKind;
use crate::domain::client_token::{ClientTokenKey, RememberedChange};
use crate::domain::credential::{Credential, Revision, StoredHash, Version, VersionedHash};
use crate::domain::names::TenantName;
use crate::domain::page::{Page, PageRequest};
use crate::domain::subject::SubjectId;
use crate::domain::time::Window;
use crate::ports::store::{Commit, CommitOutcome, Credentials, HashEntry};
use crate::ports::{Evidence, StoreError};

#[async_trait]
impl Credentials for SqlStore {
    async fn credential(&self, subject: SubjectId) -> Result<Option<Credential>, StoreError> {
        let (keys, subject) = (self.database.rows_of_keys(), subject.to_string());
        // One statement reads one snapshot; two could see different sides of a change.
        let select = Statement::of_parts(&[
            "SELECT c.subject_id, c.version, c.revision, c.hash, c.pepper_key, c.changed_at, c.changed_by,
                 c.overlap_started_at, c.overlap_length, s.overlap,
                 e.subject_id AS earlier_subject, e.version AS earlier_version, e.hash AS earlier_hash,
                 e.pepper_key AS earlier_key
             FROM credential k JOIN ",
            keys.credential,
            " JOIN subject s ON s.id = c.subject_id LEFT JOIN ",
            keys.earlier_hash,
            " WHERE k.subject_id = $1 ORDER BY e.version DESC",
        ]);
        let found = self.read(select.bind(&subject)).await?;
        let Some(first) = found.first() else { return Ok(None) };
        rows::has_key(first, "subject_id", &subject)?;
        let mut credential = rows::credential(first)?;
        credential.overlap.length = overlaps::length(first, "overlap")?;
        for row in &found {
            if row.optional_text("earlier_hash")?.is_some() {
                rows::has_key(row, "earlier_subject", &subject)?;
                let version = rows::version(row, "earlier_version")?;
                credential
                    .history
                    .push(VersionedHash { version, hash: rows::hash(row, "earlier_hash", "earlier_key")? });
            }
        }
        Ok(Some(credential))
    }

    async fn remembered(
        &self,
        subject: SubjectId,
        token: &ClientTokenKey,
    ) -> Result<Option<RememberedChange>, StoreError> {
        client_tokens::read(self, subject, token).await
    }

    async fn commit(&self, commit: &Commit) -> Result<CommitOutcome, StoreError> {
        let write = self.write("commit").before(commit.deadline).authorized_by(&commit.authority);
        write.run(|transaction| Box::pin(set_password(transaction, commit))).await
    }

    async fn replace_hash(
        &self,
        subject: SubjectId,
        revision: Revision,
        hash: &StoredHash,
    ) -> Result<bool, StoreError> {
        let update = sql("UPDATE credential SET hash = $3, pepper_key = $4, revision = revision + 1
             WHERE subject_id = $1 AND revision = $2");
        let update = update.bind(subject).bind(revision).bind(hash.expose()).bind(hash.key());
        self.write("replace_hash").execute(update).await
    }

    async fn hashes(&self, tenant: Option<&TenantName>, page: &PageRequest) -> Result<Page<HashEntry>, StoreError> {
        hash_pages::list(self, tenant, page).await
    }
}

/// Makes the whole change, or none of it if the credential is not as expected.
async fn set_password(transaction: &mut dyn Transaction, commit: &Commit) -> Result<CommitOutcome, StoreError> {
    let overlap = overlaps::of_change(transaction, commit).await?;
    let Some(version) = set_hash(transaction, commit, overlap).await? else {
        return why_not(transaction, commit.subject).await;
    };
    overlaps::forget_before(transaction, commit, version, overlap).await?;
    client_tokens::remember(transaction, commit).await?;
    if commit.ends_tokens {
        let but = commit.authority.evidence.as_ref().and_then(Evidence::token);
        tokens::end_of_subject(transaction, commit.subject, but).await?;
    }
    if let Some(of) = &commit.forget {
        attempts::forget(transaction, of).await?;
    }
    let kind = ChangeKind::of_password(commit.authority.event.action, version, overlap.map(|window| window.end()));
    change_events::insert(transaction, commit.subject, commit.change_id.0, commit.at, kind).await?;
    Ok(CommitOutcome::Committed(version))
}

/// Sets the hash and returns the new version. Changes nothing if the credential is not as expected.
async fn set_hash(
    transaction: &mut dyn Transaction,
    commit: &Commit,
    overlap: Option<Window>,
) -> Result<Option<Version>, StoreError> {
    let subject = commit.subject.to_string();
    let version = Version::following(commit.expected);
    let with_password = |statement| {
        sql(statement)
            .bind(&subject)
            .bind(version)
            .bind(commit.hash.expose())
            .bind(commit.hash.key())
            .bind(commit.at)
            .bind(commit.changed_by)
            .bind(commit.change_id.0)
    };
    let statement = match commit.expected {
        None => with_password(
            "INSERT INTO credential (subject_id, version, hash, pepper_key, changed_at, changed_by, change_id)
             SELECT id, $2, $3, $4, $5, $6, $7 FROM subject WHERE id = $1
             ON CONFLICT (subject_id) DO NOTHING",
        ),
        Some(expected) => {
            if overlaps::kept(commit, overlap) > 0 {
                let earlier =
                    sql("INSERT INTO earlier_hash (subject_id, version, hash, pepper_key, change_id, changed_at)
                     SELECT subject_id, version, hash, pepper_key, change_id, changed_at FROM credential
                     WHERE subject_id = $1 AND version = $2");
                transaction.execute(earlier.bind(&subject).bind(expected)).await?;
            }
            with_password(
                "UPDATE credential SET version = $2, hash = $3, pepper_key = $4, changed_at = $5, changed_by = $6,
                     change_id = $7, revision = revision + 1,
                     overlap_started_at = $8, overlap_length = $9, overlap_history = $10
                 WHERE subject_id = $1 AND version = $2 - 1",
            )
            .bind(overlap.map(|window| window.start.as_micros()))
            .bind(overlap.map(|window| rows::micros(window.length)))
            .bind(overlap.map(|_| i64::from(commit.keep_history)))
        }
    };
    let set = transaction.execute(statement).await?;
    Ok((set > 0).then_some(version))
}

/// Finds out why a password was not set.
async fn why_not(transaction: &mut dyn Transaction, subject: SubjectId) -> Result<CommitOutcome, StoreError> {
    let select = sql("SELECT c.version FROM subject s LEFT JOIN credential c ON c.subject_id = s.id WHERE s.id = $1");
    let row = transaction.fetch_first(select.bind(subject)).await?;
    let Some(row) = row else { return Ok(CommitOutcome::SubjectGone) };
    let present = row.optional_integer("version")?;
    Ok(CommitOutcome::VersionMoved(present.map(|_| rows::version(&row, "version")).transpose()?))
}
