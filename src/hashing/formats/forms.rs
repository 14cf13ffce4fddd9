//! Every form in which systems write the hashes that are verified here, or known and refused.
//!
//! A text is read as what surrounds a hash ([`WRAPPERS`]), then as a hash ([`FORMS`], and [`SHAPES`] for those that begin
//! with no fixed text).

use argon2::Algorithm::{Argon2d, Argon2i, Argon2id};

use super::bcrypt::PreHash::{HexSha256, LongBun, LongSymfony, WordPress};
use super::sha::Sha::{Sha1, Sha256, Sha512};
use super::sha_crypt::Hash;
use super::{
    Context, Read, Stored, bcrypt, caching_sha2, firebase, flask_security, md5_crypt, pbkdf2, phpass, salted_sha,
    scram, scrypt, sha_crypt, yescrypt,
};
use crate::domain::hash_problem::HashProblem;
use crate::hashing::phc;

/// Longer than any string that is accepted.
const MAX_STRING_BYTES: usize = 512;

/// Whether a text has a shape.
type Shape = fn(&str) -> bool;

/// Reads what follows the beginning of a form.
type Reader = fn(&str, Context<'_>) -> Read;

/// How a hash begins, and who reads the rest.
#[rustfmt::skip]
const FORMS: &[(&str, Reader)] = &[
    ("$argon2id$", |rest, context| phc::read(Argon2id, rest, context.ceiling).map(Stored::argon2)),
    ("$argon2i$", |rest, context| phc::read(Argon2i, rest, context.ceiling).map(Stored::argon2)),
    ("$argon2d$", |rest, context| phc::read(Argon2d, rest, context.ceiling).map(Stored::argon2)),
    ("$2b$", |rest, _| bcrypt::crypt(rest)),
    ("$2a$", |rest, _| bcrypt::crypt(rest)),
    ("$2y$", |rest, _| bcrypt::crypt(rest)),
    ("$bcrypt$", |rest, _| bcrypt::phc(rest)),
    // What `import --pre-hash` writes before a hash.
    ("{symfony}", |rest, _| bcrypt::marked(LongSymfony, rest)),
    ("{bun}", |rest, _| bcrypt::marked(LongBun, rest)),
    ("$bcrypt-symfony$", |rest, _| bcrypt::crypt_of(LongSymfony, rest)),
    ("$bcrypt-bun$", |rest, _| bcrypt::crypt_of(LongBun, rest)),
    ("$5$", |rest, _| sha_crypt::crypt(Hash::Sha256, rest)),
    ("$6$", |rest, _| sha_crypt::crypt(Hash::Sha512, rest)),
    ("$pbkdf2-sha256$", |rest, _| pbkdf2::phc(Sha256, rest)),
    ("$pbkdf2-sha512$", |rest, _| pbkdf2::phc(Sha512, rest)),
    ("{PBKDF2-SHA256}", |rest, _| pbkdf2::directory(Sha256, rest)),
    ("{PBKDF2-SHA512}", |rest, _| pbkdf2::directory(Sha512, rest)),
    ("{PBKDF2_SHA256}", |rest, _| pbkdf2::old_389(rest)),
    ("pbkdf2_sha256$", |rest, _| pbkdf2::django(Sha256, rest)),
    ("pbkdf2_sha512$", |rest, _| pbkdf2::django(Sha512, rest)),
    ("pbkdf2:", |rest, _| pbkdf2::werkzeug(rest)),
    ("{pbkdf2@SpringSecurity_v5_8}", |rest, _| pbkdf2::spring(rest)),
    ("{X-PBKDF2}", |rest, _| pbkdf2::perl(rest)),
    ("grub.pbkdf2.sha512.", |rest, _| pbkdf2::grub(rest)),
    ("$scrypt$", scrypt::phc),
    ("scrypt$", scrypt::django),
    ("scrypt:", scrypt::werkzeug),
    ("$s1$", scrypt::libscrypt),
    // libxcrypt and libsodium, or Mosquitto with a field more.
    ("$7$", |rest, context| if rest.matches('$').count() == 2 { pbkdf2::mosquitto(rest) } else { scrypt::crypt(rest, context) }),

    // Only where `import.allow` names them.
    ("$y$", yescrypt::crypt),
    ("$1$", |rest, _| md5_crypt::crypt(md5_crypt::Variant::Unix, rest)),
    ("$apr1$", |rest, _| md5_crypt::crypt(md5_crypt::Variant::Apache, rest)),
    ("{SSHA}", |rest, _| salted_sha::base64(Sha1, rest)),
    ("{SSHA256}", |rest, _| salted_sha::base64(Sha256, rest)),
    ("{SSHA512}", |rest, _| salted_sha::base64(Sha512, rest)),
    ("{SSHA.HEX}", |rest, _| salted_sha::hexadecimal(Sha1, rest)),
    ("{SSHA256.HEX}", |rest, _| salted_sha::hexadecimal(Sha256, rest)),
    ("{SSHA512.HEX}", |rest, _| salted_sha::hexadecimal(Sha512, rest)),
    ("$ssha$", |rest, _| salted_sha::normal(Sha1, rest)),
    ("$ssha256$", |rest, _| salted_sha::normal(Sha256, rest)),
    ("$ssha512$", |rest, _| salted_sha::normal(Sha512, rest)),
    ("$pbkdf2-sha1$", |rest, _| pbkdf2::phc(Sha1, rest)),
    ("$pbkdf2$", |rest, _| pbkdf2::phc(Sha1, rest)),
    ("{PBKDF2}", |rest, _| pbkdf2::braces(rest)),
    ("{PBKDF2-SHA1}", |rest, _| pbkdf2::directory(Sha1, rest)),
    ("{PKCS5S2}", |rest, _| pbkdf2::atlassian(rest)),
    ("pbkdf2_sha1$", |rest, _| pbkdf2::django(Sha1, rest)),
    ("$P$", |rest, _| phpass::crypt(phpass::Variant::Portable, rest)),
    ("$H$", |rest, _| phpass::crypt(phpass::Variant::Portable, rest)),
    ("$S$", |rest, _| phpass::crypt(phpass::Variant::Drupal7, rest)),
    ("$wp$2y$", |rest, _| bcrypt::crypt_of(WordPress, rest)),
    ("$bcrypt-sha256$", |rest, _| bcrypt::passlib(rest)),
    ("bcrypt_sha256$", |rest, _| bcrypt::marked(HexSha256, rest)),
    ("{flask-bcrypt}", |rest, _| bcrypt::marked(HexSha256, rest)),
    ("$bcrypt-hex-sha256$", |rest, _| bcrypt::crypt_of(HexSha256, rest)),
    ("{SCRAM-SHA-256}", |rest, _| scram::dovecot(rest)),
    ("SCRAM-SHA-256$", |rest, _| scram::postgres(rest)),
    ("$scram-sha-256$", |rest, _| scram::normal(rest)),
    ("$A$", |rest, _| caching_sha2::mysql(rest)),
    ("0x244124", |rest, _| caching_sha2::hexadecimal(rest)),
    ("$caching-sha2$", |rest, _| caching_sha2::normal(rest)),
    // What `import --from firebase` writes before salt and hash.
    ("{firebase}", firebase::exported),
    ("$fbscrypt$", firebase::supabase),
    ("$firescrypt$", firebase::kratos),
    ("$firebasescrypt$", firebase::zitadel),
    ("$firebase-scrypt$", firebase::normal),
    ("{flask-security}", flask_security::marked),
    ("$flask-security$", flask_security::normal),

    // Known, and refused.
    ("$2x$", |_, _| refused("bcrypt marked as of a broken implementation ($2x$)", "makers of it differ in what they compute")),
    ("$2$", |_, _| refused("the first bcrypt ($2$)", "it does not mark where the password ends")),
    ("$3$", |_, _| refused("an NT hash", TOO_WEAK)),
    ("$gy$", |_, _| refused("gost-yescrypt", "there is no library for it")),
    ("$md5", |_, _| refused("Sun's MD5", TOO_WEAK)),
    ("$sha1$", |_, _| refused("NetBSD's sha1-crypt", TOO_WEAK)),
    ("$pbkdf2-sha224$", |_, _| refused("PBKDF2 with SHA-224", NOT_BUILT)),
    ("$pbkdf2-sha384$", |_, _| refused("PBKDF2 with SHA-384", NOT_BUILT)),
    ("{SHA}", |_, _| refused("SHA-1 without a salt", TOO_WEAK)),
    ("{MD5}", |_, _| refused("MD5 without a salt", TOO_WEAK)),
    ("{SMD5}", |_, _| refused("salted MD5", TOO_WEAK)),
    ("{SSHA224}", |_, _| refused("salted SHA-224", NOT_BUILT)),
    ("{SSHA384}", |_, _| refused("salted SHA-384", NOT_BUILT)),
    ("{PLAIN}", |_, _| refused(PASSWORD, HASH_IT)),
    ("{CLEARTEXT}", |_, _| refused(PASSWORD, HASH_IT)),
    ("{CLEAR}", |_, _| refused(PASSWORD, HASH_IT)),
    ("{noop}", |_, _| refused(PASSWORD, HASH_IT)),
    ("{SHA256}", |_, _| refused("SHA-256 without a salt", TOO_WEAK)),
    ("{SHA512}", |_, _| refused("SHA-512 without a salt", TOO_WEAK)),
    ("{NT}", |_, _| refused("an NT hash", TOO_WEAK)),
    ("{SASL}", |_, _| refused("the name of an account elsewhere", "the hash is there")),
    ("{pbkdf2@", |_, _| refused("Spring's PBKDF2 under another name", "its parameters are not in the string; reset the password")),
    ("$p5k2$", |_, _| refused("Cryptacular's PBKDF2", NOT_BUILT)),
    ("$scram$", |_, _| refused("passlib's SCRAM", NOT_BUILT)),
    ("$shiro1$", |_, _| refused("Shiro's iterated hash", NOT_BUILT)),
    ("U$S$", |_, _| refused("Drupal 7's hash of an MD5 from Drupal 6", NOT_BUILT)),
    ("sha1$", |_, _| refused("Django's salted SHA-1", TOO_WEAK)),
    ("md5$", |_, _| refused("Django's salted MD5", TOO_WEAK)),
    ("!", |_, _| refused("a locked account", "it has no hash that any password matches")),
    ("*", |_, _| refused("a locked account", "it has no hash that any password matches")),
    ("_", |_, _| refused("BSDi's DES crypt", TOO_WEAK)),
];

const PASSWORD: &str = "a password, not a hash";
const HASH_IT: &str = "hash it first, or set it with a reset";
const TOO_WEAK: &str = "it is too weak to be kept; reset the password";
const NOT_BUILT: &str = "the service can't compute it; reset the password";

/// What some systems write before a hash, and how the hash then begins.
#[rustfmt::skip]
const WRAPPERS: &[(&str, &str)] = &[
    ("{CRYPT}", ""),
    ("{ARGON2}", "$argon2"), ("{ARGON2I}", "$argon2i$"), ("{ARGON2ID}", "$argon2id$"),
    ("{BLF-CRYPT}", "$2"), ("{BCRYPT}", "$2"),
    ("{SHA256-CRYPT}", "$5$"), ("{SHA512-CRYPT}", "$6$"), ("{MD5-CRYPT}", "$1$"),
    // Django.
    ("argon2", "$argon2"), ("bcrypt$", "$2"),
    // They hash the password before bcrypt alone.
    ("{symfony}", "$argon2"), ("{bun}", "$argon2"),
    // Spring.
    ("{argon2@SpringSecurity_v5_8}", "$argon2"), ("{scrypt@SpringSecurity_v5_8}", "$"), ("{scrypt}", "$"),
];

/// Forms that no fixed text at the beginning shows: whether a text has one, and who reads it. They are looked at before
/// [`FORMS`].
const SHAPES: &[(Shape, Reader)] = &[
    (is_line, |_, _| refused("a whole line of a password file", "write its second field, which is the hash")),
    (is_mysql_native, |_, _| refused("MySQL's native hash, SHA-1 without a salt", TOO_WEAK)),
    (is_spring_scrypt, scrypt::spring),
    (is_simple_scrypt, scrypt::simple),
    (is_better_auth, scrypt::better_auth),
    (is_des, |_, _| refused("DES crypt", TOO_WEAK)),
    (is_digest, |_, _| refused("a digest without a salt", TOO_WEAK)),
];

/// Reads a hash in any form. All forms of one hash give the same result.
pub(super) fn read(text: &str, context: Context<'_>) -> Read {
    let (max, found) = (MAX_STRING_BYTES, text.len());
    if found > max {
        return Err(HashProblem::TooLong { max, found });
    }
    let hash = without_wrapper(text);
    if let Some((_, reader)) = SHAPES.iter().find(|(has_shape, _)| has_shape(hash)) {
        return reader(hash, context);
    }
    match FORMS.iter().find_map(|(start, reader)| Some((strip(hash, start)?, reader))) {
        Some((rest, reader)) => reader(rest, context),
        None => Err(HashProblem::UnknownForm),
    }
}

/// Takes off the `name:` of a password file and what a system writes around a hash.
fn without_wrapper(text: &str) -> &str {
    const STARTS: [char; 4] = ['$', '{', '!', '*'];
    let of_named = text.split_once(':').map(|(_, hash)| hash).filter(|hash| hash.starts_with(STARTS));
    let text = of_named.filter(|_| !text.starts_with(STARTS)).unwrap_or(text);
    let unwrap = |(wrapper, start): &(&str, &str)| strip(text, wrapper).filter(|hash| hash.starts_with(start));
    WRAPPERS.iter().find_map(unwrap).unwrap_or(text)
}

/// Names in braces have no case (RFC 2307).
fn strip<'a>(text: &'a str, start: &str) -> Option<&'a str> {
    if !start.starts_with('{') {
        return text.strip_prefix(start);
    }
    let (begin, rest) = text.split_at_checked(start.len())?;
    begin.eq_ignore_ascii_case(start).then_some(rest)
}

fn refused(algorithm: &'static str, why: &'static str) -> Read {
    Err(HashProblem::NotSupported { algorithm, why })
}

/// The seven fields of `/etc/passwd`, or the nine of `/etc/shadow`, with the name or without it.
fn is_line(text: &str) -> bool {
    (5..=8).contains(&text.matches(':').count()) && !text.starts_with("pbkdf2:")
}

/// `*` and 40 hexadecimal digits.
fn is_mysql_native(text: &str) -> bool {
    text.strip_prefix('*').is_some_and(|hash| hash.len() == 40 && is_hex(hash))
}

/// `$e0801$<salt>$<tag>`: the parameters in five or six hexadecimal digits.
fn is_spring_scrypt(text: &str) -> bool {
    let parameters = text.strip_prefix('$').and_then(|text| text.split('$').next());
    parameters.is_some_and(|parameters| [5, 6].contains(&parameters.len()) && is_hex(parameters))
}

/// `16384$8$1$<hexadecimal salt>$<hexadecimal tag>`.
fn is_simple_scrypt(text: &str) -> bool {
    text.matches('$').count() == 4 && text.bytes().all(|byte| byte == b'$' || byte.is_ascii_hexdigit())
}

/// 16 bytes, a colon and 64 bytes, hexadecimal.
fn is_better_auth(text: &str) -> bool {
    let has_bytes = |text: &str, bytes: usize| text.len() == 2 * bytes && is_hex(text);
    text.split_once(':').is_some_and(|(salt, tag)| has_bytes(salt, 16) && has_bytes(tag, 64))
}

/// 13 characters, or 24 of its extension to 16 characters of a password.
fn is_des(text: &str) -> bool {
    [13, 24].contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"./".contains(&byte))
}

/// MD5, SHA-1, SHA-256 or SHA-512 in hexadecimal.
fn is_digest(text: &str) -> bool {
    [32, 40, 64, 128].contains(&text.len()) && is_hex(text)
}

fn is_hex(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_hexdigit())
}
