//! What HMAC makes of a password that is its key (RFC 2104 §2), in PBKDF2 and in scrypt: a key that is shorter than a
//! block of the hash function is padded with zeros, and a longer one is replaced by its digest. So two passwords can be
//! one key, and the stored hash does not say which of them was hashed.

use sha2::Digest;
use sha2::digest::block_api::BlockSizeUser;

/// Whether a password is what was hashed, if its key is the right one. Of the passwords that share a key:
///
/// - one that ends with NUL, and still fits into a block, is taken for the shorter one before it was padded;
/// - one that is as long as a digest and holds a control character is taken for the digest of a longer one. Nobody types
///   that, but who has the digest from elsewhere could send it in place of the password.
pub(super) fn is_what_was_hashed<H: Digest + BlockSizeUser>(password: &[u8]) -> bool {
    let is_padded = password.len() <= H::block_size() && password.last() == Some(&0);
    let is_text = str::from_utf8(password).is_ok_and(|text| !text.chars().any(char::is_control));
    let is_digest = password.len() == <H as Digest>::output_size() && !is_text;
    !is_padded && !is_digest
}
