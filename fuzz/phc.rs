//! No string makes the parser of PHC strings panic, and it accepts only what it prints itself.

use credentiald::hashing::fuzzing::reprint_phc;

use crate::texts;

pub fn run(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Some(printed) = reprint_phc(text) {
        // The strings of the first version had no version; it is printed.
        let unversioned = printed.replacen("$v=16$", "$", 1);
        assert!(text == printed || text == unversioned, "{text:?} is printed as {printed:?}");
    }
}

pub fn seeds() -> Vec<Vec<u8>> {
    texts(&[
        "$argon2id$v=19$m=19456,t=2,p=1$AAECAwQFBgcICQoLDA0ODw$AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8",
        "$argon2i$m=64,t=3,p=2$c29tZXNhbHQ$AAECAwQFBgcICQoLDA0ODw",
        "$argon2d$v=16$m=8,t=1,p=1$c29tZXNhbHQ$AAECAw",
    ])
}
