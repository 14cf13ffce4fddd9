//! The proof that a policy accepted a password.

use crate::domain::password::{NewPassword, Password};

/// A password that a policy accepted. Only this layer can make one, and a stored hash is made only from one.
///
/// ```
/// # use credentiald::{domain::password::NewPassword, policy::{AcceptedPassword, Policy}};
/// fn check(policy: &Policy, password: NewPassword) -> Option<AcceptedPassword> { policy.accept(password).ok() }
/// ```
/// ```compile_fail,E0624
/// # use credentiald::{domain::password::NewPassword, policy::AcceptedPassword};
/// fn skip_the_check(password: NewPassword) -> AcceptedPassword { AcceptedPassword::of(password) }
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
