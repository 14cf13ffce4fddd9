//! PHC strings of argon2: `$argon2id$v=19$m=47104,t=1,p=1$<salt>$<tag>`, parsed strictly.
//!
//! Parsed once for each verification, from a store that may have been altered: a string that is not written exactly as
//! the reference implementation writes it is refused before anything is allocated.

use std::fmt;

use argon2::{Algorithm, Version};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use zeroize::Zeroizing;

use super::cost::{Ceiling, Parameters};
use super::formats::decimal;

const SALT_BYTES: std::ops::RangeInclusive<usize> = 8..=48;
const TAG_BYTES: std::ops::RangeInclusive<usize> = 10..=64;

/// Argon2's result.
pub(super) type Tag = Zeroizing<Vec<u8>>;

/// Everything that determines a tag, apart from the password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Recipe {
    pub algorithm: Algorithm,
    pub version: Version,
    pub parameters: Parameters,
    pub salt: Vec<u8>,
    pub tag_bytes: usize,
}

/// A parsed PHC string.
pub(super) struct Phc {
    pub recipe: Recipe,
    pub tag: Tag,
}

impl Phc {
    /// Parses a string whose cost is within the ceiling. The error is a fixed text that says why it is refused.
    pub(super) fn parse(text: &str, ceiling: Ceiling) -> Result<Self, &'static str> {
        const FORM: &str = "it is not an argon2 PHC string";
        let (identifier, rest) = text.strip_prefix('$').and_then(|text| text.split_once('$')).ok_or(FORM)?;
        let algorithm = match identifier {
            "argon2id" => Algorithm::Argon2id,
            "argon2i" => Algorithm::Argon2i,
            "argon2d" => Algorithm::Argon2d,
            _ => return Err(FORM),
        };
        let (version, rest) = match rest.strip_prefix("v=").and_then(|rest| rest.split_once('$')) {
            Some(("19", rest)) => (Version::V0x13, rest),
            Some(("16", rest)) => (Version::V0x10, rest),
            Some(_) => return Err("its version of argon2 is unknown"),
            // Strings of the first version had no version field.
            None => (Version::V0x10, rest),
        };
        let (parameters, rest) = rest.split_once('$').ok_or(FORM)?;
        let parameters = parse_parameters(parameters).ok_or("its parameters can't be read")?;
        ceiling.check(parameters)?;
        let (salt, tag) = rest.split_once('$').ok_or(FORM)?;
        let salt = STANDARD_NO_PAD.decode(salt).map_err(|_| "its salt can't be read")?;
        let tag = STANDARD_NO_PAD.decode(tag).map(Zeroizing::new).map_err(|_| "its tag can't be read")?;
        if !SALT_BYTES.contains(&salt.len()) || !TAG_BYTES.contains(&tag.len()) {
            return Err("its salt or tag is too short or too long");
        }
        Ok(Self { recipe: Recipe { algorithm, version, parameters, salt, tag_bytes: tag.len() }, tag })
    }
}

impl fmt::Display for Phc {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Recipe { algorithm, version, parameters, salt, .. } = &self.recipe;
        let Parameters { memory_kib, iterations, parallelism } = parameters;
        let (salt, tag) = (STANDARD_NO_PAD.encode(salt), STANDARD_NO_PAD.encode(self.tag.as_slice()));
        let (algorithm, version) = (algorithm.as_str(), u32::from(*version));
        write!(formatter, "${algorithm}$v={version}$m={memory_kib},t={iterations},p={parallelism}${salt}${tag}")
    }
}

/// `m=…,t=…,p=…`: all of them, once, in this order, and nothing else.
fn parse_parameters(text: &str) -> Option<Parameters> {
    let mut parts = text.split(',');
    let mut next = |name: &str| decimal(parts.next()?.strip_prefix(name)?);
    let parameters = Parameters { memory_kib: next("m=")?, iterations: next("t=")?, parallelism: next("p=")? };
    parts.next().is_none().then_some(parameters)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::hashing::cost::Cost;
    use crate::hashing::formats::Stored;

    const SALT: &str = "MDEyMzQ1Njc4OWFiY2RlZg";
    const TAG: &str = "xvTPsSIOKh7n/JBzSpsmAHJVW33f6iIJyWiuPi89lBM";

    fn parse(text: &str) -> Result<Phc, &'static str> {
        Phc::parse(text, ceiling())
    }

    fn ceiling() -> Ceiling {
        Ceiling::of(Cost::DEFAULT)
    }

    #[test]
    fn hostile_strings_are_refused() {
        let with = |parameters: &str| format!("$argon2id$v=19${parameters}${SALT}${TAG}");
        let mut hostile = vec![String::new(), "$".to_owned(), "$argon2id".to_owned(), "$argon2id$v=19".to_owned()];
        hostile.extend(
            [
                "m=4294967295,t=1,p=1",
                "m=47104,t=4294967295,p=1",
                "m=47104,t=1,p=16777215",
                "m=47105,t=1,p=1",
                "m=47104,t=17,p=1",
                "m=4294967296,t=1,p=1",
                "m=127,t=1,p=16",
                "m=0,t=1,p=1",
                "m=47104,t=0,p=1",
                "m=47104,t=1,p=0",
                "m=047104,t=1,p=1",
                "m=+47104,t=1,p=1",
                "m=-1,t=1,p=1",
                "m=47104 ,t=1,p=1",
                "m=,t=1,p=1",
                "t=1,m=47104,p=1",
                "m=47104,p=1,t=1",
                "m=47104,m=47104,t=1,p=1",
                "m=47104,t=1,p=1,p=1",
                "m=47104,t=1",
                "m=47104,t=1,p=1,",
                "m=47104,t=1,p=1,keyid=AAAA",
                "m=47104,t=1,p=1,data=AAAA",
                "",
            ]
            .map(with),
        );
        hostile.extend([
            format!("argon2id$v=19$m=47104,t=1,p=1${SALT}${TAG}"),
            format!("$argon2$v=19$m=47104,t=1,p=1${SALT}${TAG}"),
            format!("$ARGON2ID$v=19$m=47104,t=1,p=1${SALT}${TAG}"),
            format!("$scrypt$v=19$m=47104,t=1,p=1${SALT}${TAG}"),
            format!("$argon2id$v=20$m=47104,t=1,p=1${SALT}${TAG}"),
            format!("$argon2id$v=19$v=19$m=47104,t=1,p=1${SALT}${TAG}"),
            format!("$argon2id$m=47104,t=1,p=1$v=19${SALT}${TAG}"),
            format!("$argon2id$v=19$m=47104,t=1,p=1${SALT}"),
            format!("$argon2id$v=19$m=47104,t=1,p=1${SALT}${TAG}$"),
            format!("$argon2id$v=19$m=47104,t=1,p=1${SALT}${TAG}$AAAA"),
            format!("$argon2id$v=19$m=47104,t=1,p=1$${TAG}"),
            format!("$argon2id$v=19$m=47104,t=1,p=1${SALT}$"),
            format!("$argon2id$v=19$m=47104,t=1,p=1${SALT}==${TAG}"),
            format!("$argon2id$v=19$m=47104,t=1,p=1$MDEyMzQ1Njc4OWFiY2RlZh${TAG}"),
            format!("$argon2id$v=19$m=47104,t=1,p=1$MDEyMzQ1Njc4OWFiY2Rl*g${TAG}"),
            format!("$argon2id$v=19$m=47104,t=1,p=1$AAAAAAAAAA${TAG}"),
            format!("$argon2id$v=19$m=47104,t=1,p=1${}${TAG}", "A".repeat(1 << 20)),
            format!("$argon2id$v=19$m=47104,t=1,p=1${}${TAG}", "A".repeat(66)),
            format!("$argon2id$v=19$m=47104,t=1,p=1${SALT}$AAAAAAAAAAAA"),
            format!("$argon2id$v=19$m=47104,t=1,p=1${SALT}${}", "A".repeat(88)),
            format!(" $argon2id$v=19$m=47104,t=1,p=1${SALT}${TAG}"),
            format!("$argon2id$v=19$m=47104,t=1,p=1${SALT}${TAG}\n"),
            format!("$argon2id$v=19$m=47104,t=1,p=1${SALT}\0${TAG}"),
            format!("$argon2id$v=19$m=٤٧,t=1,p=1${SALT}${TAG}"),
        ]);
        for text in hostile {
            assert!(Stored::parse(&text, ceiling()).is_err(), "{text:.200}");
        }
    }

    #[test]
    fn a_string_without_a_version_is_of_the_first_version() {
        let phc = parse(&format!("$argon2i$m=4096,t=3,p=1${SALT}${TAG}")).unwrap();
        assert_eq!((phc.recipe.algorithm, phc.recipe.version), (Algorithm::Argon2i, Version::V0x10));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(
            (memory_kib, iterations, parallelism) in (128_u32..=47_104, 1_u32..=16, 1_u32..=16),
            salt in prop::collection::vec(any::<u8>(), SALT_BYTES),
            tag in prop::collection::vec(any::<u8>(), TAG_BYTES),
        ) {
            let parameters = Parameters { memory_kib, iterations, parallelism };
            let (algorithm, version) = (Algorithm::Argon2id, Version::V0x13);
            let recipe = Recipe { algorithm, version, parameters, salt, tag_bytes: tag.len() };
            let written = Phc { recipe, tag: Zeroizing::new(tag) };
            let read = parse(&written.to_string()).unwrap();
            prop_assert_eq!(&read.recipe, &written.recipe);
            prop_assert_eq!(read.tag.as_slice(), written.tag.as_slice());
        }

        #[test]
        fn no_string_panics(text in "[$,=mtpv0-9a-zA-Z+/]{0,300}") {
            let _ = parse(&text);
            let _ = parse(&format!("$argon2id$v=19${text}"));
        }
    }
}
