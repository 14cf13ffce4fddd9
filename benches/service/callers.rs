//! Who calls the server, and for what.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;
use tonic_health::ServingStatus;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use tonic_types::StatusExt;

use crate::client::generated::credential::v1::credential_service_client::CredentialServiceClient;
use crate::client::generated::credential::v1::subject_name::Subject as Named;
use crate::client::generated::credential::v1::verification_service_client::VerificationServiceClient;
use crate::client::generated::credential::v1::{
    ChangePasswordRequest, ModifyPwByDomainRequest, SubjectName, VerifyPasswordRequest, VerifyPasswordResult,
};
use crate::client::{Connection, Connections, Token, outcome};
use crate::load::{Caller, Outcome};
use crate::server::Tenant;
use crate::support::signer::{AccessKey, Sender};

/// A RAM user. Its password follows from the version of its credential, so that who knows one knows the other.
pub struct Subject {
    pub name: String,
    token: Token,
    version: u64,
}

impl Subject {
    pub fn new(name: &str, token: Token) -> Self {
        Self { name: name.to_owned(), token, version: 1 }
    }

    /// The password of a version.
    pub fn password(version: u64) -> String {
        format!("Long-enough-{version}")
    }
}

/// Changes a subject's password again and again.
pub struct Change {
    subject: Subject,
    client: CredentialServiceClient<Connection>,
    deadline: Duration,
}

impl Change {
    pub fn new(subject: Subject, connections: &mut Connections, deadline: Duration) -> Self {
        let (connection, origin) = connections.next();
        Self { subject, client: CredentialServiceClient::with_origin(connection, origin), deadline }
    }

    pub fn into_subject(self) -> Subject {
        self.subject
    }
}

impl Caller for Change {
    fn deadline(&self) -> Duration {
        self.deadline
    }

    async fn call(&mut self) -> Outcome {
        let version = self.subject.version;
        let request = ChangePasswordRequest {
            old_password: Subject::password(version),
            new_password: Subject::password(version + 1),
            // After a call without an answer nobody knows which password holds. A change that is bound to a version is
            // refused without a hash, and gets the version.
            expected_version: Some(version),
            client_token: String::new(),
        };
        let answer = self.client.change_password(self.subject.token.request(request, self.deadline)).await;
        match &answer {
            Ok(answer) => self.subject.version = answer.get_ref().version,
            Err(status) => {
                let info = status.get_details_error_info();
                let current = info.as_ref().and_then(|info| info.metadata.get("current_version"));
                self.subject.version = current.and_then(|current| current.parse().ok()).unwrap_or(version);
            }
        }
        outcome(&answer)
    }
}

/// Changes a RAM user's password again and again, as Alibaba Cloud's SDKs do.
pub struct SignedChange {
    key: AccessKey,
    address: SocketAddr,
    /// From its first change on: the server closes a connection that has no request soon.
    sender: Option<Sender>,
    version: u64,
}

impl SignedChange {
    /// Of a user whose password no other client changes.
    pub const fn new(key: AccessKey, address: SocketAddr) -> Self {
        Self { key, address, sender: None, version: 1 }
    }
}

impl Caller for SignedChange {
    /// What the edge allows itself by default.
    fn deadline(&self) -> Duration {
        Duration::from_secs(2)
    }

    async fn call(&mut self) -> Outcome {
        let (old, new) = (Subject::password(self.version), Subject::password(self.version + 1));
        let parameters = [("OldPassword", old.as_str()), ("NewPassword", &new)];
        let mut sender = match self.sender.take() {
            Some(sender) => sender,
            None => Sender::open(self.address).await,
        };
        let answer = sender.send(self.key.acs3("ChangePassword", "2015-05-01", &parameters)).await;
        self.sender = Some(sender);
        if answer.status() == 200 {
            self.version += 1;
            return Outcome::Done;
        }
        let body: Value = serde_json::from_slice(answer.body()).unwrap_or_default();
        let Some(reason) = body["Reason"].as_str() else { return Outcome::Untyped(tonic::Code::Unknown) };
        // The change before was made, though its answer did not say so.
        self.version += u64::from(reason == "OLD_PASSWORD_INCORRECT");
        Outcome::Refused(reason.to_owned())
    }
}

/// Verifies a subject's first password again and again: one hash, and all that is around it.
pub struct Verify {
    subject: String,
    token: Token,
    client: VerificationServiceClient<Connection>,
}

impl Verify {
    /// Of a subject whose password does not change.
    pub fn new(tenant: &Tenant, connections: &mut Connections) -> Self {
        let (connection, origin) = connections.next();
        let client = VerificationServiceClient::with_origin(connection, origin);
        Self { subject: tenant.subjects[0].name.clone(), token: tenant.service.clone(), client }
    }
}

impl Caller for Verify {
    fn deadline(&self) -> Duration {
        Duration::from_secs(10)
    }

    async fn call(&mut self) -> Outcome {
        let subject = Some(SubjectName { subject: Some(Named::RamUser(self.subject.clone())) });
        let request = VerifyPasswordRequest { subject, password: Subject::password(1), origin: String::new() };
        let answer = self.client.verify_password(self.token.request(request, self.deadline())).await;
        if let Ok(answer) = &answer {
            assert_eq!(answer.get_ref().result(), VerifyPasswordResult::MatchedCurrent);
        }
        outcome(&answer)
    }
}

/// Makes calls that are answered without a hash: in turn one that is refused with 400, 403 and 404, and one to health.
pub struct Cheap {
    user: Token,
    root: Token,
    credential: CredentialServiceClient<Connection>,
    health: HealthClient<Connection>,
    turn: usize,
}

impl Cheap {
    /// The number says with which kind of call it begins.
    pub fn new(number: usize, tenant: &Tenant, connections: &mut Connections) -> Self {
        let (connection, origin) = connections.next();
        Self {
            user: tenant.subjects[0].token.clone(),
            root: tenant.root.clone(),
            credential: CredentialServiceClient::with_origin(connection.clone(), origin.clone()),
            health: HealthClient::with_origin(connection, origin),
            turn: number,
        }
    }

    /// Refused by the policy, after everything was loaded.
    pub async fn bad_password(&mut self) -> Outcome {
        let (old_password, new_password) = (Subject::password(1), "x".to_owned());
        let request = ChangePasswordRequest { old_password, new_password, ..ChangePasswordRequest::default() };
        outcome(&self.credential.change_password(self.user.request(request, self.deadline())).await)
    }

    /// A mail domain, whose password the user may not set.
    async fn domain(&mut self, caller: Token) -> Outcome {
        let (domain_name, password) = ("example.com".to_owned(), "Abcdef123456".to_owned());
        let request = ModifyPwByDomainRequest { domain_name, password, ..ModifyPwByDomainRequest::default() };
        outcome(&self.credential.modify_pw_by_domain(caller.request(request, self.deadline())).await)
    }

    async fn health(&mut self) -> Outcome {
        match self.health.check(HealthCheckRequest::default()).await {
            Ok(answer) if answer.get_ref().status == ServingStatus::Serving as i32 => Outcome::Done,
            Ok(_) => Outcome::Refused("not serving".to_owned()),
            Err(status) => outcome::<()>(&Err(status)),
        }
    }
}

impl Caller for Cheap {
    fn deadline(&self) -> Duration {
        Duration::from_secs(10)
    }

    async fn call(&mut self) -> Outcome {
        self.turn += 1;
        let (expected, outcome) = match self.turn % 4 {
            0 => ("PASSWORD_POLICY_VIOLATION", self.bad_password().await),
            1 => ("ACCESS_DENIED", self.domain(self.user.clone()).await),
            2 => ("DOMAIN_NOT_FOUND", self.domain(self.root.clone()).await),
            _ => return self.health().await,
        };
        match outcome {
            // What is expected is what is to be counted.
            Outcome::Refused(reason) if reason == expected => Outcome::Done,
            other => other,
        }
    }
}
