//! What a token proves, when it is presented and from then on.

use std::convert::Infallible;
use std::fmt;
use std::future::pending;
use std::sync::Arc;

use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures_util::future::join_all;
use tokio::sync::watch;
use tokio::time::sleep;

use super::compact::CompactJwt;
use super::contents::Contents;
use super::fetched::CHECK_EVERY;
use super::issuers::JwtIssuers;
use super::key_set::Key;
use crate::domain::named_caller::NamedCaller;
use crate::domain::time::Timestamp;
use crate::ports::{
    BackgroundTraces, CertificateValidity, Clock, ExternalIdentity, Gauge, JwtRefusal, JwtVerifier, Meter, PresentedJwt,
};

/// The issuers in force, now and later.
#[derive(Clone)]
pub struct Jwts(watch::Receiver<Arc<JwtIssuers>>);

/// The identity of a verified token.
struct JwtIdentity {
    issuers: Jwts,
    contents: Contents,
    key: Arc<Key>,
    caller: NamedCaller,
    expires_at: Timestamp,
    /// The certificate that it is bound to.
    bound_to: Option<Arc<dyn CertificateValidity>>,
}

impl Jwts {
    /// The issuers of that set, and of those that replace it.
    pub const fn new(in_force: watch::Receiver<Arc<JwtIssuers>>) -> Self {
        Self(in_force)
    }

    fn in_force(&self) -> Arc<JwtIssuers> {
        Arc::clone(&self.0.borrow())
    }

    /// Fetches the keys of issuers that have them at a URL.
    pub async fn follow(
        mut self,
        clock: Arc<dyn Clock>,
        meter: Arc<dyn Meter>,
        traces: BackgroundTraces,
    ) -> Infallible {
        loop {
            let issuers = Arc::clone(&self.0.borrow_and_update());
            let (clock, meter) = (clock.as_ref(), meter.as_ref());
            let following = join_all(issuers.fetched().map(|keys| keys.follow(clock, meter, &traces)));
            tokio::select! {
                () = async { following.await; pending().await } => {}
                never = measure_expiry(&issuers, clock, meter) => match never {},
                changed = self.0.changed() => if changed.is_err() { pending().await },
            }
        }
    }
}

/// Keeps the gauge of the soonest end of fetched keys. Keys that were never fetched ended at the start.
async fn measure_expiry(issuers: &JwtIssuers, clock: &dyn Clock, meter: &dyn Meter) -> Infallible {
    let begun = clock.now();
    loop {
        let soonest = issuers.fetched().map(|keys| keys.used_until().unwrap_or(begun)).min();
        meter.set(Gauge::IssuerKeysExpiry, soonest.map_or(0, Timestamp::as_seconds));
        sleep(CHECK_EVERY).await;
    }
}

#[async_trait]
impl JwtVerifier for Jwts {
    async fn verify(
        &self,
        presented: PresentedJwt<'_>,
        at: Timestamp,
    ) -> Result<Arc<dyn ExternalIdentity>, JwtRefusal> {
        let jwt = CompactJwt::parse(presented.text)?;
        let issuers = self.in_force();
        let known = issuers.named(jwt.contents.text("iss").ok_or(JwtRefusal::Issuer)?)?;
        if !known.issuer.may_use(&jwt.contents.algorithm) {
            return Err(JwtRefusal::Algorithm);
        }
        let key = known.key(&jwt.contents.key_id, at).await?;
        match key.verifies(&jwt.contents.algorithm, jwt.signed, &jwt.signature) {
            Some(true) => {}
            Some(false) => return Err(JwtRefusal::Signature),
            None => return Err(JwtRefusal::Key),
        }
        let expires_at = jwt.contents.lifetime(at)?;
        let caller = known.issuer.caller(&jwt.contents)?.clone();
        let bound_to = match jwt.contents.confirmation()? {
            None => None,
            Some(thumbprint) => {
                let certificate = presented.certificate.ok_or(JwtRefusal::Certificate)?;
                if URL_SAFE_NO_PAD.encode(certificate.thumbprint) != thumbprint {
                    return Err(JwtRefusal::Certificate);
                }
                Some(Arc::clone(&certificate.validity))
            }
        };
        Ok(Arc::new(JwtIdentity { issuers: self.clone(), contents: jwt.contents, key, caller, expires_at, bound_to }))
    }
}

impl ExternalIdentity for JwtIdentity {
    fn caller(&self) -> &NamedCaller {
        &self.caller
    }

    fn is_valid_at(&self, at: Timestamp) -> bool {
        let issuers = self.issuers.in_force();
        let Some(known) = self.contents.text("iss").and_then(|name| issuers.named(name).ok()) else { return false };
        at < self.expires_at
            && self.bound_to.as_ref().is_none_or(|certificate| certificate.is_valid_at(at))
            && known.used_key(&self.contents.key_id, at).is_some_and(|key| key.is(&self.key))
            && known.issuer.may_use(&self.contents.algorithm)
            && known.issuer.caller(&self.contents) == Ok(&self.caller)
    }
}

impl fmt::Debug for JwtIdentity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "a JWT for {:?} under the key {:?}", self.caller, self.key)
    }
}
