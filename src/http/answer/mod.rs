//! Answers in the shape of each vendor, as its SDKs read them.
//!
//! A success is 200 with a JSON object, a failure is 4xx or 5xx with the vendor's code: some SDKs take anything below 400
//! for a success, others a body without a code. No answer redirects, because some SDKs follow as GET.

mod codes;
mod refusal;
mod xml;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderName, HeaderValue, Response, StatusCode};
use serde_json::{Map, Value, json};

use super::vendor::Vendor;
use crate::edge::{Reason, RequestId};
use refusal::Error;
pub(super) use refusal::Refusal;

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// In milliseconds. An SDK takes any answer with it for throttling, also if the code is another.
const X_ACS_RETRY_AFTER: HeaderName = HeaderName::from_static("x-acs-retry-after");

/// The shape of an answer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shape<'a> {
    /// Whose; `None` if too little is known of the request: then as both read it.
    pub(super) vendor: Option<Vendor>,
    /// Whether as XML.
    pub(super) is_xml: bool,
    /// The id of the request.
    pub(super) request_id: RequestId,
    /// The name of the service's host.
    pub(super) host: &'a str,
}

impl Shape<'_> {
    /// The answer to a request that succeeded.
    pub(super) fn success(self, root: &str, mut content: Value) -> Response<Bytes> {
        if self.vendor == Some(Vendor::Alibaba)
            && let Some(content) = content.as_object_mut()
        {
            content.insert("RequestId".to_owned(), self.request_id.to_string().into());
        }
        self.response(200, root, &content)
    }

    /// The answer to a request that is refused.
    pub(super) fn refused(self, refusal: Refusal) -> Response<Bytes> {
        let reason = refusal.reason();
        let error = refusal.error(self.vendor.unwrap_or(Vendor::Alibaba));
        let mut content = Map::new();
        if self.vendor != Some(Vendor::Huawei) {
            content.extend(self.of_alibaba(&error, reason));
        }
        if self.vendor != Some(Vendor::Alibaba) {
            content.extend(self.of_huawei(&error, reason));
        }
        let mut response = self.response(error.status, "Error", &content.into());
        if let Some(delay) = error.retry_after {
            let headers = response.headers_mut();
            let milliseconds = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX);
            headers.insert(RETRY_AFTER, milliseconds.div_ceil(1000).into());
            if error.status == 429 {
                headers.insert(X_ACS_RETRY_AFTER, milliseconds.into());
            }
        }
        response
    }

    fn of_alibaba(self, error: &Error, reason: Reason) -> Map<String, Value> {
        let mut content = members(json!({
            "RequestId": self.request_id.to_string(),
            "HostId": self.host,
            "Code": error.code,
            "Message": error.message,
            "Reason": reason.name(),
        }));
        if let Some((action, encoded)) = &error.denial {
            let detail = json!({ "AuthAction": action, "EncodedDiagnosticMessage": encoded });
            content.insert("AccessDeniedDetail".to_owned(), detail);
        }
        content
    }

    fn of_huawei(self, error: &Error, reason: Reason) -> Map<String, Value> {
        let mut content = members(json!({
            "error_code": error.code,
            "error_msg": error.message,
            "request_id": self.request_id.to_string(),
            "reason": reason.name(),
        }));
        if let Some((_, Some(encoded))) = &error.denial {
            content.insert("encoded_authorization_message".to_owned(), encoded.as_str().into());
        }
        content
    }

    fn response(self, status: u16, root: &str, content: &Value) -> Response<Bytes> {
        let (content_type, body) = if self.is_xml {
            ("text/xml;charset=utf-8", xml::document(root, content))
        } else {
            ("application/json;charset=utf-8", content.to_string())
        };
        let mut response = Response::new(Bytes::from(body));
        *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        if let Ok(id) = HeaderValue::try_from(self.request_id.to_string()) {
            headers.insert(X_REQUEST_ID, id);
        }
        response
    }
}

fn members(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}

#[cfg(test)]
mod tests;
