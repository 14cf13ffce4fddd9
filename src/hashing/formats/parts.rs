//! Common parts of the formats: numbers, salts and tags as text.

use std::ops::RangeInclusive;

use base64::Engine as _;
use base64::engine::GeneralPurpose;
use zeroize::Zeroizing;

use crate::hashing::phc::Tag;

/// Bytes of a salt in a PHC string.
const SALT_BYTES: RangeInclusive<usize> = 8..=48;

/// A number in canonical form: no sign, no leading zero.
pub(in crate::hashing) fn decimal(text: &str) -> Option<u32> {
    let is_canonical = text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0');
    text.parse().ok().filter(|_| is_canonical)
}

/// `<salt>$<tag>`, and nothing after it.
pub(super) fn salt_and_tag(
    text: &str,
    base64: &GeneralPurpose,
    tag_bytes: RangeInclusive<usize>,
) -> Result<(Vec<u8>, Tag), &'static str> {
    let (salt, tag) = text.split_once('$').ok_or("it has no salt or no tag")?;
    let salt = base64.decode(salt).map_err(|_| "its salt can't be read")?;
    let tag = base64.decode(tag).map(Zeroizing::new).map_err(|_| "its tag can't be read")?;
    if !SALT_BYTES.contains(&salt.len()) || !tag_bytes.contains(&tag.len()) {
        return Err("its salt or tag is too short or too long");
    }
    Ok((salt, tag))
}
