//! The subject that a command is about, as flags.

use clap::Args;

use crate::cli::failure::Failure;
use crate::grpc::generated::credential::v1 as wire;
use wire::subject_name::Subject;

/// The name of a subject. The caller's tenant owns it.
#[derive(Debug, Args)]
pub(super) struct SubjectArgs {
    /// Mail domain, by its domain name.
    #[arg(long, value_name = "NAME", group = "subject", conflicts_with = "instance_id")]
    mail_domain: Option<String>,
    /// RAM user, by its user name.
    #[arg(long, value_name = "NAME", group = "subject", conflicts_with = "instance_id")]
    ram_user: Option<String>,
    /// IAM user, by its user id.
    #[arg(long, value_name = "ID", group = "subject", conflicts_with = "instance_id")]
    iam_user: Option<String>,
    #[command(flatten)]
    account: AccountArgs,
}

/// The name of an account of an instance.
#[derive(Debug, Args)]
pub(super) struct AccountArgs {
    /// Instance that the account belongs to.
    #[arg(long, value_name = "ID", requires = "account_name")]
    instance_id: Option<String>,
    /// Account of an instance, by its name.
    #[arg(long, value_name = "NAME", requires = "instance_id", group = "subject")]
    account_name: Option<String>,
}

impl SubjectArgs {
    /// The name.
    pub(super) fn required(&self) -> Result<wire::SubjectName, Failure> {
        self.name().ok_or_else(|| Failure::usage("whose password? Name a subject, as in --ram-user alice"))
    }

    fn name(&self) -> Option<wire::SubjectName> {
        let Self { mail_domain, ram_user, iam_user, account } = self;
        let subject = match (mail_domain, ram_user, iam_user, account.name()) {
            (Some(domain), ..) => Subject::MailDomain(domain.clone()),
            (_, Some(user), ..) => Subject::RamUser(user.clone()),
            (_, _, Some(user), _) => Subject::IamUser(user.clone()),
            (.., account) => Subject::InstanceAccount(account?),
        };
        Some(wire::SubjectName { subject: Some(subject) })
    }
}

impl AccountArgs {
    /// The name, if there is one.
    pub(super) fn name(&self) -> Option<wire::InstanceAccountName> {
        let (instance_id, account_name) = (self.instance_id.clone()?, self.account_name.clone()?);
        Some(wire::InstanceAccountName { instance_id, account_name })
    }
}
