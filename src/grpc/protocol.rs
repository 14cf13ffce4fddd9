//! The layer that accepts only gRPC requests.

use futures_util::future::{Either, ready};
use http::header::{ALLOW, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use tonic::body::Body;
use tower::service_fn;

use super::http_service::HttpService;

/// Refuses a request that is not gRPC with an HTTP status, before anything is done. A gRPC-Web or Connect client could
/// not read the reply, and must not find later that the password was changed nevertheless.
pub(super) fn with_grpc_alone(inner: impl HttpService) -> impl HttpService {
    service_fn(move |request: Request<Body>| {
        let (head, body) = request.into_parts();
        match refusal(&head) {
            Some(refusal) => Either::Left(ready(Ok(refusal))),
            None => Either::Right(inner.clone().call(Request::from_parts(head, body))),
        }
    })
}

fn refusal(head: &Parts) -> Option<Response<Body>> {
    let mut refusal = Response::new(Body::empty());
    if head.method != Method::POST {
        *refusal.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
        refusal.headers_mut().insert(ALLOW, HeaderValue::from_static("POST"));
    } else if !head.headers.get(CONTENT_TYPE).is_some_and(is_grpc) {
        *refusal.status_mut() = StatusCode::UNSUPPORTED_MEDIA_TYPE;
    } else {
        return None;
    }
    Some(refusal)
}

/// Whether a content type is gRPC's with messages in protobuf, whatever its parameters (gRPC over HTTP/2, "Requests").
fn is_grpc(content_type: &HeaderValue) -> bool {
    let media_type = content_type.to_str().unwrap_or_default().split(';').next().unwrap_or_default().trim();
    ["application/grpc", "application/grpc+proto"].iter().any(|ours| media_type.eq_ignore_ascii_case(ours))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(method: Method, content_type: Option<&str>) -> Option<u16> {
        let mut request = Request::builder().method(method).uri("/a.Service/Call");
        if let Some(content_type) = content_type {
            request = request.header(CONTENT_TYPE, content_type);
        }
        let (head, ()) = request.body(()).unwrap().into_parts();
        refusal(&head).map(|refusal| refusal.status().as_u16())
    }

    #[test]
    fn grpc_with_protobuf_is_let_through() {
        let types =
            ["application/grpc", "application/grpc+proto", "Application/gRPC; charset=utf-8", "application/grpc;a"];
        for content_type in types {
            assert_eq!(status(Method::POST, Some(content_type)), None, "{content_type}");
        }
    }

    #[test]
    fn anything_else_is_not() {
        let types = [
            "application/grpc-web",
            "application/grpc-web+proto",
            "application/grpc-web-text",
            "application/grpc+json",
            "application/proto",
            "application/connect+proto",
            "application/json",
            "text/plain; application/grpc",
            "application/grpcx",
            "",
        ];
        for content_type in types {
            assert_eq!(status(Method::POST, Some(content_type)), Some(415), "{content_type}");
        }
        assert_eq!(status(Method::POST, None), Some(415));
        for method in [Method::GET, Method::PUT, Method::OPTIONS, Method::HEAD] {
            assert_eq!(status(method, Some("application/grpc")), Some(405));
        }
    }
}
