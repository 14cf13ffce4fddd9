//! The demonstration directory: one subject of each kind, created once. Each start sets new passwords and issues new
//! tokens.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::demonstration::{Demonstration, Passwords, User};
use super::edge::{AccessKey, Edge};
use crate::cli::failure::Failure;
use crate::domain::access_token::AccessTokenForm;
use crate::domain::action::Action;
use crate::domain::caller::{Caller, EligibleCaller};
use crate::domain::delivery_progress::Deliver;
use crate::domain::field::FieldProblem;
use crate::domain::named_caller::Member;
use crate::domain::names::{AccountName, DomainName, FreeName, IamUserId, InstanceId, RamUserName, TenantName};
use crate::domain::page::PageRequest;
use crate::domain::password::Password;
use crate::domain::subject::{GivenAttributes, InstanceStatus, SubjectName};
use crate::ports::Deadline;
use crate::server::Server;
use crate::service::error::Missing;
use crate::service::requests::{
    InstanceToCreate, IssuedToken, Reset, SubjectToCreate, TokenHolder, TokenToIssue, WantedPassword,
};
use crate::service::{Call, Service, ServiceError};

const TENANT: &str = "demo";
const DOMAIN: &str = "example.com";
const RAM_USER: &str = "alice";
const IAM_USER: &str = "bob";
const INSTANCE: &str = "r-demo";
const RELAY: &str = "relay";
const ACCOUNT: &str = "app";
/// The operator that creates the demonstration, and whose token is shown.
const OPERATOR: &str = "quickstart";
/// Creating all of it takes a few hashes.
const LONGEST: Duration = Duration::from_secs(30);

/// Where the service is called.
pub(super) struct Addresses {
    /// By gRPC.
    pub(super) grpc: SocketAddr,
    /// By the vendors' SDKs, if they are to have access keys.
    pub(super) sdks: Option<SocketAddr>,
}

/// Creates the demonstration directory, with the same use cases as any operator.
pub(super) struct Directory<'server> {
    server: &'server Server,
    tenant: TenantName,
    operator: FreeName,
}

impl<'server> Directory<'server> {
    pub(super) fn new(server: &'server Server) -> Result<Self, Failure> {
        let make = || -> Result<Self, FieldProblem> {
            Ok(Self { server, tenant: TenantName::parse(TENANT)?, operator: FreeName::parse(OPERATOR)? })
        };
        make().map_err(Failure::failed)
    }

    /// Creates what is missing, sets a new password for every subject, and issues a new token for every caller.
    /// Clients need the CA, if there is one.
    pub(super) async fn demonstrate(&self, at: Addresses, ca: Option<PathBuf>) -> Result<Demonstration, Failure> {
        Box::pin(self.make(at, ca)).await.map_err(|error| Failure::caused("can't set up the demonstration", &error))
    }

    async fn make(&self, at: Addresses, ca: Option<PathBuf>) -> Result<Demonstration, ServiceError> {
        let problem = |_| ServiceError::Internal("a name of the demonstration is bad");
        let instance = InstanceId::parse(INSTANCE).map_err(problem)?;
        let domain = SubjectName::MailDomain(DomainName::parse(DOMAIN).map_err(problem)?);
        let ram = SubjectName::RamUser(RamUserName::parse(RAM_USER).map_err(problem)?);
        let iam = SubjectName::IamUser(IamUserId::parse(IAM_USER).map_err(problem)?);
        let account = SubjectName::account(instance.clone(), AccountName::parse(ACCOUNT).map_err(problem)?);

        made(self.service().create_tenant(self.call(Action::CreateTenant)?, self.tenant.clone()).await)?;
        let wanted = InstanceToCreate { id: instance, region: None, status: InstanceStatus::Normal };
        let call = self.call(Action::CreateInstance)?;
        made(self.service().create_instance(call, Some(self.tenant.clone()), wanted).await)?;
        let (domain, ram, iam, account) = tokio::try_join!(
            self.subject(Action::CreateMailDomain, domain),
            self.subject(Action::CreateRamUser, ram),
            self.subject(Action::CreateIamUser, iam),
            self.subject(Action::CreateInstanceAccount, account),
        )?;
        self.revoke_tokens(None, &[OPERATOR]).await?;
        self.revoke_tokens(Some(&self.tenant), &["root", RELAY, RAM_USER, IAM_USER]).await?;
        let ram_user = Member::RamUser(RamUserName::parse(RAM_USER).map_err(problem)?);
        let iam_user = Member::IamUser(IamUserId::parse(IAM_USER).map_err(problem)?);
        let relay = Member::Service(FreeName::parse(RELAY).map_err(problem)?);
        let member = |member| TokenHolder::Member(Some(self.tenant.clone()), member);
        let edge = match at.sdks {
            Some(address) => Some(Edge {
                address,
                root: self.access_key(member(Member::Root)).await?,
                service: self.access_key(member(relay.clone())).await?,
                ram_user: self.access_key(member(ram_user.clone())).await?,
                iam_user: self.access_key(member(iam_user.clone())).await?,
            }),
            None => None,
        };
        Ok(Demonstration {
            address: at.grpc,
            programs: std::env::current_exe().ok().and_then(|path| Some(path.parent()?.to_owned())).unwrap_or_default(),
            ca,
            edge,
            tenant: TENANT.to_owned(),
            operator_token: self.token(TokenHolder::Operator(self.operator.clone())).await?,
            root_token: self.token(member(Member::Root)).await?,
            service_token: self.token(member(relay)).await?,
            domain_name: DOMAIN.to_owned(),
            domain_password: domain.new,
            ram_user: User { name: RAM_USER.to_owned(), token: self.token(member(ram_user)).await?, passwords: ram },
            iam_user: User { name: IAM_USER.to_owned(), token: self.token(member(iam_user)).await?, passwords: iam },
            instance_id: INSTANCE.to_owned(),
            account_name: ACCOUNT.to_owned(),
            account,
        })
    }

    /// Creates the subject if it is missing, and sets a new password. The next password is for a call to set.
    async fn subject(&self, create: Action, name: SubjectName) -> Result<Passwords, ServiceError> {
        let tenant = Some(self.tenant.clone());
        let attributes = GivenAttributes::default();
        let wanted = SubjectToCreate {
            name: name.clone(),
            attributes,
            first_password: None,
            is_temporary: false,
            deliver: Deliver::default(),
        };
        made(self.service().create_subject(self.call(create)?, tenant.clone(), wanted).await)?;
        let call = self.call(Action::ResetPassword)?;
        let reset = Reset::of(name.clone(), WantedPassword::Generated);
        let reset = self.service().reset_password(call, tenant, reset).await?;
        let old = reset.generated.ok_or(ServiceError::Internal("a generated password was not answered"))?;
        let root = Caller::Root(self.tenant.clone());
        let new = self.service().generate_password(self.call_of(root, Action::GeneratePassword)?, name).await?;
        Ok(Passwords { old, new: Arc::<Password>::new(new) })
    }

    async fn token(&self, holder: TokenHolder) -> Result<String, ServiceError> {
        Ok(self.issued(holder, AccessTokenForm::Bearer).await?.text.to_string())
    }

    async fn access_key(&self, holder: TokenHolder) -> Result<AccessKey, ServiceError> {
        let IssuedToken { text: secret, token } = self.issued(holder, AccessTokenForm::AccessKey).await?;
        let id = token.access_key_id().ok_or(ServiceError::Internal("an access key has no id"))?;
        Ok(AccessKey { id, secret })
    }

    async fn issued(&self, holder: TokenHolder, form: AccessTokenForm) -> Result<IssuedToken, ServiceError> {
        let wanted = TokenToIssue { holder, time_to_live: None, form };
        self.service().issue_access_token(self.call(Action::IssueAccessToken)?, wanted).await
    }

    /// Revokes the tokens that earlier starts issued to the demonstration's own callers.
    async fn revoke_tokens(&self, tenant: Option<&TenantName>, names: &[&str]) -> Result<(), ServiceError> {
        let page = PageRequest { size: PageRequest::MAX_SIZE, after: None };
        let call = self.call(Action::ListAccessTokens)?;
        let tokens = self.service().list_access_tokens(call, tenant.cloned(), page).await?;
        for token in tokens.items {
            if names.contains(&token.caller.name()) {
                let call = self.call(Action::RevokeAccessToken)?;
                match self.service().revoke_access_token(call, tenant.cloned(), token.id).await {
                    // It expired, and was removed meanwhile.
                    Ok(()) | Err(ServiceError::NotFound(Missing::AccessToken)) => {}
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(())
    }

    fn service(&self) -> &Service {
        self.server.service()
    }

    fn call(&self, action: Action) -> Result<Call, ServiceError> {
        self.call_of(Caller::Operator(self.operator.clone()), action)
    }

    fn call_of(&self, caller: Caller, action: Action) -> Result<Call, ServiceError> {
        Ok(Call {
            caller: EligibleCaller::new(caller, action).ok_or(ServiceError::CallerNotEligible(action))?,
            evidence: None,
            request_id: self.server.entropy().id(),
            correlation_id: None,
            deadline: Deadline::at(self.server.clock().instant() + LONGEST),
        })
    }
}

/// Accepts what an earlier start created.
fn made<T>(created: Result<T, ServiceError>) -> Result<(), ServiceError> {
    match created {
        Ok(_) | Err(ServiceError::AlreadyExists) => Ok(()),
        Err(error) => Err(error),
    }
}
