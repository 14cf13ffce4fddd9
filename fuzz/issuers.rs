//! A file of issuers gives issuers, or every mistake in it.

use credentiald::jwt::fuzzing::read_issuers;

use crate::texts;

pub fn run(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    match read_issuers(text) {
        Ok(issuers) => assert!(issuers > 0, "{text}"),
        Err(mistakes) => assert!(!mistakes.is_empty() && mistakes.iter().all(|mistake| !mistake.is_empty()), "{text}"),
    }
}

pub fn seeds() -> Vec<Vec<u8>> {
    texts(&[
        "[[issuer]]\nissuer = \"https://issuer.example\"\naudience = \"credentiald\"\njwks_file = \"keys.json\"\n\
         algorithms = [\"ES256\", \"EdDSA\"]\ntoken_type = \"at+jwt\"\n[[issuer.rule]]\nsubject = \"relay-1\"\n\
         claims = { azp = \"relay\" }\ncaller = \"service acme relay\"\n",
        "[[issuer]]\nissuer = \"a\"\naudience = \"b\"\nalgorithms = [\"RS256\"]\njwks_url = \"https://issuer.example/jwks\"\njwks_ca_file = \"ca.pem\"\n\
         jwks_used_for_seconds = 3600\n[[issuer.rule]]\nsubject = \"*\"\ncaller = \"operator ops\"\n",
        "[[issuer]]\nissuer = 3\nunknown = { a = [1, 2] }",
    ])
}
