//! Credentials and their look-ups.

use async_trait::async_trait;
use sqlx::{Row, SqliteConnection};

use super::rows::{self, subject_columns};
use super::{SqliteStore, attempts, audit, finish, hashes, settings};
use crate::domain::attempts::{Forget, Pair, StoredFailures};
use crate::domain::audit_event::AuditEvent;
use crate::domain::credential::{ChangeId, Credential, PasswordHash, Revision, Version};
use crate::domain::names::{Region, TenantName};
use crate::domain::page::{Page, PageRequest};
use crate::domain::settings::TenantSettings;
use crate::domain::subject::{SubjectId, SubjectName};
use crate::domain::time::Timestamp;
use crate::ports::StoreError;
use crate::ports::store::{Absent, Commit, CommitOutcome, Credentials, Lookup};

#[async_trait]
impl Credentials for SqliteStore {
    async fn look_up(&self, tenant: &TenantName, name: &SubjectName) -> Result<Lookup, StoreError> {
        let row = sqlx::query(concat!(
            "SELECT ",
            subject_columns!(),
            " FROM subject s LEFT JOIN instance i ON i.tenant = s.tenant AND i.id = s.instance
              WHERE s.tenant = $1 AND s.kind = $2 AND coalesce(s.instance, '') = $3 AND s.name = $4"
        ))
        .bind(tenant.as_str())
        .bind(name.kind().as_str())
        .bind(name.instance().map_or("", |id| id.as_str()))
        .bind(name.key())
        .fetch_optional(&self.readers)
        .await?;
        match row {
            Some(row) => Ok(Lookup::Found(rows::subject(&row)?)),
            None => Ok(Lookup::Missing(self.what_is_missing(tenant, name).await?)),
        }
    }

    async fn settings(&self, tenant: &TenantName) -> Result<Option<TenantSettings>, StoreError> {
        let row = sqlx::query("SELECT settings FROM tenant WHERE name = $1")
            .bind(tenant.as_str())
            .fetch_optional(&self.readers)
            .await?;
        row.map(|row| rows::parsed(&row, "settings", settings::of_text)).transpose()
    }

    async fn credential(&self, subject: SubjectId) -> Result<Option<Credential>, StoreError> {
        // One statement is one moment: two could straddle a change.
        let found = sqlx::query(
            "SELECT c.version, c.revision, c.hash, c.changed_at, c.changed_by, e.hash AS earlier_hash
             FROM credential c LEFT JOIN earlier_hash e ON e.subject_id = c.subject_id
             WHERE c.subject_id = $1 ORDER BY e.version DESC",
        )
        .bind(subject.to_string())
        .fetch_all(&self.readers)
        .await?;
        let Some(first) = found.first() else { return Ok(None) };
        let mut credential = rows::credential(first)?;
        for row in &found {
            if row.try_get::<Option<String>, _>("earlier_hash")?.is_some() {
                credential.history.push(rows::hash(row, "earlier_hash")?);
            }
        }
        Ok(Some(credential))
    }

    async fn commit(&self, commit: &Commit) -> Result<CommitOutcome, StoreError> {
        let mut transaction = self.begin().await?;
        let Some(version) = set_password(&mut transaction, commit).await? else {
            return why_not(&mut transaction, commit.subject).await;
        };
        match &commit.forget {
            Some(Forget::Pair(pair)) => attempts::forget(&mut transaction, pair).await?,
            Some(Forget::Subject(subject)) => attempts::forget_all(&mut transaction, subject).await?,
            None => {}
        }
        audit::insert(&mut transaction, &commit.event).await?;
        match finish(transaction).await {
            Ok(()) => Ok(CommitOutcome::Committed(version)),
            // That the change can be read proves that it was made. That it can't proves nothing yet.
            Err(StoreError::OutcomeUnknown(cause)) => match self.version_of(commit.subject, commit.change_id).await {
                Ok(Some(version)) => Ok(CommitOutcome::Committed(version)),
                _ => Err(StoreError::OutcomeUnknown(cause)),
            },
            Err(error) => Err(error),
        }
    }

    async fn replace_hash(
        &self,
        subject: SubjectId,
        revision: Revision,
        hash: &PasswordHash,
    ) -> Result<bool, StoreError> {
        let mut transaction = self.begin().await?;
        let replaced = sqlx::query(
            "UPDATE credential SET hash = $3, revision = revision + 1 WHERE subject_id = $1 AND revision = $2",
        )
        .bind(subject.to_string())
        .bind(i64::try_from(revision.0).unwrap_or(i64::MAX))
        .bind(hash.expose())
        .execute(&mut *transaction)
        .await?;
        finish(transaction).await?;
        Ok(replaced.rows_affected() > 0)
    }

    async fn hashes(&self, tenant: Option<&TenantName>, page: &PageRequest) -> Result<Page<PasswordHash>, StoreError> {
        hashes::list(self, tenant, page).await
    }

    async fn failures(&self, pair: &Pair) -> Result<StoredFailures, StoreError> {
        attempts::read(self, pair).await
    }

    async fn record_failure(&self, pair: &Pair, at: Timestamp, event: &AuditEvent) -> Result<(), StoreError> {
        let mut transaction = self.begin().await?;
        attempts::count(&mut transaction, pair, at).await?;
        audit::insert(&mut transaction, event).await?;
        finish(transaction).await
    }

    async fn forget_failures(&self, pair: &Pair) -> Result<(), StoreError> {
        attempts::forget_alone(self, pair).await
    }

    async fn record(&self, event: &AuditEvent) -> Result<(), StoreError> {
        let mut transaction = self.begin().await?;
        audit::insert(&mut transaction, event).await?;
        finish(transaction).await
    }
}

impl SqliteStore {
    /// Which part of the path to a subject is missing.
    async fn what_is_missing(&self, tenant: &TenantName, name: &SubjectName) -> Result<Absent, StoreError> {
        let row = sqlx::query(
            "SELECT i.region FROM tenant t LEFT JOIN instance i ON i.tenant = t.name AND i.id = $2 WHERE t.name = $1",
        )
        .bind(tenant.as_str())
        .bind(name.instance().map_or("", |id| id.as_str()))
        .fetch_optional(&self.readers)
        .await?;
        let Some(row) = row else { return Ok(Absent::Tenant) };
        if name.instance().is_none() {
            return Ok(Absent::Subject { region: None });
        }
        if row.try_get::<Option<String>, _>("region")?.is_none() {
            return Ok(Absent::Instance);
        }
        Ok(Absent::Subject { region: Some(rows::parsed(&row, "region", |text| Region::parse(text).ok())?) })
    }

    /// The version that a change made, where it is still known.
    async fn version_of(&self, subject: SubjectId, change: ChangeId) -> Result<Option<Version>, StoreError> {
        let row = sqlx::query(
            "SELECT version FROM credential WHERE subject_id = $1 AND change_id = $2
             UNION ALL SELECT version FROM earlier_hash WHERE subject_id = $1 AND change_id = $2",
        )
        .bind(subject.to_string())
        .bind(change.0.to_string())
        .fetch_optional(&self.readers)
        .await?;
        row.map(|row| rows::version(&row, "version")).transpose()
    }
}

/// Sets the password and answers the new version, or changes nothing where the credential is not as expected.
async fn set_password(connection: &mut SqliteConnection, commit: &Commit) -> Result<Option<Version>, StoreError> {
    let subject = commit.subject.to_string();
    let version = Version::following(commit.expected);
    let statement = match commit.expected {
        None => {
            "INSERT INTO credential (subject_id, version, hash, changed_at, changed_by, change_id)
             SELECT id, $2, $3, $4, $5, $6 FROM subject WHERE id = $1
             ON CONFLICT (subject_id) DO NOTHING"
        }
        Some(expected) => {
            sqlx::query(
                "INSERT INTO earlier_hash (subject_id, version, hash, change_id)
                 SELECT subject_id, version, hash, change_id FROM credential WHERE subject_id = $1 AND version = $2",
            )
            .bind(&subject)
            .bind(rows::number_of(expected))
            .execute(&mut *connection)
            .await?;
            "UPDATE credential SET version = $2, hash = $3, changed_at = $4, changed_by = $5, change_id = $6,
                 revision = revision + 1
             WHERE subject_id = $1 AND version = $2 - 1"
        }
    };
    let set = sqlx::query(statement)
        .bind(&subject)
        .bind(rows::number_of(version))
        .bind(commit.hash.expose())
        .bind(commit.at.as_micros())
        .bind(commit.changed_by.as_str())
        .bind(commit.change_id.0.to_string())
        .execute(&mut *connection)
        .await?;
    if set.rows_affected() == 0 {
        return Ok(None);
    }
    sqlx::query("DELETE FROM earlier_hash WHERE subject_id = $1 AND version < $2 - $3")
        .bind(&subject)
        .bind(rows::number_of(version))
        .bind(i64::from(commit.keep_history))
        .execute(connection)
        .await?;
    Ok(Some(version))
}

/// Why a password was not set: what is there instead.
async fn why_not(connection: &mut SqliteConnection, subject: SubjectId) -> Result<CommitOutcome, StoreError> {
    let row =
        sqlx::query("SELECT c.version FROM subject s LEFT JOIN credential c ON c.subject_id = s.id WHERE s.id = $1")
            .bind(subject.to_string())
            .fetch_optional(connection)
            .await?;
    let Some(row) = row else { return Ok(CommitOutcome::SubjectGone) };
    let present: Option<i64> = row.try_get("version")?;
    Ok(CommitOutcome::VersionMoved(present.map(|_| rows::version(&row, "version")).transpose()?))
}
