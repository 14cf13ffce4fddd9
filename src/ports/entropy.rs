//! The source of randomness.

/// Fills buffers with unpredictable bytes.
pub trait Entropy: Send + Sync {
    /// Fills the whole buffer from a cryptographically secure generator.
    fn fill(&self, buffer: &mut [u8]);
}
