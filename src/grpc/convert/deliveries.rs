//! Whether a call waits for a delivery, and how far that is.

use super::statuses::Numbered;
use crate::domain::delivery_progress::{Deliver, DeliveryProgress};
use crate::edge::Fields;
use crate::grpc::generated::credential::v1 as wire;

impl Fields {
    /// Whether the call waits until the password is delivered.
    pub(in crate::grpc) fn deliver(&mut self, number: i32) -> Option<Deliver> {
        self.take("deliver", Deliver::specified(number)).map(Option::unwrap_or_default)
    }
}

impl From<DeliveryProgress> for wire::DeliveryProgress {
    fn from(DeliveryProgress { is_complete, reached, nodes }: DeliveryProgress) -> Self {
        Self { complete: is_complete, reached_nodes: reached, nodes }
    }
}
