//! How HMAC uses a password as its key (RFC 2104 §2), in PBKDF2 and in scrypt: a key shorter than a block of the hash
//! function is padded with zeros, and a longer one is replaced by its digest. So two passwords can be the same key, and
//! the stored hash does not show which of them was hashed.

use sha2::Digest;
use sha2::digest::block_api::BlockSizeUser;

/// Whether a password is the one that was hashed, given that its key is right. Of the passwords that share a key:
///
/// - one that ends with NUL, and still fits into a block, counts as the padded form of a shorter one;
/// - one that is as long as a digest and contains a control character counts as the digest of a longer one. People do
///   not type that, but an attacker who has the digest from elsewhere could send it in place of the password.
pub(super) fn is_what_was_hashed<H: Digest + BlockSizeUser>(password: &[u8]) -> bool {
    let is_padded = password.len() <= H::block_size() && password.last() == Some(&0);
    !is_padded && !is_digest::<H>(password)
}

/// Whether a password is as long as a digest, and nothing that people type.
pub(super) fn is_digest<H: Digest>(password: &[u8]) -> bool {
    let is_text = str::from_utf8(password).is_ok_and(|text| !text.chars().any(char::is_control));
    password.len() == <H as Digest>::output_size() && !is_text
}
