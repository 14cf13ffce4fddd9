//! Text from files, pipes and the directory, as people and terminals see it.

use std::net::IpAddr;

use unicode_properties::{GeneralCategory, UnicodeGeneralCategory};

/// What some editors and shells write before UTF-8 text (Unicode Standard §23.8). It is not part of the text.
pub const BYTE_ORDER_MARK: &str = "\u{feff}";

/// The text without the byte order mark at its start.
pub fn without_byte_order_mark(text: &str) -> &str {
    text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text)
}

/// Whether a host, as in a URL, is the machine itself: by an address, or by the name that it has for itself.
pub fn is_loopback(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse().is_ok_and(|address: IpAddr| address.is_loopback())
}

/// The text on one line, with escapes for all characters that are not simply displayed: control characters, line and
/// paragraph separators, and format characters such as the marks that reverse the direction of writing (Unicode
/// Technical Report 36 §2.5).
pub fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        if stands_for_itself(character) {
            shown.push(character);
        } else {
            shown.extend(character.escape_default());
        }
    }
    shown
}

/// Whether a terminal or a log displays the character and does nothing else with it.
pub fn stands_for_itself(character: char) -> bool {
    !matches!(
        character.general_category(),
        GeneralCategory::Control
            | GeneralCategory::Format
            | GeneralCategory::LineSeparator
            | GeneralCategory::ParagraphSeparator
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_end_a_line_or_turn_it_around_is_escaped() {
        let table = [
            ("caf\u{e9} \u{5d0}\u{5d1} \u{1f600}", "caf\u{e9} \u{5d0}\u{5d1} \u{1f600}"),
            ("a\nb\tc\u{1b}[2J", "a\\nb\\tc\\u{1b}[2J"),
            ("user\u{202e}nimda", "user\\u{202e}nimda"),
            ("\u{2066}x\u{2069}\u{200f}\u{61c}", "\\u{2066}x\\u{2069}\\u{200f}\\u{61c}"),
            ("a\u{2028}b\u{2029}c\u{feff}d\u{ad}e", "a\\u{2028}b\\u{2029}c\\u{feff}d\\u{ad}e"),
        ];
        for (text, shown) in table {
            assert_eq!(printable(text), shown);
        }
    }

    #[test]
    fn one_byte_order_mark_at_the_start_is_left_out() {
        assert_eq!(without_byte_order_mark("\u{feff}a"), "a");
        assert_eq!(without_byte_order_mark("a\u{feff}"), "a\u{feff}");
        assert_eq!(without_byte_order_mark("\u{feff}\u{feff}a"), "\u{feff}a");
    }
}
