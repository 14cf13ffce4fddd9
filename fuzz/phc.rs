//! Any text is a hash with a normal form, which is read as the same again and costs no more than is allowed, or has a
//! problem that fits into one line.

use credentiald::hashing::fuzzing::read_hash;

use crate::texts;

/// Ten seconds.
const MOST_WORK: u64 = 10_000_000;

pub fn run(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    match read_hash(text) {
        Ok(read) => {
            assert!(read.work <= MOST_WORK, "{text:?} costs {}", read.work);
            assert_eq!(read_hash(&read.normal_form).as_ref(), Ok(&read), "{text:?}");
        }
        Err(problem) => {
            let words = problem.to_string();
            assert!(words.len() < 200 && !words.contains('\n'), "{words}");
        }
    }
}

pub fn seeds() -> Vec<Vec<u8>> {
    texts(&[
        "$argon2id$v=19$m=19456,t=2,p=1$AAECAwQFBgcICQoLDA0ODw$AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8",
        "$argon2i$m=64,t=3,p=2$c29tZXNhbHQ$AAECAwQFBgcICQoLDA0ODw",
        "$argon2d$v=16$m=8,t=1,p=1$c29tZXNhbHQ$AAECAw",
    ])
}
