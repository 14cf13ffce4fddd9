//! Comparison without regard to case, and without a copy of a password.

/// Whether `text` and `other` are the same.
pub(crate) fn are_equal(text: &str, other: &str) -> bool {
    folded(text.chars()).eq(folded(other.chars()))
}

/// Whether `text` contains `part`.
pub(crate) fn contains(text: &str, part: &str) -> bool {
    let mut rest = text.chars();
    loop {
        if starts_with(rest.as_str(), part) {
            return true;
        }
        if rest.next().is_none() {
            return false;
        }
    }
}

fn starts_with(text: &str, part: &str) -> bool {
    let mut characters = folded(text.chars());
    folded(part.chars()).all(|character| characters.next() == Some(character))
}

/// Converts to upper case first: characters such as the two small sigmas share only their capital.
pub(crate) fn folded(characters: impl Iterator<Item = char>) -> impl Iterator<Item = char> {
    characters.flat_map(char::to_uppercase).flat_map(char::to_lowercase)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_makes_no_difference() {
        for (text, other) in [("Alice", "aLICE"), ("\u{c4}rger", "\u{e4}RGER"), ("\u{3c3}\u{3c2}", "\u{3a3}\u{3a3}")] {
            assert!(are_equal(text, other), "{text} {other}");
        }
        for (text, other) in [("Alice", "Alic"), ("Alic", "Alice"), ("Alice", "Alixe")] {
            assert!(!are_equal(text, other), "{text} {other}");
        }
    }

    #[test]
    fn a_part_is_found_wherever_it_is() {
        for text in ["alice", "ALICE1", "1Alice", "1\u{e4}aliCe2", "aalice"] {
            assert!(contains(text, "alice"), "{text}");
        }
        for text in ["", "alic", "al1ice", "ecila"] {
            assert!(!contains(text, "alice"), "{text}");
        }
    }
}
