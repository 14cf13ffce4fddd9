//! The files of other systems, read as rows of an import.
//!
//! Each reader turns a file into [`Account`]s; what they have in common, and how one becomes a row, is here.

mod auth0;
mod firebase;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod keycloak;
mod kratos;
mod ldif;
mod passwd;
mod table;
mod values;
mod zitadel;

use std::io;

use clap::{Args, ValueEnum};
use serde_json::Value;

use super::row::Draft;
use super::source::Input;
use crate::domain::subject::SubjectKind;
use crate::grpc::generated::credential::admin::v1::ImportRow;

/// A system whose own file is imported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum System {
    /// A realm export, with users (JSON).
    Keycloak,
    /// A list of identities with their credentials (JSON).
    Kratos,
    /// An export of the admin API (JSON).
    Zitadel,
    /// An export of users with password hashes (JSON lines).
    Auth0,
    /// What `auth:export` writes (JSON or CSV).
    Firebase,
    /// Entries of `OpenLDAP`, 389-ds and others.
    Ldif,
    /// A passwd-file of Dovecot.
    Dovecot,
    /// `/etc/shadow`.
    Shadow,
    /// A file of htpasswd.
    Htpasswd,
    /// The table `auth_user` (CSV).
    Django,
    /// The table `wp_users` (CSV).
    Wordpress,
}

/// The accounts of a file, in order.
pub(super) type Accounts = Box<dyn Iterator<Item = io::Result<Entry>> + Send>;

/// What a reader finds in a place of a file.
pub(super) enum Entry {
    /// An account.
    Account(Account),
    /// Something that can't be read: the number of its line or record, and why.
    Unreadable(u64, String),
}

/// An account of another system.
pub(super) struct Account {
    /// Number of its line or record, from 1 on.
    number: u64,
    /// The hash in a form that the service reads, or why there is none. Empty if the account has no password.
    hash: Result<String, String>,
    /// When the password was set, if that is known.
    changed: Option<String>,
    /// Everything that is known of it; `--map` names parts of it.
    fields: Value,
}

/// What an account that is disabled has in place of a hash.
const LOCKED: &str = "!";

impl System {
    /// The accounts of a file.
    fn accounts(self, input: Input) -> Accounts {
        match self {
            Self::Keycloak => keycloak::accounts(input),
            Self::Kratos => kratos::accounts(input),
            Self::Zitadel => zitadel::accounts(input),
            Self::Auth0 => auth0::accounts(input),
            Self::Firebase => firebase::accounts(input),
            Self::Ldif => ldif::accounts(input),
            Self::Dovecot => passwd::dovecot(input),
            Self::Shadow => passwd::shadow(input),
            Self::Htpasswd => passwd::htpasswd(input),
            Self::Django => table::django(input),
            Self::Wordpress => table::wordpress(input),
        }
    }

    /// The field that a name is taken from if `--map` names none.
    const fn name_field(self) -> &'static str {
        match self {
            Self::Keycloak | Self::Django => "username",
            Self::Kratos => "credentials.password.identifiers.0",
            Self::Zitadel => "user.userName",
            Self::Auth0 | Self::Firebase => "email",
            Self::Ldif => "uid",
            Self::Dovecot | Self::Shadow | Self::Htpasswd => "user",
            Self::Wordpress => "user_login",
        }
    }
}

/// How the accounts of another system become subjects.
#[derive(Debug, Clone, Args)]
pub(super) struct FromSystem {
    /// System that wrote the file. Without it, the file has our own columns.
    #[arg(long, value_name = "SYSTEM", requires = "kind", conflicts_with = "format")]
    from: Option<System>,
    /// Kind of subject that the accounts become: mail-domain, ram-user, iam-user or instance-account.
    #[arg(long, value_name = "KIND", requires = "from", value_parser = kind)]
    kind: Option<SubjectKind>,
    /// Tenant of the accounts. Default: the caller's own.
    #[arg(long, value_name = "NAME", requires = "from")]
    tenant: Option<String>,
    /// Instance of the accounts, if they become instance accounts.
    #[arg(long, value_name = "ID", requires = "from")]
    instance: Option<String>,
    /// Field of an account that a column is taken from, as in `name=email` or `user_name=profile.name`.
    #[arg(long, value_name = "COLUMN=FIELD", requires = "from", value_parser = map)]
    map: Vec<(String, String)>,
}

/// The columns that `--map` can name.
const MAPPED: [&str; 6] = ["name", "user_name", "instance", "tenant", "region", "status"];

fn kind(text: &str) -> Result<SubjectKind, String> {
    SubjectKind::of(text).ok_or_else(|| "it is mail-domain, ram-user, iam-user or instance-account".to_owned())
}

fn map(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((column, field)) if MAPPED.contains(&column) && !field.is_empty() => {
            Ok((column.to_owned(), field.to_owned()))
        }
        _ => Err(format!("it is COLUMN=FIELD, and the column is one of {}", MAPPED.join(", "))),
    }
}

/// The rows of another system's file.
pub(super) struct SystemRows {
    accounts: Accounts,
    columns: Columns,
}

/// What fills the columns of a row.
struct Columns {
    kind: SubjectKind,
    fixed: Vec<(&'static str, String)>,
    mapped: Vec<(String, String)>,
}

impl FromSystem {
    /// The rows of the file, if another system wrote it.
    pub(super) fn rows(&self, input: Input) -> Result<SystemRows, Input> {
        let Some((system, kind)) = self.from.zip(self.kind) else { return Err(input) };
        let fixed = [("tenant", &self.tenant), ("instance", &self.instance)];
        let fixed = fixed.into_iter().filter_map(|(column, value)| Some((column, value.clone()?)));
        let mut mapped = self.map.clone();
        if !mapped.iter().any(|(column, _)| column == "name") {
            mapped.push(("name".to_owned(), system.name_field().to_owned()));
        }
        let columns = Columns { kind, fixed: fixed.collect(), mapped };
        Ok(SystemRows { accounts: system.accounts(input), columns })
    }
}

impl SystemRows {
    /// The next row, or `None` at the end.
    pub(super) fn read(&mut self) -> io::Result<Option<ImportRow>> {
        Ok(self.accounts.next().transpose()?.map(|entry| match entry {
            Entry::Account(account) => self.columns.row(&account),
            Entry::Unreadable(number, why) => Draft::unreadable(number, &why),
        }))
    }
}

impl Columns {
    fn row(&self, account: &Account) -> ImportRow {
        let mut draft = Draft::new(account.number);
        draft.set("kind", self.kind.as_str());
        for (column, value) in &self.fixed {
            draft.set(column, value);
        }
        for (column, field) in &self.mapped {
            match values::text_at(&account.fields, field) {
                Some(text) => draft.set(column, &text),
                None if column == "name" => draft.problem("subject", &lacks(&account.fields, field)),
                None => {}
            }
        }
        match &account.hash {
            Ok(hash) => draft.set("hash", hash),
            Err(why) => draft.problem("hash", why),
        }
        draft.set("change_time", account.changed.as_deref().unwrap_or_default());
        draft.into_row()
    }
}

/// That an account lacks a field, and which ones it has.
fn lacks(fields: &Value, field: &str) -> String {
    let has = values::names(fields).join(", ");
    format!("the account has no {field:?}: name another with --map name=; it has {has}")
}

#[cfg(test)]
mod tests;
