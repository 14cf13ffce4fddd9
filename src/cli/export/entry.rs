//! The rows of an export.

use std::collections::BTreeMap;
use std::io::{self, Write};

use prost_types::Timestamp;
use serde::Serialize;

use crate::cli::file_format::Format;
use crate::grpc::generated::credential::admin::v1 as wire;

const COLUMNS: [&str; 13] = [
    "tenant",
    "kind",
    "name",
    "instance",
    "region",
    "status",
    "user_name",
    "tags",
    "subject_id",
    "create_time",
    "version",
    "change_time",
    "verified_elsewhere",
];

/// A row of an export. Columns that do not apply to a kind are empty. Columns that an import has too mean the same
/// there.
#[derive(Default, Serialize)]
pub(super) struct Entry {
    #[serde(skip_serializing_if = "String::is_empty")]
    tenant: String,
    kind: &'static str,
    name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    instance: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    region: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    status: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    user_name: String,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    tags: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "String::is_empty")]
    subject_id: String,
    create_time: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    change_time: Option<String>,
    /// Whether another system verifies the password.
    #[serde(skip_serializing_if = "Option::is_none")]
    verified_elsewhere: Option<bool>,
}

impl Entry {
    pub(super) fn of_tenant(tenant: wire::Tenant) -> Self {
        Self { kind: "tenant", name: tenant.tenant, create_time: time(tenant.create_time), ..Self::default() }
    }

    pub(super) fn of_instance(tenant: &str, instance: wire::Instance) -> Self {
        let status = word(instance.status().as_str_name(), "INSTANCE_STATUS_");
        Self {
            tenant: tenant.to_owned(),
            kind: "instance",
            name: instance.instance_id,
            region: instance.region,
            status,
            create_time: time(instance.create_time),
            ..Self::default()
        }
    }

    pub(super) fn of_mail_domain(tenant: &str, domain: wire::MailDomain) -> Self {
        let status = word(domain.status().as_str_name(), "MAIL_DOMAIN_STATUS_");
        Self {
            tenant: tenant.to_owned(),
            kind: "mail-domain",
            name: domain.domain_name,
            region: domain.region,
            status,
            subject_id: domain.subject_id,
            create_time: time(domain.create_time),
            ..Self::of_credential(domain.credential)
        }
    }

    pub(super) fn of_ram_user(tenant: &str, user: wire::RamUser) -> Self {
        Self {
            tenant: tenant.to_owned(),
            kind: "ram-user",
            name: user.user_name,
            subject_id: user.subject_id,
            create_time: time(user.create_time),
            ..Self::of_credential(user.credential)
        }
    }

    pub(super) fn of_iam_user(tenant: &str, user: wire::IamUser) -> Self {
        Self {
            tenant: tenant.to_owned(),
            kind: "iam-user",
            name: user.user_id,
            user_name: user.user_name,
            tags: user.tags.into_iter().collect(),
            subject_id: user.subject_id,
            create_time: time(user.create_time),
            ..Self::of_credential(user.credential)
        }
    }

    pub(super) fn of_account(tenant: &str, account: wire::InstanceAccount) -> Self {
        let status = word(account.account_status().as_str_name(), "INSTANCE_ACCOUNT_STATUS_");
        Self {
            tenant: tenant.to_owned(),
            kind: "instance-account",
            name: account.account_name,
            instance: account.instance_id,
            status,
            subject_id: account.subject_id,
            create_time: time(account.create_time),
            ..Self::of_credential(account.credential)
        }
    }

    fn of_credential(credential: Option<wire::CredentialState>) -> Self {
        let Some(credential) = credential else { return Self::default() };
        Self {
            version: Some(credential.version),
            change_time: Some(time(credential.change_time)),
            verified_elsewhere: credential.verified_elsewhere.then_some(true),
            ..Self::default()
        }
    }

    /// The values of [`COLUMNS`].
    fn values(self) -> io::Result<[String; COLUMNS.len()]> {
        let tags = if self.tags.is_empty() { String::new() } else { serde_json::to_string(&self.tags)? };
        Ok([
            self.tenant,
            self.kind.to_owned(),
            self.name,
            self.instance,
            self.region,
            self.status,
            self.user_name,
            tags,
            self.subject_id,
            self.create_time,
            self.version.map(|version| version.to_string()).unwrap_or_default(),
            self.change_time.unwrap_or_default(),
            self.verified_elsewhere.map(|is_so| is_so.to_string()).unwrap_or_default(),
        ])
    }
}

/// Writes entries.
pub(super) enum Writer<'a> {
    Jsonl(Box<dyn Write + 'a>),
    Csv(Box<csv::Writer<Box<dyn Write + 'a>>>),
}

impl<'a> Writer<'a> {
    pub(super) fn new(output: Box<dyn Write + 'a>, format: Format) -> io::Result<Self> {
        match format {
            Format::Jsonl => Ok(Self::Jsonl(output)),
            Format::Csv => {
                let mut output = csv::Writer::from_writer(output);
                output.write_record(COLUMNS)?;
                Ok(Self::Csv(Box::new(output)))
            }
        }
    }

    pub(super) fn write(&mut self, entry: Entry) -> io::Result<()> {
        match self {
            Self::Jsonl(output) => {
                serde_json::to_writer(&mut *output, &entry)?;
                output.write_all(b"\n")
            }
            Self::Csv(output) => Ok(output.write_record(entry.values()?)?),
        }
    }

    pub(super) fn finish(self) -> io::Result<()> {
        match self {
            Self::Jsonl(mut output) => output.flush(),
            Self::Csv(mut output) => output.flush(),
        }
    }
}

/// A value of an enumeration as the files spell it.
fn word(name: &str, prefix: &str) -> String {
    name.trim_start_matches(prefix).to_ascii_lowercase().replace('_', "-")
}

fn time(time: Option<Timestamp>) -> String {
    time.map(|time| time.to_string()).unwrap_or_default()
}
