//! How deeply a policy may nest, and how long it may be. Cedar recurses without a bound: its parser overflows the stack
//! on some hundred brackets, which ends the process, and so does dropping a policy with a long chain of members, as in
//! `a.b.c`. Its validator does not check what is too deep for its stack, and reports no mistake then.

/// The deepest nesting that is allowed.
const MAX_NESTING: usize = 32;
/// The longest chain: the operators, members and indexes of a policy. Cedar evaluates a chain by recursion too. This
/// many fit the stack of a thread that decides, also unoptimized.
const MAX_LINKS: usize = 250;
/// The longest policy.
const MAX_POLICY_BYTES: usize = 8 * 1024;
/// The stack to read policies on: more than parser and validator need within these limits, also unoptimized.
pub(super) const STACK_BYTES: usize = 128 * 1024 * 1024;

/// What is beyond the limits, and its offset. Each open bracket counts, and each `if` of a policy.
pub(super) fn beyond_limits(text: &str) -> Option<(usize, String)> {
    let bytes = text.as_bytes();
    let (mut brackets, mut conditions, mut links, mut start, mut at) = (0_usize, 0_usize, 0_usize, 0, 0);
    while let Some(byte) = bytes.get(at) {
        let rest = bytes.get(at..).unwrap_or_default();
        let word = rest.iter().take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_').count();
        let length = match byte {
            b'"' => string(rest),
            // Cedar ends a comment at either of them.
            b'/' if rest.starts_with(b"//") => rest.iter().take_while(|byte| !b"\n\r".contains(byte)).count(),
            _ => word.max(1),
        };
        match byte {
            b'(' | b'{' => brackets += 1,
            b'[' => (brackets, links) = (brackets + 1, links + 1),
            b')' | b']' | b'}' => brackets = brackets.saturating_sub(1),
            b';' => (conditions, links, start) = (0, 0, at),
            b'+' | b'-' | b'*' | b'.' => links += 1,
            b'&' | b'|' if rest.get(1) == Some(byte) => links += 1,
            b'i' if word == 2 && rest.starts_with(b"if") => conditions += 1,
            _ => {}
        }
        if brackets + conditions > MAX_NESTING {
            return Some((at, format!("nests more than {MAX_NESTING} brackets and conditions")));
        }
        if links > MAX_LINKS {
            return Some((at, format!("is in a policy of more than {MAX_LINKS} operators and members")));
        }
        if at + length - start > MAX_POLICY_BYTES {
            return Some((at, format!("is in a policy of more than {MAX_POLICY_BYTES} bytes")));
        }
        at += length;
    }
    None
}

/// The length of the string that a text begins with.
fn string(text: &[u8]) -> usize {
    let mut is_escaped = false;
    let inside = text.iter().skip(1).take_while(|byte| {
        let ends = **byte == b'"' && !is_escaped;
        is_escaped = **byte == b'\\' && !is_escaped;
        !ends
    });
    inside.count() + 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brackets_and_conditions_nest_and_what_strings_and_comments_hold_does_not() {
        let deep = |open: &str, close: &str, times| format!("{}{}", open.repeat(times), close.repeat(times));
        for (open, close) in [("(", ")"), ("[", "]"), ("!{", "}"), ("if true then ", " else x")] {
            assert_eq!(beyond_limits(&deep(open, close, MAX_NESTING)), None, "{open}");
            assert!(beyond_limits(&deep(open, close, MAX_NESTING + 1)).is_some(), "{open}");
        }
        for flat in [
            "() ".repeat(100),
            "if a then b else c; ".repeat(100),
            "iffy notif x_if ".repeat(100),
            format!("\"{}\\\"(\" {}", "(".repeat(100), "a"),
            format!("// {}\n", "(".repeat(100)),
        ] {
            assert_eq!(beyond_limits(&flat), None, "{flat}");
        }
        assert!(
            beyond_limits(&format!("\"\\\\\"{}", "(".repeat(100))).is_some(),
            "the string ends at its second quote"
        );
        assert!(beyond_limits(&format!("//\r{}", "(".repeat(100))).is_some(), "the comment ends at the line break");
    }

    #[test]
    fn a_policy_is_bounded_and_a_file_of_many_is_not() {
        let policy = format!("{};", "a".repeat(MAX_POLICY_BYTES - 1));
        assert_eq!(beyond_limits(&policy.repeat(3)), None);
        for long in [format!("{policy}a{policy}"), format!("\"{policy}\""), format!("//{policy}")] {
            assert!(beyond_limits(&long).is_some());
        }
    }
}
