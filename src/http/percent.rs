//! Percent-encoding, as the vendors' SDKs use it (RFC 3986, and `+` for a space in queries and forms).

use std::fmt::Write;

use zeroize::Zeroizing;

/// Decodes a name or a value of a query or a form, once: `+` is a space. Returns `None` if an escape is broken or the
/// bytes are not UTF-8. Values are passwords, so the result is wiped.
pub(super) fn decoded(text: &str) -> Option<Zeroizing<String>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(text.len()));
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => hex_digit(rest.next()?)? << 4 | hex_digit(rest.next()?)?,
            byte => byte,
        });
    }
    let text = std::str::from_utf8(&bytes).ok()?;
    Some(Zeroizing::new(text.to_owned()))
}

/// Most bytes that one byte takes in the form that signatures cover. A text that holds passwords is made with room for all of
/// it: one that grows would leave copies behind.
pub(super) const LONGEST_ESCAPE: usize = 3;

/// The form that signatures cover: all but `A-Z a-z 0-9 - _ . ~` is escaped, with upper-case digits.
pub(super) fn append_encoded(to: &mut String, text: &str) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
            to.push(byte.into());
        } else {
            // Writing to a text never fails.
            let _ = write!(to, "%{byte:02X}");
        }
    }
}

fn hex_digit(digit: u8) -> Option<u8> {
    u8::try_from(char::from(digit).to_digit(16)?).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn encoded(text: &str) -> String {
        let mut encoded = String::new();
        append_encoded(&mut encoded, text);
        encoded
    }

    #[test]
    fn a_space_may_be_written_in_two_ways_and_nothing_is_decoded_twice() {
        for (text, expected) in
            [("a+b%20c", "a b c"), ("%252B", "%2B"), ("%2b%2B", "++"), ("~*!'()", "~*!'()"), ("", "")]
        {
            assert_eq!(decoded(text).as_deref().map(String::as_str), Some(expected), "{text}");
        }
        assert_eq!(encoded("a b*~'\u{451}"), "a%20b%2A~%27%D1%91");
    }

    #[test]
    fn what_is_broken_is_refused() {
        for text in ["%", "%4", "%4g", "%+1", "%ff", "%c3%28", "%ed%a0%80", "%-1"] {
            assert_eq!(decoded(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_encoded_decodes_to_itself(text in any::<String>()) {
            let encoded = encoded(&text);
            prop_assert!(encoded.bytes().all(|byte| byte.is_ascii_graphic()));
            let found = decoded(&encoded);
            prop_assert_eq!(found.as_deref().map(String::as_str), Some(text.as_str()));
        }

        #[test]
        fn any_text_is_decoded_or_refused(text in any::<String>()) {
            let _ = decoded(&text);
        }
    }
}
