//! Moves passwords out of messages. Nothing copies them.

use crate::domain::field::FieldProblem;
use crate::domain::password::Password;
use crate::edge::Fields;
use crate::grpc::generated::credential::admin::v1 as wire;
use crate::service::requests::WantedPassword;

impl Fields {
    /// The first password that an administrator sets, or `None` for no password.
    pub(in crate::grpc) fn first_password(&mut self, choice: Option<impl Into<Choice>>) -> Option<WantedPassword> {
        match made(choice)? {
            Choice::Given(text) => self.new_password("password", text).map(WantedPassword::Given),
            Choice::Generate(_) => Some(WantedPassword::Generated),
        }
    }

    /// The same for a user, who may have to replace it. That needs a password.
    pub(in crate::grpc) fn first_password_of_user(
        &mut self,
        choice: Option<impl Into<Choice>>,
        is_temporary: bool,
    ) -> Option<WantedPassword> {
        let choice = made(choice);
        if is_temporary && choice.is_none() {
            let expected = "must be false unless a first password is set";
            self.take::<()>("password_reset_required", Err(FieldProblem::Malformed { expected }));
        }
        self.first_password(choice)
    }

    /// The password that an administrator sets, which is required.
    pub(in crate::grpc) fn wanted_password(&mut self, choice: Option<impl Into<Choice>>) -> Option<WantedPassword> {
        match made(choice) {
            None => self.take("password", Err(FieldProblem::Missing)),
            some => self.first_password(some),
        }
    }
}

/// The choice, if one was made.
fn made(choice: Option<impl Into<Choice>>) -> Option<Choice> {
    choice.map(Into::into).filter(|choice| !matches!(choice, Choice::Generate(false)))
}

/// A generated password for its message, or the empty text if none was generated.
pub(in crate::grpc) fn exposed(generated: Option<&Password>) -> String {
    generated.map(|password| password.expose().to_owned()).unwrap_or_default()
}

/// The choice in messages with a `password` and a `generate_password`.
pub(in crate::grpc) enum Choice {
    /// This password.
    Given(String),
    /// `true`: a password that the service generates. `false` is the same as no choice.
    Generate(bool),
}

/// Turns the generated type of one such message into a [`Choice`].
macro_rules! choices {
    ($($oneof:path),+ $(,)?) => {
        $(
            impl From<$oneof> for Choice {
                fn from(oneof: $oneof) -> Self {
                    use $oneof as Oneof;
                    match oneof {
                        Oneof::Password(text) => Self::Given(text),
                        Oneof::GeneratePassword(wanted) => Self::Generate(wanted),
                    }
                }
            }
        )+
    };
}

choices!(
    wire::create_mail_domain_request::FirstPassword,
    wire::create_ram_user_request::FirstPassword,
    wire::create_iam_user_request::FirstPassword,
    wire::create_instance_account_request::FirstPassword,
    wire::reset_password_request::NewPassword,
);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::ServiceError;

    fn first(choice: Option<Choice>) -> Result<Option<WantedPassword>, ServiceError> {
        let mut fields = Fields::default();
        let wanted = fields.first_password(choice);
        fields.all(|| Some(wanted))
    }

    fn wanted(choice: Option<Choice>) -> Result<WantedPassword, ServiceError> {
        let mut fields = Fields::default();
        let wanted = fields.wanted_password(choice);
        fields.all(|| wanted)
    }

    #[test]
    fn a_first_password_may_be_absent_and_a_reset_password_may_not() {
        assert!(matches!(first(None), Ok(None)));
        assert!(matches!(first(Some(Choice::Generate(false))), Ok(None)));
        for absent in [None, Some(Choice::Generate(false))] {
            assert!(matches!(wanted(absent), Err(ServiceError::InvalidFields(_))));
        }
    }

    #[test]
    fn a_password_is_given_or_generated() {
        assert!(matches!(wanted(Some(Choice::Generate(true))), Ok(WantedPassword::Generated)));
        assert!(matches!(wanted(Some(Choice::Given("Ab1!".to_owned()))), Ok(WantedPassword::Given(_))));
        assert!(matches!(first(Some(Choice::Given(String::new()))), Err(ServiceError::InvalidFields(_))));
    }
}
