//! The page tokens of lists.
//!
//! A token holds a key of the store, and a MAC that binds it to its list: to the RPC, the tenant, and the items that
//! are listed. A token works only for the list that it was made for, by a service on the same store.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::{Call, Service};
use crate::domain::names::TenantName;

/// How many bytes of the MAC a token has: too many to guess.
const MAC_BYTES: usize = 16;

/// Makes and opens the tokens of one list.
pub struct PageTokens(Hmac<Sha256>);

impl Service {
    /// The tokens of the list that a call requests: for the tenant that it names, or the caller's own, and for what the
    /// list is narrowed to.
    pub fn page_tokens(&self, call: &Call, tenant: Option<&TenantName>, narrowed_to: &str) -> PageTokens {
        let tenant = tenant.or_else(|| call.caller().tenant()).map_or("", TenantName::as_str);
        PageTokens::of(self.gates.page_key(), &[call.caller.action().name(), tenant, narrowed_to])
    }
}

impl PageTokens {
    /// The tokens of the list that those parts name, under that key.
    pub fn of(key: &[u8; 32], list: &[&str]) -> Self {
        // A key that is shorter than a block is padded with zeros (RFC 2104).
        let mut block = [0; 64];
        block.iter_mut().zip(key).for_each(|(place, byte)| *place = *byte);
        let mut mac = Hmac::<Sha256>::new(&block.into());
        for part in list {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part.as_bytes());
        }
        Self(mac)
    }

    /// The token for the page after a key of the store.
    pub fn token(&self, key: &str) -> Vec<u8> {
        let mut token = self.mac(key);
        token.extend_from_slice(key.as_bytes());
        token
    }

    /// The key of the store that a token continues after, or `None` if it is not a token of this list.
    pub fn key(&self, token: &[u8]) -> Option<String> {
        let (mac, key) = token.split_at_checked(MAC_BYTES)?;
        let key = str::from_utf8(key).ok()?;
        let mut expected = self.0.clone();
        expected.update(key.as_bytes());
        expected.verify_truncated_left(mac).ok()?;
        Some(key.to_owned())
    }

    fn mac(&self, key: &str) -> Vec<u8> {
        let mut mac = self.0.clone();
        mac.update(key.as_bytes());
        mac.finalize().into_bytes().iter().take(MAC_BYTES).copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: [&str; 3] = ["ListRamUsers", "acme", ""];

    #[test]
    fn a_token_leads_on_in_its_own_list_and_in_no_other() {
        let own = PageTokens::of(&[1; 32], &LIST);
        let token = own.token("b\u{e9}ta/1");
        assert_eq!(own.key(&token).as_deref(), Some("b\u{e9}ta/1"));
        let others = [
            PageTokens::of(&[2; 32], &LIST),
            PageTokens::of(&[1; 32], &["ListIamUsers", "acme", ""]),
            PageTokens::of(&[1; 32], &["ListRamUsers", "globex", ""]),
            PageTokens::of(&[1; 32], &["ListRamUsers", "acme", "r-1"]),
            PageTokens::of(&[1; 32], &["ListRamUsers", "", "acme"]),
            PageTokens::of(&[1; 32], &["ListRamUsersacme", "", ""]),
        ];
        for other in others {
            assert_eq!(other.key(&token), None);
        }
    }

    #[test]
    fn an_altered_token_leads_nowhere() {
        let own = PageTokens::of(&[1; 32], &LIST);
        let token = own.token("alice");
        for place in 0..token.len() {
            for bit in 0..8 {
                let mut altered = token.clone();
                altered[place] ^= 1 << bit;
                assert_eq!(own.key(&altered), None, "{place}.{bit}");
            }
            assert_eq!(own.key(&token[..place]), None);
        }
        assert_eq!(own.key(&[&token[..], b"\0"].concat()), None);
        assert_eq!(own.key(b"\0"), None);
    }
}
