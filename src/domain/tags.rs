//! The tags of IAM users.

use super::field::{FieldProblem, LengthUnit};
use super::subject::Tags;

const MAX_TAGS: usize = 20;
const MAX_TAG_KEY_CHARACTERS: usize = 128;
const MAX_TAG_VALUE_CHARACTERS: usize = 255;

/// Tags as Huawei TMS allows them: at most 20, keys of 1–128 and values of at most 255 characters.
pub fn parse_tags(tags: impl IntoIterator<Item = (String, String)>) -> Result<Tags, FieldProblem> {
    let tags: Tags = tags.into_iter().collect();
    if tags.len() > MAX_TAGS {
        return Err(FieldProblem::TooLong { max: MAX_TAGS, found: tags.len(), unit: LengthUnit::Entries });
    }
    for (key, value) in &tags {
        if key.is_empty() {
            return Err(FieldProblem::Malformed { expected: "must not have an empty key" });
        }
        for (text, max) in [(key, MAX_TAG_KEY_CHARACTERS), (value, MAX_TAG_VALUE_CHARACTERS)] {
            let found = text.chars().count();
            if found > max {
                return Err(FieldProblem::TooLong { max, found, unit: LengthUnit::Characters });
            }
        }
    }
    Ok(tags)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(tags: impl IntoIterator<Item = (String, String)>) -> Option<usize> {
        parse_tags(tags).ok().map(|tags| tags.len())
    }

    #[test]
    fn twenty_tags_of_bounded_length_are_taken() {
        let numbered = |count: usize| (0..count).map(|n| (format!("key{n}"), String::new()));
        assert_eq!(parsed(numbered(20)), Some(20));
        assert_eq!(parsed(numbered(21)), None);
        assert_eq!(parsed([("k".repeat(128), "\u{e9}".repeat(255))]), Some(1));
        assert_eq!(parsed([("k".repeat(129), String::new())]), None);
        assert_eq!(parsed([("k".to_owned(), "v".repeat(256))]), None);
        assert_eq!(parsed([(String::new(), "v".to_owned())]), None);
    }
}
