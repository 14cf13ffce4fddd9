//! The edge for the vendors' SDKs, as the listener asks it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use http::Response;
use http::request::Parts;

use crate::http::VendorEdge;
use crate::listener::Http1Edge;
use crate::ports::{PeerCertificate, TransportProblem};

impl Http1Edge for Arc<VendorEdge> {
    async fn answer(
        &self,
        head: &Parts,
        body: &[u8],
        peer: SocketAddr,
        certificate: Option<&PeerCertificate>,
        began: Instant,
    ) -> Response<Bytes> {
        VendorEdge::answer(self, head, body, peer, certificate, began).await
    }

    fn refuse(&self, head: Option<&Parts>, peer: SocketAddr, problem: TransportProblem) -> Response<Bytes> {
        VendorEdge::refuse(self, head, peer, problem)
    }
}
