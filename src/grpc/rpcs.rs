//! How a generated service trait is implemented: one line for each RPC, naming the function that answers it.

use futures_util::future::ready;
use futures_util::stream::{BoxStream, Stream, once};
use futures_util::{FutureExt, StreamExt};
use tonic::{Request, Response, Status, Streaming};

use super::context::context_of;
use super::status;
use crate::edge::RequestContext;
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
                    let (context, call, message) = $crate::grpc::rpcs::opened(&self.0, request).await?;
                    let of_call = call.clone();
                    let outcome = $answer(&self.0, call, message).await;
                    $crate::grpc::rpcs::answered(&self.0, &context, &of_call, outcome).await
                }
            )+
            $($(
                type $Replies = $crate::grpc::rpcs::Replies<wire::$each>;

                async fn $watch(
                    &self,
                    request: tonic::Request<wire::$asks>,
                ) -> Result<tonic::Response<Self::$Replies>, tonic::Status> {
                    let (context, call, message) = $crate::grpc::rpcs::opened(&self.0, request).await?;
                    match $follow(&self.0, call, message).await {
                        Ok(replies) => $crate::grpc::rpcs::replies(replies, context).await.map(tonic::Response::new),
                        Err(error) => Err($crate::grpc::status::of_error(&error, &context)),
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
    context: RequestContext,
) -> Result<Replies<T>, Status> {
    let mut replies = replies.map(move |reply| reply.map_err(|error| status::of_error(&error, &context))).boxed();
    match replies.next().await.transpose()? {
        Some(first) => Ok(once(ready(Ok(first))).chain(replies).boxed()),
        None => Ok(replies),
    }
}

/// The context and the call that the layers left among the request's extensions, and the message. Now that the message is
/// there, the caller has to be proven still.
pub(super) async fn opened<T>(service: &Service, mut request: Request<T>) -> Result<(RequestContext, Call, T), Status> {
    let context = context_of(request.extensions())?;
    let failed = |error: ServiceError| status::of_error(&error, &context);
    let call = request.extensions_mut().remove::<Call>();
    let call = call.ok_or_else(|| failed(ServiceError::Internal("a call that was not authenticated")))?;
    service.still_authenticated(&call).await.map_err(failed)?;
    Ok((context, call, request.into_inner()))
}

/// The reply to a call. What was only read is told where its caller is proven still: the rows of token and tenant never
/// come again, so they were there while it was read, and the tenant was the caller's own and not one that took its name.
pub(super) async fn answered<T>(
    service: &Service,
    context: &RequestContext,
    call: &Call,
    outcome: Result<T, ServiceError>,
) -> Result<Response<T>, Status> {
    let is_proven = if call.caller.action().only_reads() { service.still_authenticated(call).await } else { Ok(()) };
    is_proven.and(outcome).map(Response::new).map_err(|error| status::of_error(&error, context))
}

/// The same of a call whose caller sends a stream.
pub(super) async fn opened_stream<T>(
    service: &Service,
    request: Request<Streaming<T>>,
) -> Result<(Call, Messages<T>), Status> {
    let (context, call, stream) = opened(service, request).await?;
    Ok((call, Messages { stream, context, end: None }))
}

/// The messages of a stream. Each has as long to come, and then to be done with, as a request has; the stream as a whole
/// may take any time.
pub(super) struct Messages<T> {
    stream: Streaming<T>,
    context: RequestContext,
    /// What the stream ended with, where nobody was told yet.
    end: Option<Status>,
}

impl<T> Messages<T> {
    /// The status of an error of this call.
    pub(super) fn refused(&self, error: &ServiceError) -> Status {
        status::of_error(error, &self.context)
    }

    /// The next message, or `None` after the last.
    async fn next(&mut self) -> Result<Option<T>, Status> {
        if let Some(status) = self.end.take() {
            return Err(status);
        }
        let message = tokio::time::timeout(self.context.times.each_message, self.stream.message()).await;
        message.map_err(|_| self.refused(&ServiceError::DeadlineExceeded))?
    }

    /// The next message with those behind it that have come already, so many at most; none after the last.
    pub(super) async fn next_together(&mut self, most: usize) -> Result<Vec<T>, Status> {
        let mut together = Vec::from_iter(self.next().await?);
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
        tokio::time::timeout(self.context.times.each_message, work).await.map_err(|_| ServiceError::DeadlineExceeded)?
    }
}
