//! The operations of the vendors that the service offers, and how a request names one.

mod accounts;
mod changes;
mod denials;
mod settings;

use futures_util::future::BoxFuture;
use http::Method;
use http::header::AUTHORIZATION;
use serde_json::Value;

use super::message::Message;
use super::parameters::Parameters;
use super::request::ReceivedRequest;
use super::vendor::Vendor;
use crate::domain::action::Action;
use crate::service::{Call, Service, ServiceError};

/// An operation of a vendor.
pub(super) struct Operation {
    vendor: Vendor,
    /// How a request names it: its name and version, or its method and path.
    named: (&'static str, &'static str),
    /// The action that it is.
    pub(super) action: Action,
    perform: Perform,
}

type Perform = for<'a> fn(&'a Service, Call, Message) -> BoxFuture<'a, Outcome>;

/// The content of an answer, without the id of the request.
type Outcome = Result<Value, ServiceError>;

macro_rules! operations {
    ($($vendor:ident $name:literal $version:literal = $action:ident, $perform:path;)+) => {
        /// Every operation.
        const OPERATIONS: &[Operation] = &[$(
            Operation {
                vendor: Vendor::$vendor,
                named: ($name, $version),
                action: Action::$action,
                perform: |service, call, message| Box::pin($perform(service, call, message)),
            },
        )+];
    };
}

operations! {
    Alibaba "ModifyPWByDomain" "2015-11-23" = ModifyPwByDomain, changes::modify_pw_by_domain;
    Alibaba "ChangePassword" "2015-05-01" = ChangePassword, changes::change_password;
    // The same operation of IMS, in two versions.
    Alibaba "ChangePassword" "2019-08-15" = ChangePassword, changes::change_password;
    Alibaba "ChangePassword" "2017-04-30" = ChangePassword, changes::change_password;
    Alibaba "ModifyAccountPassword" "2015-01-01" = ModifyAccountPassword, changes::modify_account_password;
    Huawei "POST" "/v5/caller-password" = ChangePasswordV5, changes::change_password_v5;

    Alibaba "GetPasswordPolicy" "2015-05-01" = GetPasswordPolicy, settings::get_password_policy;
    Alibaba "SetPasswordPolicy" "2015-05-01" = SetPasswordPolicy, settings::set_password_policy;
    Alibaba "GetSecurityPreference" "2015-05-01" = GetSecurityPreference, settings::get_security_preference;
    Alibaba "SetSecurityPreference" "2015-05-01" = SetSecurityPreference, settings::set_security_preference;
    Alibaba "ResetAccountPassword" "2015-01-01" = ResetAccountPassword, accounts::reset_account_password;
    Alibaba "DescribeAccounts" "2015-01-01" = DescribeAccounts, accounts::describe_accounts;
    Huawei "GET" "/v5/password-policy" = ShowPasswordPolicyV5, settings::show_password_policy_v5;
    Huawei "PUT" "/v5/password-policy" = UpdatePasswordPolicyV5, settings::update_password_policy_v5;
    Huawei "POST" "/v5/decode-authorization-message" = DecodeAuthorizationMessage, denials::decode;
}

impl Operation {
    /// The operation that a request names, if there is one.
    pub(super) fn of(vendor: Vendor, request: &ReceivedRequest<'_>, parameters: &Parameters) -> Option<&'static Self> {
        let named = match vendor {
            Vendor::Huawei => (request.method.as_str(), request.path),
            // V1 signs no path: there is only this one.
            Vendor::Alibaba if request.path != "/" || ![Method::GET, Method::POST].contains(request.method) => {
                return None;
            }
            Vendor::Alibaba if request.headers.contains_key(AUTHORIZATION) => {
                (request.header("x-acs-action")?, request.header("x-acs-version")?)
            }
            // V1 covers the parameters alone.
            Vendor::Alibaba => (parameters.value("Action")?, parameters.value("Version")?),
        };
        OPERATIONS.iter().find(|operation| operation.vendor == vendor && operation.named == named)
    }

    /// The root of its answer in XML.
    pub(super) fn root(&self) -> String {
        format!("{}Response", self.named.0)
    }

    /// Performs it.
    pub(super) async fn perform(&self, service: &Service, call: Call, message: Message) -> Outcome {
        (self.perform)(service, call, message).await
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use http::Request;

    use super::*;

    fn chosen(request: http::request::Builder) -> Option<Action> {
        let (head, ()) = request.body(()).unwrap().into_parts();
        let (path, query) = (head.uri.path(), head.uri.query().unwrap_or_default());
        let received = ReceivedRequest { method: &head.method, path, query, headers: &head.headers, body: b"" };
        let parameters = received.parameters().unwrap();
        Operation::of(Vendor::of(&head), &received, &parameters).map(|operation| operation.action)
    }

    fn acs3(name: &str, version: &str) -> http::request::Builder {
        let request = Request::post("/").header(AUTHORIZATION, "ACS3-HMAC-SHA256 Credential=a");
        request.header("x-acs-action", name).header("x-acs-version", version)
    }

    #[test]
    fn every_operation_is_found_by_its_name_and_no_two_have_the_same() {
        for operation in OPERATIONS {
            let (name, version) = operation.named;
            let requests = match operation.vendor {
                Vendor::Alibaba => vec![
                    acs3(name, version),
                    acs3(name, version).method("GET"),
                    Request::get(format!("/?Signature=x&Action={name}&Version={version}")),
                    Request::post(format!("/?Signature=x&Action={name}&Version={version}"))
                        .header("x-acs-action", "other"),
                ],
                Vendor::Huawei => vec![Request::builder().method(name).uri(version)],
            };
            for request in requests {
                assert_eq!(chosen(request), Some(operation.action), "{:?}", operation.named);
            }
        }
        let names: BTreeSet<_> = OPERATIONS.iter().map(|operation| operation.named).collect();
        assert_eq!(names.len(), OPERATIONS.len());
    }

    #[test]
    fn what_the_signature_does_not_cover_names_no_operation() {
        for request in [
            // The parameters of a request that is signed in its headers.
            Request::post("/?Action=ChangePassword&Version=2015-05-01").header(AUTHORIZATION, "ACS3-HMAC-SHA256 a"),
            // The headers, the path and the body of one that is signed in its parameters.
            Request::post("/?Signature=x")
                .header("x-acs-action", "ChangePassword")
                .header("x-acs-version", "2015-05-01"),
            Request::post("/prefix?Signature=x&Action=ChangePassword&Version=2015-05-01"),
            acs3("ChangePassword", "2015-05-01").uri("/v5/caller-password"),
            acs3("ChangePassword", "2015-05-01").header("x-acs-action", "ChangePassword"),
        ] {
            assert_eq!(chosen(request), None);
        }
    }

    #[test]
    fn nothing_else_is_an_operation() {
        for request in [
            acs3("ChangePassword", "2015-01-01"),
            acs3("changePassword", "2015-05-01"),
            acs3("DeleteUser", "2015-05-01"),
            acs3("POST", "/v5/caller-password"),
            acs3("ChangePassword", "2015-05-01").method("PUT"),
            Request::get("/"),
            Request::get("/v5/caller-password"),
            Request::post("/v5/caller-password/"),
            Request::post("/v3/users/1/password"),
        ] {
            assert_eq!(chosen(request), None);
        }
    }
}
