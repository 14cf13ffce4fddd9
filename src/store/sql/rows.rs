//! Conversion of rows to domain values. Unreadable columns are damage: the error names the column, never the value.

use std::time::Duration;

use serde::Serialize;
use uuid::Uuid;

use super::{Row, overlaps};
use crate::domain::access_token::{AccessToken, AccessTokenForm, AccessTokenStatus, TokenId};
use crate::domain::attempts::Failures;
use crate::domain::caller::{Caller, CallerKind};
use crate::domain::credential::{ChangeId, ChangedBy, Credential, CredentialState, Revision, StoredHash, Version};
use crate::domain::names::{FreeName, IamUserId, InstanceId, PepperKeyId, RamUserName, Region, TenantName};
use crate::domain::overlap::Overlap;
use crate::domain::sealed::Sealed;
use crate::domain::subject::{
    AttributeTexts, Instance, InstanceStatus, Subject, SubjectAttributes, SubjectId, SubjectKind, SubjectName,
};
use crate::domain::tenant::{Tenant, TenantId};
use crate::domain::time::{Timestamp, Window};
use crate::ports::StoreError;
use crate::ports::store::{Absent, Lookup};

pub(super) type Read<T> = Result<T, StoreError>;

/// The columns of [`subject`], from the tables `s` (subject) and `i` (its instance).
macro_rules! subject_columns {
    () => {
        "s.id, s.kind, s.instance, s.name, s.written, s.region, s.status, s.user_name, s.tags, s.created_at, \
         i.region AS instance_region, i.status AS instance_status"
    };
}
pub(super) use subject_columns;

pub(super) fn tenant(row: &Row) -> Read<Tenant> {
    Ok(Tenant {
        id: TenantId(uuid(row, "id")?),
        name: parsed(row, "name", |text| TenantName::parse(text).ok())?,
        created_at: time(row, "created_at")?,
    })
}

pub(super) fn instance(row: &Row) -> Read<Instance> {
    Ok(Instance {
        id: parsed(row, "id", |text| InstanceId::parse(text).ok())?,
        region: parsed(row, "region", |text| Region::parse(text).ok())?,
        status: parsed(row, "status", InstanceStatus::of)?,
        created_at: time(row, "created_at")?,
    })
}

pub(super) fn subject(row: &Row) -> Read<Subject> {
    let name = subject_name(row)?;
    // The name for comparisons has to match the name for display.
    parsed(row, "name", |text| (text == name.key()).then_some(()))?;
    let region = if name.instance().is_some() { "instance_region" } else { "region" };
    let texts = AttributeTexts {
        region: row.optional_text(region)?,
        status: row.optional_text("status")?,
        instance_status: row.optional_text("instance_status")?,
        user_name: row.optional_text("user_name")?,
        tags: row.optional_text("tags")?.and_then(|text| serde_json::from_str(text).ok()),
    };
    let attributes = SubjectAttributes::read(&name, &texts).map_err(damaged)?;
    Ok(Subject { id: SubjectId(uuid(row, "id")?), name, attributes, created_at: time(row, "created_at")? })
}

/// The result of looking up a name. The row has the columns of [`subject`], and the named tenant (`of_tenant`) and
/// region of the named instance (`of_instance`), if they exist.
pub(super) fn lookup(row: &Row, name: &SubjectName) -> Read<Lookup> {
    if row.optional_text("id")?.is_some() {
        return Ok(Lookup::Found(subject(row)?));
    }
    absent(row, name).map(Lookup::Missing)
}

/// What is missing of a name that has no subject, from the columns `of_tenant` and `of_instance` of [`lookup`].
pub(super) fn absent(row: &Row, name: &SubjectName) -> Read<Absent> {
    let region = |text: &str| Region::parse(text).ok();
    Ok(match (row.optional_text("of_tenant")?, name.instance(), row.optional_text("of_instance")?) {
        (None, ..) => Absent::Tenant,
        (Some(_), None, _) => Absent::Subject { region: None },
        (Some(_), Some(_), None) => Absent::Instance,
        (Some(_), Some(_), Some(_)) => Absent::Subject { region: Some(parsed(row, "of_instance", region)?) },
    })
}

/// The name of a subject, as it was written.
pub(super) fn subject_name(row: &Row) -> Read<SubjectName> {
    let kind = parsed(row, "kind", SubjectKind::of)?;
    let instance = row.optional_text("instance")?;
    parsed(row, "written", |text| kind.stored_name(instance, text))
}

/// A credential, without earlier hashes and the length of overlaps.
pub(super) fn credential(row: &Row) -> Read<Credential> {
    Ok(Credential {
        version: version(row, "version")?,
        revision: u64::try_from(row.integer("revision")?).map(Revision).map_err(|_| damaged("revision"))?,
        hash: hash(row, "hash", "pepper_key")?,
        changed_at: time(row, "changed_at")?,
        changed_by: changed_by(row)?,
        history: Vec::new(),
        overlap: Overlap { length: Duration::ZERO, window: overlaps::window(row)? },
    })
}

/// The state of a credential, if there is one.
pub(super) fn credential_state(row: &Row) -> Read<Option<CredentialState>> {
    let present = row.optional_integer("version")?;
    let state = || {
        let (version, changed_at) = (version(row, "version")?, time(row, "changed_at")?);
        Ok(CredentialState { version, changed_at, changed_by: changed_by(row)? })
    };
    present.map(|_| state()).transpose()
}

fn changed_by(row: &Row) -> Read<ChangedBy> {
    parsed(row, "changed_by", |text| ChangedBy::ALL.into_iter().find(|by| by.as_str() == text))
}

pub(super) fn access_token(row: &Row) -> Read<AccessToken> {
    let caller = caller(row, ["tenant", "kind", "name", "subject_id"])?;
    let tenant = optional_uuid(row, "tenant_id")?.map(TenantId);
    if tenant.is_some() != caller.tenant().is_some() {
        return Err(damaged("tenant_id"));
    }
    Ok(AccessToken {
        id: TokenId(uuid(row, "id")?),
        caller,
        tenant,
        created_at: time(row, "created_at")?,
        expires_at: time(row, "expires_at")?,
        form: match pepper_key(row, "pepper_key")? {
            None => AccessTokenForm::Bearer,
            Some(_) => AccessTokenForm::AccessKey,
        },
        status: match row.integer("disabled")? {
            0 => AccessTokenStatus::Active,
            1 => AccessTokenStatus::Inactive,
            _ => return Err(damaged("disabled")),
        },
        last_used_at: row.optional_integer("last_used_at")?.map(Timestamp::from_micros),
    })
}

/// The sealed secret of an access key.
pub(super) fn secret(row: &Row) -> Read<Sealed> {
    let key = pepper_key(row, "pepper_key")?.ok_or_else(|| damaged("pepper_key"))?;
    Ok(Sealed::new(key, row.text("secret")?.to_owned()))
}

/// A caller, from the columns for tenant, kind, name and subject.
pub(super) fn caller(row: &Row, [tenant, kind, name, subject]: [&str; 4]) -> Read<Caller> {
    let tenant_name = || parsed(row, tenant, |text| TenantName::parse(text).ok());
    let subject_id = || uuid(row, subject).map(SubjectId);
    let caller = match parsed(row, kind, CallerKind::of)? {
        CallerKind::Root => Caller::Root(tenant_name()?),
        CallerKind::RamUser => Caller::RamUser(
            tenant_name()?,
            parsed(row, name, |text| RamUserName::parse_stored(text).ok())?,
            subject_id()?,
        ),
        CallerKind::IamUser => {
            Caller::IamUser(tenant_name()?, parsed(row, name, |text| IamUserId::parse(text).ok())?, subject_id()?)
        }
        CallerKind::Service => Caller::Service(tenant_name()?, parsed(row, name, |text| FreeName::parse(text).ok())?),
        CallerKind::Operator => Caller::Operator(parsed(row, name, |text| FreeName::parse(text).ok())?),
    };
    // Refuse a value in a column that the kind does not use: a misread kind would make it another caller.
    let unused = |column: &str, used: bool| -> Read<bool> { Ok(used || row.optional_text(column)?.is_none()) };
    if unused(tenant, caller.tenant().is_some())? && unused(subject, caller.subject_id().is_some())? {
        return Ok(caller);
    }
    Err(damaged(kind))
}

pub(super) fn failures(row: &Row) -> Read<Failures> {
    Ok(Failures { count: saturating(row.integer("count")?), last_at: Some(time(row, "last_at")?) })
}

pub(super) fn hash(row: &Row, column: &str, key: &str) -> Read<StoredHash> {
    Ok(StoredHash::new(pepper_key(row, key)?, row.text(column)?.to_owned()))
}

/// The key that a hash is wrapped under, if any.
pub(super) fn pepper_key(row: &Row, column: &str) -> Read<Option<PepperKeyId>> {
    optional(row, column, |id| PepperKeyId::parse(id).ok())
}

pub(super) fn version(row: &Row, column: &str) -> Read<Version> {
    u64::try_from(row.integer(column)?).ok().and_then(Version::new).ok_or_else(|| damaged(column))
}

pub(super) fn change_id(row: &Row) -> Read<ChangeId> {
    uuid(row, "change_id").map(ChangeId)
}

pub(super) fn time(row: &Row, column: &str) -> Read<Timestamp> {
    Ok(Timestamp::from_micros(row.integer(column)?))
}

/// A window, from the columns for its start and its length.
pub(super) fn window(row: &Row, start: &str, length: &str) -> Read<Window> {
    let micros = u64::try_from(row.integer(length)?).map_err(|_| damaged(length))?;
    Ok(Window { start: time(row, start)?, length: Duration::from_micros(micros) })
}

/// An id, accepted only in the one form that is compared.
pub(super) fn uuid(row: &Row, column: &str) -> Read<Uuid> {
    parsed(row, column, exact_uuid)
}

pub(super) fn optional_uuid(row: &Row, column: &str) -> Read<Option<Uuid>> {
    optional(row, column, exact_uuid)
}

fn exact_uuid(text: &str) -> Option<Uuid> {
    Uuid::try_parse(text).ok().filter(|id| id.to_string() == text)
}

/// What is parsed from a text, or `None` if there is none.
pub(super) fn optional<T>(row: &Row, column: &str, parse: impl FnOnce(&str) -> Option<T>) -> Read<Option<T>> {
    row.optional_text(column)?.map(|text| parse(text).ok_or_else(|| damaged(column))).transpose()
}

/// 32 bytes.
pub(super) fn digest(row: &Row, column: &str) -> Read<[u8; 32]> {
    row.bytes(column)?.try_into().map_err(|_| damaged(column))
}

pub(super) fn parsed<T>(row: &Row, column: &str, parse: impl FnOnce(&str) -> Option<T>) -> Read<T> {
    parse(row.text(column)?).ok_or_else(|| damaged(column))
}

/// Checks that a row has the key that led to it.
pub(super) fn has_key(row: &Row, column: &str, key: &str) -> Read<()> {
    parsed(row, column, |text| (text == key).then_some(()))
}

pub(super) fn damaged(column: &str) -> StoreError {
    StoreError::Damaged(format!("\"{column}\" can't be understood"))
}

/// A map or a list as JSON text.
pub(super) fn to_json<T: Serialize>(value: &T) -> Read<String> {
    serde_json::to_string(value).map_err(|error| StoreError::Unavailable(Box::new(error)))
}

/// A number as `u32`. Saturates at both ends.
pub(super) fn saturating(number: i64) -> u32 {
    u32::try_from(number.max(0)).unwrap_or(u32::MAX)
}
