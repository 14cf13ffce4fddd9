//! How a generated service trait is implemented: one line for each RPC, naming the function that answers it.

use std::time::Duration;

use futures_util::future::ready;
use futures_util::stream::{BoxStream, Stream, once};
use futures_util::{FutureExt, StreamExt};
use tonic::{Request, Status, Streaming};

use super::asked::Asked;
use super::deadline::EachWithin;
use super::status;
use crate::service::{Call, Service, ServiceError};

/// Implements a generated service trait. Each RPC's function takes the service, the call and the message, and answers
/// the reply or a [`ServiceError`]. Below `watches`, it answers a stream of either, which an error ends. Below `streams`, the
/// caller sends a stream: such a function takes [`Messages`], and what goes wrong is a status already.
macro_rules! rpcs {
    (
        $trait:ident for $server:ty { $($rpc:ident($request:ident) -> $response:ident = $answer:path;)+ }
        $(watches { $($watch:ident($asks:ident) -> $Replies:ident of $each:ident = $follow:path;)+ })?
        $(streams { $($stream:ident($part:ident) -> $reply:ident = $answer_all:path;)+ })?
    ) => {
        #[tonic::async_trait]
        impl $trait for $server {
            $(
                async fn $rpc(
                    &self,
                    request: tonic::Request<wire::$request>,
                ) -> Result<tonic::Response<wire::$response>, tonic::Status> {
                    let (call, message) = $crate::grpc::rpcs::opened(&self.0, request).await?;
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
                    let (call, message) = $crate::grpc::rpcs::opened(&self.0, request).await?;
                    let asked = $crate::grpc::asked::Asked::by(&call);
                    match $follow(&self.0, call, message).await {
                        Ok(replies) => $crate::grpc::rpcs::replies(replies, asked).await.map(tonic::Response::new),
                        Err(error) => Err($crate::grpc::status::of_error(&error, asked)),
                    }
                }
            )+)?
            $($(
                async fn $stream(
                    &self,
                    request: tonic::Request<tonic::Streaming<wire::$part>>,
                ) -> Result<tonic::Response<wire::$reply>, tonic::Status> {
                    let (call, messages) = $crate::grpc::rpcs::opened_stream(&self.0, request).await?;
                    $answer_all(&self.0, call, messages).await.map(tonic::Response::new)
                }
            )+)?
        }
    };
}

pub(super) use rpcs;

/// The replies of a watch.
pub(super) type Replies<T> = BoxStream<'static, Result<T, Status>>;

/// The replies of a watch once the first is there, each error as a status. A watch that begins with an error has no
/// reply, so that its caller's retry policy may try again.
pub(super) async fn replies<T: Send + 'static>(
    replies: impl Stream<Item = Result<T, ServiceError>> + Send + 'static,
    asked: Asked,
) -> Result<Replies<T>, Status> {
    let mut replies = replies.map(move |reply| reply.map_err(|error| status::of_error(&error, asked))).boxed();
    match replies.next().await.transpose()? {
        Some(first) => Ok(once(ready(Ok(first))).chain(replies).boxed()),
        None => Ok(replies),
    }
}

/// The call that the layers left among the request's extensions, and the message. Now that the message is there, the caller
/// has to be proven still.
pub(super) async fn opened<T>(service: &Service, mut request: Request<T>) -> Result<(Call, T), Status> {
    let call = request.extensions_mut().remove::<Call>();
    let call = call.ok_or_else(|| {
        let asked = Asked::in_extensions(request.extensions());
        status::of_error(&ServiceError::Internal("a call that was not authenticated"), asked)
    })?;
    service.still_authenticated(&call).await.map_err(|error| status::of_error(&error, Asked::by(&call)))?;
    Ok((call, request.into_inner()))
}

/// The same of a call whose caller sends a stream.
pub(super) async fn opened_stream<T>(
    service: &Service,
    request: Request<Streaming<T>>,
) -> Result<(Call, Messages<T>), Status> {
    let each_within = request.extensions().get().copied();
    let (call, stream) = opened(service, request).await?;
    let missing = ServiceError::Internal("a stream without a bound on the time for each message");
    let EachWithin(within) = each_within.ok_or_else(|| status::of_error(&missing, Asked::by(&call)))?;
    Ok((call, Messages { stream, within, end: None }))
}

/// The messages of a stream. Each has as long to come, and then to be done with, as a request has; the stream as a whole
/// may take any time.
pub(super) struct Messages<T> {
    stream: Streaming<T>,
    within: Duration,
    /// What the stream ended with, where nobody was told yet.
    end: Option<Status>,
}

impl<T> Messages<T> {
    /// The next message, or `None` after the last.
    async fn next(&mut self, asked: Asked) -> Result<Option<T>, Status> {
        if let Some(status) = self.end.take() {
            return Err(status);
        }
        let message = tokio::time::timeout(self.within, self.stream.message()).await;
        message.map_err(|_| status::of_error(&ServiceError::DeadlineExceeded, asked))?
    }

    /// The next message with those behind it that have come already, so many at most; none after the last.
    pub(super) async fn next_together(&mut self, most: usize, asked: Asked) -> Result<Vec<T>, Status> {
        let mut together = Vec::from_iter(self.next(asked).await?);
        while !together.is_empty() && together.len() < most {
            match self.stream.message().now_or_never() {
                Some(Ok(Some(message))) => together.push(message),
                Some(Err(status)) => {
                    // Told once those before it are done with.
                    self.end = Some(status);
                    break;
                }
                Some(Ok(None)) | None => break,
            }
        }
        Ok(together)
    }

    /// What is done with messages that came together.
    pub(super) async fn within<A>(
        &self,
        work: impl Future<Output = Result<A, ServiceError>>,
    ) -> Result<A, ServiceError> {
        tokio::time::timeout(self.within, work).await.map_err(|_| ServiceError::DeadlineExceeded)?
    }
}
