//! What a receiver gets: a change event as a JSON document, signed as Standard Webhooks says.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use serde::Serialize;
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::grpc::generated::credential::v1 as wire;
use wire::change_event::Kind;
use wire::subject_name::Subject;

/// How a secret begins.
const PREFIX: &str = "whsec_";
/// The bytes that a secret has.
const KEY_BYTES: std::ops::RangeInclusive<usize> = 24..=64;

/// A notification: an event's id, and its document. It is the same each time it is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Notification {
    pub(super) id: String,
    pub(super) body: String,
}

#[derive(Serialize)]
struct Document<'a> {
    r#type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    timestamp: Option<String>,
    data: Data<'a>,
}

/// Never holds a secret: events have none.
#[derive(Default, Serialize)]
struct Data<'a> {
    tenant: &'a str,
    subject_id: &'a str,
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    instance: Option<&'a str>,
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    overlap_until: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    locked_until: Option<String>,
}

impl Notification {
    /// The notification of an event. An event of a kind that this program does not know is `event.unknown`.
    pub(super) fn of(event: &wire::ChangeEvent) -> Result<Self, serde_json::Error> {
        let time = |time: &Option<prost_types::Timestamp>| time.as_ref().map(ToString::to_string);
        let (kind, instance, name) = match event.subject.as_ref().and_then(|name| name.subject.as_ref()) {
            Some(Subject::MailDomain(name)) => ("mail-domain", None, name.as_str()),
            Some(Subject::RamUser(name)) => ("ram-user", None, name.as_str()),
            Some(Subject::IamUser(name)) => ("iam-user", None, name.as_str()),
            Some(Subject::InstanceAccount(account)) => {
                ("instance-account", Some(account.instance_id.as_str()), account.account_name.as_str())
            }
            None => ("unknown", None, ""),
        };
        let data =
            Data { tenant: &event.tenant, subject_id: &event.subject_id, kind, instance, name, ..Data::default() };
        let (r#type, data) = match &event.kind {
            Some(Kind::Created(created)) => ("subject.created", Data { version: Some(created.version), ..data }),
            Some(Kind::Changed(changed)) => {
                let overlap_until = time(&changed.overlap_until);
                ("password.changed", Data { version: Some(changed.version), overlap_until, ..data })
            }
            Some(Kind::Reset(reset)) => {
                let overlap_until = time(&reset.overlap_until);
                ("password.reset", Data { version: Some(reset.version), overlap_until, ..data })
            }
            Some(Kind::Locked(locked)) => ("subject.locked", Data { locked_until: time(&locked.until), ..data }),
            Some(Kind::Deleted(_)) => ("subject.deleted", data),
            None => ("event.unknown", data),
        };
        let body = serde_json::to_string(&Document { r#type, timestamp: time(&event.at), data })?;
        Ok(Self { id: event.id.clone(), body })
    }
}

/// The keys that notifications are signed with.
pub(super) struct Secrets(Vec<Hmac<Sha256>>);

impl Secrets {
    /// Reads a file with a secret on each line: one, or while it is replaced the new one and the old one.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        let key = |(number, line): (usize, &str)| {
            let bytes = line.strip_prefix(PREFIX).and_then(|text| STANDARD.decode(text).ok()).map(Zeroizing::new);
            let bytes = bytes.filter(|bytes| KEY_BYTES.contains(&bytes.len()));
            let key = bytes.and_then(|bytes| Hmac::new_from_slice(&bytes).ok());
            key.ok_or_else(|| format!("secret {} must be {PREFIX} and 24 to 64 random bytes in base64", number + 1))
        };
        let keys = lines.enumerate().map(key).collect::<Result<Vec<_>, String>>()?;
        if keys.is_empty() { Err("there is no secret".to_owned()) } else { Ok(Self(keys)) }
    }

    /// The value of `webhook-signature`: one signature for each secret.
    pub(super) fn sign(&self, notification: &Notification, seconds: i64) -> String {
        let signed = format!("{}.{seconds}.{}", notification.id, notification.body);
        let sign = |key: &Hmac<Sha256>| {
            let signature = key.clone().chain_update(signed.as_bytes()).finalize();
            format!("v1,{}", STANDARD.encode(signature.into_bytes()))
        };
        self.0.iter().map(sign).collect::<Vec<_>>().join(" ")
    }
}

#[cfg(test)]
mod tests {
    use prost_types::Timestamp;
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn an_event_is_a_document_without_a_secret() {
        let account = wire::InstanceAccountName { instance_id: "r-1".to_owned(), account_name: "app".to_owned() };
        let at = |seconds| Some(Timestamp { seconds, nanos: 0 });
        let event = wire::ChangeEvent {
            id: "e-1".to_owned(),
            at: at(1_700_000_000),
            tenant: "acme".to_owned(),
            subject_id: "s-1".to_owned(),
            subject: Some(wire::SubjectName { subject: Some(Subject::InstanceAccount(account)) }),
            kind: Some(Kind::Changed(wire::CredentialChanged { version: 2, overlap_until: at(1_700_003_600) })),
        };
        let notification = Notification::of(&event).unwrap();
        let document: Value = serde_json::from_str(&notification.body).unwrap();
        let expected = json!({ "type": "password.changed", "timestamp": "2023-11-14T22:13:20Z", "data": {
            "tenant": "acme", "subject_id": "s-1", "kind": "instance-account", "instance": "r-1", "name": "app",
            "version": 2, "overlap_until": "2023-11-14T23:13:20Z" } });
        assert_eq!((notification.id.as_str(), document), ("e-1", expected));
    }

    /// Computed with `openssl dgst -sha256 -hmac`.
    #[test]
    fn a_signature_is_what_other_programs_compute() {
        let secrets = Secrets::parse("whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3\n").unwrap();
        let notification = Notification { id: "msg_1".to_owned(), body: "{\"a\":1}".to_owned() };
        assert_eq!(secrets.sign(&notification, 1_700_000_000), "v1,WUgAXU8H0NQ1/7M+TtMwKma2b74a3/TCgekiM3YUdN8=");
        let both = Secrets::parse("whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3\n\nwhsec_YWJjZGVmZ2hpamtsbW5vcHFyc3R1dnd4\n");
        let both = both.unwrap().sign(&notification, 1_700_000_000);
        assert_eq!(both.split(' ').next(), Some(secrets.sign(&notification, 1_700_000_000).as_str()));
        assert_eq!(both.split(' ').count(), 2);
        for bad in ["", "secret", "whsec_c2hvcnQ=", "whsec_!"] {
            assert!(Secrets::parse(bad).is_err(), "{bad}");
        }
    }
}
