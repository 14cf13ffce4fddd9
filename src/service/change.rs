//! The pipeline: every operation that sets a password goes through it.

use std::sync::Arc;

use crate::domain::credential::{ChangedBy, CredentialState, ExpectedVersion, Version};
use crate::domain::names::TenantName;
use crate::domain::password::{NewPassword, Password};
use crate::domain::subject::{
    InstanceAccount, InstanceAccountStatus, InstanceStatus, MailDomain, MailDomainStatus, SubjectAttributes, SubjectId,
    SubjectKind, SubjectName,
};
use crate::domain::tenant_settings::TenantSettings;
use crate::domain::time::Timestamp;
use crate::policy::{Expiry, Lifetime, Policy};
use crate::service::error::Stateful;
use crate::service::gates::{Change, Gates, Loaded, PasswordToStore, Presented, Recalled, Reserved, Unspent};
use crate::service::requests::{Changed, Effects, Guards, PossibleReset, Reset, WantedPassword};
use crate::service::{Call, ServiceError};

/// A password to be set.
pub(super) struct PasswordChange {
    /// The tenant.
    pub(super) tenant: TenantName,
    /// The subject.
    pub(super) name: SubjectName,
    /// The old password, if one is required.
    pub(super) old_password: Option<Password>,
    /// The new password.
    pub(super) wanted: WantedPassword,
    /// Whether the subject has to replace it.
    pub(super) is_temporary: bool,
    /// What else happens.
    pub(super) effects: Effects,
    /// The caller's guards for the change.
    pub(super) guards: Guards,
}

/// Sets a password, and waits until it is delivered if that is asked for. By then it is set: nothing is held any more, and no
/// failure is the caller's.
pub(super) async fn change(gates: &Arc<Gates>, call: Call, change: PasswordChange) -> Result<Changed, ServiceError> {
    let (deadline, deliver) = (call.deadline, change.effects.deliver);
    let is_delivered = change.name.instance().is_some();
    let (subject, mut changed) = Box::pin(make(gates, call, change)).await?;
    if is_delivered {
        changed.delivery = gates.delivered(subject, changed.version, deliver, deadline).await;
    }
    Ok(changed)
}

/// Sets a password, in the order of checks that callers rely on: permission, existence, client token, state, policy,
/// attempt budget, old password, reuse, commit. No hash is computed before the attempt is reserved.
async fn make(gates: &Arc<Gates>, call: Call, change: PasswordChange) -> Result<(SubjectId, Changed), ServiceError> {
    let PasswordChange { tenant, name, old_password, wanted, is_temporary, effects, guards } = change;
    let again = guards.client_token.is_some().then(|| (call.clone(), tenant.clone(), name.clone(), guards.clone()));
    let permit = gates.permit_subject(call, tenant, name).await?;
    let subject = permit.subject()?.id;
    let changed = |version, generated| (subject, Changed { version, generated, delivery: None });
    let (loaded, unspent) = match gates.recall(gates.load(permit, guards.client_token.as_ref()).await?, guards)? {
        Recalled::Nothing(loaded, unspent) => (loaded, unspent),
        Recalled::Replayed(made) => {
            // No state, age or policy prevents it any more.
            let password = Arc::new(wanted.given()?.into_password());
            return Ok(changed(gates.repeat(made, password).await?, None));
        }
    };
    let now = gates.now();
    gates.compare(loaded.policies(), loaded.subject(), |settings, policy| {
        objections(&loaded, settings, policy, wanted.as_given(), now)
    });
    check_state(&loaded, now)?;
    check_expected(unspent.expected_version(), loaded.version())?;

    let (new, generated) = gates.wanted(loaded.policy(), wanted, is_temporary)?;
    let password = new.shared();

    // On the heap: every change would be larger otherwise.
    match Box::pin(set(gates, loaded, unspent, old_password, new, effects)).await {
        Err(conflict @ ServiceError::VersionConflict { .. }) => match again {
            // A conflict may be with the same request, sent twice.
            Some((call, tenant, name, guards)) => {
                let permit = gates.permit_subject(call, tenant, name).await?;
                match gates.recall(gates.load(permit, guards.client_token.as_ref()).await?, guards)? {
                    Recalled::Nothing(..) => Err(conflict),
                    Recalled::Replayed(made) => Ok(changed(gates.repeat(made, password).await?, None)),
                }
            }
            None => Err(conflict),
        },
        outcome => Ok(changed(outcome?, generated)),
    }
}

/// Checks what can be checked of a reset without a hash: permission, existence, version and policy. Nothing is set.
pub(super) async fn check_reset(
    gates: &Gates,
    call: Call,
    tenant: TenantName,
    reset: Reset,
) -> Result<PossibleReset, ServiceError> {
    let Reset { name, wanted, is_temporary, guards, .. } = reset;
    let loaded = gates.load(gates.permit_subject(call, tenant, name).await?, None).await?;
    check_expected(guards.expected_version, loaded.version())?;
    let (_, generated) = gates.wanted(loaded.policy(), wanted, is_temporary)?;
    Ok(PossibleReset { version: loaded.version(), generated })
}

/// Proves what is required, and commits.
async fn set(
    gates: &Arc<Gates>,
    loaded: Loaded,
    unspent: Unspent,
    old_password: Option<Password>,
    new: PasswordToStore,
    effects: Effects,
) -> Result<Version, ServiceError> {
    let presented = match old_password {
        Some(password) => Presented::OldPassword(Arc::new(password)),
        None => Presented::nothing(loaded.permit()).ok_or(ServiceError::Internal("an old password is required"))?,
    };
    let hashes = |loaded: &Loaded| gates.hashes_of_a_change(loaded, &presented, &new);
    let reserved = gates.reserve(loaded, None, hashes).await?;
    let conclude = |mut reserved: Reserved<_>| async move {
        let (proof, unproven) = reserved.prove(presented, &new).await?;
        reserved.commit(Change::of(proof, unproven, unspent)?, effects).await
    };
    gates.conclude(reserved, conclude).await
}

/// Checks the subject's state, and what the settings require of it.
fn check_state(loaded: &Loaded, now: Timestamp) -> Result<(), ServiceError> {
    if !loaded.permit().call().caller.action().is_administrative() {
        check_status(&loaded.subject().attributes)?;
    }
    check_settings(loaded, loaded.settings(), loaded.policy(), now)
}

/// The names of everything in these settings that forbids the change: a setting first, then the rules.
fn objections(
    loaded: &Loaded,
    settings: &TenantSettings,
    policy: &Policy,
    password: Option<&NewPassword>,
    now: Timestamp,
) -> Vec<&'static str> {
    let of_settings = match check_settings(loaded, settings, policy, now) {
        Err(ServiceError::SelfChangeDisabled) => Some("SELF_CHANGE_DISABLED"),
        Err(ServiceError::PasswordTooYoung { .. }) => Some("PASSWORD_TOO_YOUNG"),
        Err(ServiceError::PasswordExpired) => Some("PASSWORD_EXPIRED"),
        _ => None,
    };
    of_settings.into_iter().chain(password.into_iter().flat_map(|password| policy.broken_rules(password))).collect()
}

/// Checks the self-service switch, the minimum age and the hard expiry. None of them applies to an administrator's reset.
fn check_settings(
    loaded: &Loaded,
    settings: &TenantSettings,
    policy: &Policy,
    now: Timestamp,
) -> Result<(), ServiceError> {
    let action = loaded.permit().call().caller.action();
    if action.is_administrative() {
        return Ok(());
    }
    if action.is_by_the_subject() {
        check_self_service(loaded.subject().name.kind(), settings)?;
    }
    loaded.credential().map_or(Ok(()), |credential| check_age(&credential.state(), policy.lifetime(), now))
}

fn check_status(attributes: &SubjectAttributes) -> Result<(), ServiceError> {
    let (of, state) = match attributes {
        SubjectAttributes::MailDomain(MailDomain { status: status @ MailDomainStatus::VerificationFailed, .. }) => {
            (Stateful::MailDomain, status.as_str())
        }
        SubjectAttributes::InstanceAccount(InstanceAccount { instance_status, .. })
            if *instance_status != InstanceStatus::Normal =>
        {
            (Stateful::Instance, instance_status.as_str())
        }
        SubjectAttributes::InstanceAccount(InstanceAccount { status, .. })
            if *status != InstanceAccountStatus::Available =>
        {
            (Stateful::Account, status.as_str())
        }
        _ => return Ok(()),
    };
    Err(ServiceError::ResourceState { of, state })
}

fn check_self_service(kind: SubjectKind, settings: &TenantSettings) -> Result<(), ServiceError> {
    let allowed = match kind {
        SubjectKind::RamUser => settings.preference.allow_user_to_change_password(),
        SubjectKind::IamUser => settings.iam.allow_user_to_change_password(),
        SubjectKind::MailDomain | SubjectKind::InstanceAccount => true,
    };
    if allowed { Ok(()) } else { Err(ServiceError::SelfChangeDisabled) }
}

fn check_age(credential: &CredentialState, lifetime: Lifetime, now: Timestamp) -> Result<(), ServiceError> {
    let retry_after = lifetime.too_young_for(credential.changed_at, now);
    if credential.changed_by == ChangedBy::Subject && !retry_after.is_zero() {
        return Err(ServiceError::PasswordTooYoung { retry_after });
    }
    match lifetime.expiry_of(credential, now) {
        Expiry::Expired => Err(ServiceError::PasswordExpired),
        Expiry::NotExpired | Expiry::ChangeRequired => Ok(()),
    }
}

fn check_expected(expected: Option<ExpectedVersion>, current: Option<Version>) -> Result<(), ServiceError> {
    match expected {
        Some(ExpectedVersion(number)) if number != current.map_or(0, Version::number) => {
            Err(ServiceError::VersionConflict { current })
        }
        _ => Ok(()),
    }
}
