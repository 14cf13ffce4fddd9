//! Headers give one bearer token, exactly as it was sent, or no credentials.

use credentiald::edge::fuzzing::token_of;
use http::HeaderValue;

use crate::texts;

/// Each line is the value of a header.
pub fn run(bytes: &[u8]) {
    let values: Vec<_> = bytes.split(|byte| *byte == b'\n').filter_map(|v| HeaderValue::from_bytes(v).ok()).collect();
    let found = token_of(values.iter().map(HeaderValue::to_str).map(Result::ok));
    let expected = match values.as_slice() {
        [value] => token(value.as_bytes()),
        _ => None,
    };
    assert_eq!(found.map(|(text, _)| text.as_bytes()), expected, "{values:?}");
    assert!(found.is_none_or(|(text, is_jwt)| text.contains('.') == is_jwt), "{values:?}");
}

/// The token of `Bearer <token>`, read byte by byte.
fn token(value: &[u8]) -> Option<&[u8]> {
    let token = value.get(7..)?;
    let is_bearer = value[..6].eq_ignore_ascii_case(b"bearer") && value[6] == b' ';
    let is_visible = value.iter().all(|byte| matches!(byte, b'\t' | b' '..=b'~'));
    (is_bearer && is_visible && !token.is_empty() && !token.contains(&b' ')).then_some(token)
}

pub fn seeds() -> Vec<Vec<u8>> {
    texts(&[
        "Bearer abc",
        "bearer a.b.c",
        "Bearer abc\nBearer abc",
        "Basic YWxpY2U6eA==",
        "Bearer  abc",
        "Bearer abc def",
        "Bearer \u{e4}",
        "",
    ])
}
