//! Builds everything, and knows everyone.
