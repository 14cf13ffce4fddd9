//! Callers that sign their requests with an access key.
//!
//! A request that no valid key signed is always refused after the same work: one read of the store, a secret that is
//! opened, that of the key or a decoy, and the signature that is checked with it.
//!
//! Wrong signatures are counted for each key id, and answered with a wait like wrong passwords. But the count is about
//! mistakes, not guesses: a secret of 256 random bits can't be guessed. So it is in memory, in each process for itself, and only
//! wrong signatures are refused because of it, never a right one. Otherwise anyone who knows an id could lock out the key's
//! owner, and have the store write an event for each request without any proof. A right one does not end it: that would tell
//! others that the key is in use.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use parking_lot::Mutex;
use zeroize::Zeroizing;

use super::{Gates, attempts};
use crate::domain::access_token::{AccessToken, NonceKey, TokenId};
use crate::domain::attempts::{Backoff, Failures};
use crate::domain::sealed::{SealPurpose, Sealed};
use crate::domain::time::Timestamp;
use crate::ports::meter::Counter;
use crate::ports::store::{FoundKey, KEY_USE_NOTED_EVERY};
use crate::ports::{SIGNATURE_WINDOW, SignatureRefusal, SignedRequest, StoreError};
use crate::service::ServiceError;
use crate::service::authenticate::new_secret;

/// How many keys have their wrong signatures counted at most. Those of further ones are not.
const MOST: usize = 4096;
/// While so many are counted, those that need not wait any more are looked for this often: each look is at all of them.
const SWEEP_EVERY: Duration = Duration::from_secs(1);
/// As long as what a secret is bound to.
const DECOY_BOUND: &str =
    "decoy access key: its secret is known to no caller, and it proves no caller. It has no token, no tenant.";

/// What is kept about signatures.
#[derive(Default)]
pub(super) struct Signatures {
    /// Opened and tried where no valid key is found. `None` without a pepper key: then there are no keys.
    decoy: OnceLock<Option<Sealed>>,
    failed: Mutex<Failed>,
}

/// The wrong signatures of each key.
#[derive(Default)]
struct Failed {
    of: HashMap<TokenId, Failures>,
    swept: Option<Timestamp>,
}

impl Signatures {
    /// Counts a wrong signature of that key, unless the key has to wait: then returns how long.
    fn count(&self, key: TokenId, limit: &Backoff, now: Timestamp) -> Result<(), Duration> {
        let mut failed = self.failed.lock();
        let is_swept = failed.swept.and_then(|swept| now.since(swept)).is_some_and(|since| since < SWEEP_EVERY);
        if failed.of.len() >= MOST && !is_swept {
            failed.of.retain(|_, failures| {
                *failures = failures.restarted(now);
                !limit.remaining(*failures, now).is_zero()
            });
            failed.swept = Some(now);
        }
        let failures = failed.of.get_mut(&key).map_or(Failures::default(), |failures| {
            *failures = failures.restarted(now);
            *failures
        });
        let retry_after = limit.remaining(failures, now);
        if !retry_after.is_zero() {
            return Err(retry_after);
        }
        if failed.of.len() < MOST {
            failed.of.insert(key, failures.and(Failures { count: 1, last_at: Some(now) }));
        }
        Ok(())
    }
}

impl Gates {
    /// The access key that signed a request, whose nonce is then spent.
    pub(in crate::service) async fn access_key_of(
        &self,
        request: &dyn SignedRequest,
    ) -> Result<AccessToken, ServiceError> {
        let found = self.signing_key(request).await;
        if let Err(ServiceError::SignatureRefused(_) | ServiceError::TooManyAttempts { .. }) = found {
            self.count_refused_signature();
        }
        found
    }

    pub(in crate::service) fn count_refused_signature(&self) {
        self.ports.meter.count(Counter::SignaturesRefused);
    }

    async fn signing_key(&self, request: &dyn SignedRequest) -> Result<AccessToken, ServiceError> {
        let id = TokenId::of_access_key(request.access_key_id()).ok_or(SignatureRefusal::ForeignKey)?;
        let nonce = request.nonce().map(|nonce| NonceKey(attempts::digest(&[id.0.as_bytes(), nonce.as_bytes()])));
        let found = self.ports.store.access_key(id, nonce.as_ref()).await?;
        let now = self.now();
        let valid = found.filter(|key| key.token.is_valid_at(now));
        let secret = match &valid {
            Some(key) => self.secret_of(key)?,
            None => self.decoy_secret(),
        };
        let proven = request.proven(&secret, now);
        let FoundKey { token, is_nonce_spent, .. } = match (proven, valid) {
            (Ok(()), Some(key)) => key,
            (Err(refusal @ SignatureRefusal::Expired), _) => return Err(refusal.into()),
            _ => {
                let counted = self.signatures.count(id, &self.installation.attempts.pair, now);
                return Err(counted.map_or_else(
                    |retry_after| ServiceError::TooManyAttempts { retry_after },
                    |()| SignatureRefusal::Mismatch.into(),
                ));
            }
        };
        if is_nonce_spent {
            return Err(SignatureRefusal::NonceUsed.into());
        }
        // Before the nonce is stored: so the quotas bound how many are.
        self.take_quota(&token.caller)?;
        if let Some(nonce) = nonce {
            let until = request.signed_at().after(2 * SIGNATURE_WINDOW);
            let is_spent_now = self.ports.store.spend_nonce(&nonce, until).await.map_err(|error| match error {
                // Nothing that was requested has begun.
                StoreError::OutcomeUnknown(cause) => StoreError::Unavailable(cause),
                error => error,
            })?;
            is_spent_now.then_some(()).ok_or(SignatureRefusal::NonceUsed)?;
        }
        self.note_key_use(&token, now);
        Ok(token)
    }

    fn secret_of(&self, FoundKey { token, secret, .. }: &FoundKey) -> Result<Zeroizing<String>, ServiceError> {
        let opened = self.ports.pepper.unseal(SealPurpose::AccessKeySecret, &token.seal_bound(), secret);
        let key = token.access_key_id().unwrap_or_default();
        Ok(opened.map_err(|problem| StoreError::Damaged(format!("the secret of access key {key} {problem}")))?)
    }

    /// A secret that no key has, opened like one.
    fn decoy_secret(&self) -> Zeroizing<String> {
        let (purpose, pepper) = (SealPurpose::AccessKeySecret, &self.ports.pepper);
        let decoy = self.signatures.decoy.get_or_init(|| pepper.seal(purpose, DECOY_BOUND, &new_secret(self)));
        let opened = decoy.as_ref().and_then(|decoy| pepper.unseal(purpose, DECOY_BOUND, decoy).ok());
        opened.unwrap_or_else(|| new_secret(self))
    }

    /// Notes that a key is used, once a minute. No call waits for this or fails with it.
    fn note_key_use(&self, token: &AccessToken, now: Timestamp) {
        let since = token.last_used_at.and_then(|last| now.since(last));
        if since.is_some_and(|since| since < KEY_USE_NOTED_EVERY) {
            return;
        }
        let (store, id) = (Arc::clone(&self.ports.store), token.id);
        self.detach(async move {
            // What can't be noted now is noted with the next use.
            let _ = store.note_key_use(id, now).await;
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::time::days;

    const LIMIT: Backoff = Backoff {
        allowance: 1,
        initial: Duration::from_secs(10),
        longest: Duration::from_secs(10),
        counts_for: Duration::from_secs(10),
        stop_after: None,
    };

    #[test]
    fn keys_beyond_the_most_are_counted_once_others_need_not_wait() {
        let (signatures, begin) = (Signatures::default(), Timestamp::from_micros(0));
        let key = |number: usize| TokenId(uuid::Uuid::from_u128(number as u128));
        for number in 0..MOST {
            assert_eq!(signatures.count(key(number), &LIMIT, begin), Ok(()));
        }
        assert_eq!(signatures.count(key(0), &LIMIT, begin), Err(LIMIT.initial));
        let another = |at: Timestamp| (0..2).map(|_| signatures.count(key(MOST), &LIMIT, at)).collect::<Vec<_>>();
        assert_eq!(another(begin), [Ok(()), Ok(())], "there is no room for another one");
        let waited = begin.after(LIMIT.initial);
        assert_eq!(another(waited), [Ok(()), Err(LIMIT.initial)]);
        assert_eq!(signatures.failed.lock().of.len(), 1);
    }

    #[test]
    fn waits_pass_after_the_clock_was_set_back() {
        let (signatures, begin) = (Signatures::default(), Timestamp::from_micros(0));
        let key = |number: usize| TokenId(uuid::Uuid::from_u128(number as u128));
        for number in 0..MOST {
            assert_eq!(signatures.count(key(number), &LIMIT, begin.after(days(1))), Ok(()));
        }
        assert_eq!(signatures.count(key(0), &LIMIT, begin), Err(LIMIT.initial));
        // Those that need not wait any more are looked for, and all of them have to.
        assert_eq!(signatures.count(key(MOST), &LIMIT, begin), Ok(()));
        let (waited, instant) = (begin.after(LIMIT.initial), Duration::from_micros(1));
        assert_eq!(signatures.count(key(0), &LIMIT, waited.before(instant)), Err(instant));
        let later = waited.after(SWEEP_EVERY);
        assert_eq!(signatures.count(key(0), &LIMIT, later), Ok(()));
        assert_eq!(signatures.count(key(0), &LIMIT, later), Err(LIMIT.initial), "one more is wrong again");
        assert_eq!(signatures.failed.lock().of.len(), 1, "the waits of the others have passed");
    }
}
