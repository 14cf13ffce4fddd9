//! The proof that a policy accepted a password.

use crate::domain::password::{NewPassword, Password};

/// A password that a policy accepted. Only this layer makes one, and only from one is a hash made that is stored.
///
/// ```compile_fail
/// # use credentiald::domain::password::NewPassword;
/// # use credentiald::policy::AcceptedPassword;
/// let accepted = AcceptedPassword::of(NewPassword::parse("never checked".into()).unwrap());
/// ```
pub struct AcceptedPassword(Password);

impl AcceptedPassword {
    pub(super) fn of(password: NewPassword) -> Self {
        Self(password.into_password())
    }

    /// The password.
    pub fn password(&self) -> &Password {
        &self.0
    }

    /// Gives the password up to be hashed.
    pub fn into_password(self) -> Password {
        self.0
    }
}
