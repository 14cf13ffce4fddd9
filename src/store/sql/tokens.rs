//! Access tokens.

use async_trait::async_trait;

use super::directory::page_of;
use super::upkeep::AT_ONCE;
use super::{SqlStore, Statement, Step, StepKind, Transaction, authority, rows, sql};
use crate::domain::access_token::{
    AccessToken, AccessTokenForm, AccessTokenStatus, MAX_ACCESS_KEYS, NonceKey, TokenDigest, TokenId,
};
use crate::domain::audit_event::AuditEvent;
use crate::domain::caller::CallerKind;
use crate::domain::names::TenantName;
use crate::domain::page::{Page, PageRequest};
use crate::domain::sealed::Sealed;
use crate::domain::subject::SubjectId;
use crate::domain::time::Timestamp;
use crate::ports::meter::StoreWork;
use crate::ports::store::{AccessTokens, Authority, FoundKey, KEY_USE_NOTED_EVERY, TokenInsertion, TokenProof};
use crate::ports::{Evidence, StoreError};

/// The columns of a token, of `access_token a`.
pub(super) const COLUMNS: &str =
    "a.id, a.tenant, a.tenant_id, a.kind, a.name, a.subject_id, a.created_at, a.expires_at,
     a.disabled, a.pepper_key, a.last_used_at";

#[async_trait]
impl AccessTokens for SqlStore {
    async fn access_token(&self, digest: &TokenDigest) -> Result<Option<AccessToken>, StoreError> {
        // The tokens of a deleted tenant are removed later, hence the join. Deleting a subject deletes its tokens; the
        // join with the subject also holds if an operator deleted the subject by hand.
        let select = Statement::of_parts(&[
            "SELECT a.digest, ",
            COLUMNS,
            " FROM access_token k JOIN ",
            self.database.rows_of_keys().access_token,
            " LEFT JOIN tenant t ON t.name = a.tenant AND t.id = a.tenant_id
             LEFT JOIN subject s ON s.id = a.subject_id AND s.tenant = a.tenant AND s.name = a.name
             WHERE k.digest = $1
               AND (a.tenant IS NULL OR t.id IS NOT NULL) AND (a.subject_id IS NULL OR s.id IS NOT NULL)",
        ]);
        let row = self.read_first(select.bind(digest.0)).await?;
        let Some(row) = row else { return Ok(None) };
        if row.bytes("digest")? != digest.0 {
            return Err(rows::damaged("digest"));
        }
        rows::access_token(&row).map(Some)
    }

    async fn access_token_of(&self, id: TokenId) -> Result<Option<AccessToken>, StoreError> {
        let select = Statement::of_parts(&[
            "SELECT ",
            COLUMNS,
            " FROM access_token a LEFT JOIN tenant t ON t.id = a.tenant_id
             WHERE a.id = $1 AND (a.tenant_id IS NULL OR t.id IS NOT NULL)",
        ]);
        self.read_first(select.bind(id.0)).await?.as_ref().map(rows::access_token).transpose()
    }

    async fn access_key(&self, id: TokenId, nonce: Option<&NonceKey>) -> Result<Option<FoundKey>, StoreError> {
        // The joins are those of `access_token`. If a damaged index leads to another row, its secret does not open.
        let select = Statement::of_parts(&[
            "SELECT a.secret, (SELECT n.expires_at FROM spent_nonce n WHERE n.nonce_key = $2) AS spent_until, ",
            COLUMNS,
            " FROM access_token a
             LEFT JOIN tenant t ON t.name = a.tenant AND t.id = a.tenant_id
             LEFT JOIN subject s ON s.id = a.subject_id AND s.tenant = a.tenant AND s.name = a.name
             WHERE a.id = $1
               AND (a.tenant IS NULL OR t.id IS NOT NULL) AND (a.subject_id IS NULL OR s.id IS NOT NULL)",
        ]);
        let nonce = nonce.map_or(&[] as &[u8], |nonce| &nonce.0);
        let Some(row) = self.read_first(select.bind(id).bind(nonce)).await? else { return Ok(None) };
        let (token, is_nonce_spent) = (rows::access_token(&row)?, row.optional_integer("spent_until")?.is_some());
        match token.form {
            AccessTokenForm::Bearer => Ok(None),
            AccessTokenForm::AccessKey => Ok(Some(FoundKey { token, secret: rows::secret(&row)?, is_nonce_spent })),
        }
    }

    async fn spend_nonce(&self, nonce: &NonceKey, until: Timestamp) -> Result<bool, StoreError> {
        let insert = sql("INSERT INTO spent_nonce (nonce_key, expires_at) VALUES ($1, $2)
             ON CONFLICT (nonce_key) DO NOTHING");
        self.write(StoreWork::SpendNonce).unless_in_doubt().execute(insert.bind(nonce.0).bind(until)).await
    }

    async fn note_key_use(&self, id: TokenId, at: Timestamp) -> Result<(), StoreError> {
        let update = sql("UPDATE access_token SET last_used_at = $2
             WHERE id = $1 AND (last_used_at IS NULL OR last_used_at <= $3 OR last_used_at > $2)");
        let update = update.bind(id).bind(at).bind(at.before(KEY_USE_NOTED_EVERY));
        self.write(StoreWork::NoteKeyUse).execute(update).await.map(drop)
    }

    async fn is_proven(&self, evidence: &Evidence, at: Timestamp) -> Result<bool, StoreError> {
        if !evidence.holds_outside_the_store(at) {
            return Ok(false);
        }
        match authority::row_of(evidence, at) {
            Some(row) => Ok(self.read_first(row.without_lock()).await?.is_some()),
            None => Ok(true),
        }
    }

    async fn next_expiry(&self, after: Timestamp) -> Result<Option<Timestamp>, StoreError> {
        let select = sql("SELECT expires_at FROM access_token WHERE expires_at > $1 AND disabled = 0
             ORDER BY expires_at LIMIT 1");
        let row = self.read_first(select.bind(after)).await?;
        row.map(|row| row.integer("expires_at").map(Timestamp::from_micros)).transpose()
    }

    async fn insert_access_token(
        &self,
        token: &AccessToken,
        proof: TokenProof<'_>,
        authority: &Authority,
    ) -> Result<TokenInsertion, StoreError> {
        let write = self.write(StoreWork::InsertAccessToken).authorized_by(authority);
        write.run(|transaction| Box::pin(insert_if_possible(transaction, token, proof))).await
    }

    async fn bootstrap(
        &self,
        token: &AccessToken,
        digest: &TokenDigest,
        event: &AuditEvent,
    ) -> Result<bool, StoreError> {
        let authority = Authority::of_process(event.clone());
        let write = self.write(StoreWork::Bootstrap).authorized_by(&authority);
        write.run(|transaction| Box::pin(insert_if_first(transaction, token, digest))).await
    }

    async fn access_tokens(
        &self,
        tenant: Option<&TenantName>,
        page: &PageRequest,
    ) -> Result<Page<AccessToken>, StoreError> {
        let (created_at, id) = match &page.after {
            None => (i64::MIN, ""),
            // A malformed position did not come from this program: the page is empty.
            Some(after) => after
                .split_once('/')
                .and_then(|(created_at, id)| Some((created_at.parse().ok()?, id)))
                .unwrap_or((i64::MAX, "")),
        };
        // Two statements, because PostgreSQL cannot use an index for `IS NOT DISTINCT FROM`.
        let is_in_scope = match tenant {
            None => "a.tenant_id IS NULL",
            Some(_) => "a.tenant_id = (SELECT t.id FROM tenant t WHERE t.name = $4)",
        };
        let statement = Statement::of_parts(&[
            "SELECT ",
            COLUMNS,
            " FROM access_token a WHERE ",
            is_in_scope,
            " AND (a.created_at, a.id) > ($1, $2) ORDER BY a.created_at, a.id LIMIT $3",
        ]);
        let statement = statement.bind(created_at).bind(id).bind(i64::from(page.size) + 1);
        let found = self.read(statement.bind_some(tenant)).await?;
        page_of(&found, page, rows::access_token, |token| format!("{}/{}", token.created_at.as_micros(), token.id.0))
    }

    async fn set_access_token_status(
        &self,
        tenant: Option<&TenantName>,
        id: TokenId,
        status: AccessTokenStatus,
        authority: &Authority,
    ) -> Result<bool, StoreError> {
        let write = self.write(StoreWork::SetAccessTokenStatus).authorized_by(authority);
        write.run(|transaction| Box::pin(set_status(transaction, tenant, id, status))).await
    }

    async fn delete_access_token(
        &self,
        tenant: Option<&TenantName>,
        id: TokenId,
        authority: &Authority,
    ) -> Result<bool, StoreError> {
        let delete =
            Statement::of_parts(&["DELETE FROM access_token WHERE ", is_of(tenant)]).bind(id).bind_some(tenant);
        self.write(StoreWork::DeleteAccessToken).authorized_by(authority).execute(delete).await
    }
}

/// Whether a row has the id `$1` and is of the tenant of the name `$2`, or of an operator if there is no name.
const fn is_of(tenant: Option<&TenantName>) -> &'static str {
    match tenant {
        None => "id = $1 AND tenant_id IS NULL",
        Some(_) => "id = $1 AND tenant_id = (SELECT t.id FROM tenant t WHERE t.name = $2)",
    }
}

/// Removes a batch of tokens that expired before that time. Returns the number removed.
pub(super) async fn remove_old(transaction: &mut dyn Transaction, before: Timestamp) -> Result<u64, StoreError> {
    let some = sql("DELETE FROM access_token WHERE id IN (
             SELECT id FROM access_token WHERE expires_at < $1 ORDER BY expires_at LIMIT $2
         )");
    transaction.execute(some.bind(before).bind(AT_ONCE)).await
}

/// Removes a batch of nonces that are spent until before that time. Returns the number removed.
pub(super) async fn remove_spent_nonces(
    transaction: &mut dyn Transaction,
    before: Timestamp,
) -> Result<u64, StoreError> {
    let some = sql("DELETE FROM spent_nonce WHERE nonce_key IN (
             SELECT nonce_key FROM spent_nonce WHERE expires_at < $1 ORDER BY expires_at LIMIT $2
         )");
    transaction.execute(some.bind(before).bind(AT_ONCE)).await
}

/// Removes the tokens of a subject, except that one.
pub(super) fn end_of_subject(subject: SubjectId, but: Option<TokenId>) -> Step {
    match but {
        None => Step::change("DELETE FROM access_token WHERE subject_id = $1").bind(subject),
        Some(but) => {
            Step::change("DELETE FROM access_token WHERE subject_id = $1 AND id <> $2").bind(subject).bind(but)
        }
    }
}

/// Removes a batch of tokens of a deleted tenant. Returns the number removed.
pub(super) async fn remove_of_tenant(transaction: &mut dyn Transaction, tenant: &str) -> Result<u64, StoreError> {
    let some = sql("DELETE FROM access_token WHERE id IN (
             SELECT id FROM access_token WHERE tenant_id = $1 ORDER BY created_at, id LIMIT $2
         )");
    transaction.execute(some.bind(tenant).bind(AT_ONCE)).await
}

/// Whether the tenant and the subject of the token's caller exist. Locks the tenant against removal until the
/// transaction ends, because its removal later cleans up only the tokens that it has by then.
async fn can_stand_for_caller(transaction: &mut dyn Transaction, token: &AccessToken) -> Result<bool, StoreError> {
    let Some((tenant, id)) = token.caller.tenant().zip(token.tenant) else { return Ok(true) };
    let tenants = ["SELECT id FROM tenant WHERE id = $1 AND name = $2", transaction.lock_of(StepKind::Keep)];
    let found = Statement::of_parts(&tenants).bind(id).bind(tenant);
    if transaction.fetch_first(found).await?.is_none() {
        return Ok(false);
    }
    let found = match token.caller.subject_id() {
        None => return Ok(true),
        Some(id) => sql("SELECT id FROM subject WHERE tenant = $1 AND id = $2 AND name = $3")
            .bind(tenant)
            .bind(id)
            .bind(token.caller.name()),
    };
    Ok(transaction.fetch_first(found).await?.is_some())
}

async fn insert_if_possible(
    transaction: &mut dyn Transaction,
    token: &AccessToken,
    proof: TokenProof<'_>,
) -> Result<TokenInsertion, StoreError> {
    if !can_stand_for_caller(transaction, token).await? {
        return Ok(TokenInsertion::HolderGone);
    }
    if let TokenProof::Secret(_) = proof {
        let others = sql("SELECT id FROM access_token
             WHERE secret IS NOT NULL AND tenant_id = $1 AND kind = $2 AND name = $3 AND expires_at > $4 LIMIT $5");
        let others = others.bind(token.tenant).bind(token.caller.kind()).bind(token.caller.name());
        let others = transaction.fetch(others.bind(token.created_at).bind(MAX_ACCESS_KEYS)).await?;
        if others.len() >= MAX_ACCESS_KEYS as usize {
            return Ok(TokenInsertion::TooMany);
        }
    }
    insert(transaction, token, proof).await?;
    Ok(TokenInsertion::Inserted)
}

/// Returns whether the token exists. A write by this token holds a lock that conflicts with the removal of its row, and not
/// with an update. So this takes the lock of a removal.
async fn set_status(
    transaction: &mut dyn Transaction,
    tenant: Option<&TenantName>,
    id: TokenId,
    status: AccessTokenStatus,
) -> Result<bool, StoreError> {
    let select = ["SELECT id FROM access_token WHERE ", is_of(tenant), transaction.for_update()];
    let select = Statement::of_parts(&select).bind(id).bind_some(tenant);
    if transaction.fetch_first(select).await?.is_none() {
        return Ok(false);
    }
    let update = sql("UPDATE access_token SET disabled = $2 WHERE id = $1");
    transaction.execute(update.bind(id).bind(status == AccessTokenStatus::Inactive)).await?;
    Ok(true)
}

/// Returns whether no operator's token was valid.
async fn insert_if_first(
    transaction: &mut dyn Transaction,
    token: &AccessToken,
    digest: &TokenDigest,
) -> Result<bool, StoreError> {
    let select = sql("SELECT id FROM access_token WHERE tenant_id IS NULL AND kind = $1 AND expires_at > $2
             AND disabled = 0 LIMIT 1");
    let valid = transaction.fetch_first(select.bind(CallerKind::Operator).bind(token.created_at)).await?;
    if valid.is_none() {
        insert(transaction, token, TokenProof::Digest(digest)).await?;
    }
    Ok(valid.is_none())
}

async fn insert(
    transaction: &mut dyn Transaction,
    token: &AccessToken,
    proof: TokenProof<'_>,
) -> Result<(), StoreError> {
    let (digest, secret) = match proof {
        TokenProof::Digest(digest) => (Some(digest), None),
        TokenProof::Secret(secret) => (None, Some(secret)),
    };
    let AccessToken { id, caller, tenant, created_at, expires_at, form: _, status, last_used_at: _ } = token;
    let insert =
        sql("INSERT INTO access_token (id, digest, tenant, tenant_id, kind, name, subject_id, created_at, expires_at,
                 disabled, secret, pepper_key)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)");
    let insert = insert.bind(*id).bind(digest.map(|digest| digest.0)).bind(caller.tenant()).bind(*tenant);
    let insert = insert.bind(caller.kind()).bind(caller.name()).bind(caller.subject_id()).bind(*created_at);
    let insert = insert.bind(*expires_at).bind(*status == AccessTokenStatus::Inactive);
    let insert = insert.bind(secret.map(Sealed::expose)).bind(secret.map(Sealed::key));
    transaction.execute(insert).await.map(drop)
}
