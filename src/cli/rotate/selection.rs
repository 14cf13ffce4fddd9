//! Which subjects are rotated: flags, and the walk through the directory.

use std::collections::BTreeSet;

use clap::Args;
use serde::{Deserialize, Serialize};
use tonic::transport::Channel;
use tonic::{Request, Status};

use super::calls::ANSWER_WITHIN;
use super::subject::{Kind, Selected, Subject};
use crate::cli::caller::Authorization;
use crate::cli::pages::each;
use crate::domain::time::{Timestamp, days};
use crate::grpc::generated::credential::admin::v1 as wire;
use wire::admin_service_client::AdminServiceClient;

/// Which subjects: those that match every option.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args, Serialize, Deserialize)]
pub(super) struct Selection {
    /// Kind of subject. Can be given several times.
    #[arg(long = "kind", value_name = "KIND", required_unless_present = "end_overlaps", help_heading = "Selection")]
    kinds: Vec<Kind>,
    /// Tenant. Default: that of the profile, or the caller's own.
    #[arg(long, value_name = "NAME", help_heading = "Selection")]
    pub(super) tenant: Option<String>,
    /// Only accounts of that instance.
    #[arg(long, value_name = "ID", help_heading = "Selection")]
    instance_id: Option<String>,
    /// Only the subject of that name. Can be given several times.
    #[arg(long = "name", value_name = "NAME", help_heading = "Selection")]
    names: Vec<String>,
    /// Only IAM users with that tag. Can be given several times.
    #[arg(long = "tag", value_name = "KEY=VALUE", value_parser = tag, help_heading = "Selection")]
    tags: Vec<(String, String)>,
    /// Only passwords that were set more than this many days ago.
    #[arg(long, value_name = "DAYS", help_heading = "Selection")]
    older_than: Option<u32>,
    /// Only passwords whose stored hash has that algorithm, as `credentiald admin posture` names it. Can be given several times.
    #[arg(long, value_name = "ALGORITHM", help_heading = "Selection")]
    #[serde(default)]
    hashed_by: Vec<String>,
    /// At most this many subjects.
    #[arg(long, value_name = "NUMBER", help_heading = "Selection")]
    limit: Option<usize>,
}

fn tag(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("must be KEY=VALUE")?;
    Ok((key.to_owned(), value.to_owned()))
}

impl Selection {
    /// The tenant as requests name it: empty means the caller's own.
    pub(super) fn tenant(&self) -> &str {
        self.tenant.as_deref().unwrap_or_default()
    }

    /// What is wrong with the flags, if anything is.
    pub(super) fn problem(&self) -> Option<&'static str> {
        if !self.tags.is_empty() && self.kinds != [Kind::IamUser] {
            return Some("only IAM users have tags: --tag needs --kind iam-user alone");
        }
        if self.instance_id.is_some() && self.kinds != [Kind::InstanceAccount] {
            return Some("only accounts belong to instances: --instance-id needs --kind instance-account alone");
        }
        None
    }

    /// The kinds, in the order in which they were given.
    pub(super) fn kinds(&self) -> &[Kind] {
        &self.kinds
    }

    /// The algorithms that were asked for and that no password is hashed by: they may be misspelt.
    pub(super) fn absent_algorithms<'a>(&'a self, found: &'a Found) -> impl Iterator<Item = &'a str> {
        self.hashed_by.iter().filter(|algorithm| !found.algorithms.contains(*algorithm)).map(String::as_str)
    }

    fn is_named(&self, name: &str) -> bool {
        self.names.is_empty() || self.names.iter().any(|wanted| wanted == name)
    }
}

/// What a walk has found.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// The subjects whose passwords are to be replaced.
    pub(super) selected: Vec<Selected>,
    /// How many of the selection have no password to replace here.
    pub(super) without_password: usize,
    /// The algorithms of their hashes.
    pub(super) algorithms: BTreeSet<String>,
}

/// Walks through the directory for a selection.
pub(super) struct Walk<'a> {
    pub(super) client: AdminServiceClient<Channel>,
    pub(super) authorization: &'a Authorization,
    pub(super) selection: &'a Selection,
    pub(super) now: Timestamp,
}

impl Walk<'_> {
    /// Every subject of the selection.
    pub(super) async fn find(mut self) -> Result<Found, Status> {
        let mut found = Found::default();
        let tenant = self.selection.tenant();
        for kind in self.selection.kinds() {
            match kind {
                Kind::MailDomain => {
                    each!(self.list_mail_domains(ListMailDomainsRequest { tenant: tenant }).mail_domains, domain => {
                        self.consider(&mut found, *kind, None, domain.domain_name, domain.credential)
                    });
                }
                Kind::RamUser => {
                    each!(self.list_ram_users(ListRamUsersRequest { tenant: tenant }).ram_users, user => {
                        self.consider(&mut found, *kind, None, user.user_name, user.credential)
                    });
                }
                Kind::IamUser => {
                    each!(self.list_iam_users(ListIamUsersRequest { tenant: tenant }).iam_users, user => {
                        let has = |(key, value): &(String, String)| user.tags.get(key) == Some(value);
                        if self.selection.tags.iter().all(has) {
                            self.consider(&mut found, *kind, None, user.user_id, user.credential)
                        } else {
                            Ok(())
                        }
                    });
                }
                Kind::InstanceAccount => self.accounts(&mut found).await?,
            }
        }
        found.selected.truncate(self.selection.limit.unwrap_or(usize::MAX));
        Ok(found)
    }

    async fn accounts(&mut self, found: &mut Found) -> Result<(), Status> {
        let tenant = self.selection.tenant();
        let mut instances = Vec::new();
        if let Some(instance) = &self.selection.instance_id {
            instances.push(instance.clone());
        } else {
            each!(self.list_instances(ListInstancesRequest { tenant: tenant }).instances, instance => {
                instances.push(instance.instance_id);
                Ok::<(), Status>(())
            });
        }
        for id in instances {
            each!(self.list_instance_accounts(ListInstanceAccountsRequest { tenant: tenant, instance_id: id })
                .instance_accounts, account => {
                self.consider(found, Kind::InstanceAccount, Some(id.clone()), account.account_name, account.credential)
            });
        }
        Ok(())
    }

    #[expect(clippy::unnecessary_wraps, reason = "as `each!` takes it")]
    fn consider(
        &self,
        found: &mut Found,
        kind: Kind,
        instance: Option<String>,
        name: String,
        credential: Option<wire::CredentialState>,
    ) -> Result<(), Status> {
        if !self.selection.is_named(&name) {
            return Ok(());
        }
        let Some(credential) = credential.filter(|credential| !credential.verified_elsewhere) else {
            found.without_password += 1;
            return Ok(());
        };
        let is_old = |age: u32| {
            let set = credential.change_time.as_ref().map(|time| time.seconds.saturating_mul(1_000_000));
            set.is_none_or(|set| Timestamp::from_micros(set) < self.now.before(days(age)))
        };
        let hashed_by = &self.selection.hashed_by;
        let is_hashed_so = hashed_by.is_empty() || hashed_by.contains(&credential.hash_algorithm);
        found.algorithms.insert(credential.hash_algorithm);
        if is_hashed_so && self.selection.older_than.is_none_or(is_old) {
            found.selected.push(Selected { name: Subject { kind, instance, name }, version: credential.version });
        }
        Ok(())
    }

    fn sent<T>(&self, message: T) -> Request<T> {
        self.authorization.request(message, ANSWER_WITHIN)
    }
}
