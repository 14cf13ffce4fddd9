//! Stored hashes by the pepper key that they are wrapped under.

use std::collections::BTreeSet;

use async_trait::async_trait;

use super::rows::{self, Read};
use super::{Row, SqlStore, Statement, Value, hash_pages, sql};
use crate::domain::credential::Version;
use crate::domain::delivery::DeliveredPasswords;
use crate::domain::names::PepperKeyId;
use crate::domain::sealed::SealPurpose;
use crate::domain::subject::SubjectId;
use crate::ports::StoreError;
use crate::ports::meter::StoreWork;
use crate::ports::store::{
    Generation, HashCount, HashEntry, Replacement, SecretEntry, SecretReplacement, StoredHashes,
};

#[async_trait]
impl StoredHashes for SqlStore {
    async fn keys_in_use(&self) -> Result<BTreeSet<Option<PepperKeyId>>, StoreError> {
        let mut keys = BTreeSet::new();
        for table in Generation::ALL.map(table).into_iter().chain(SealPurpose::ALL.map(|purpose| sealed(purpose).table))
        {
            for row in self.read(keys_of(table)).await? {
                keys.insert(rows::pepper_key(&row, "pepper_key")?);
            }
        }
        for age in Generation::ALL {
            let not_wrapped = &["SELECT version FROM ", table(age), " WHERE pepper_key IS NULL LIMIT 1"];
            if self.read_first(Statement::of_parts(not_wrapped)).await?.is_some() {
                keys.insert(None);
            }
        }
        Ok(keys)
    }

    async fn count_under(&self, key: Option<&PepperKeyId>) -> Result<HashCount, StoreError> {
        let mut count = HashCount {
            current: self.count_rows(table(Generation::Current), key).await?,
            earlier: self.count_rows(table(Generation::Earlier), key).await?,
            secrets: 0,
        };
        // A row of these tables without a key has no secret.
        for purpose in SealPurpose::ALL.into_iter().filter(|_| key.is_some()) {
            count.secrets += self.count_rows(sealed(purpose).table, key).await?;
        }
        Ok(count)
    }

    async fn hashes_under(
        &self,
        age: Generation,
        key: Option<&PepperKeyId>,
        after: Option<(SubjectId, Version)>,
        limit: u32,
    ) -> Result<Vec<HashEntry>, StoreError> {
        let (subject, version) = match after {
            Some((subject, version)) => (Value::from(subject), Value::from(version)),
            None => (Value::from(""), Value::from(0_i64)),
        };
        let select = Statement::of_parts(&[
            "SELECT subject_id, version, hash, pepper_key FROM ",
            table(age),
            " WHERE ",
            is_under(key),
            // The first bound is redundant, but SQLite seeks by it.
            " AND subject_id >= $2 AND (subject_id, version) > ($2, $3) ORDER BY subject_id, version LIMIT $4",
        ]);
        let select = with_key(select.taking_long(), key).bind(subject).bind(version).bind(limit);
        self.read(select).await?.iter().map(hash_pages::entry).collect()
    }

    async fn replace_hashes(&self, age: Generation, replacements: &[Replacement]) -> Result<u64, StoreError> {
        self.execute_all(
            StoreWork::ReplaceHashes,
            replacements.iter().map(|replacement| replace(age, replacement)).collect(),
        )
        .await
    }

    async fn secrets_under(
        &self,
        purpose: SealPurpose,
        key: &PepperKeyId,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<SecretEntry>, StoreError> {
        let SealedColumn { select, entry, .. } = sealed(purpose);
        let found = self.read(sql(select).bind(key).bind(after.unwrap_or_default()).bind(limit).taking_long()).await?;
        found.iter().map(entry).collect()
    }

    async fn replace_secrets(
        &self,
        purpose: SealPurpose,
        replacements: &[SecretReplacement],
    ) -> Result<u64, StoreError> {
        let update = |SecretReplacement { found, secret }: &SecretReplacement| {
            let update = sql(sealed(purpose).update).bind(&found.id).bind(found.secret.expose());
            update.bind(secret.expose()).bind(secret.key())
        };
        self.execute_all(StoreWork::ReplaceSecrets, replacements.iter().map(update).collect()).await
    }
}

impl SqlStore {
    async fn count_rows(&self, table: &'static str, key: Option<&PepperKeyId>) -> Result<u64, StoreError> {
        let select = ["SELECT count(*) AS hashes FROM ", table, " WHERE ", is_under(key)];
        let row = self.read_first(with_key(Statement::of_parts(&select).taking_long(), key)).await?;
        let found = row.map(|row| row.integer("hashes")).transpose()?.unwrap_or_default();
        Ok(u64::try_from(found).unwrap_or_default())
    }

    /// Executes the statements in one transaction of that name. Returns the number of rows that they changed.
    async fn execute_all(&self, work: StoreWork, statements: Vec<Statement>) -> Result<u64, StoreError> {
        let statements = &statements;
        let write = self.write(work);
        write
            .run(|transaction| {
                Box::pin(async move {
                    let mut changed = 0;
                    for statement in statements {
                        changed += transaction.execute(statement.clone()).await?;
                    }
                    Ok(changed)
                })
            })
            .await
    }
}

/// Where sealed texts for a purpose are.
struct SealedColumn {
    table: &'static str,
    /// Those under the key `$1` after the id `$2`.
    select: &'static str,
    /// Replaces the text `$2` of the id `$1`. A plain comparison would let PostgreSQL read the whole index of keys.
    update: &'static str,
    /// Reads one that was selected.
    entry: fn(&Row) -> Read<SecretEntry>,
}

const fn sealed(purpose: SealPurpose) -> SealedColumn {
    match purpose {
        SealPurpose::AccessKeySecret => SealedColumn {
            table: "access_token",
            select:
                "SELECT a.secret, a.id, a.tenant, a.tenant_id, a.kind, a.name, a.subject_id, a.created_at, a.expires_at,
                 a.disabled, a.pepper_key, a.last_used_at
             FROM access_token a WHERE a.pepper_key = $1 AND a.id > $2 ORDER BY a.id LIMIT $3",
            update: "UPDATE access_token SET secret = $3, pepper_key = $4 WHERE id = $1 AND coalesce(secret, '') = $2",
            entry: |row| {
                let token = rows::access_token(row)?;
                entry(token.id.0.to_string(), token.seal_bound(), row)
            },
        },
        SealPurpose::NodeCredential => SealedColumn {
            table: "endpoint",
            select: "SELECT id, secret, pepper_key FROM endpoint WHERE pepper_key = $1 AND id > $2 ORDER BY id LIMIT $3",
            update: "UPDATE endpoint SET secret = $3, pepper_key = $4 WHERE id = $1 AND coalesce(secret, '') = $2",
            entry: |row| {
                let id = rows::uuid(row, "id")?.to_string();
                entry(id.clone(), id, row)
            },
        },
        SealPurpose::DeliveredPasswords => SealedColumn {
            table: "delivery",
            select: "SELECT subject_id, version, secret, pepper_key FROM delivery
             WHERE pepper_key = $1 AND subject_id > $2 ORDER BY subject_id LIMIT $3",
            update: "UPDATE delivery SET secret = $3, pepper_key = $4
             WHERE subject_id = $1 AND coalesce(secret, '') = $2",
            entry: |row| {
                let subject = SubjectId(rows::uuid(row, "subject_id")?);
                let bound = DeliveredPasswords::seal_bound(subject, rows::version(row, "version")?);
                entry(subject.to_string(), bound, row)
            },
        },
    }
}

fn entry(id: String, bound: String, row: &Row) -> Read<SecretEntry> {
    Ok(SecretEntry { id, bound, secret: rows::secret(row)? })
}

const fn table(age: Generation) -> &'static str {
    match age {
        Generation::Current => "credential",
        Generation::Earlier => "earlier_hash",
    }
}

/// The distinct keys of a table. Skips from key to key along the index: as many steps as there are keys, not hashes.
fn keys_of(table: &'static str) -> Statement {
    Statement::of_parts(&[
        "WITH RECURSIVE used (pepper_key) AS (
             SELECT min(pepper_key) FROM ",
        table,
        " UNION ALL
             SELECT (SELECT min(h.pepper_key) FROM ",
        table,
        " h WHERE h.pepper_key > used.pepper_key) FROM used WHERE used.pepper_key IS NOT NULL
         )
         SELECT pepper_key FROM used WHERE pepper_key IS NOT NULL",
    ])
}

/// Databases seek an index by `=` and by `IS NULL`, but not by an expression that covers both.
const fn is_under(key: Option<&PepperKeyId>) -> &'static str {
    match key {
        Some(_) => "pepper_key = $1",
        None => "pepper_key IS NULL AND $1 = ''",
    }
}

fn with_key(statement: Statement, key: Option<&PepperKeyId>) -> Statement {
    statement.bind(key.map_or("", PepperKeyId::as_str))
}

/// Replaces a hash if it is still the one that was read. Comparing the text is enough, because the same text is never
/// written twice.
fn replace(age: Generation, Replacement { found, hash }: &Replacement) -> Statement {
    let update = match age {
        Generation::Current => {
            "UPDATE credential SET hash = $4, pepper_key = $5, revision = revision + 1
             WHERE subject_id = $1 AND version = $2 AND hash = $3"
        }
        Generation::Earlier => {
            "UPDATE earlier_hash SET hash = $4, pepper_key = $5 WHERE subject_id = $1 AND version = $2 AND hash = $3"
        }
    };
    sql(update).bind(found.subject).bind(found.version).bind(found.hash.expose()).bind(hash.expose()).bind(hash.key())
}
