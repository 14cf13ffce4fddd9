//! The source of randomness.

use uuid::{Builder, Uuid};

/// Fills buffers with unpredictable bytes.
pub trait Entropy: Send + Sync {
    /// Fills the whole buffer from a cryptographically secure generator.
    fn fill(&self, buffer: &mut [u8]);

    /// A fresh id.
    fn id(&self) -> Uuid {
        let mut bytes = [0; 16];
        self.fill(&mut bytes);
        Builder::from_random_bytes(bytes).into_uuid()
    }
}
