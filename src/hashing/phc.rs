//! PHC strings of argon2: `$argon2id$v=19$m=47104,t=1,p=1$<salt>$<tag>`.
//!
//! Parsed once for each verification, from a store that may have been altered: what the reference implementation would
//! not compute is refused before anything is allocated. Only the order of the parameters is free.

use std::fmt;

use argon2::{Algorithm, Version};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use zeroize::Zeroizing;

use super::cost::{Ceiling, Cost, Parameters};
use super::formats::parts;
use crate::domain::hash_problem::{HashPart, HashProblem};
use crate::ports::Salt;

const SALT_BYTES: std::ops::RangeInclusive<u64> = 8..=48;
const TAG_BYTES: std::ops::RangeInclusive<u64> = 10..=64;

/// Bytes of the tag of a new hash (RFC 9106 §4).
pub(super) const NEW_TAG_BYTES: usize = 32;

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

impl Recipe {
    /// That of a new hash.
    pub(super) fn of_new(cost: Cost, salt: Salt) -> Self {
        let (algorithm, version) = (Algorithm::Argon2id, Version::V0x13);
        Self { algorithm, version, parameters: cost.parameters(), salt: salt.to_vec(), tag_bytes: NEW_TAG_BYTES }
    }

    /// Whether a kernel can compute hashes of both together: all that takes time is the same.
    pub(super) fn goes_with(&self, other: &Self) -> bool {
        self.algorithm == other.algorithm && self.version == other.version && self.parameters == other.parameters
    }
}

/// A parsed PHC string.
pub(super) struct Phc {
    pub recipe: Recipe,
    pub tag: Tag,
}

/// `v=19$m=47104,t=1,p=1$<salt>$<tag>` of one of argon2's three algorithms.
pub(super) fn read(algorithm: Algorithm, text: &str, ceiling: Ceiling) -> Result<Phc, HashProblem> {
    let (version, rest) = match text.strip_prefix("v=").and_then(|rest| rest.split_once('$')) {
        Some(("19", rest)) => (Version::V0x13, rest),
        Some(("16", rest)) => (Version::V0x10, rest),
        Some(_) => return Err(HashPart::Parameters.expected("version 19 or 16")),
        // Strings of the first version had no version field.
        None => (Version::V0x10, text),
    };
    let [parameters, salt, tag] = parts::fields(rest, '$', "`v=19$m=MEMORY,t=PASSES,p=LANES$SALT$TAG`")?;
    let parameters = parse_parameters(parameters)?;
    ceiling.check(parameters)?;
    let (salt, tag) = (parts::salt(salt, &STANDARD_NO_PAD)?, parts::tag(tag, &STANDARD_NO_PAD)?);
    parts::check_salt(&salt, SALT_BYTES)?;
    parts::check_tag(&tag, TAG_BYTES)?;
    Ok(Phc { recipe: Recipe { algorithm, version, parameters, salt, tag_bytes: tag.len() }, tag })
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

/// `m=…,t=…,p=…` in any order: npm's argon2 and `AdonisJS` have orders of their own.
fn parse_parameters(text: &str) -> Result<Parameters, HashProblem> {
    let is_keyed = |parameter: &str| parameter.starts_with("data=") || parameter.starts_with("keyid=");
    if text.split(',').any(is_keyed) {
        let algorithm = "argon2 with associated data or a key (`data=`, `keyid=`)";
        return Err(HashProblem::NotSupported { algorithm, why: "they are not in the string" });
    }
    let [memory, iterations, parallelism] = parts::named(text, ["m", "t", "p"], "`m=`, `t=` and `p=`, each once")?;
    Ok(Parameters {
        memory_kib: parts::number(memory)?,
        iterations: parts::number(iterations)?,
        parallelism: parts::number(parallelism)?,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::hashing::cost::Cost;
    use crate::hashing::formats::Stored;

    const SALT: &str = "MDEyMzQ1Njc4OWFiY2RlZg";
    const TAG: &str = "xvTPsSIOKh7n/JBzSpsmAHJVW33f6iIJyWiuPi89lBM";

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
        let phc = read(Algorithm::Argon2i, &format!("m=4096,t=3,p=1${SALT}${TAG}"), ceiling()).unwrap();
        assert_eq!((phc.recipe.algorithm, phc.recipe.version), (Algorithm::Argon2i, Version::V0x10));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(
            (memory_kib, iterations, parallelism) in (128_u32..=47_104, 1_u32..=16, 1_u32..=16),
            salt in prop::collection::vec(any::<u8>(), 8..=48),
            tag in prop::collection::vec(any::<u8>(), 10..=64),
        ) {
            let parameters = Parameters { memory_kib, iterations, parallelism };
            let (algorithm, version) = (Algorithm::Argon2id, Version::V0x13);
            let recipe = Recipe { algorithm, version, parameters, salt, tag_bytes: tag.len() };
            let written = Phc { recipe, tag: Zeroizing::new(tag) };
            let text = written.to_string();
            let phc = read(algorithm, text.strip_prefix("$argon2id$").unwrap(), ceiling()).unwrap();
            prop_assert_eq!(&phc.recipe, &written.recipe);
            prop_assert_eq!(phc.tag.as_slice(), written.tag.as_slice());
        }

        #[test]
        fn no_string_panics(text in "[$,=mtpv0-9a-zA-Z+/]{0,300}") {
            let _ = Stored::parse(&text, ceiling());
            let _ = Stored::parse(&format!("$argon2id$v=19${text}"), ceiling());
        }
    }
}
