//! The decisions of the authorizer.

use uuid::Uuid;

use super::*;
use crate::domain::action::Action;
use crate::domain::caller::{Caller, CallerKind, EligibleCaller};
use crate::domain::names::{AccountName, DomainName, FreeName, IamUserId, InstanceId, RamUserName, Region, TenantName};
use crate::domain::resource::Resource;
use crate::domain::subject::{SubjectId, SubjectName, Tags};

fn tenant(name: &str) -> TenantName {
    TenantName::parse(name).unwrap()
}

fn region() -> Region {
    Region::parse("cn-hangzhou").unwrap()
}

/// A caller of `acme`.
fn caller(kind: CallerKind) -> Caller {
    let id = SubjectId(Uuid::nil());
    match kind {
        CallerKind::Root => Caller::Root(tenant("acme")),
        CallerKind::RamUser => Caller::RamUser(tenant("acme"), RamUserName::parse("jane").unwrap(), id),
        CallerKind::IamUser => Caller::IamUser(tenant("acme"), IamUserId::parse("42").unwrap(), id),
        CallerKind::Service => Caller::Service(tenant("acme"), FreeName::parse("relay").unwrap()),
        CallerKind::Operator => Caller::Operator(FreeName::parse("ops").unwrap()),
    }
}

fn a_tenant(of: &str) -> Resource {
    Resource::Tenant(tenant(of))
}

fn domain(of: &str) -> Resource {
    let name = SubjectName::MailDomain(DomainName::parse("Example.com").unwrap());
    let (tenant, region, status) = (tenant(of), Some(region()), Some("verified"));
    Resource::Subject { tenant, name, region, status, tags: Tags::new() }
}

fn ram_user(of: &str, name: &str) -> Resource {
    Resource::subject(tenant(of), SubjectName::RamUser(RamUserName::parse(name).unwrap()))
}

fn iam_user(of: &str, id: &str, tags: &[(&str, &str)]) -> Resource {
    let tags = tags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    let name = SubjectName::IamUser(IamUserId::parse(id).unwrap());
    Resource::Subject { tenant: tenant(of), name, region: None, status: None, tags }
}

fn instance(of: &str) -> Resource {
    let id = InstanceId::parse("r-1").unwrap();
    Resource::Instance { tenant: tenant(of), region: region(), id, status: None }
}

fn account(of: &str) -> Resource {
    let name = SubjectName::account(InstanceId::parse("r-1").unwrap(), AccountName::parse("app").unwrap());
    let (tenant, region, status) = (tenant(of), Some(region()), Some("available"));
    Resource::Subject { tenant, name, region, status, tags: Tags::new() }
}

fn decide(authorizer: &CedarAuthorizer, caller: &Caller, action: Action, resource: &Resource) -> Decision {
    authorizer.decide(AccessRequest { caller, action, resource })
}

fn is_permitted(authorizer: &CedarAuthorizer, caller: &Caller, action: Action, resource: &Resource) -> bool {
    matches!(decide(authorizer, caller, action, resource), Decision::Permitted { .. })
}

#[test]
fn the_built_in_policies_permit_exactly_this() {
    use Action as A;
    use CallerKind::{IamUser, Operator, RamUser, Root, Service};
    type On = fn(&str) -> Resource;
    // The callers of acme that are permitted in acme, and those that are permitted in another tenant.
    let table: &[(Action, On, &[CallerKind], &[CallerKind])] = &[
        (A::ModifyPwByDomain, domain, &[Root], &[]),
        (A::ChangePassword, |of| ram_user(of, "jane"), &[RamUser], &[]),
        (A::ChangePassword, |of| ram_user(of, "john"), &[], &[]),
        (A::ChangePasswordV5, |of| iam_user(of, "42", &[]), &[IamUser], &[]),
        (A::ChangePasswordV5, |of| iam_user(of, "43", &[]), &[], &[]),
        (A::ModifyAccountPassword, instance, &[Root], &[]),
        (A::ModifyAccountPassword, account, &[Root], &[]),
        (A::VerifyPassword, domain, &[Root, Service], &[]),
        (A::VerifyPassword, |of| ram_user(of, "jane"), &[Root, Service], &[]),
        (A::CheckPassword, account, &[Root, Service], &[]),
        (A::GeneratePassword, a_tenant, &[Root, Service], &[]),
        (A::WatchChanges, a_tenant, &[Root, Service], &[]),
        (A::DescribeTenant, a_tenant, &[Root, Operator], &[Operator]),
        (A::CreateMailDomain, a_tenant, &[Root, Operator], &[Operator]),
        (A::SetMailDomainStatus, domain, &[Root, Operator], &[Operator]),
        (A::DeleteRamUser, |of| ram_user(of, "jane"), &[Root, Operator], &[Operator]),
        (A::DescribeIamUser, |of| iam_user(of, "42", &[]), &[Root, Operator], &[Operator]),
        (A::SetInstanceStatus, instance, &[Root, Operator], &[Operator]),
        (A::ResetAccountPassword, account, &[Root, Operator], &[Operator]),
        (A::ResetPassword, |of| ram_user(of, "jane"), &[Root, Operator], &[Operator]),
        (A::ListAttempts, account, &[Root, Operator], &[Operator]),
        (A::ClearAttempts, |of| ram_user(of, "jane"), &[Root, Operator], &[Operator]),
        (A::SetPasswordOverlap, domain, &[Root, Operator], &[Operator]),
        (A::DescribePasswordOverlap, account, &[Root, Operator], &[Operator]),
        (A::EndPasswordOverlap, domain, &[Root, Operator], &[Operator]),
        (A::SetPasswordPolicy, a_tenant, &[Root, Operator], &[Operator]),
        (A::ImportCredentials, a_tenant, &[Root, Operator], &[Operator]),
        (A::IssueAccessToken, a_tenant, &[Root, Operator], &[Operator]),
    ];
    let authorizer = CedarAuthorizer::built_in().unwrap();
    for (action, on, own, other) in table {
        for (resource, expected) in [(on("acme"), own), (on("other"), other)] {
            for kind in CallerKind::ALL {
                let permitted = is_permitted(&authorizer, &caller(kind), *action, &resource);
                assert_eq!(permitted, expected.contains(&kind), "{kind:?} {action:?} {resource}");
            }
        }
    }
}

#[test]
fn the_installation_is_for_operators_alone() {
    let authorizer = CedarAuthorizer::built_in().unwrap();
    for action in [Action::CreateTenant, Action::ListTenants, Action::DeleteTenant, Action::IssueAccessToken] {
        for kind in CallerKind::ALL {
            let permitted = is_permitted(&authorizer, &caller(kind), action, &Resource::Installation);
            assert_eq!(permitted, kind == CallerKind::Operator, "{kind:?} {action:?}");
        }
    }
}

/// Every eligible caller is a request that the schema knows, on some resource: none is denied because its request is
/// malformed.
#[test]
fn every_caller_that_is_eligible_can_be_permitted() {
    let permit_all = "@id(\"all\") permit (principal, action, resource);";
    let authorizer = CedarAuthorizer::with_policies(permit_all).unwrap();
    let resources = [
        Resource::Installation,
        a_tenant("acme"),
        domain("acme"),
        ram_user("acme", "jane"),
        iam_user("acme", "42", &[]),
        instance("acme"),
        account("acme"),
    ];
    let on_the_installation = [Action::CreateTenant, Action::ListTenants, Action::DeleteTenant];
    for action in Action::ALL.iter().copied() {
        for kind in CallerKind::ALL {
            let eligible = EligibleCaller::new(caller(kind), action).is_some();
            let outside = kind != CallerKind::Operator && on_the_installation.contains(&action);
            let permitted = resources.iter().any(|on| is_permitted(&authorizer, &caller(kind), action, on));
            assert_eq!(permitted, eligible && !outside, "{kind:?} {action:?}");
        }
    }
}

#[test]
fn a_broad_policy_does_not_cross_tenants() {
    let authorizer = CedarAuthorizer::with_policies("@id(\"all\") permit (principal, action, resource);").unwrap();
    let other = domain("other");
    let decision = decide(&authorizer, &caller(CallerKind::Service), Action::VerifyPassword, &other);
    assert_eq!(decision, Decision::Denied { policies: vec!["nobody-else-crosses-tenants".to_owned()] });
}

#[test]
fn a_decision_names_the_policies_that_made_it() {
    let authorizer = CedarAuthorizer::built_in().unwrap();
    let own = ram_user("acme", "jane");
    let permitted = decide(&authorizer, &caller(CallerKind::RamUser), Action::ChangePassword, &own);
    assert_eq!(permitted, Decision::Permitted { policies: vec!["ram-user-changes-its-own-password".to_owned()] });
    let denied = decide(&authorizer, &caller(CallerKind::RamUser), Action::ResetPassword, &own);
    assert_eq!(denied, Decision::Denied { policies: vec![] });
}

#[test]
fn a_permission_can_be_bound_to_a_tag() {
    let authorizer = CedarAuthorizer::with_policies(
        r#"@id("only-prod") forbid (principal, action == Action::"iam:users:changePasswordV5", resource)
           unless { resource.hasTag("env") && resource.getTag("env") == "prod" };"#,
    )
    .unwrap();
    let own = caller(CallerKind::IamUser);
    let may = |tags: &[(&str, &str)]| {
        is_permitted(&authorizer, &own, Action::ChangePasswordV5, &iam_user("acme", "42", tags))
    };
    assert!(may(&[("env", "prod"), ("team", "a\" || true || \"")]));
    assert!(!may(&[("env", "dev")]));
    assert!(!may(&[]));
}

#[test]
fn policies_can_speak_of_names_states_and_instances() {
    let authorizer = CedarAuthorizer::with_policies(
        r#"@id("jane") permit (principal == RamUser::"acs:ram::acme:user/jane", action == Action::"dm:ModifyPWByDomain",
               resource == MailDomain::"acs:dm:cn-hangzhou:acme:domain/example.com")
           when { resource has status && resource.status == "verified" && resource.region like "cn-*" };
           @id("accounts") permit (principal is IamUser, action == Action::"kvstore:ModifyAccountPassword",
               resource in Instance::"acs:kvstore:cn-hangzhou:acme:instance/r-1");
           @id("frozen") forbid (principal, action in Action::"admin:*", resource in Tenant::"tenant/other");"#,
    )
    .unwrap();
    assert!(is_permitted(&authorizer, &caller(CallerKind::RamUser), Action::ModifyPwByDomain, &domain("acme")));
    let iam_user = caller(CallerKind::IamUser);
    assert!(is_permitted(&authorizer, &iam_user, Action::ModifyAccountPassword, &account("acme")));
    assert!(is_permitted(&authorizer, &iam_user, Action::ModifyAccountPassword, &instance("acme")));
    let operator = caller(CallerKind::Operator);
    assert!(!is_permitted(&authorizer, &operator, Action::DescribeInstanceAccount, &account("other")));
    assert!(is_permitted(&authorizer, &operator, Action::DescribeInstanceAccount, &account("acme")));
}

#[test]
fn a_policy_that_fails_denies() {
    // It passes the validator, and overflows when it is evaluated.
    let overflow = r#"@id("overflow") forbid (principal, action, resource) when { 9223372036854775807 + 1 == 0 };"#;
    let authorizer = CedarAuthorizer::with_policies(overflow).unwrap();
    let decision = decide(&authorizer, &caller(CallerKind::Root), Action::ListRamUsers, &a_tenant("acme"));
    assert_eq!(decision, Decision::Denied { policies: vec!["overflow".to_owned()] });
}
