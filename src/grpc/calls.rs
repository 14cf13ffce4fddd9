//! The steps between a generated method and the function that implements it: the caller, the message or the messages of
//! a stream, and the reply.

use futures_util::FutureExt;
use tonic::{Request, Response, Status, Streaming};

use super::context::context_of;
use super::status;
use crate::edge::{self, RequestContext};
use crate::service::{Call, Service, ServiceError};

/// The context and the call that the layers put into the request's extensions, and the message. It may have arrived much
/// later: the first gate checks the caller's evidence again.
pub(super) fn opened<T>(mut request: Request<T>) -> Result<(RequestContext, Call, T), Status> {
    let context = context_of(request.extensions())?;
    let failed = |error: ServiceError| status::of_error(&error, &context);
    let call = request.extensions_mut().remove::<Call>();
    let call = call.ok_or_else(|| failed(ServiceError::Internal("a call that was not authenticated")))?;
    Ok((context, call, request.into_inner()))
}

/// The reply to a call.
pub(super) async fn answered<T>(
    service: &Service,
    context: &RequestContext,
    call: &Call,
    outcome: Result<T, ServiceError>,
) -> Result<Response<T>, Status> {
    let outcome = edge::disclosed(service, call, outcome).await;
    outcome.map(Response::new).map_err(|error| status::of_error(&error, context))
}

/// As [`opened`], for a call whose request is a stream.
pub(super) fn opened_stream<T>(request: Request<Streaming<T>>) -> Result<(Call, Messages<T>), Status> {
    let (context, call, stream) = opened(request)?;
    Ok((call, Messages { stream, context, end: None }))
}

/// The messages of a stream. Each may take as long to arrive, and then as long to be processed, as a request; the whole
/// stream may take any time.
pub(super) struct Messages<T> {
    stream: Streaming<T>,
    context: RequestContext,
    /// The error that ended the stream, if it was not returned yet.
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

    /// The next message and those after it that have already arrived, at most `most`; none after the last.
    pub(super) async fn next_together(&mut self, most: usize) -> Result<Vec<T>, Status> {
        let mut together = Vec::from_iter(self.next().await?);
        while !together.is_empty() && together.len() < most {
            match self.stream.message().now_or_never() {
                Some(Ok(Some(message))) => together.push(message),
                Some(Err(status)) => {
                    // Returned once the messages before it are processed.
                    self.end = Some(status);
                    break;
                }
                Some(Ok(None)) | None => break,
            }
        }
        Ok(together)
    }

    /// Processes messages that arrived together, within the time for one message.
    pub(super) async fn within<A>(
        &self,
        work: impl Future<Output = Result<A, ServiceError>>,
    ) -> Result<A, ServiceError> {
        tokio::time::timeout(self.context.times.each_message, work).await.map_err(|_| ServiceError::DeadlineExceeded)?
    }
}
