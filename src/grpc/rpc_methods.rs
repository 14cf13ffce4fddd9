//! Implements a generated service trait: one line for each RPC, with the function that implements it.

use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::future::ready;
use futures_util::stream::{BoxStream, Stream, once, unfold};
use tonic::Status;
use tracing::Span;

use super::status;
use crate::edge::RequestContext;
use crate::service::ServiceError;

/// Implements a generated service trait. Each RPC's function takes the service, the call and the message, and returns
/// the reply or a [`ServiceError`]. Below `watches`, it returns a stream of either, which an error ends. Below
/// `streams`, the caller sends a stream: such a function takes [`Messages`](super::calls::Messages), and its error is
/// already a status.
macro_rules! rpc_methods {
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
                    let (context, call, message) = $crate::grpc::calls::opened(request)?;
                    let of_call = call.clone();
                    let outcome = $answer(&self.0, call, message).await;
                    $crate::grpc::calls::answered(&self.0, &context, &of_call, outcome).await
                }
            )+
            $($(
                type $Replies = $crate::grpc::rpc_methods::Replies<wire::$each>;

                async fn $watch(
                    &self,
                    request: tonic::Request<wire::$asks>,
                ) -> Result<tonic::Response<Self::$Replies>, tonic::Status> {
                    let (context, call, message) = $crate::grpc::calls::opened(request)?;
                    match $follow(&self.0, call, message).await {
                        Ok(replies) => $crate::grpc::rpc_methods::replies(replies, context).await.map(tonic::Response::new),
                        Err(error) => Err($crate::grpc::status::of_error(&error, &context)),
                    }
                }
            )+)?
            $($(
                async fn $stream(
                    &self,
                    request: tonic::Request<tonic::Streaming<wire::$part>>,
                ) -> Result<tonic::Response<wire::$reply>, tonic::Status> {
                    let (call, messages) = $crate::grpc::calls::opened_stream(request)?;
                    $answer_all(&self.0, call, messages).await.map(tonic::Response::new)
                }
            )+)?
        }
    };
}

pub(super) use rpc_methods;

/// The replies of a watch.
pub(super) type Replies<T> = BoxStream<'static, Result<T, Status>>;

/// The replies of a watch once the first is ready, each error as a status. A watch that begins with an error has no
/// reply, so that its caller's retry policy may retry.
pub(super) async fn replies<T: Send + 'static>(
    replies: impl Stream<Item = Result<T, ServiceError>> + Send + 'static,
    context: RequestContext,
) -> Result<Replies<T>, Status> {
    // What is done for the later replies belongs to the call, too.
    let (record, span) = (Arc::clone(&context.record), Span::current());
    let replies = unfold(replies.boxed(), move |mut replies| {
        record.around(span.clone(), async move { Some((replies.next().await?, replies)) })
    });
    let mut replies = replies.map(move |reply| reply.map_err(|error| status::of_error(&error, &context))).boxed();
    match replies.next().await.transpose()? {
        Some(first) => Ok(once(ready(Ok(first))).chain(replies).boxed()),
        None => Ok(replies),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::call_record::note_hash;

    #[tokio::test]
    async fn what_is_done_for_each_reply_is_noted_of_its_call() {
        let context = RequestContext::of_test(None);
        let record = Arc::clone(&context.record);
        let noting = unfold(0, |sent| async move {
            note_hash();
            (sent < 3).then_some((Ok(sent), sent + 1))
        });
        let replies = record.around(Span::none(), replies(noting, context)).await.unwrap();
        assert_eq!((replies.count().await, record.hashes()), (3, 4));
    }
}
