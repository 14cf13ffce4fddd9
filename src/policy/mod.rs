//! Pure rules: which passwords a subject may have, and how long it may keep them.
//!
//! One [`Policy`] object answers every question: every generated password is accepted, and a check applies the rules
//! that a change enforces.

mod accepted;
mod baseline;
mod characters;
mod direct_mail;
mod finding;
mod generate;
mod iam;
pub(crate) mod ignoring_case;
mod lifetime;
mod ram;
mod rule;
mod rules;
mod tair;

pub use accepted::AcceptedPassword;
pub use baseline::{Baseline, RefusedList, RefusedPasswords};
pub use finding::{Finding, Noun};
pub use lifetime::{Expiry, Lifetime};
pub use rule::{Policy, Rule, Violation};

use crate::domain::names::IamUserName;
use crate::domain::subject::{IamUser, Subject, SubjectAttributes, SubjectName};
use crate::domain::tenant_settings::TenantSettings;

impl Policy {
    /// The policy of a subject: its kind's, with the tenant's settings, and the operator's baseline on top.
    pub fn of_subject(subject: &Subject, settings: &TenantSettings, baseline: &Baseline) -> Self {
        let policy = match (&subject.name, &subject.attributes) {
            (SubjectName::MailDomain(_), _) => direct_mail::policy(),
            (SubjectName::RamUser(user_name), _) => ram::policy(&settings.ram, user_name),
            (SubjectName::IamUser(_), SubjectAttributes::IamUser(IamUser { user_name, .. })) => {
                iam::policy(&settings.iam, user_name)
            }
            (SubjectName::IamUser(id), _) => iam::policy(&settings.iam, &IamUserName::of_id(id)),
            (SubjectName::InstanceAccount(..), _) => tair::policy(),
        };
        baseline.on_top_of(policy, subject)
    }
}
