//! Whose request it is. Each vendor has its own way to name operations and its own shape of answers.

use http::HeaderMap;
use http::header::AUTHORIZATION;
use http::request::Parts;

use super::signature::acs3::ALGORITHM as ACS3_HMAC_SHA256;
use super::signature::sdk_hmac::ALGORITHM as SDK_HMAC_SHA256;

/// A vendor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Vendor {
    /// Alibaba Cloud: an operation is a name and a version, its fields are parameters.
    Alibaba,
    /// Huawei Cloud: an operation is a method and a path, its fields are members of a JSON object.
    Huawei,
}

impl Vendor {
    /// The vendor of a request: that of its signature, or if that is of none, that of its path.
    pub(super) fn of(head: &Parts) -> Self {
        match algorithm(&head.headers) {
            Some(SDK_HMAC_SHA256) => Self::Huawei,
            Some(ACS3_HMAC_SHA256) => Self::Alibaba,
            _ if head.uri.path().starts_with("/v") => Self::Huawei,
            _ => Self::Alibaba,
        }
    }
}

fn algorithm(headers: &HeaderMap) -> Option<&str> {
    let authorization = std::str::from_utf8(headers.get(AUTHORIZATION)?.as_bytes()).ok()?;
    authorization.split(' ').next()
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    #[test]
    fn the_signature_tells_the_vendor_and_without_one_the_path() {
        for (path, authorization, vendor) in [
            ("/", None, Vendor::Alibaba),
            ("/?Signature=x", None, Vendor::Alibaba),
            ("/nothing", None, Vendor::Alibaba),
            ("/v5/caller-password", None, Vendor::Huawei),
            ("/v5/caller-password", Some("ACS3-HMAC-SHA256 Credential=a"), Vendor::Alibaba),
            ("/", Some("SDK-HMAC-SHA256 Access=a"), Vendor::Huawei),
            ("/", Some("Bearer a"), Vendor::Alibaba),
            ("/v5/caller-password", Some("V11-HMAC-SHA256 Credential=a"), Vendor::Huawei),
        ] {
            let mut request = Request::post(path);
            if let Some(authorization) = authorization {
                request = request.header(AUTHORIZATION, authorization);
            }
            assert_eq!(Vendor::of(&request.body(()).unwrap().into_parts().0), vendor, "{path} {authorization:?}");
        }
    }
}
