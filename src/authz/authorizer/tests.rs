//! The decisions of the authorizer.

use uuid::Uuid;

use super::*;
use crate::authz::policies::{PolicyFile, PolicyTexts};
use crate::domain::action::Action;
use crate::domain::caller::{Caller, CallerKind, EligibleCaller};
use crate::domain::names::{AccountName, DomainName, FreeName, IamUserId, InstanceId, RamUserName, Region, TenantName};
use crate::domain::resource::Resource;
use crate::domain::subject::{SubjectId, SubjectName, Tags};
use crate::ports::NoMeter;

/// The authorizer of the built-in policies.
fn built_in() -> CedarAuthorizer {
    of(&PolicyTexts { built_in: true, files: vec![] }).unwrap()
}

fn of(texts: &PolicyTexts) -> Result<CedarAuthorizer, AuthzError> {
    CedarAuthorizer::new(watch::channel(Arc::new(Policies::read(texts)?)).1, Arc::new(NoMeter))
}

/// The file `x.cedar` with that text, and nothing beside it but the guards if the built-in policies are left out.
fn file(built_in: bool, text: &str) -> PolicyTexts {
    PolicyTexts { built_in, files: vec![PolicyFile { name: "x.cedar".to_owned(), text: text.to_owned() }] }
}

/// The authorizer of the built-in policies and those in the text.
fn with_policies(text: &str) -> CedarAuthorizer {
    of(&file(true, text)).unwrap()
}

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

/// What the built-in policies permit each kind of caller with each RPC: on itself alone, in its own tenant, or anywhere.
/// Everything else is denied.
const MATRIX: &str = "
                                      root      ram-user  iam-user  service   operator
    dm:ModifyPWByDomain               own       -         -         -         -
    ram:ChangePassword                -         self      -         -         -
    iam:users:changePasswordV5        -         -         self      -         -
    kvstore:ModifyAccountPassword     own       -         -         -         -
    verification:VerifyPassword       own       -         -         own       -
    verification:CheckPassword        own       -         -         own       -
    verification:GeneratePassword     own       -         -         own       -
    verification:WatchChanges         own       -         -         own       -
    admin:CreateTenant                -         -         -         -         any
    admin:DescribeTenant              own       -         -         -         any
    admin:ListTenants                 -         -         -         -         any
    admin:DeleteTenant                -         -         -         -         any
    admin:CreateMailDomain            own       -         -         -         any
    admin:DescribeMailDomain          own       -         -         -         any
    admin:ListMailDomains             own       -         -         -         any
    admin:DeleteMailDomain            own       -         -         -         any
    admin:SetMailDomainStatus         own       -         -         -         any
    admin:CreateRamUser               own       -         -         -         any
    admin:DescribeRamUser             own       -         -         -         any
    admin:ListRamUsers                own       -         -         -         any
    admin:DeleteRamUser               own       -         -         -         any
    admin:CreateIamUser               own       -         -         -         any
    admin:DescribeIamUser             own       -         -         -         any
    admin:ListIamUsers                own       -         -         -         any
    admin:DeleteIamUser               own       -         -         -         any
    admin:CreateInstance              own       -         -         -         any
    admin:DescribeInstance            own       -         -         -         any
    admin:ListInstances               own       -         -         -         any
    admin:DeleteInstance              own       -         -         -         any
    admin:SetInstanceStatus           own       -         -         -         any
    admin:SetInstanceEndpoint         -         -         -         -         any
    admin:DescribeInstanceEndpoint    own       -         -         -         any
    admin:DeleteInstanceEndpoint      -         -         -         -         any
    admin:DescribeDelivery            own       -         -         -         any
    admin:CreateInstanceAccount       own       -         -         -         any
    admin:DescribeInstanceAccount     own       -         -         -         any
    admin:ListInstanceAccounts        own       -         -         -         any
    admin:DeleteInstanceAccount       own       -         -         -         any
    admin:SetInstanceAccountStatus    own       -         -         -         any
    admin:DescribeAccounts            own       -         -         -         any
    admin:ResetPassword               own       -         -         -         any
    admin:ResetAccountPassword        own       -         -         -         any
    admin:SetPasswordOverlap          own       -         -         -         any
    admin:DescribePasswordOverlap     own       -         -         -         any
    admin:EndPasswordOverlap          own       -         -         -         any
    admin:ListAttempts                own       -         -         -         any
    admin:ClearAttempts               own       -         -         -         any
    admin:GetPasswordPolicy           own       -         -         -         any
    admin:SetPasswordPolicy           own       -         -         -         any
    admin:ShowPasswordPolicyV5        own       -         -         -         any
    admin:UpdatePasswordPolicyV5      own       -         -         -         any
    admin:ShowLoginPolicyV5           own       -         -         -         any
    admin:UpdateLoginPolicyV5         own       -         -         -         any
    admin:SetCandidatePasswordPolicy        own       -         -         -         any
    admin:UpdateCandidatePasswordPolicyV5   own       -         -         -         any
    admin:DescribeCandidatePasswordPolicy   own       -         -         -         any
    admin:AdoptCandidatePasswordPolicy      own       -         -         -         any
    admin:DropCandidatePasswordPolicy       own       -         -         -         any
    admin:GetSecurityPreference       own       -         -         -         any
    admin:SetSecurityPreference       own       -         -         -         any
    admin:DescribeHashPosture         own       -         -         -         any
    admin:ImportCredentials           own       -         -         -         any
    admin:DecodeAuthorizationMessage  own       -         -         -         any
    admin:ListAuditEvents             own       -         -         -         any
    admin:IssueAccessToken            own       -         -         -         any
    admin:ListAccessTokens            own       -         -         -         any
    admin:SetAccessTokenStatus        own       -         -         -         any
    admin:RevokeAccessToken           own       -         -         -         any
";

#[test]
fn the_built_in_policies_permit_exactly_this() {
    let mut rows =
        MATRIX.lines().filter(|line| !line.is_empty()).map(|line| line.split_whitespace().collect::<Vec<_>>());
    let kinds: Vec<_> = rows.next().unwrap().into_iter().map(|kind| CallerKind::of(kind).unwrap()).collect();
    let rows: Vec<_> = rows.collect();
    assert!(rows.iter().map(|row| row[0]).eq(Action::ALL.iter().map(|action| action.name())));
    assert_eq!(kinds, CallerKind::ALL);

    // In the caller's own tenant and in another; its own subject and another.
    let in_tenant = |of: &str| {
        let users = [ram_user(of, "jane"), ram_user(of, "john"), iam_user(of, "42", &[]), iam_user(of, "43", &[])];
        users.into_iter().chain([a_tenant(of), domain(of), instance(of), account(of)])
    };
    let resources: Vec<_> = in_tenant("acme").chain(in_tenant("other")).chain([Resource::Installation]).collect();
    let authorizer = built_in();
    for (row, action) in rows.iter().zip(Action::ALL) {
        let on: Vec<_> = resources.iter().filter(|resource| authorizer.applies(*action, resource)).collect();
        assert!(!on.is_empty(), "{action:?} applies to nothing");
        for (cell, kind) in row[1..].iter().zip(&kinds) {
            let caller = caller(*kind);
            let own = match kind {
                CallerKind::RamUser => Some(ram_user("acme", "jane")),
                CallerKind::IamUser => Some(iam_user("acme", "42", &[])),
                _ => None,
            };
            for resource in &on {
                let expected = match *cell {
                    "-" => false,
                    "self" => own.as_ref() == Some(*resource),
                    "own" => resource.tenant() == caller.tenant() && caller.tenant().is_some(),
                    "any" => true,
                    other => panic!("{other}"),
                };
                let eligible = EligibleCaller::new(caller.clone(), *action).is_some();
                let permitted = eligible && is_permitted(&authorizer, &caller, *action, resource);
                assert_eq!(permitted, expected, "{kind:?} {action:?} {resource}");
            }
        }
    }
}

/// Adopting a candidate changes the policies in force.
#[test]
fn an_action_is_denied_with_each_action_that_it_includes() {
    let adopt = Action::AdoptCandidatePasswordPolicy;
    for included in adopt.includes().iter().map(|included| included.name()) {
        let forbids =
            with_policies(&format!("@id(\"no\") forbid (principal, action == Action::\"{included}\", resource);"));
        let denied = Decision::Denied { policies: vec!["x.cedar/no".to_owned()] };
        assert_eq!(decide(&forbids, &caller(CallerKind::Root), adopt, &a_tenant("acme")), denied, "{included}");
    }
}

#[test]
fn the_installation_is_for_operators_alone() {
    let authorizer = built_in();
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
    let authorizer = with_policies("@id(\"all\") permit (principal, action, resource);");
    let users = [ram_user("acme", "jane"), iam_user("acme", "42", &[])];
    let others = [Resource::Installation, a_tenant("acme"), domain("acme"), instance("acme"), account("acme")];
    let resources: Vec<_> = others.into_iter().chain(users).collect();
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
    let authorizer = with_policies("@id(\"all\") permit (principal, action, resource);");
    let other = domain("other");
    let decision = decide(&authorizer, &caller(CallerKind::Service), Action::VerifyPassword, &other);
    assert_eq!(decision, Decision::Denied { policies: vec!["nobody-else-crosses-tenants".to_owned()] });
}

#[test]
fn a_decision_names_the_policies_that_made_it() {
    let authorizer = built_in();
    let own = ram_user("acme", "jane");
    let permitted = decide(&authorizer, &caller(CallerKind::RamUser), Action::ChangePassword, &own);
    assert_eq!(permitted, Decision::Permitted { policies: vec!["ram-user-changes-its-own-password".to_owned()] });
    let denied = decide(&authorizer, &caller(CallerKind::RamUser), Action::ResetPassword, &own);
    assert_eq!(denied, Decision::Denied { policies: vec![] });
}

#[test]
fn a_permission_can_be_bound_to_a_tag() {
    let authorizer = with_policies(
        r#"@id("only-prod") forbid (principal, action == Action::"iam:users:changePasswordV5", resource)
           unless { resource.hasTag("env") && resource.getTag("env") == "prod" };"#,
    );
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
    let authorizer = with_policies(
        r#"@id("jane") permit (principal == RamUser::"acs:ram::acme:user/jane", action == Action::"dm:ModifyPWByDomain",
               resource == MailDomain::"acs:dm:cn-hangzhou:acme:domain/example.com")
           when { resource has status && resource.status == "verified" && resource.region like "cn-*" };
           @id("accounts") permit (principal is IamUser, action == Action::"kvstore:ModifyAccountPassword",
               resource in Instance::"acs:kvstore:cn-hangzhou:acme:instance/r-1");
           @id("frozen") forbid (principal, action in Action::"admin:*", resource in Tenant::"tenant/other");"#,
    );
    assert!(is_permitted(&authorizer, &caller(CallerKind::RamUser), Action::ModifyPwByDomain, &domain("acme")));
    let iam_user = caller(CallerKind::IamUser);
    assert!(is_permitted(&authorizer, &iam_user, Action::ModifyAccountPassword, &account("acme")));
    assert!(is_permitted(&authorizer, &iam_user, Action::ModifyAccountPassword, &instance("acme")));
    let operator = caller(CallerKind::Operator);
    assert!(!is_permitted(&authorizer, &operator, Action::DescribeInstanceAccount, &account("other")));
    assert!(is_permitted(&authorizer, &operator, Action::DescribeInstanceAccount, &account("acme")));
}

#[test]
fn a_caller_of_any_kind_is_in_the_groups_that_list_it() {
    let groups = r#"
        helpers = ["acme/root/root", "acme/ram-user/jane", "acme/iam-user/42", "acme/service/relay", "-/operator/ops"]
        frozen = ["acme/iam-user/42", "acme/ram-user/john"]"#;
    let mut texts = file(
        false,
        r#"@id("help") permit (principal in Group::"helpers", action, resource);
           @id("frozen") forbid (principal in Group::"frozen", action, resource);
           @id("nothing-of-the-frozen") forbid (principal, action == Action::"admin:ResetPassword", resource)
               when { resource in Group::"frozen" };"#,
    );
    texts.files.push(PolicyFile { name: "groups.toml".to_owned(), text: groups.to_owned() });
    let authorizer = of(&texts).unwrap();
    for (kind, may) in [
        (CallerKind::Root, true),
        (CallerKind::RamUser, true),
        (CallerKind::IamUser, false),
        (CallerKind::Service, true),
        (CallerKind::Operator, true),
    ] {
        assert_eq!(is_permitted(&authorizer, &caller(kind), Action::ListRamUsers, &a_tenant("acme")), may, "{kind:?}");
    }
    // A user is the same entity as caller and as resource, with its tags.
    let own = decide(&authorizer, &caller(CallerKind::IamUser), Action::ChangePasswordV5, &iam_user("acme", "42", &[]));
    assert_eq!(own, Decision::Denied { policies: vec!["x.cedar/frozen".to_owned()] });
    let root = caller(CallerKind::Root);
    assert!(is_permitted(&authorizer, &root, Action::ResetPassword, &ram_user("acme", "jane")));
    assert!(!is_permitted(&authorizer, &root, Action::ResetPassword, &ram_user("acme", "john")));
    // Another tenant's user of that name is in no group.
    let namesake = Caller::RamUser(tenant("other"), RamUserName::parse("jane").unwrap(), SubjectId(Uuid::nil()));
    assert!(!is_permitted(&authorizer, &namesake, Action::ListRamUsers, &a_tenant("other")));
}

#[test]
fn the_longest_chains_are_evaluated_on_the_stack_of_a_thread_of_the_service() {
    let evaluate = || {
        let chains = [
            format!("true{}", " && true".repeat(250)),
            format!("false{} || true", "||false".repeat(249)),
            format!("0{} == 250", " + 1".repeat(250)),
        ];
        for chain in chains {
            let when = format!("@id(\"x\") permit (principal is Root, action, resource) when {{ {chain} }};");
            let authorizer = of(&file(false, &when)).unwrap();
            let decision = decide(&authorizer, &caller(CallerKind::Root), Action::ListRamUsers, &a_tenant("acme"));
            assert!(matches!(decision, Decision::Permitted { .. }), "{chain}");
        }
    };
    std::thread::Builder::new().stack_size(16 * 1024 * 1024).spawn(evaluate).unwrap().join().unwrap();
}

#[test]
fn a_policy_that_fails_denies() {
    // It passes the validator, and overflows when it is evaluated.
    let overflow = r#"@id("overflow") forbid (principal, action, resource) when { 9223372036854775807 + 1 == 0 };"#;
    let authorizer = with_policies(overflow);
    let decision = decide(&authorizer, &caller(CallerKind::Root), Action::ListRamUsers, &a_tenant("acme"));
    assert_eq!(decision, Decision::Denied { policies: vec!["x.cedar/overflow".to_owned()] });
}

#[test]
fn no_permit_of_an_operators_file_crosses_tenants() {
    let permits = r#"@id("all") permit (principal, action, resource);
        @id("named") permit (principal, action, resource in Tenant::"tenant/other");
        @id("nobody-else-crosses-tenants") permit (principal, action, resource);"#;
    let others =
        [domain("other"), ram_user("other", "jane"), a_tenant("other"), account("other"), Resource::Installation];
    for built_in in [true, false] {
        let authorizer = of(&file(built_in, permits)).unwrap();
        for kind in CallerKind::ALL.into_iter().filter(|kind| *kind != CallerKind::Operator) {
            for action in Action::ALL {
                for other in &others {
                    assert!(!is_permitted(&authorizer, &caller(kind), *action, other), "{kind:?} {action:?} {other}");
                }
            }
        }
    }
}

#[test]
fn without_the_built_in_permits_only_an_operators_own_permit() {
    let authorizer = of(&file(
        false,
        r#"@id("relay") permit (principal is Service, action == Action::"verification:VerifyPassword", resource);"#,
    ))
    .unwrap();
    for kind in CallerKind::ALL {
        for action in Action::ALL {
            for resource in [domain("acme"), ram_user("acme", "jane"), a_tenant("acme"), Resource::Installation] {
                let permitted = is_permitted(&authorizer, &caller(kind), *action, &resource);
                let expected = kind == CallerKind::Service
                    && *action == Action::VerifyPassword
                    && resource != Resource::Installation;
                assert_eq!(permitted, expected, "{kind:?} {action:?} {resource}");
            }
        }
    }
}
