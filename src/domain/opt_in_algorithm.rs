//! Algorithms whose hashes are imported only where an operator allows it.

use std::fmt;

use super::names_in_list::names_in_list;

/// An algorithm that is too weak to be imported unasked, or that only few need.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OptInAlgorithm {
    /// `$1$`: a thousand rounds of MD5.
    Md5Crypt,
    /// `$apr1$`: the same, as Apache writes it.
    Apr1,
    /// `{SSHA}`: SHA-1 of password and salt.
    Ssha,
    /// `{SSHA256}`: SHA-256 of password and salt.
    Ssha256,
    /// `{SSHA512}`: SHA-512 of password and salt.
    Ssha512,
    /// PBKDF2 with HMAC-SHA-1.
    Pbkdf2Sha1,
    /// `$P$`, `$H$`: iterated MD5, of `WordPress` before 6.8 and `phpBB`.
    Phpass,
    /// `$S$`: iterated SHA-512, of Drupal 7.
    Drupal7,
    /// `$wp$2y$`: bcrypt of an HMAC, of `WordPress` since 6.8.
    WordpressBcrypt,
    /// bcrypt of a SHA-256, of passlib and Django.
    BcryptSha256,
    /// `$y$`: the default of Debian and Fedora.
    Yescrypt,
    /// What a server of SCRAM-SHA-256 keeps, as PostgreSQL.
    ScramSha256,
    /// `$A$`: `MySQL`'s `caching_sha2_password`.
    CachingSha2,
    /// A key of the project, encrypted under scrypt of the password: Firebase.
    FirebaseScrypt,
    /// A usual hash of an HMAC of the password: Flask-Security.
    FlaskSecurity,
}

impl OptInAlgorithm {
    /// Every one.
    pub const ALL: [Self; 15] = [
        Self::Md5Crypt,
        Self::Apr1,
        Self::Ssha,
        Self::Ssha256,
        Self::Ssha512,
        Self::Pbkdf2Sha1,
        Self::Phpass,
        Self::Drupal7,
        Self::WordpressBcrypt,
        Self::BcryptSha256,
        Self::Yescrypt,
        Self::ScramSha256,
        Self::CachingSha2,
        Self::FirebaseScrypt,
        Self::FlaskSecurity,
    ];

    /// Its name, in the configuration and where hashes are counted.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Md5Crypt => "md5-crypt",
            Self::Apr1 => "apr1",
            Self::Ssha => "ssha",
            Self::Ssha256 => "ssha256",
            Self::Ssha512 => "ssha512",
            Self::Pbkdf2Sha1 => "pbkdf2-sha1",
            Self::Phpass => "phpass",
            Self::Drupal7 => "drupal7",
            Self::WordpressBcrypt => "wordpress-bcrypt",
            Self::BcryptSha256 => "bcrypt-sha256",
            Self::Yescrypt => "yescrypt",
            Self::ScramSha256 => "scram-sha-256",
            Self::CachingSha2 => "caching-sha2",
            Self::FirebaseScrypt => "firebase-scrypt",
            Self::FlaskSecurity => "flask-security",
        }
    }
}

impl fmt::Display for OptInAlgorithm {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// The algorithms that an operator allows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct AllowedAlgorithms(u32);

impl AllowedAlgorithms {
    /// Parses names, separated by commas. An empty text allows none.
    ///
    /// # Errors
    /// A name is unknown: the text is a list of those that there are.
    pub fn parse(text: &str) -> Result<Self, String> {
        let named = names_in_list(text, &OptInAlgorithm::ALL, OptInAlgorithm::as_str)?;
        Ok(Self(named.into_iter().fold(0, |allowed, algorithm| allowed | 1 << algorithm as u32)))
    }

    /// Whether hashes of an algorithm may be imported.
    pub const fn allows(self, algorithm: OptInAlgorithm) -> bool {
        self.0 & 1 << algorithm as u32 != 0
    }

    /// Whether an algorithm is allowed whose hashes need a key of their system.
    pub const fn allows_any_with_key(self) -> bool {
        self.allows(OptInAlgorithm::FirebaseScrypt) || self.allows(OptInAlgorithm::FlaskSecurity)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_named_is_allowed_and_nothing_else() {
        let allowed = AllowedAlgorithms::parse("apr1, yescrypt").unwrap();
        let all = OptInAlgorithm::ALL.into_iter().filter(|algorithm| allowed.allows(*algorithm));
        assert_eq!(all.collect::<Vec<_>>(), [OptInAlgorithm::Apr1, OptInAlgorithm::Yescrypt]);
        assert_eq!(AllowedAlgorithms::parse(" "), Ok(AllowedAlgorithms::default()));
        for bad in ["md5", "apr1,", "apr1;yescrypt", "APR1"] {
            assert!(AllowedAlgorithms::parse(bad).is_err_and(|words| words.contains("yescrypt")), "{bad}");
        }
    }
}
