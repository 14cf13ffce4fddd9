//! How a generated service trait is implemented: one line for each RPC, naming the function that answers it.

use tonic::{Request, Status};

use super::asked::Asked;
use super::status;
use crate::service::{Call, ServiceError};

/// Implements a generated service trait. Each RPC's function takes the service, the call and the message, and answers
/// the reply or a [`ServiceError`].
macro_rules! rpcs {
    ($trait:ident for $server:ty { $($rpc:ident($request:ident) -> $response:ident = $answer:path;)+ }) => {
        #[tonic::async_trait]
        impl $trait for $server {
            $(
                async fn $rpc(
                    &self,
                    request: tonic::Request<wire::$request>,
                ) -> Result<tonic::Response<wire::$response>, tonic::Status> {
                    let (call, message) = $crate::grpc::rpcs::opened(request)?;
                    let asked = $crate::grpc::asked::Asked::by(&call);
                    match $answer(&self.0, call, message).await {
                        Ok(reply) => Ok(tonic::Response::new(reply)),
                        Err(error) => Err($crate::grpc::status::of_error(&error, asked)),
                    }
                }
            )+
        }
    };
}

pub(super) use rpcs;

/// The call that the layers left among the request's extensions, and the message.
pub(super) fn opened<T>(mut request: Request<T>) -> Result<(Call, T), Status> {
    let call = request.extensions_mut().remove::<Call>();
    let call = call.ok_or_else(|| {
        let asked = Asked::in_extensions(request.extensions());
        status::of_error(&ServiceError::Internal("a call that was not authenticated"), asked)
    })?;
    Ok((call, request.into_inner()))
}
