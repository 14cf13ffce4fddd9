//! Turns the columns of a row into the message that is sent.

use std::collections::HashMap;

use prost_types::Timestamp;
use serde_json::{Map, Value};

use crate::domain::subject::SubjectKind;
use crate::domain::text::BYTE_ORDER_MARK;
use crate::grpc::generated::credential::admin::v1::{ImportRow, InstanceAccountStatus, MailDomainStatus, RowProblem};
use crate::grpc::generated::credential::v1::subject_name::Subject;
use crate::grpc::generated::credential::v1::{InstanceAccountName, SubjectName};

const OF_MAIL_DOMAINS: &str = "MAIL_DOMAIN_STATUS_";
const OF_ACCOUNTS: &str = "INSTANCE_ACCOUNT_STATUS_";
const TAGS: &str = "must be a JSON object whose values are strings";
const NO_OFFSET: &str = "must say its offset from UTC: 2026-01-31T12:00:00Z, or 2026-01-31T12:00:00+08:00";
const NOT_OF_THIS_KIND: &str = "must be empty for this kind of subject";

/// The columns of an import file.
pub(super) const COLUMNS: [&str; 10] =
    ["tenant", "kind", "name", "instance", "region", "status", "user_name", "tags", "hash", "change_time"];

/// The other columns of an export. The service decides these values itself, so an import leaves them out.
pub(super) const OF_EXPORTS: [&str; 4] = ["subject_id", "create_time", "version", "verified_elsewhere"];

/// A row, column by column. A value that can't be read is sent as a problem, so that it is reported with the others.
#[derive(Default)]
pub(super) struct Draft {
    kind: String,
    name: String,
    instance: String,
    status: String,
    row: ImportRow,
}

impl Draft {
    pub(super) fn new(row_number: u64) -> Self {
        Self { row: ImportRow { row_number, ..ImportRow::default() }, ..Self::default() }
    }

    /// A row that can't be read at all.
    pub(super) fn unreadable(row_number: u64, why: &str) -> ImportRow {
        let mut draft = Self::new(row_number);
        draft.problem("", why);
        draft.row
    }

    /// Reads a JSON object.
    pub(super) fn set_all(&mut self, values: Map<String, Value>) {
        for (column, value) in values {
            let column = trimmed(&column);
            match value {
                _ if OF_EXPORTS.contains(&column) => {}
                Value::String(text) => self.set(column, &text),
                Value::Object(tags) if column == "tags" => self.set_tags(tags),
                Value::Null => self.set(column, ""),
                _ => self.problem(column, "must be a string"),
            }
        }
    }

    /// Reads the text of one column, without the blanks around it. An empty text means an absent value.
    pub(super) fn set(&mut self, column: &str, text: &str) {
        let text = trimmed(text).to_owned();
        match column {
            "tenant" => self.row.tenant = text,
            "kind" => self.kind = text,
            "name" => self.name = text,
            "instance" => self.instance = text,
            "region" => self.row.region = text,
            "status" => self.status = text,
            "user_name" => self.row.user_name = text,
            "hash" => self.row.hash = text,
            "tags" | "change_time" if text.is_empty() => {}
            "tags" => match serde_json::from_str(&text) {
                Ok(Value::Object(tags)) => self.set_tags(tags),
                _ => self.problem("tags", TAGS),
            },
            "change_time" => match text.parse::<Timestamp>() {
                Ok(time) if has_offset(&text) => self.row.change_time = Some(time),
                Ok(_) => self.problem("change_time", NO_OFFSET),
                Err(_) => self.problem("change_time", "must be a time as in 2026-01-31T12:00:00Z"),
            },
            other if OF_EXPORTS.contains(&other) => {}
            other => self.problem(other, "is not a column of an import"),
        }
    }

    /// The message. `None` for a tenant or an instance in an export: an import is of subjects alone.
    pub(super) fn finish(self) -> Option<ImportRow> {
        let is_of_export = matches!(self.kind.as_str(), "tenant" | "instance") && self.row.hash.is_empty();
        (!is_of_export).then(|| self.into_row())
    }

    /// The message of a row whose kind is known to be that of a subject, or is a mistake.
    pub(super) fn into_row(mut self) -> ImportRow {
        let Some(kind) = SubjectKind::of(&self.kind) else {
            self.problem("subject.kind", "must be one of mail-domain, ram-user, iam-user and instance-account");
            return self.row;
        };
        let status = std::mem::take(&mut self.status).to_ascii_uppercase().replace('-', "_");
        match kind {
            _ if status.is_empty() => {}
            SubjectKind::MailDomain => match MailDomainStatus::from_str_name(&format!("{OF_MAIL_DOMAINS}{status}")) {
                Some(known) => self.row.set_mail_domain_status(known),
                None => self.problem("mail_domain_status", "is not a status of mail domains"),
            },
            SubjectKind::InstanceAccount => {
                match InstanceAccountStatus::from_str_name(&format!("{OF_ACCOUNTS}{status}")) {
                    Some(known) => self.row.set_account_status(known),
                    None => self.problem("account_status", "must be available or unavailable"),
                }
            }
            SubjectKind::RamUser | SubjectKind::IamUser => self.problem("status", NOT_OF_THIS_KIND),
        }
        if kind != SubjectKind::InstanceAccount && !self.instance.is_empty() {
            self.problem("instance", NOT_OF_THIS_KIND);
        }
        let Self { name, instance: instance_id, mut row, .. } = self;
        let subject = match kind {
            SubjectKind::MailDomain => Subject::MailDomain(name),
            SubjectKind::RamUser => Subject::RamUser(name),
            SubjectKind::IamUser => Subject::IamUser(name),
            SubjectKind::InstanceAccount => {
                Subject::InstanceAccount(InstanceAccountName { instance_id, account_name: name })
            }
        };
        row.subject = Some(SubjectName { subject: Some(subject) });
        row
    }

    fn set_tags(&mut self, tags: Map<String, Value>) {
        let texts = tags.into_iter().map(|(key, value)| match value {
            Value::String(text) => Some((key, text)),
            _ => None,
        });
        match texts.collect::<Option<HashMap<_, _>>>() {
            Some(tags) => self.row.tags = tags,
            None => self.problem("tags", TAGS),
        }
    }

    pub(super) fn problem(&mut self, field: &str, description: &str) {
        self.row.problems.push(RowProblem {
            field: field.to_owned(),
            reason: "MALFORMED".to_owned(),
            description: description.to_owned(),
        });
    }
}

/// A value or a name without blanks and byte order marks around it.
pub(super) fn trimmed(text: &str) -> &str {
    text.trim_matches(|character: char| character.is_whitespace() || BYTE_ORDER_MARK.contains(character))
}

/// Whether a time that could be read says how far its clock is from UTC.
fn has_offset(time: &str) -> bool {
    let clock = time.get("2026-01-31".len()..).unwrap_or_default();
    clock.contains(['+', '-']) || clock.ends_with(['Z', 'z'])
}

/// The column that a field of the message comes from; `None` if the problem is about the whole row.
pub(super) fn column(field: &str) -> Option<&str> {
    match field {
        "" => None,
        "subject.kind" => Some("kind"),
        "subject.instance_account.instance_id" => Some("instance"),
        "mail_domain_status" | "account_status" => Some("status"),
        _ if field.starts_with("subject") => Some("name"),
        other => Some(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> ImportRow {
        let Value::Object(values) = serde_json::from_str(json).unwrap() else { panic!("{json}") };
        let mut draft = Draft::new(7);
        draft.set_all(values);
        draft.finish().unwrap()
    }

    /// The columns with problems, sorted.
    fn bad(json: &str) -> Vec<String> {
        let row = read(json);
        let mut bad: Vec<_> =
            row.problems.iter().map(|problem| column(&problem.field).unwrap_or_default().to_owned()).collect();
        bad.sort_unstable();
        bad
    }

    #[test]
    fn each_kind_of_subject_is_read() {
        let domain = read(
            r#"{"tenant": "acme", "kind": "mail-domain", "name": "example.com", "region": "cn-beijing",
                "status": "without-cname", "hash": "$2b$", "change_time": "2026-01-01T00:00:00Z"}"#,
        );
        let subject = |row: &ImportRow| row.subject.clone().and_then(|name| name.subject);
        assert_eq!(subject(&domain), Some(Subject::MailDomain("example.com".to_owned())));
        assert_eq!((domain.row_number, domain.tenant.as_str(), domain.region.as_str()), (7, "acme", "cn-beijing"));
        assert_eq!((domain.mail_domain_status(), domain.hash.as_str()), (MailDomainStatus::WithoutCname, "$2b$"));
        assert_eq!(domain.change_time.map(|time| time.seconds), Some(1_767_225_600));

        let ram = read(r#"{"kind": "ram-user", "name": "alice", "hash": "$2b$", "region": null}"#);
        assert_eq!((subject(&ram), ram.change_time), (Some(Subject::RamUser("alice".to_owned())), None));
        let iam = read(r#"{"kind": "iam-user", "name": "7", "user_name": "Jane", "tags": {"a": "b"}, "hash": "$2b$"}"#);
        assert_eq!((iam.user_name.as_str(), iam.tags["a"].as_str()), ("Jane", "b"));
        let account =
            read(r#"{"kind": "instance-account", "instance": "r-1", "name": "app", "status": "unavailable"}"#);
        let name = InstanceAccountName { instance_id: "r-1".to_owned(), account_name: "app".to_owned() };
        assert_eq!(subject(&account), Some(Subject::InstanceAccount(name)));
        assert_eq!(account.account_status(), InstanceAccountStatus::Unavailable);
        assert!([domain, ram, iam, account].iter().all(|row| row.problems.is_empty()));
    }

    #[test]
    fn everything_that_can_not_be_read_is_reported() {
        assert_eq!(bad(r#"{"kind": "user", "name": 7, "colour": "red"}"#), ["colour", "kind", "name"]);
        let account = r#"{"kind": "instance-account", "status": "gone", "tags": ["a"], "change_time": "yesterday"}"#;
        assert_eq!(bad(account), ["change_time", "status", "tags"]);
        assert_eq!(bad(r#"{"kind": "ram-user", "instance": "r-1", "status": "available"}"#), ["instance", "status"]);
        assert_eq!(bad(r#"{"kind": "mail-domain", "status": "specified"}"#), ["status"]);
        assert_eq!(bad(r#"{"kind": "iam-user", "tags": {"a": 1}}"#), ["tags"]);
    }

    #[test]
    fn what_only_an_export_has_is_left_out() {
        let row = read(
            r#"{"kind": "ram-user", "name": "alice", "hash": "$2b$", "subject_id": "7", "create_time": "", "version": 3,
                "verified_elsewhere": true}"#,
        );
        assert_eq!(row.problems, []);
        let of = |kind: &str, hash: &str| {
            let mut draft = Draft::new(1);
            for (column, text) in [("kind", kind), ("name", "acme"), ("hash", hash)] {
                draft.set(column, text);
            }
            draft.finish().map(|row| row.problems.len())
        };
        assert_eq!(
            (of("tenant", ""), of("instance", ""), of("tenant", "$2b$"), of("user", "")),
            (None, None, Some(1), Some(1))
        );
    }

    #[test]
    fn a_time_says_its_offset() {
        let seconds = |time: &str| {
            let row = read(&format!(r#"{{"kind": "ram-user", "name": "a", "hash": "$h", "change_time": "{time}"}}"#));
            row.change_time.map(|time| time.seconds).ok_or_else(|| row.problems[0].description.clone())
        };
        for same in ["2026-01-01T00:00:00Z", "2026-01-01T08:00:00+08:00", "2025-12-31T19:00:00.0-05:00"] {
            assert_eq!(seconds(same), Ok(1_767_225_600), "{same}");
        }
        for without in ["2026-01-01T00:00:00", "2026-01-01 00:00:00.5", "2026-01-01"] {
            assert!(seconds(without).unwrap_err().contains("offset"), "{without}");
        }
    }

    #[test]
    fn tags_in_one_column_are_json() {
        let mut draft = Draft::new(1);
        for (column, text) in [("kind", "iam-user"), ("tags", r#"{"team": "a;b=c"}"#), ("change_time", "")] {
            draft.set(column, text);
        }
        let row = draft.finish().unwrap();
        assert_eq!((row.tags["team"].as_str(), row.problems.len()), ("a;b=c", 0));
    }
}
