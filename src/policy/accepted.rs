//! The proof that a policy accepted a password.

use crate::domain::password::{NewPassword, Password};

/// A password that a policy accepted. Only this layer can make one, and a stored hash is made only from one.
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

    /// Returns the password to be hashed.
    pub fn into_password(self) -> Password {
        self.0
    }
}
