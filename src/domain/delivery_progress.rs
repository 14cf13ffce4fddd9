//! How far the delivery of a new password is, as the answer to its caller says.

use super::credential::Version;
use super::delivery::{DeliveryPhase, DeliveryState};

/// Whether a call waits until its password is delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Deliver {
    /// It is answered as soon as the password is set.
    #[default]
    Background,
    /// It is answered once the password is delivered, or its time is over.
    Wait,
}

/// How far the delivery of a password is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DeliveryProgress {
    /// Whether every node has what is valid here.
    pub is_complete: bool,
    /// How many nodes the last attempt has reached.
    pub reached: u32,
    /// How many nodes there are; 0 if that is not known yet.
    pub nodes: u32,
}

/// What was last seen of the delivery of an account's password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SeenDelivery {
    /// The version of the password.
    pub version: Version,
    /// How far it is.
    pub phase: DeliveryPhase,
    /// How many nodes the last attempt has reached.
    pub reached: u32,
    /// How many nodes it was for.
    pub nodes: u32,
}

impl SeenDelivery {
    /// Whether nothing more is to be expected of that version: it is delivered, another password took its place, or the account is
    /// deleted.
    pub const fn is_over_for(&self, version: Version) -> bool {
        self.version.number() > version.number()
            || (self.version.number() == version.number()
                && (!self.phase.is_pending() || matches!(self.phase, DeliveryPhase::Withdrawing)))
    }

    /// How far that version is.
    pub fn progress_of(&self, version: Version) -> DeliveryProgress {
        if self.version != version {
            return DeliveryProgress { nodes: self.nodes, ..DeliveryProgress::default() };
        }
        let is_complete = matches!(self.phase, DeliveryPhase::Overlapping | DeliveryPhase::Done);
        DeliveryProgress { is_complete, reached: self.reached, nodes: self.nodes }
    }
}

impl From<&DeliveryState> for SeenDelivery {
    fn from(state: &DeliveryState) -> Self {
        Self { version: state.version, phase: state.phase, reached: state.reached, nodes: state.nodes }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_version_is_complete_and_an_earlier_one_is_over() {
        let (first, second) = (Version::FIRST, Version::following(Some(Version::FIRST)));
        for (phase, is_over, is_complete) in [
            (DeliveryPhase::Adding, false, false),
            (DeliveryPhase::Settling, false, false),
            (DeliveryPhase::Replacing, false, false),
            (DeliveryPhase::Overlapping, true, true),
            (DeliveryPhase::Done, true, true),
            (DeliveryPhase::Superseded, true, false),
            (DeliveryPhase::Withdrawing, true, false),
        ] {
            let seen = SeenDelivery { version: second, phase, reached: 2, nodes: 3 };
            assert_eq!((seen.is_over_for(second), seen.progress_of(second).is_complete), (is_over, is_complete));
            assert_eq!(
                (seen.is_over_for(first), seen.progress_of(first).is_complete),
                (true, false),
                "it was replaced"
            );
            let earlier = SeenDelivery { version: first, ..seen };
            assert!(!earlier.is_over_for(second) && !earlier.progress_of(second).is_complete);
        }
    }
}
