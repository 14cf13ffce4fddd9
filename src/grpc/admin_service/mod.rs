//! `credential.admin.v1.AdminService`: one file for each group of operations.

mod access_tokens;
mod accounts;
mod attempts;
mod audit;
mod candidates;
mod denials;
mod endpoints;
mod imports;
mod instances;
mod kinds;
mod overlaps;
mod posture;
mod resets;
mod settings;
mod subjects;
mod tenants;

use std::sync::Arc;

use super::generated::credential::admin::v1 as wire;
use super::rpc_methods::rpc_methods;
use crate::service::Service;
pub(crate) use imports::read_import_row;
use wire::admin_service_server::AdminService;

/// The service on the wire.
pub(super) struct AdminEdge(pub(super) Arc<Service>);

rpc_methods! {
    AdminService for AdminEdge {
        create_tenant(CreateTenantRequest) -> CreateTenantResponse = tenants::create;
        describe_tenant(DescribeTenantRequest) -> DescribeTenantResponse = tenants::describe;
        list_tenants(ListTenantsRequest) -> ListTenantsResponse = tenants::list;
        delete_tenant(DeleteTenantRequest) -> DeleteTenantResponse = tenants::delete;

        create_mail_domain(CreateMailDomainRequest) -> CreateMailDomainResponse = subjects::create;
        describe_mail_domain(DescribeMailDomainRequest) -> DescribeMailDomainResponse = subjects::describe;
        list_mail_domains(ListMailDomainsRequest) -> ListMailDomainsResponse = subjects::list;
        delete_mail_domain(DeleteMailDomainRequest) -> DeleteMailDomainResponse = subjects::delete;
        set_mail_domain_status(SetMailDomainStatusRequest) -> SetMailDomainStatusResponse = subjects::set_status;

        create_ram_user(CreateRamUserRequest) -> CreateRamUserResponse = subjects::create;
        describe_ram_user(DescribeRamUserRequest) -> DescribeRamUserResponse = subjects::describe;
        list_ram_users(ListRamUsersRequest) -> ListRamUsersResponse = subjects::list;
        delete_ram_user(DeleteRamUserRequest) -> DeleteRamUserResponse = subjects::delete;

        create_iam_user(CreateIamUserRequest) -> CreateIamUserResponse = subjects::create;
        describe_iam_user(DescribeIamUserRequest) -> DescribeIamUserResponse = subjects::describe;
        list_iam_users(ListIamUsersRequest) -> ListIamUsersResponse = subjects::list;
        delete_iam_user(DeleteIamUserRequest) -> DeleteIamUserResponse = subjects::delete;

        create_instance(CreateInstanceRequest) -> CreateInstanceResponse = instances::create;
        describe_instance(DescribeInstanceRequest) -> DescribeInstanceResponse = instances::describe;
        list_instances(ListInstancesRequest) -> ListInstancesResponse = instances::list;
        delete_instance(DeleteInstanceRequest) -> DeleteInstanceResponse = instances::delete;
        set_instance_status(SetInstanceStatusRequest) -> SetInstanceStatusResponse = instances::set_status;
        set_instance_endpoint(SetInstanceEndpointRequest) -> SetInstanceEndpointResponse = endpoints::set;
        describe_instance_endpoint(DescribeInstanceEndpointRequest) -> DescribeInstanceEndpointResponse
            = endpoints::describe;
        delete_instance_endpoint(DeleteInstanceEndpointRequest) -> DeleteInstanceEndpointResponse = endpoints::delete;
        describe_delivery(DescribeDeliveryRequest) -> DescribeDeliveryResponse = endpoints::describe_delivery;

        create_instance_account(CreateInstanceAccountRequest) -> CreateInstanceAccountResponse
            = subjects::create;
        describe_instance_account(DescribeInstanceAccountRequest) -> DescribeInstanceAccountResponse
            = subjects::describe;
        list_instance_accounts(ListInstanceAccountsRequest) -> ListInstanceAccountsResponse = subjects::list;
        delete_instance_account(DeleteInstanceAccountRequest) -> DeleteInstanceAccountResponse
            = subjects::delete;
        set_instance_account_status(SetInstanceAccountStatusRequest) -> SetInstanceAccountStatusResponse
            = subjects::set_status;
        describe_accounts(DescribeAccountsRequest) -> DescribeAccountsResponse = accounts::describe_accounts;

        reset_password(ResetPasswordRequest) -> ResetPasswordResponse = resets::reset_password;
        reset_account_password(ResetAccountPasswordRequest) -> ResetAccountPasswordResponse
            = resets::reset_account_password;

        set_password_overlap(SetPasswordOverlapRequest) -> SetPasswordOverlapResponse = overlaps::set;
        describe_password_overlap(DescribePasswordOverlapRequest) -> DescribePasswordOverlapResponse
            = overlaps::describe;
        end_password_overlap(EndPasswordOverlapRequest) -> EndPasswordOverlapResponse = overlaps::end;

        list_attempts(ListAttemptsRequest) -> ListAttemptsResponse = attempts::list;
        clear_attempts(ClearAttemptsRequest) -> ClearAttemptsResponse = attempts::clear;

        get_password_policy(GetPasswordPolicyRequest) -> GetPasswordPolicyResponse = settings::get_password_policy;
        set_password_policy(SetPasswordPolicyRequest) -> SetPasswordPolicyResponse = settings::set_password_policy;
        show_password_policy_v5(ShowPasswordPolicyV5Request) -> ShowPasswordPolicyV5Response
            = settings::show_password_policy_v5;
        update_password_policy_v5(UpdatePasswordPolicyV5Request) -> UpdatePasswordPolicyV5Response
            = settings::update_password_policy_v5;
        show_login_policy_v5(ShowLoginPolicyV5Request) -> ShowLoginPolicyV5Response = settings::show_login_policy_v5;
        update_login_policy_v5(UpdateLoginPolicyV5Request) -> UpdateLoginPolicyV5Response
            = settings::update_login_policy_v5;
        set_candidate_password_policy(SetCandidatePasswordPolicyRequest) -> SetCandidatePasswordPolicyResponse
            = candidates::set;
        update_candidate_password_policy_v5(UpdateCandidatePasswordPolicyV5Request)
            -> UpdateCandidatePasswordPolicyV5Response = candidates::update_v5;
        describe_candidate_password_policy(DescribeCandidatePasswordPolicyRequest)
            -> DescribeCandidatePasswordPolicyResponse = candidates::describe;
        adopt_candidate_password_policy(AdoptCandidatePasswordPolicyRequest) -> AdoptCandidatePasswordPolicyResponse
            = candidates::adopt;
        drop_candidate_password_policy(DropCandidatePasswordPolicyRequest) -> DropCandidatePasswordPolicyResponse
            = candidates::drop;
        get_security_preference(GetSecurityPreferenceRequest) -> GetSecurityPreferenceResponse
            = settings::get_security_preference;
        set_security_preference(SetSecurityPreferenceRequest) -> SetSecurityPreferenceResponse
            = settings::set_security_preference;

        describe_hash_posture(DescribeHashPostureRequest) -> DescribeHashPostureResponse = posture::describe;

        decode_authorization_message(DecodeAuthorizationMessageRequest) -> DecodeAuthorizationMessageResponse
            = denials::decode;

        issue_access_token(IssueAccessTokenRequest) -> IssueAccessTokenResponse = access_tokens::issue;
        list_access_tokens(ListAccessTokensRequest) -> ListAccessTokensResponse = access_tokens::list;
        set_access_token_status(SetAccessTokenStatusRequest) -> SetAccessTokenStatusResponse = access_tokens::set_status;
        revoke_access_token(RevokeAccessTokenRequest) -> RevokeAccessTokenResponse = access_tokens::revoke;
    }
    watches {
        list_audit_events(ListAuditEventsRequest) -> ListAuditEventsStream of ListAuditEventsResponse = audit::list;
    }
    streams {
        import_credentials(ImportCredentialsRequest) -> ImportCredentialsResponse = imports::import;
    }
}
