//! Common parts of the formats: fields, numbers, salts and tags as text.

use std::ops::RangeInclusive;

use base64::Engine as _;
use base64::alphabet::{Alphabet, STANDARD};
use base64::engine::general_purpose::{NO_PAD, PAD};
use base64::engine::{DecodePaddingMode, GeneralPurpose};
use zeroize::Zeroizing;

use crate::domain::hash_problem::{HashPart, HashProblem};
use crate::hashing::phc::Tag;

pub(super) use base64::engine::general_purpose::{STANDARD as PADDED, STANDARD_NO_PAD as UNPADDED};

/// With or without padding.
pub(in crate::hashing) const ANY_PADDING: GeneralPurpose =
    GeneralPurpose::new(&STANDARD, PAD.with_decode_padding_mode(DecodePaddingMode::Indifferent));

/// passlib's "adapted base64": `.` in place of `+`, no padding.
pub(in crate::hashing) const ADAPTED: GeneralPurpose = GeneralPurpose::new(
    &match Alphabet::new("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789./") {
        Ok(alphabet) => alphabet,
        Err(_) => STANDARD,
    },
    NO_PAD,
);

const BASE64_TEXT: &str = "base64";
const HEX_TEXT: &str = "an even number of hexadecimal digits";

/// A number in canonical form: no sign, no leading zero.
pub(in crate::hashing) fn decimal(text: &str) -> Option<u32> {
    let is_canonical = text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0');
    text.parse().ok().filter(|_| is_canonical)
}

/// A number of the parameters.
pub(in crate::hashing) fn number(text: &str) -> Result<u32, HashProblem> {
    decimal(text).ok_or(HashPart::Parameters.expected("numbers below 2^32 without sign and leading zero"))
}

/// Exactly that many fields.
pub(in crate::hashing) fn fields<'a, const N: usize>(
    text: &'a str,
    separator: char,
    expected: &'static str,
) -> Result<[&'a str; N], HashProblem> {
    let mut found = [""; N];
    let mut rest = text.split(separator);
    for field in &mut found {
        *field = rest.next().ok_or(HashPart::Fields.expected(expected))?;
    }
    if rest.next().is_some() {
        return Err(HashPart::Fields.expected(expected));
    }
    Ok(found)
}

/// The values of `name=value` parameters, with commas between them.
pub(in crate::hashing) fn named<'a, const N: usize>(
    text: &'a str,
    names: [&str; N],
    expected: &'static str,
) -> Result<[&'a str; N], HashProblem> {
    values(text.split(','), names).ok_or(HashPart::Parameters.expected(expected))
}

/// The values of `name=value` parameters: each name once, in any order, and no other.
pub(in crate::hashing) fn values<'a, const N: usize>(
    parameters: impl Iterator<Item = &'a str>,
    names: [&str; N],
) -> Option<[&'a str; N]> {
    let mut values = [None; N];
    for parameter in parameters {
        let (name, value) = parameter.split_once('=')?;
        let place = names.iter().position(|known| *known == name)?;
        if values.get_mut(place)?.replace(value).is_some() {
            return None;
        }
    }
    let mut found = [""; N];
    for (place, value) in found.iter_mut().zip(values) {
        *place = value?;
    }
    Some(found)
}

pub(in crate::hashing) fn salt(text: &str, base64: &GeneralPurpose) -> Result<Vec<u8>, HashProblem> {
    base64.decode(text).map_err(|_| HashPart::Salt.expected(BASE64_TEXT))
}

pub(in crate::hashing) fn tag(text: &str, base64: &GeneralPurpose) -> Result<Tag, HashProblem> {
    base64.decode(text).map(Zeroizing::new).map_err(|_| HashPart::Tag.expected(BASE64_TEXT))
}

pub(in crate::hashing) fn hex_salt(text: &str) -> Result<Vec<u8>, HashProblem> {
    hex(text).map(|bytes| bytes.to_vec()).ok_or(HashPart::Salt.expected(HEX_TEXT))
}

pub(in crate::hashing) fn hex_tag(text: &str) -> Result<Tag, HashProblem> {
    hex(text).ok_or(HashPart::Tag.expected(HEX_TEXT))
}

/// A tag that is kept as its text: so many characters of the alphabet of crypt strings.
pub(in crate::hashing) fn text_tag(text: &[u8], characters: usize, expected: &'static str) -> Result<Tag, HashProblem> {
    if text.len() != characters || !text.iter().all(|byte| crypt_digit(*byte).is_some()) {
        return Err(HashPart::Tag.expected(expected));
    }
    Ok(Zeroizing::new(text.to_vec()))
}

/// Checks the length of a salt.
pub(in crate::hashing) fn check_salt(salt: &[u8], bytes: RangeInclusive<u64>) -> Result<(), HashProblem> {
    HashProblem::unless_within("salt's length in bytes", *bytes.start(), *bytes.end(), salt.len() as u64)
}

/// Checks the characters of a crypt string's salt. PHP and OpenSSL also make hashes with some that libxcrypt refuses.
pub(in crate::hashing) fn check_crypt_salt(salt: &str) -> Result<(), HashProblem> {
    let is_visible = salt.bytes().all(|byte| byte.is_ascii_graphic());
    if is_visible { Ok(()) } else { Err(HashPart::Salt.expected("visible ASCII characters")) }
}

/// Checks the length of a tag.
pub(in crate::hashing) fn check_tag(tag: &Tag, bytes: RangeInclusive<u64>) -> Result<(), HashProblem> {
    HashProblem::unless_within("tag's length in bytes", *bytes.start(), *bytes.end(), tag.len() as u64)
}

fn hex(text: &str) -> Option<Tag> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let byte = |pair: &[u8]| match pair {
        [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
        _ => None,
    };
    text.as_bytes().chunks(2).map(byte).collect::<Option<Vec<_>>>().map(Zeroizing::new)
}

/// `./0-9A-Za-z`, the alphabet of crypt strings.
const CRYPT_ALPHABET: &[u8; 64] = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// The value of a character of crypt strings.
pub(in crate::hashing) fn crypt_digit(character: u8) -> Option<u32> {
    CRYPT_ALPHABET.iter().position(|known| *known == character).and_then(|place| u32::try_from(place).ok())
}

/// So many characters of crypt strings for a value, six bits each, the low bits first.
pub(in crate::hashing) fn crypt_characters(value: u32, count: u32) -> impl Iterator<Item = u8> {
    (0..count).filter_map(move |place| CRYPT_ALPHABET.get((value >> (6 * place) & 63) as usize).copied())
}

/// Text of bytes as crypt strings have it: three bytes as four characters, the low bits first.
pub(in crate::hashing) fn crypt_text(bytes: &[u8]) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::with_capacity(bytes.len().div_ceil(3) * 4));
    for group in bytes.chunks(3) {
        let (value, count) =
            group.iter().rev().fold((0, 1), |(value, count), byte| (value << 8 | u32::from(*byte), count + 1));
        text.extend(crypt_characters(value, count).map(char::from));
    }
    text
}

/// The bytes of [`crypt_text`]; `None` if no bytes have that text.
pub(in crate::hashing) fn crypt_bytes(text: &str) -> Option<Tag> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(text.len() * 3 / 4 + 1));
    for group in text.as_bytes().chunks(4) {
        let digit = |value: u32, byte: &u8| Some(value << 6 | crypt_digit(*byte)?);
        let value = group.iter().rev().try_fold(0, digit)?;
        let count = group.len().checked_sub(1).filter(|count| *count > 0)?;
        if value >> (8 * count) != 0 {
            return None;
        }
        bytes.extend(value.to_le_bytes().iter().take(count));
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn bytes_have_one_crypt_text(bytes in prop::collection::vec(any::<u8>(), 0..70)) {
            let text = crypt_text(&bytes);
            prop_assert_eq!(crypt_bytes(&text).map(|read| read.to_vec()), Some(bytes));
        }

        #[test]
        fn a_crypt_text_is_read_only_as_it_is_written(text in "[./0-9A-Za-z]{0,12}") {
            if let Some(bytes) = crypt_bytes(&text) {
                let written = crypt_text(&bytes);
                prop_assert_eq!(written.as_str(), text);
            }
        }
    }
}
