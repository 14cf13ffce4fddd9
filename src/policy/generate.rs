//! Candidates for a generated password; the policy's own rules decide which of them is accepted.

use std::ops::RangeInclusive;

use zeroize::Zeroizing;

use crate::domain::password::NewPassword;

/// The alphabet of generated passwords: no character that a shell, a JSON string or a URL has to quote.
const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_=";

// Only then is the remainder of a random byte equally likely to be any character.
const _: () = assert!(256 % ALPHABET.len() == 0);

/// The length of a generated password, or the nearest one that the policy allows: 20 of 64 are 120 bits.
const COMFORTABLE_LENGTH: usize = 20;

/// With the strictest settings and names, one candidate in five is accepted: this many in a row fail once in 10¹².
const CANDIDATES: usize = 128;

/// Candidates of a comfortable length, each chosen uniformly.
pub(super) fn candidates(
    length: &RangeInclusive<usize>,
    fill: &mut dyn FnMut(&mut [u8]),
) -> impl Iterator<Item = NewPassword> {
    let length = COMFORTABLE_LENGTH.min(*length.end()).max(*length.start());
    (0..CANDIDATES).filter_map(move |_| NewPassword::parse(draw(length, fill)).ok())
}

fn draw(length: usize, fill: &mut dyn FnMut(&mut [u8])) -> String {
    let mut random = Zeroizing::new(vec![0; length]);
    fill(&mut random);
    // Filled in place: a string that grows would leave its beginning behind in memory.
    let mut text = String::with_capacity(length);
    text.extend(
        random.iter().filter_map(|byte| ALPHABET.get(usize::from(*byte) % ALPHABET.len())).map(|c| char::from(*c)),
    );
    text
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn every_character_is_as_likely_as_any_other() {
        let every_byte: Vec<u8> = (0..=255).collect();
        let text = draw(256, &mut |buffer| buffer.copy_from_slice(&every_byte));
        let mut counts = BTreeMap::new();
        for character in text.chars() {
            *counts.entry(character).or_insert(0) += 1;
        }
        assert_eq!(counts.len(), 64);
        assert!(counts.values().all(|count| *count == 4));
    }

    #[test]
    fn the_length_is_comfortable_where_the_range_allows_it() {
        for (range, length) in [(8..=32, 20), (10..=20, 20), (24..=32, 24), (1..=6, 6)] {
            let candidate = candidates(&range, &mut |buffer| buffer.fill(0)).next().unwrap();
            assert_eq!(candidate.password().expose().len(), length, "{range:?}");
        }
    }
}
