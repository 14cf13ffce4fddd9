//! How a generated service trait is implemented: one line for each RPC, naming the function that answers it.

use futures_util::StreamExt;
use futures_util::stream::{BoxStream, Stream};
use tonic::{Request, Status};

use super::asked::Asked;
use super::status;
use crate::service::{Call, ServiceError};

/// Implements a generated service trait. Each RPC's function takes the service, the call and the message, and answers
/// the reply or a [`ServiceError`]. Below `watches`, it answers a stream of either, which an error ends.
macro_rules! rpcs {
    (
        $trait:ident for $server:ty { $($rpc:ident($request:ident) -> $response:ident = $answer:path;)+ }
        $(watches { $($watch:ident($asks:ident) -> $Replies:ident of $each:ident = $follow:path;)+ })?
    ) => {
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
            $($(
                type $Replies = $crate::grpc::rpcs::Replies<wire::$each>;

                async fn $watch(
                    &self,
                    request: tonic::Request<wire::$asks>,
                ) -> Result<tonic::Response<Self::$Replies>, tonic::Status> {
                    let (call, message) = $crate::grpc::rpcs::opened(request)?;
                    let asked = $crate::grpc::asked::Asked::by(&call);
                    match $follow(&self.0, call, message).await {
                        Ok(replies) => Ok(tonic::Response::new($crate::grpc::rpcs::replies(replies, asked))),
                        Err(error) => Err($crate::grpc::status::of_error(&error, asked)),
                    }
                }
            )+)?
        }
    };
}

pub(super) use rpcs;

/// The replies of a watch.
pub(super) type Replies<T> = BoxStream<'static, Result<T, Status>>;

/// The replies of a watch, an error as the status that everybody is told.
pub(super) fn replies<T: 'static>(
    replies: impl Stream<Item = Result<T, ServiceError>> + Send + 'static,
    asked: Asked,
) -> Replies<T> {
    replies.map(move |reply| reply.map_err(|error| status::of_error(&error, asked))).boxed()
}

/// The call that the layers left among the request's extensions, and the message.
pub(super) fn opened<T>(mut request: Request<T>) -> Result<(Call, T), Status> {
    let call = request.extensions_mut().remove::<Call>();
    let call = call.ok_or_else(|| {
        let asked = Asked::in_extensions(request.extensions());
        status::of_error(&ServiceError::Internal("a call that was not authenticated"), asked)
    })?;
    Ok((call, request.into_inner()))
}
