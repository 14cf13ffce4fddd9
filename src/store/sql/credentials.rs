//! Credentials and their look-ups.

use std::time::Duration;

use async_trait::async_trait;
use uuid::Uuid;

use super::rows::{self, Read};
use super::{
    Row, SqlStore, Statement, Step, Steps, Value, attempts, candidates, change_events, client_tokens, deliveries,
    hash_pages, overlaps, sql, tokens,
};
use crate::domain::change_event::ChangeKind;
use crate::domain::client_token::ClientTokenKey;
use crate::domain::credential::{
    ChangeId, ChangedBy, Credential, HashDigest, Revision, StoredHash, Version, VersionedHash,
};
use crate::domain::names::TenantName;
use crate::domain::page::{Page, PageRequest};
use crate::domain::subject::SubjectId;
use crate::domain::time::{Timestamp, Window};
use crate::ports::meter::StoreWork;
use crate::ports::store::{Authority, Commit, CommitOutcome, Credentials, HashEntry, Standing, StandingQuery};
use crate::ports::{Evidence, StoreError};

#[async_trait]
impl Credentials for SqlStore {
    async fn credential(&self, subject: SubjectId) -> Result<Option<Credential>, StoreError> {
        credential(&self.read(self.select_credential(subject)).await?, subject)
    }

    async fn standing(&self, of: &StandingQuery<'_>) -> Result<Option<Standing>, StoreError> {
        // No subject has this id, and no change is remembered under this key: the cost is the same.
        let subject = of.subject.unwrap_or(SubjectId(Uuid::nil()));
        let token = of.token.unwrap_or(&ClientTokenKey([0; 32]));
        let [policies, of_subject, failures, remembered] = self
            .read_together([
                sql(candidates::SELECT_POLICIES).bind(of.tenant),
                self.select_credential(subject),
                attempts::select(of.pair),
                client_tokens::select(subject, token),
            ])
            .await?;
        let Some(policies) = policies.first() else { return Ok(None) };
        Ok(Some(Standing {
            policies: candidates::policies(policies)?,
            credential: credential(&of_subject, subject)?,
            failures: attempts::summed(&failures)?,
            remembered: remembered.first().map(client_tokens::remembered).transpose()?,
        }))
    }

    async fn commit(&self, commit: &Commit) -> Result<CommitOutcome, StoreError> {
        let write = self.write(StoreWork::Commit).before(commit.deadline).authorized_by(&commit.authority);
        if write.steps(|steps, after| set_password(steps, after, commit)).await? {
            return Ok(CommitOutcome::Committed(Version::following(commit.expected)));
        }
        let Some(row) = self.read_first(why_not(commit.subject)).await? else { return Ok(CommitOutcome::SubjectGone) };
        let present = row.optional_integer("version")?;
        Ok(CommitOutcome::VersionMoved(present.map(|_| rows::version(&row, "version")).transpose()?))
    }

    async fn replace_hash(
        &self,
        subject: SubjectId,
        revision: Revision,
        hash: &StoredHash,
        replaced: HashDigest,
    ) -> Result<bool, StoreError> {
        let update = sql("UPDATE credential SET hash = $3, pepper_key = $4, first_hash = coalesce(first_hash, $5),
                 revision = revision + 1
             WHERE subject_id = $1 AND revision = $2");
        let update = update.bind(subject).bind(revision).bind(hash.expose()).bind(hash.key()).bind(replaced.0);
        self.write(StoreWork::ReplaceHash).execute(update).await
    }

    async fn take_over(
        &self,
        subject: SubjectId,
        revision: Revision,
        hash: &StoredHash,
        authority: &Authority,
    ) -> Result<bool, StoreError> {
        let update = sql("UPDATE credential SET hash = $3, pepper_key = $4, first_hash = $5, changed_by = $6,
                 revision = revision + 1
             WHERE subject_id = $1 AND revision = $2 AND changed_by = $7");
        let update = update.bind(subject).bind(revision).bind(hash.expose()).bind(hash.key());
        let update = update.bind(HashDigest::VERIFIED_ELSEWHERE.0);
        let update = update.bind(ChangedBy::Administrator).bind(ChangedBy::Elsewhere);
        self.write(StoreWork::TakeOver).authorized_by(authority).execute(update).await
    }

    async fn hashes(&self, tenant: Option<&TenantName>, page: &PageRequest) -> Result<Page<HashEntry>, StoreError> {
        hash_pages::list(self, tenant, page).await
    }
}

/// The columns of [`first`].
pub(super) const COLUMNS: [&str; 7] =
    ["subject_id", "version", "hash", "pepper_key", "changed_at", "changed_by", "change_id"];

/// A subject's first credential as a row.
pub(super) fn first(
    subject: SubjectId,
    hash: &StoredHash,
    at: Timestamp,
    by: ChangedBy,
    change: ChangeId,
) -> Vec<Value> {
    vec![
        subject.into(),
        Version::FIRST.into(),
        hash.expose().into(),
        hash.key().into(),
        at.into(),
        by.into(),
        change.into(),
    ]
}

impl SqlStore {
    /// Selects a credential with its history, the newest first.
    fn select_credential(&self, subject: SubjectId) -> Statement {
        let keys = self.database.rows_of_keys();
        Statement::of_parts(&[
            "SELECT c.subject_id, c.version, c.revision, c.hash, c.pepper_key, c.changed_at, c.changed_by,
                 c.overlap_started_at, c.overlap_length, s.overlap,
                 e.subject_id AS earlier_subject, e.version AS earlier_version, e.hash AS earlier_hash,
                 e.pepper_key AS earlier_key
             FROM credential k JOIN ",
            keys.credential,
            " JOIN subject s ON s.id = c.subject_id LEFT JOIN ",
            keys.earlier_hash,
            " WHERE k.subject_id = $1 ORDER BY e.version DESC",
        ])
        .bind(subject)
    }
}

/// The credential of the subject, if it has one.
fn credential(found: &[Row], subject: SubjectId) -> Read<Option<Credential>> {
    let (Some(first), subject) = (found.first(), subject.to_string()) else { return Ok(None) };
    rows::has_key(first, "subject_id", &subject)?;
    let mut credential = rows::credential(first)?;
    credential.overlap.length = overlaps::length(first, "overlap")?;
    for row in found {
        if row.optional_text("earlier_hash")?.is_some() {
            rows::has_key(row, "earlier_subject", &subject)?;
            let version = rows::version(row, "earlier_version")?;
            let hash = rows::hash(row, "earlier_hash", "earlier_key")?;
            credential.history.push(VersionedHash { version, hash });
        }
    }
    Ok(Some(credential))
}

/// Makes the whole change, or none of it if the credential is not as expected. Returns the place of the step that sets the
/// password.
fn set_password(steps: &mut Steps, after: Option<usize>, commit: &Commit) -> usize {
    let Commit { subject, expected, at, .. } = commit;
    let version = Version::following(*expected);
    if let Some(expected) = expected {
        steps.add(overlaps::keep_replaced(commit, *expected), after);
    }
    let set = steps.add(set_hash(commit, version), after);
    let mut add = |step| {
        steps.add(step, Some(set));
    };
    if expected.is_some() {
        overlaps::forget_before(commit, version).into_iter().for_each(&mut add);
    }
    if let Some((token, change)) = &commit.remember {
        add(client_tokens::remember(*subject, token, change));
    }
    if commit.ends_tokens {
        let but = commit.authority.evidence.as_ref().and_then(Evidence::token);
        add(tokens::end_of_subject(*subject, but));
    }
    if let Some(of) = &commit.forget {
        attempts::forget_steps(of).for_each(|(step, _)| add(step));
    }
    if let Some(passwords) = &commit.deliver {
        deliveries::steps(*subject, version, passwords, *at).into_iter().for_each(&mut add);
    }
    let kind = ChangeKind::of_password(commit.authority.event.action, version);
    let begins_overlap = commit.begins_overlap && expected.is_some();
    for step in change_events::steps(*subject, commit.change_id.0, *at, kind, begins_overlap) {
        add(step);
    }
    set
}

/// Sets the hash. Changes nothing if the credential is not as expected.
fn set_hash(commit: &Commit, version: Version) -> Step {
    let step = match commit.expected {
        None => Step::change(
            "INSERT INTO credential (subject_id, version, hash, pepper_key, changed_at, changed_by, change_id)
             SELECT id, CAST($2 AS BIGINT), $3, $4, CAST($5 AS BIGINT), $6, $7 FROM subject WHERE id = $1",
        )
        .then(" ON CONFLICT (subject_id) DO NOTHING"),
        Some(_) => Step::change(
            "UPDATE credential SET version = $2, hash = $3, pepper_key = $4, changed_at = $5, changed_by = $6,
                 change_id = $7, first_hash = NULL, revision = credential.revision + 1,
                 overlap_started_at = CASE WHEN $8 * s.overlap > 0 THEN CAST($9 AS BIGINT) END,
                 overlap_length = CASE WHEN $8 * s.overlap > 0 THEN CAST($10 AS BIGINT) + s.overlap END,
                 overlap_history = CASE WHEN $8 * s.overlap > 0 THEN CAST($11 AS BIGINT) END
             FROM subject s
             WHERE s.id = credential.subject_id AND credential.subject_id = $1 AND credential.version = $2 - 1",
        ),
    };
    let step = step.bind(commit.subject).bind(version).bind(commit.hash.expose()).bind(commit.hash.key());
    let step = step.bind(commit.at).bind(commit.changed_by).bind(commit.change_id.0);
    if commit.expected.is_none() {
        return step;
    }
    // The subject's overlap comes on top.
    let window = Window::from(commit.at, Duration::ZERO);
    step.bind(commit.begins_overlap).bind(window.start).bind(window.length).bind(commit.keep_history)
}

/// Selects why a password was not set.
fn why_not(subject: SubjectId) -> Statement {
    sql("SELECT c.version FROM subject s LEFT JOIN credential c ON c.subject_id = s.id WHERE s.id = $1").bind(subject)
}
