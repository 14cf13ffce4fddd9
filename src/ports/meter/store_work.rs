//! The work of the store by name, for metrics and traces.

use super::{Label, labels};

labels! {
    /// Work of the store: a read, or a write transaction by its name.
    StoreWork {
        /// Statements that only read.
        Read = "read",
        /// A change of a password.
        Commit = "commit",
        /// A stored hash is made again with today's cost or key.
        ReplaceHash = "replace_hash",
        /// The first hash of a password that another system verified.
        TakeOver = "take_over",
        /// Refusals and other events without a change, together.
        Record = "record",
        /// A wrong password, or one without a verdict.
        RecordFailure = "record_failure",
        /// Waits after wrong passwords begin again after the clock was set back.
        RestartWaits = "restart_waits",
        /// A right password ends its count of wrong ones.
        ForgetFailures = "forget_failures",
        /// An administrator clears counts of wrong passwords.
        ClearFailures = "clear_failures",
        /// Which caller used which password in an overlap.
        NoteUse = "note_use",
        /// An overlap of two passwords is allowed.
        SetOverlap = "set_overlap",
        /// An overlap is ended.
        EndOverlap = "end_overlap",
        /// The nonce of a signed request is spent.
        SpendNonce = "spend_nonce",
        /// An access key was used.
        NoteKeyUse = "note_key_use",
        /// An access token or key is issued.
        InsertAccessToken = "insert_access_token",
        /// The first operator's token.
        Bootstrap = "bootstrap",
        /// An access token or key is enabled or disabled.
        SetAccessTokenStatus = "set_access_token_status",
        /// An access token or key is revoked.
        DeleteAccessToken = "delete_access_token",
        /// A batch of an import.
        Import = "import",
        /// A tenant is created.
        CreateTenant = "create_tenant",
        /// A tenant is deleted.
        DeleteTenant = "delete_tenant",
        /// Settings of a tenant are changed.
        ReplaceSettings = "replace_settings",
        /// A candidate password policy is changed.
        ChangeCandidate = "change_candidate",
        /// Comparisons with candidate password policies are added up.
        AddComparisons = "add_comparisons",
        /// A subject is created.
        CreateSubject = "create_subject",
        /// A subject is enabled or disabled.
        SetSubjectStatus = "set_subject_status",
        /// A subject is deleted.
        DeleteSubject = "delete_subject",
        /// An instance is created.
        CreateInstance = "create_instance",
        /// The state of an instance is set.
        SetInstanceStatus = "set_instance_status",
        /// An instance is deleted.
        DeleteInstance = "delete_instance",
        /// Where the passwords of an instance are delivered is set.
        SetEndpoint = "set_endpoint",
        /// The delivery to an instance is ended.
        DeleteEndpoint = "delete_endpoint",
        /// A process begins to deliver to an instance.
        LeaseEndpoint = "lease_endpoint",
        /// A process is done with an instance for now.
        ReleaseEndpoint = "release_endpoint",
        /// Deliveries become due whose time was set before the clock was put back.
        MakeDue = "make_due",
        /// What an attempt made of a delivery.
        RecordDelivery = "record_delivery",
        /// Change events get their positions.
        NumberChangeEvents = "number_change_events",
        /// Old change events are removed.
        PurgeChangeEvents = "purge_change_events",
        /// A range of the audit log is closed.
        CloseAuditRange = "close_audit_range",
        /// Old audit events are removed.
        RemoveOldAuditEvents = "remove_old_audit_events",
        /// Old client tokens are removed.
        RemoveClientTokens = "remove_client_tokens",
        /// What is left of overlaps is removed.
        RemoveOverlaps = "remove_overlaps",
        /// Access tokens that expired are removed.
        RemoveAccessTokens = "remove_access_tokens",
        /// What is left of deleted tenants and of larger policies is removed.
        RemoveLeftovers = "remove_leftovers",
        /// Wrong passwords that no longer count are removed.
        RemoveFailures = "remove_failures",
        /// Stops that are over are removed.
        RemoveStops = "remove_stops",
        /// Nonces that need not be known any more are removed.
        RemoveSpentNonces = "remove_spent_nonces",
        /// A page of hashes is encrypted again by a command.
        ReplaceHashes = "replace_hashes",
        /// A page of secrets is encrypted again by a command.
        ReplaceSecrets = "replace_secrets",
    }
}
