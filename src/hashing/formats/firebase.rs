//! Firebase's scrypt (<https://github.com/firebase/scrypt>): scrypt of the password makes a key of AES-256, and the tag is
//! the project's signer key, encrypted under it in counter mode. Kept as
//! `$firebase-scrypt$k=app,ln=14,r=8$<salt and separator>$<tag>`, with the name of the signer key.

use std::sync::Arc;

use aws_lc_rs::cipher::{AES_256, EncryptingKey, EncryptionContext, UnboundCipherKey};
use aws_lc_rs::iv::FixedLength;
use base64::Engine as _;
use zeroize::Zeroizing;

use super::parts::{self, ANY_PADDING, UNPADDED, check_tag, fields, named, number};
use super::scrypt::Scrypt;
use super::{Algorithm, Context, Foreign, Read, Stored};
use crate::domain::hash_problem::HashProblem;
use crate::domain::opt_in_algorithm::OptInAlgorithm;
use crate::hashing::import_keys::{FirebaseKey, SIGNER_KEY_BYTES};
use crate::hashing::kernel::CantCompute;
use crate::hashing::phc::Tag;

/// Bytes of a key of AES-256.
const KEY_BYTES: usize = 32;

/// The signer key, and the scrypt that encrypts it.
#[derive(Debug)]
pub(super) struct Firebase {
    key: Arc<FirebaseKey>,
    scrypt: Scrypt,
}

/// `<salt>$<tag>` after `{firebase}`, of the project whose key is the first.
pub(super) fn exported(text: &str, context: Context<'_>) -> Read {
    let [salt, tag] = fields(text, '$', "`SALT$TAG`")?;
    let key = key(context, |_| true)?;
    stored(
        key,
        [key.mem_cost, key.rounds],
        [&parts::salt(&standard(salt), &ANY_PADDING)?, &key.separator],
        tag,
        context,
    )
}

/// `v=1,n=14,r=8,p=1,ss=<separator>,sk=<signer key>$<salt>$<tag>` after `$fbscrypt$`, as Supabase takes it.
pub(super) fn supabase(text: &str, context: Context<'_>) -> Read {
    const PARAMETERS: &str = "`v=1`, `n=`, `r=`, `p=1`, `ss=` and `sk=`, each once";
    let [parameters, salt, tag] = fields(text, '$', "`v=1,n=LOG2_N,r=R,p=1,ss=SEPARATOR,sk=SIGNER_KEY$SALT$TAG`")?;
    let [version, n, r, p, separator, signer_key] = named(parameters, ["v", "n", "r", "p", "ss", "sk"], PARAMETERS)?;
    HashProblem::unless_within("version", 1, 1, number(version)?.into())?;
    whole([n, r, p], salt, separator, signer_key, tag, context)
}

/// `ln=14,r=8,p=1$<salt>$<tag>$<separator>$<signer key>` after `$firescrypt$`, as Kratos writes it.
pub(super) fn kratos(text: &str, context: Context<'_>) -> Read {
    let [parameters, salt, tag, separator, signer_key] =
        fields(text, '$', "`ln=LOG2_N,r=R,p=1$SALT$TAG$SEPARATOR$SIGNER_KEY`")?;
    let costs = named(parameters, ["ln", "r", "p"], "`ln=`, `r=` and `p=1`, each once")?;
    whole(costs, salt, separator, signer_key, tag, context)
}

/// `ln=14,r=8$<salt>$<tag>$<separator>$<signer key>` after `$firebasescrypt$`, as ZITADEL takes it.
pub(super) fn zitadel(text: &str, context: Context<'_>) -> Read {
    let [parameters, salt, tag, separator, signer_key] =
        fields(text, '$', "`ln=LOG2_N,r=R$SALT$TAG$SEPARATOR$SIGNER_KEY`")?;
    let [log_n, r] = named(parameters, ["ln", "r"], "`ln=` and `r=`, each once")?;
    whole([log_n, r, "1"], salt, separator, signer_key, tag, context)
}

/// The normal form, after its name.
pub(super) fn normal(text: &str, context: Context<'_>) -> Read {
    let [parameters, salt, tag] = fields(text, '$', "`k=KEY,ln=LOG2_N,r=R$SALT$TAG`")?;
    let [id, log_n, r] = named(parameters, ["k", "ln", "r"], "`k=`, `ln=` and `r=`, each once")?;
    let key = key(context, |key| key.id.as_str() == id)?;
    stored(key, [number(log_n)?, number(r)?], [&parts::salt(salt, &UNPADDED)?, &[]], tag, context)
}

/// A hash with all that it needs, of which the signer key is not kept: it has to be among the keys.
fn whole(
    [log_n, r, p]: [&str; 3],
    salt: &str,
    separator: &str,
    signer_key: &str,
    tag: &str,
    context: Context<'_>,
) -> Read {
    HashProblem::unless_within("parallelism", 1, 1, number(p)?.into())?;
    let (salt, separator) = (parts::salt(salt, &ANY_PADDING)?, parts::salt(separator, &ANY_PADDING)?);
    let signer_key = parts::tag(signer_key, &ANY_PADDING)?;
    let key = key(context, |key| key.signer_key.expose() == signer_key.as_slice())?;
    stored(key, [number(log_n)?, number(r)?], [&salt, &separator], tag, context)
}

fn key(context: Context<'_>, is_it: impl Fn(&FirebaseKey) -> bool) -> Result<&Arc<FirebaseKey>, HashProblem> {
    context.keys.firebase(is_it).ok_or(HashProblem::KeyMissing(OptInAlgorithm::FirebaseScrypt))
}

/// Base64 in the alphabet of URLs, as Firebase's SDK has it, in the usual one.
fn standard(text: &str) -> String {
    text.replace('-', "+").replace('_', "/")
}

fn stored(
    key: &Arc<FirebaseKey>,
    [log_n, r]: [u32; 2],
    salt_and_separator: [&[u8]; 2],
    tag: &str,
    Context { ceiling, .. }: Context<'_>,
) -> Read {
    let tag = parts::tag(&standard(tag), &ANY_PADDING)?;
    check_tag(&tag, SIGNER_KEY_BYTES as u64..=SIGNER_KEY_BYTES as u64)?;
    let scrypt = Scrypt::new([log_n, r, 1], salt_and_separator.concat(), KEY_BYTES, ceiling)?;
    Ok(Stored::foreign(Firebase { key: Arc::clone(key), scrypt }, tag))
}

impl Foreign for Firebase {
    fn algorithm(&self) -> Algorithm {
        Algorithm::OptIn(OptInAlgorithm::FirebaseScrypt)
    }

    fn parameters(&self) -> String {
        let [log_n, r, _] = self.scrypt.costs();
        format!("k={},ln={log_n},r={r}", self.key.id)
    }

    fn written(&self, tag: &Tag) -> String {
        let (salt, tag) = (UNPADDED.encode(self.scrypt.salt()), UNPADDED.encode(tag));
        format!("$firebase-scrypt${}${salt}${tag}", self.parameters())
    }

    fn work(&self, password_bytes: usize) -> u64 {
        self.scrypt.work(password_bytes)
    }

    fn tag_of(&self, password: &[u8]) -> Result<Tag, CantCompute> {
        const COUNTER: [u8; 16] = [0; 16];
        let key = UnboundCipherKey::new(&AES_256, &self.scrypt.tag_of(password)?);
        let key = key.and_then(EncryptingKey::ctr).map_err(|_| CantCompute::Input)?;
        let mut tag = Zeroizing::new(self.key.signer_key.expose().to_vec());
        let from_zero = EncryptionContext::Iv128(FixedLength::from(COUNTER));
        key.less_safe_encrypt(&mut tag, from_zero).map_err(|_| CantCompute::Input)?;
        Ok(tag)
    }

    fn is_what_was_hashed(&self, password: &[u8]) -> bool {
        self.scrypt.is_what_was_hashed(password)
    }

    fn takes_memory(&self) -> bool {
        self.scrypt.takes_memory()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hashing::cost::{Ceiling, Cost};
    use crate::hashing::import_keys::ImportKeys;

    /// The example of Firebase's own tool, and of Kratos' tests. Python's `hashlib` and `cryptography` make the same.
    const KEYS: &str = "
        app firebase base64_signer_key=jxspr8Ki0RYycVU8zykbdLGjFQ3McFUH0uiiTvC8pVMXAn210wjLNmdZJzxUECKbm0QsEmYUSDzZvpjeJ9WmXA== base64_salt_separator=Bw== rounds=8 mem_cost=14
        kratos firebase base64_signer_key=YE0dO4bwD4JnJafh6lZZfkp1MtKzuKAXQcDCJNJNyeCHairWHKENOkbh3dzwaCdizzOspwr/FITUVlnOAwPKyw== base64_salt_separator=Bw== rounds=8 mem_cost=14";
    const SIGNER_KEY: &str = "jxspr8Ki0RYycVU8zykbdLGjFQ3McFUH0uiiTvC8pVMXAn210wjLNmdZJzxUECKbm0QsEmYUSDzZvpjeJ9WmXA==";
    const SALT: &str = "42xEC+ixf3L2lw==";
    const TAG: &str = "lSrfV15cpx95/sZS2W9c9Kp6i/LVgQNDNC/qzrCnh1SAyZvqmZqAjTdn3aoItz+VHjoZilo78198JAdRuid5lQ==";
    const KRATOS: &str = "$firescrypt$ln=14,r=8,p=1$sPtDhWcd1MfdAw==$xbSou7FOl6mChCyzpCPIQ7tku7nsQMTFtyOZSXXd7tjBa4NtimOx7v42Gv2SfzPQu1oxM2/k4SsbOu73wlKe1A==$Bw==$YE0dO4bwD4JnJafh6lZZfkp1MtKzuKAXQcDCJNJNyeCHairWHKENOkbh3dzwaCdizzOspwr/FITUVlnOAwPKyw==";

    fn read(text: &str, keys: &str) -> Read {
        let keys = ImportKeys::parse(keys).unwrap();
        Stored::parse(text, Context { ceiling: Ceiling::of(Cost::DEFAULT), keys: &keys })
    }

    fn is_of(stored: &Stored, password: &str) -> bool {
        let super::super::Method::Foreign(foreign) = &stored.method else {
            panic!("{}", stored.method.description().0)
        };
        stored.is_of(&foreign.compute(password.as_bytes()).unwrap())
    }

    #[test]
    fn every_form_is_one_hash_and_its_password_verifies() {
        let normal_form = format!("$firebase-scrypt$k=app,ln=14,r=8$42xEC+ixf3L2lwc${}", TAG.trim_end_matches('='));
        for text in [
            normal_form.clone(),
            format!("{{firebase}}{SALT}${TAG}"),
            format!("{{firebase}}{}${}", SALT.replace('+', "-"), TAG.replace('/', "_").replace('+', "-")),
            format!("$fbscrypt$v=1,n=14,r=8,p=1,ss=Bw==,sk={SIGNER_KEY}${SALT}${TAG}"),
            format!("$firescrypt$ln=14,r=8,p=1${SALT}${TAG}$Bw==${SIGNER_KEY}"),
            format!("$firebasescrypt$ln=14,r=8${SALT}${TAG}$Bw==${SIGNER_KEY}"),
        ] {
            let stored = read(&text, KEYS).unwrap_or_else(|problem| panic!("{text}: {problem}"));
            assert_eq!(stored.to_string(), normal_form, "{text}");
            assert_eq!(stored.method.description(), ("firebase-scrypt", "k=app,ln=14,r=8".to_owned()));
        }
        let stored = read(&normal_form, KEYS).unwrap();
        assert!(is_of(&stored, "user1password"));
        for wrong in ["user2password", "user1passwordx", "user1password\0", "user1passwor"] {
            assert!(!is_of(&stored, wrong), "{wrong:?}");
        }
        let kratos = read(KRATOS, KEYS).unwrap();
        assert!(is_of(&kratos, "8x4WjoDbSxJZdR") && !is_of(&kratos, "8x4WjoDbSxJZdS"));
        assert!(kratos.to_string().starts_with("$firebase-scrypt$k=kratos,"));
    }

    #[test]
    fn a_hash_needs_the_key_that_it_was_made_with() {
        let missing = Some(HashProblem::KeyMissing(OptInAlgorithm::FirebaseScrypt));
        let other = KEYS.replace("app firebase", "other firebase");
        let stored = format!("$firebase-scrypt$k=app,ln=14,r=8$42xEC+ixf3L2lwc${}", TAG.trim_end_matches('='));
        for (text, keys) in [(&*stored, &*other), (&stored, ""), (&format!("{{firebase}}{SALT}${TAG}"), "")] {
            assert_eq!(read(text, keys).err(), missing, "{text}");
        }
        let first = KEYS.lines().nth(1).unwrap();
        assert_eq!(read(KRATOS, first).err(), missing);
    }

    #[test]
    fn what_is_no_hash_of_firebase_or_costs_too_much_is_refused() {
        for text in [
            format!("{{firebase}}{SALT}$AAAA"),
            format!("{{firebase}}{SALT}"),
            format!("{{firebase}}${TAG}x"),
            format!("$fbscrypt$v=2,n=14,r=8,p=1,ss=Bw==,sk={SIGNER_KEY}${SALT}${TAG}"),
            format!("$fbscrypt$v=1,n=14,r=8,p=2,ss=Bw==,sk={SIGNER_KEY}${SALT}${TAG}"),
            format!("$fbscrypt$v=1,n=16,r=8,p=1,ss=Bw==,sk={SIGNER_KEY}${SALT}${TAG}"),
            format!("$fbscrypt$v=1,n=64,r=8,p=1,ss=Bw==,sk={SIGNER_KEY}${SALT}${TAG}"),
            format!("$firebase-scrypt$k=app,ln=14,r=4294967295$AAAA${TAG}"),
        ] {
            assert!(read(&text, KEYS).is_err_and(|problem| problem.reason() != "KEY_MISSING"), "{text}");
        }
    }
}
