//! Functions for the fuzz targets in `fuzz/`. No shipped build has them.

use std::net::Ipv4Addr;

use http::Request;
use tonic::body::Body;
use tower::{Service as _, service_fn};

use super::context::context_of;
use super::{GrpcEdge, HttpService, with_contexts, with_deadlines, with_grpc_alone, with_rests};
use crate::domain::caller::{Caller, EligibleCaller};
use crate::service::Call;

impl GrpcEdge {
    /// The service for calls of that caller, without authentication.
    pub fn of_caller(&self, caller: Caller) -> impl HttpService + use<> {
        let routes = self.routes.clone();
        let answering = service_fn(move |mut request: Request<Body>| {
            let (mut routes, caller) = (routes.clone(), caller.clone());
            async move {
                let context = context_of(request.extensions()).ok();
                let eligible = context.and_then(|context| {
                    let caller = EligibleCaller::new(caller, context.action?)?;
                    let deadline = context.times.deadline;
                    Some(Call {
                        caller,
                        evidence: None,
                        request_id: context.request_id.0,
                        correlation_id: None,
                        deadline,
                    })
                });
                if let Some(call) = eligible {
                    request.extensions_mut().insert(call);
                }
                routes.call(request).await
            }
        });
        let edge = with_rests(with_grpc_alone(with_deadlines(answering)));
        with_contexts(edge, self.contexts.clone(), (Ipv4Addr::LOCALHOST, 7).into())
    }
}
