//! Access tokens.

use uuid::Uuid;

use super::wire;
use crate::domain::access_token::{AccessTokenForm, AccessTokenStatus, TokenId};
use crate::domain::caller::CallerKind;
use crate::domain::field::FieldProblem;
use crate::domain::named_caller::Member;
use crate::domain::names::FreeName;
use crate::edge::Fields;
use crate::grpc::convert::lists::listed;
use crate::grpc::convert::statuses::Numbered;
use crate::grpc::convert::times::time_to_live;
use crate::service::requests::{TokenHolder, TokenToIssue};
use crate::service::{Call, Service, ServiceError};

pub(super) async fn issue(
    service: &Service,
    call: Call,
    message: wire::IssueAccessTokenRequest,
) -> Result<wire::IssueAccessTokenResponse, ServiceError> {
    let mut fields = Fields::default();
    let holder = holder(&mut fields, &message);
    let time_to_live = message.time_to_live.and_then(|d| fields.take("time_to_live", time_to_live(d)));
    let form = fields.take("form", form(&message));
    let wanted = fields.all(|| Some(TokenToIssue { holder: holder?, time_to_live, form: form? }))?;
    let issued = service.issue_access_token(call, wanted).await?;
    let (token, access_key_secret) = match issued.token.form {
        AccessTokenForm::Bearer => (issued.text.to_string(), String::new()),
        AccessTokenForm::AccessKey => (String::new(), issued.text.to_string()),
    };
    Ok(wire::IssueAccessTokenResponse { token, access_token: Some(issued.token.into()), access_key_secret })
}

pub(super) async fn list(
    service: &Service,
    call: Call,
    message: wire::ListAccessTokensRequest,
) -> Result<wire::ListAccessTokensResponse, ServiceError> {
    let mut fields = Fields::default();
    let tenant = fields.tenant(&message.tenant);
    let tokens = service.page_tokens(&call, tenant.as_ref(), "");
    let page = fields.page(&tokens, message.page_size, &message.page_token);
    let (tenant, page) = fields.all(|| Some((tenant, page?)))?;
    let Ok((access_tokens, next_page_token)) = listed(&tokens, service.list_access_tokens(call, tenant, page).await?);
    Ok(wire::ListAccessTokensResponse { access_tokens, next_page_token })
}

pub(super) async fn set_status(
    service: &Service,
    call: Call,
    message: wire::SetAccessTokenStatusRequest,
) -> Result<wire::SetAccessTokenStatusResponse, ServiceError> {
    let mut fields = Fields::default();
    let tenant = fields.tenant(&message.tenant);
    let id = fields.take("token_id", token_id(&message.token_id));
    let status = fields.take("status", AccessTokenStatus::required(message.status));
    let (tenant, id, status) = fields.all(|| Some((tenant, id?, status?)))?;
    let token = service.set_access_token_status(call, tenant, id, status).await?;
    Ok(wire::SetAccessTokenStatusResponse { access_token: Some(token.into()) })
}

pub(super) async fn revoke(
    service: &Service,
    call: Call,
    message: wire::RevokeAccessTokenRequest,
) -> Result<wire::RevokeAccessTokenResponse, ServiceError> {
    let mut fields = Fields::default();
    let tenant = fields.tenant(&message.tenant);
    let id = fields.take("token_id", token_id(&message.token_id));
    let (tenant, id) = fields.all(|| Some((tenant, id?)))?;
    service.revoke_access_token(call, tenant, id).await?;
    Ok(wire::RevokeAccessTokenResponse {})
}

/// The caller that the token authenticates. Its kind decides what the name and the tenant may be.
fn holder(fields: &mut Fields, message: &wire::IssueAccessTokenRequest) -> Option<TokenHolder> {
    let tenant = fields.tenant(&message.tenant);
    let kind = fields.take("caller_kind", CallerKind::required(message.caller_kind))?;
    let name = &message.caller_name;
    if kind == CallerKind::Operator {
        let belongs_nowhere = match tenant {
            None => Ok(()),
            Some(_) => Err(FieldProblem::Malformed { expected: "must be empty for an operator" }),
        };
        fields.take("tenant", belongs_nowhere);
        return fields.take("caller_name", FreeName::parse(name).map(TokenHolder::Operator));
    }
    Some(TokenHolder::Member(tenant, fields.take("caller_name", Member::parse(kind, name))?))
}

/// How the token proves its caller. Operators have no access keys: no operation that takes them is an operator's.
fn form(message: &wire::IssueAccessTokenRequest) -> Result<AccessTokenForm, FieldProblem> {
    let form = AccessTokenForm::or(message.form, AccessTokenForm::Bearer)?;
    let is_operator = CallerKind::specified(message.caller_kind) == Ok(Some(CallerKind::Operator));
    if is_operator && form == AccessTokenForm::AccessKey {
        return Err(FieldProblem::Malformed { expected: "must be a bearer token for an operator" });
    }
    Ok(form)
}

fn token_id(text: &str) -> Result<TokenId, FieldProblem> {
    if text.is_empty() {
        return Err(FieldProblem::Missing);
    }
    Uuid::parse_str(text).map(TokenId).map_err(|_| FieldProblem::Malformed { expected: "must be a UUID" })
}
