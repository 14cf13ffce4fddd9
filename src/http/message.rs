//! The fields of a request: parameters of Alibaba Cloud, or members of Huawei Cloud's JSON object.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use serde_json::Value;

use super::parameters::Parameters;
use crate::domain::field::FieldProblem;
use crate::edge::Fields;
use crate::service::ServiceError;
use crate::service::requests::Guards;

/// The fields of a request. A field has the name that it has in the proto file, in snake case; the parameters of Alibaba
/// Cloud have the same names in camel case.
pub(super) struct Message {
    content: Content,
    client_token: String,
    fields: Fields,
}

enum Content {
    Parameters(Parameters),
    Members(BTreeMap<String, Value>),
}

impl Message {
    /// The message whose fields are these parameters.
    pub(super) fn of_parameters(parameters: Parameters) -> Self {
        let client_token = parameters.value("ClientToken").unwrap_or_default().to_owned();
        Self { content: Content::Parameters(parameters), client_token, fields: Fields::default() }
    }

    /// The message of a body that is a JSON object: its members are the fields. An empty body has no fields.
    ///
    /// # Errors
    /// The body is anything else.
    pub(super) fn of_json(body: &[u8], client_token: &str) -> Result<Self, ServiceError> {
        let members = if body.is_empty() { Ok(Members::default()) } else { serde_json::from_slice(body) };
        let Members(members) = members.map_err(|_| ServiceError::InvalidFields(Vec::new()))?;
        let client_token = client_token.to_owned();
        Ok(Self { content: Content::Members(members), client_token, fields: Fields::default() })
    }

    /// The members of the object that it was read from.
    #[cfg(feature = "fuzzing")]
    pub(super) fn into_members(self) -> Option<BTreeMap<String, Value>> {
        match self.content {
            Content::Parameters(_) => None,
            Content::Members(members) => Some(members),
        }
    }

    /// Takes the text of a field, which is empty if the field is absent, or records its problem.
    pub(super) fn take<T>(
        &mut self,
        field: &'static str,
        parse: impl FnOnce(String) -> Result<T, FieldProblem>,
    ) -> Option<T> {
        let text = match &mut self.content {
            Content::Parameters(parameters) => Ok(parameters.value(&camel_case(field)).unwrap_or_default().to_owned()),
            Content::Members(members) => match members.remove(field) {
                None | Some(Value::Null) => Ok(String::new()),
                Some(Value::String(text)) => Ok(text),
                Some(_) => Err(FieldProblem::Malformed { expected: "must be a text" }),
            },
        };
        self.fields.take(field, text.and_then(parse))
    }

    /// The value of a number or a truth value, or `None` if it is absent, or bad and recorded.
    pub(super) fn scalar<T: FromStr>(&mut self, field: &'static str) -> Option<T> {
        let text = match &self.content {
            Content::Parameters(parameters) => Cow::from(parameters.value(&camel_case(field))?),
            Content::Members(members) => match members.get(field)? {
                Value::Null => return None,
                value @ (Value::Bool(_) | Value::Number(_)) => value.to_string().into(),
                _ => Cow::default(),
            },
        };
        // Python writes `True`.
        let problem = FieldProblem::Malformed { expected: "must be a whole number, or true or false" };
        self.fields.take(field, text.to_ascii_lowercase().parse().map_err(|_| problem))
    }

    /// Whether a field is there.
    pub(super) fn has(&self, field: &'static str) -> bool {
        match &self.content {
            Content::Parameters(parameters) => parameters.value(&camel_case(field)).is_some(),
            Content::Members(members) => members.contains_key(field),
        }
    }

    /// The guards of a change. No vendor has a field for an expected version.
    pub(super) fn guards(&mut self) -> Guards {
        self.fields.guards(None, &self.client_token)
    }

    /// Records the problems of several fields.
    pub(super) fn fields(&mut self) -> &mut Fields {
        &mut self.fields
    }

    /// Combines the values.
    ///
    /// # Errors
    /// Every bad field.
    pub(super) fn all<T>(self, put_together: impl FnOnce() -> Option<T>) -> Result<T, ServiceError> {
        self.fields.all(put_together)
    }
}

/// A field's name as Alibaba Cloud writes it: `old_password` is `OldPassword`.
pub(super) fn camel_case(field: &str) -> String {
    let mut name = String::with_capacity(field.len());
    for word in field.split('_') {
        let mut letters = word.chars();
        name.extend(letters.next().map(|letter| letter.to_ascii_uppercase()));
        name.push_str(letters.as_str());
    }
    name
}

/// The members of an object. One that is there twice is refused, as a parameter is: of two passwords, none may be guessed.
#[derive(Default)]
struct Members(BTreeMap<String, Value>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Self::default())
    }
}

impl<'de> Visitor<'de> for Members {
    type Value = Self;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut members: A) -> Result<Self, A::Error> {
        while let Some((name, value)) = members.next_entry()? {
            if self.0.insert(name, value).is_some() {
                return Err(A::Error::custom("a member is there twice"));
            }
        }
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::names::DomainName;

    fn json(body: &str) -> Result<Message, ServiceError> {
        Message::of_json(body.as_bytes(), "")
    }

    fn parameters(query: &str) -> Message {
        Message::of_parameters(Parameters::parse(query, "").unwrap())
    }

    fn text(message: &mut Message, field: &'static str) -> Option<String> {
        message.take(field, Ok)
    }

    #[test]
    fn a_field_has_one_name_in_both_forms() {
        assert_eq!(text(&mut parameters("OldPassword=a+b&old_password=c"), "old_password").as_deref(), Some("a b"));
        let mut message = json(r#"{"old_password": "a\u0020b", "OldPassword": "c"}"#).unwrap();
        assert_eq!(text(&mut message, "old_password").as_deref(), Some("a b"));
        assert_eq!(camel_case("max_login_attemps"), "MaxLoginAttemps");
    }

    #[test]
    fn what_is_absent_is_empty_and_of_a_scalar_nothing() {
        for mut message in [parameters(""), json("").unwrap(), json("{}").unwrap(), json(r#"{"a": null}"#).unwrap()] {
            assert_eq!(text(&mut message, "a").as_deref(), Some(""));
            assert_eq!(message.scalar::<u32>("a"), None);
            assert!(message.all(|| Some(())).is_ok());
        }
    }

    #[test]
    fn numbers_and_truth_values_are_read_as_each_vendor_writes_them() {
        let mut message = parameters("A=5&B=True&C=false&D=&E=None");
        assert_eq!(
            (message.scalar("a"), message.scalar("b"), message.scalar("c")),
            (Some(5u32), Some(true), Some(false))
        );
        assert_eq!((message.scalar::<u32>("d"), message.scalar::<bool>("e")), (None, None));
        assert!(message.all(|| Some(())).is_err());
        let mut message = json(r#"{"a": 5, "b": true, "c": "7", "d": 1.5}"#).unwrap();
        assert_eq!((message.scalar("a"), message.scalar("b")), (Some(5u32), Some(true)));
        assert_eq!((message.scalar::<u32>("c"), message.scalar::<u32>("d")), (None, None));
        assert!(message.all(|| Some(())).is_err());
    }

    #[test]
    fn a_body_that_is_no_object_of_unique_members_is_refused() {
        for body in ["[]", "\"a\"", "{", "{} {}", "null", "\u{feff}{}", r#"{"a": "1", "a": "1"}"#] {
            assert!(matches!(json(body), Err(ServiceError::InvalidFields(_))), "{body}");
        }
        assert!(Message::of_json(b"{\"a\": \"\xff\"}", "").is_err());
        let mut number = json(r#"{"old_password": 12345678}"#).unwrap();
        assert_eq!(text(&mut number, "old_password"), None);
    }

    #[test]
    fn every_bad_field_is_reported() {
        let mut message = parameters("ClientToken=two+words");
        let domain = message.take("domain_name", |text| DomainName::parse(&text));
        let guards = message.guards();
        let Err(ServiceError::InvalidFields(fields)) = message.all(|| Some((domain?, guards))) else { panic!() };
        assert_eq!(fields.iter().map(|invalid| invalid.field).collect::<Vec<_>>(), ["domain_name", "client_token"]);
    }
}
