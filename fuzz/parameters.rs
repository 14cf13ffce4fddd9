//! Any query and form give the parameters that a plain reader finds, each once, or are refused.

use std::collections::BTreeMap;

use credentiald::http::fuzzing::canonical;
use credentiald::http::{ParameterProblem, Parameters};

use crate::texts;

/// The first line is the query, and the rest the form.
pub fn run(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let (query, form) = text.split_once('\n').unwrap_or((text, ""));
    let found = Parameters::parse(query, form);
    let mut expected = BTreeMap::new();
    let mut problem = None;
    for pair in query.split('&').chain(form.split('&')).filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let found = match decoded(name).zip(decoded(value)) {
            Some((name, value)) => expected.insert(name, value).map(|_| ParameterProblem::Repeated),
            None => Some(ParameterProblem::Encoding),
        };
        problem = problem.or(found);
    }
    match found {
        Ok(parameters) => {
            assert_eq!(problem, None, "{text:?}");
            for (name, value) in &expected {
                assert_eq!(parameters.value(name), Some(value.as_str()), "{text:?}");
            }
            let canonical_form = canonical(&parameters);
            assert_eq!(canonical_form.split('&').filter(|pair| !pair.is_empty()).count(), expected.len());
            let again = Parameters::parse(&canonical_form, "").expect("the canonical form can be read");
            assert_eq!(canonical(&again), canonical_form);
        }
        Err(ParameterProblem::TooMany) => assert!(expected.len() >= 100),
        Err(found) => assert_eq!(Some(found), problem, "{text:?}"),
    }
}

/// Decodes from the end, with the standard library's reader of digits.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::new();
    for (number, part) in text.replace('+', " ").split('%').enumerate() {
        let mut rest = part.as_bytes();
        if number > 0 {
            let digits = part.get(..2).filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()))?;
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
            rest = &rest[2..];
        }
        bytes.extend_from_slice(rest);
    }
    String::from_utf8(bytes).ok()
}

pub fn seeds() -> Vec<Vec<u8>> {
    texts(&[
        "NewPassword=N%D1%91+w%26%3D%25%2F1%22%5C&OldPassword=old+pw%2B1~%2A%21%27%28%29",
        "Action=ChangePassword&Format=JSON&SignatureType=\nOldPassword=old%20pw%2B1~*!'()&NewPassword=N%D1%91",
        "a=1&a=2",
        "a=1\n%61=2",
        "a=%\nb=%ff",
        "&&flag&=empty&",
    ])
}
