//! The web hook of another system, behind its port: a small JSON document over HTTP for each password.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use http::StatusCode;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;
use zeroize::Zeroizing;

use crate::domain::names::{InstanceId, TenantName};
use crate::domain::password::{MAX_PASSWORD_BYTES, Password};
use crate::domain::subject::Subject;
use crate::outgoing::{Outgoing, OutgoingError};
use crate::ports::{Clock, HookUnavailable, LimitedLines, PasswordHook, Places};

/// The largest answer.
pub const MAX_ANSWER_BYTES: usize = 4096;
/// Room for a document: in JSON, no byte of a password takes more than six.
const DOCUMENT_BYTES: usize = 6 * MAX_PASSWORD_BYTES + 8192;

/// A hook at one address.
pub struct WebHook {
    outgoing: Outgoing,
    token_file: Option<PathBuf>,
    within: Duration,
    places: Semaphore,
    /// Half of the places, so that the questions of one tenant don't keep those of another waiting.
    of_tenants: Arc<Places<TenantName>>,
    lines: Mutex<LimitedLines<Option<StatusCode>>>,
    clock: Arc<dyn Clock>,
}

/// What is asked.
#[derive(Serialize)]
struct Question<'a> {
    tenant: &'a str,
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    instance: Option<&'a str>,
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_name: Option<&'a str>,
    password: &'a str,
}

#[derive(Deserialize)]
struct Answer {
    matched: bool,
}

impl WebHook {
    /// A hook that is asked about that many passwords at a time, half of them of one tenant. The wait for a place takes that time at most.
    pub fn new(
        outgoing: Outgoing,
        token_file: Option<PathBuf>,
        within: Duration,
        concurrency: usize,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let (places, of_tenants) = (Semaphore::new(concurrency), Places::new(concurrency.div_ceil(2)));
        Self { outgoing, token_file, within, places, of_tenants, lines: Mutex::default(), clock }
    }

    async fn ask(&self, tenant: &TenantName, subject: &Subject, password: &Password) -> Result<bool, OutgoingError> {
        let places = async { (self.of_tenants.take(tenant.clone()).await, self.places.acquire().await) };
        let _places = tokio::time::timeout(self.within, places)
            .await
            .map_err(|_| OutgoingError::NotSent("too many passwords are asked about".into()))?;
        let document = document(tenant, subject, password).map_err(|error| OutgoingError::NotSent(error.into()))?;
        let answer = self.outgoing.post_json(document, self.token_file.as_deref()).await?;
        // Nothing of the answer gets into the error.
        let answer = serde_json::from_slice::<Answer>(&answer.body);
        Ok(answer.map_err(|_| OutgoingError::Unanswered("the answer has no `matched`".into()))?.matched)
    }
}

#[async_trait]
impl PasswordHook for WebHook {
    async fn verify(
        &self,
        tenant: &TenantName,
        subject: &Subject,
        password: &Password,
    ) -> Result<bool, HookUnavailable> {
        self.ask(tenant, subject, password).await.map_err(|error| {
            let status = if let OutgoingError::Status(status) = error { Some(status) } else { None };
            if let Some(left_out) = self.lines.lock().due(status, self.clock.instant()) {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(error, left_out, "the hook that verifies passwords gives no answer");
            }
            HookUnavailable { counts: may_depend_on_the_password(&error), source: error.into() }
        })
    }
}

/// Whether a failure may depend on the password. A system that fails or is asked too often has a status for that.
fn may_depend_on_the_password(error: &OutgoingError) -> bool {
    match error {
        OutgoingError::NotSent(_) => false,
        OutgoingError::Status(status) => !status.is_server_error() && *status != StatusCode::TOO_MANY_REQUESTS,
        OutgoingError::Unanswered(_) => true,
    }
}

/// What is asked about a password, which the other system gets as it was received.
fn document(
    tenant: &TenantName,
    subject: &Subject,
    password: &Password,
) -> Result<Zeroizing<Vec<u8>>, serde_json::Error> {
    let question = Question {
        tenant: tenant.as_str(),
        kind: subject.name.kind().as_str(),
        instance: subject.name.instance().map(InstanceId::as_str),
        name: subject.name.as_written(),
        user_name: subject.attributes.view().user_name,
        password: password.expose_as_received().unwrap_or(password.expose()),
    };
    // Large enough from the start, so that it is never moved.
    let mut document = Zeroizing::new(Vec::with_capacity(DOCUMENT_BYTES));
    serde_json::to_writer(&mut *document, &question)?;
    Ok(document)
}
