//! The web hook of another system, as the core sees it.

use std::error::Error;

use async_trait::async_trait;

use crate::domain::names::TenantName;
use crate::domain::password::Password;
use crate::domain::subject::Subject;

/// Asks another system whether a password is right, for subjects whose hashes it does not give away.
#[async_trait]
pub trait PasswordHook: Send + Sync {
    /// Whether the other system takes that password of the subject. MUST end within a time of its own, and MUST bound how many
    /// questions are open at a time.
    ///
    /// # Errors
    /// There is no clear answer.
    async fn verify(
        &self,
        tenant: &TenantName,
        subject: &Subject,
        password: &Password,
    ) -> Result<bool, HookUnavailable>;
}

/// The other system gives no clear answer. Holds nothing of the password, nor of an answer.
#[derive(Debug, thiserror::Error)]
#[error("the hook gives no answer")]
pub struct HookUnavailable {
    /// Whether it may depend on the password that there is none: the attempt then counts, otherwise guesses would be free.
    pub counts: bool,
    /// Why there is none.
    pub source: Box<dyn Error + Send + Sync>,
}
