//! Every metric, except those of the hash engine, which are read from it (`HasherFigures`).

use super::{Label, Metric, Series, StoreWork, labels, metrics};
use crate::domain::action::Action;
use crate::ports::StoreError;

metrics! {
    /// Counters: they only grow.
    Counter {
        Requests(rpc: Rpc, code: StatusCode) = "requests": "Requests answered, by RPC and status code",
            "The rate of `INTERNAL` or `UNAVAILABLE` is above 0 for minutes: `credentiald_refusals_total` says why.";
        Refusals(rpc: Rpc, reason: RefusalReason) = "refusals": "Requests that failed, by RPC and reason",
            "`STORE_UNAVAILABLE`, `OVERLOADED` or `INTERNAL` grow. Many `OLD_PASSWORD_INCORRECT` or `UNAUTHENTICATED` at once may be guesses.";
        ConnectionsClosed(reason: Closing) = "connections_closed": "Connections that the service closed, by reason",
            "`cancellations` or `stalled` grow: a client is broken or hostile.";
        AcceptWaits(reason: AcceptWait) = "accept_waits": "Waits before a connection could be accepted, by reason",
            "It grows: raise `server.max_connections`, or the limits of the system.";
        PermissionsRefused(rpc: Rpc) = "permissions_refused": "Requests without permission, by RPC",
            "It jumps after policies were changed.";
        CandidateDecisions(decision: CandidateDecision) = "candidate_decisions": "Decisions that candidate policies would make, compared with those in force",
            "`permits` or `denies` grow: the candidates differ from what is in force.";
        PolicyFailures = "policy_failures": "Decisions that denied because a policy failed",
            "It grows at all.";
        Attempts(outcome: AttemptOutcome) = "attempts": "Passwords compared with stored ones, by outcome",
            "`wrong` grows faster than usual, or `undecided` grows at all.";
        AttemptsThrottled(limit: AttemptThrottle) = "attempts_throttled": "Attempts refused or delayed after wrong passwords, by limit",
            "It jumps: passwords are guessed, or a system sends an old password.";
        QuotaRefusals(quota: QuotaHolder) = "quota_refusals": "Requests refused because a quota was used up, by its holder",
            "It grows for callers that behave as they should: raise the quota.";
        StoreFailures(reason: StoreFailure) = "store_failures": "Store operations that failed, by reason",
            "`unavailable` grows; `damaged` is above 0.";
        StoreRetries(work: StoreWork, cause: RetryCause) = "store_retries": "Retries of reads and of named transactions of the store, by cause",
            "Retries are a large part of the operations: with `conflict`, writers of one row contend; with `lost`, connections break.";
        AuditEvents = "audit_events": "Audit events recorded",
            "It stands still while requests go on.";
        JwtsRefused = "jwts_refused": "JWTs refused",
            "It jumps: an issuer or its clients changed.";
        SignaturesRefused = "signatures_refused": "Signed requests refused because of their signature",
            "It jumps: a clock is wrong, or a key was replaced.";
        JwksFetches(outcome: FetchOutcome) = "jwks_fetches": "Fetches of the keys of issuers of JWTs, by outcome",
            "`failed` grows: tokens are refused once the keys that are held are too old.";
        HookAnswers(outcome: HookOutcome) = "hook_answers": "Passwords that the hook of another system was asked about, by its answer",
            "`unavailable` grows: subjects that were imported without a hash can't sign in.";
        NodesAsked(outcome: NodeOutcome) = "nodes_asked": "Nodes of instances that passwords were delivered to, by outcome",
            "`failed` grows: `describe-delivery` says why.";
        NodeDrifts = "node_drifts": "Accounts that had other passwords on a node than were delivered, found by a comparison",
            "It grows: users are changed by hand, or a node loses its own. `describe-delivery` names the node.";
        Reloads(files: FileKind, outcome: ReloadOutcome) = "reloads": "Changed files that were read again, by kind and outcome",
            "`refused` grows: the log names the mistakes.";
        Spans(outcome: SpanOutcome) = "spans": "Spans of traced calls, by what became of them",
            "`failed` or `dropped` grow: the collector is away or too slow. Calls don't notice.";
        UpkeepFailures(task: UpkeepTask) = "upkeep_failures": "Failures of work in the background, by task",
            "It grows for more than minutes.";
    }
}

metrics! {
    /// Gauges: they grow and shrink.
    Gauge {
        Connections = "connections": "Open connections",
            "It is near `server.max_connections`.";
        Watches = "watches": "Open watches of changes and readers of the audit log",
            "It falls to 0 where relying systems should listen.";
        AttemptsHeld = "attempts_held": "Failed attempts in memory that the store has not taken yet",
            "It stays above 0: the store takes no writes.";
        DeliveriesPending = "deliveries_pending": "Passwords that are not on every node of their instance as they should be, counted up to 1000",
            "It stays above 0 for minutes: see `credentiald_deliveries_failing`.";
        DeliveriesFailing = "deliveries_failing": "Those of them that an attempt has failed for",
            "It is above 0 for minutes: `describe-delivery` says why.";
        OldestDelivery = "oldest_delivery_timestamp_seconds": "When the oldest of these passwords was set, in seconds since 1970; 0 without one",
            "It is more than minutes ago.";
        FilesNotUsed(files: FileKind) = "files_not_used": "Changed files that are not used because of mistakes, by kind: the ones before stay in force",
            "It is 1.";
        StoreUp = "store_up": "1 while the store answers the probes of health",
            "It is 0.";
        CertificateExpiry = "certificate_expiry_timestamp_seconds": "The soonest expiry in the chain of TLS, without intermediates that had expired when it was loaded, in seconds since 1970; 0 without TLS",
            "It is less than two weeks away.";
        TokenExpiry = "token_expiry_timestamp_seconds": "The soonest expiry of an access token or access key, in seconds since 1970; 0 if none expires. Looked up once a minute",
            "It is near, and the next one is not issued: `credentiald admin list-access-tokens` shows which one it is.";
        IssuerKeysExpiry = "issuer_keys_expiry_timestamp_seconds": "The soonest time at which the fetched keys of an issuer of JWTs are too old to be used, in seconds since 1970; 0 without such an issuer",
            "It is in the past or near: keys are not fetched, and tokens of that issuer are refused from then on.";
        AuditRangesClosed = "audit_ranges_closed_timestamp_seconds": "When this process last saw every audit event in a range, or else when it started, in seconds since 1970: the lag of the audit log is the time since then",
            "It is more than a minute ago: followers of the audit log and the hash chain lag behind.";
        ChangeEventsNumbered = "change_events_numbered_timestamp_seconds": "When this process last saw every change event with its position, or else when it started, in seconds since 1970. It looks once a minute, and twice a second while a tenant is watched",
            "It is more than two minutes ago: watchers get no events.";
        StoreConnections(state: ConnectionState) = "store_connections": "Connections to PostgreSQL, read every two seconds; 0 with SQLite",
            "All of `postgres.connections` are in use for long: operations wait for one.";
        StoreOperations = "store_operations": "Reads and transactions in progress, including those that wait for a connection",
            "It stays above the number of connections (`postgres.connections`).";
    }
}

metrics! {
    /// Histograms of durations, in seconds.
    Histogram {
        RequestDuration(rpc: Rpc) = "request_duration": "Time from a request to the end of its answer, by RPC; a watch lasts as long as its caller listens",
            "The 99th percentile of a method is above what its callers wait for.";
        StoreDuration(work: StoreWork) = "store_duration": "Time of a read or of a named transaction of the store, with its retries and its wait for a connection",
            "The 99th percentile grows: the store is slow, or has too few connections.";
        HashWait(kind: HashKind) = "hash_wait": "Time from the request for a hash until a worker begins it, of hashes that were begun",
            "The 99th percentile is near `hashing.longest_wait_seconds`, or near the deadlines of callers.";
        HashService(kind: HashKind) = "hash_service": "Time that a worker took for a hash",
            "It grows: the machine shares its CPUs or its memory bandwidth.";
        WatchLag = "watch_lag": "Time from a change to the moment when a watch passes it on, for each watch that was open at the change",
            "The 99th percentile is above a few seconds: the store is slow, or watchers read slowly.";
    }
}

/// An RPC of our services; all others are one value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rpc(pub Option<Action>);

impl Label for Rpc {
    const COUNT: usize = Action::ALL.len() + 1;

    fn values() -> Vec<(&'static str, &'static str)> {
        Action::ALL.iter().map(|action| action.rpc()).chain(["other"]).map(|rpc| (rpc, "")).collect()
    }

    fn number(self) -> usize {
        self.0.map_or(Action::ALL.len(), |action| action as usize)
    }
}

labels! {
    /// A status code (`google.rpc.Code`), in the order of their numbers.
    StatusCode {
        Ok = "OK",
        /// Also if the caller hung up before the end of the answer.
        Cancelled = "CANCELLED",
        Unknown = "UNKNOWN",
        InvalidArgument = "INVALID_ARGUMENT",
        DeadlineExceeded = "DEADLINE_EXCEEDED",
        NotFound = "NOT_FOUND",
        AlreadyExists = "ALREADY_EXISTS",
        PermissionDenied = "PERMISSION_DENIED",
        ResourceExhausted = "RESOURCE_EXHAUSTED",
        FailedPrecondition = "FAILED_PRECONDITION",
        Aborted = "ABORTED",
        OutOfRange = "OUT_OF_RANGE",
        Unimplemented = "UNIMPLEMENTED",
        Internal = "INTERNAL",
        Unavailable = "UNAVAILABLE",
        DataLoss = "DATA_LOSS",
        Unauthenticated = "UNAUTHENTICATED",
    }

    /// Why a request fails: the reasons of `docs/errors.md`.
    RefusalReason {
        InvalidField = "INVALID_FIELD",
        PasswordPolicyViolation = "PASSWORD_POLICY_VIOLATION",
        PasswordReused = "PASSWORD_REUSED",
        OldPasswordIncorrect = "OLD_PASSWORD_INCORRECT",
        ClientTokenMismatch = "CLIENT_TOKEN_MISMATCH",
        AuthorizationMessageInvalid = "AUTHORIZATION_MESSAGE_INVALID",
        CallerNotEligible = "CALLER_NOT_ELIGIBLE",
        ResourceState = "RESOURCE_STATE",
        PasswordTooYoung = "PASSWORD_TOO_YOUNG",
        PasswordExpired = "PASSWORD_EXPIRED",
        NotEmpty = "NOT_EMPTY",
        Unauthenticated = "UNAUTHENTICATED",
        AccessDenied = "ACCESS_DENIED",
        SelfChangeDisabled = "SELF_CHANGE_DISABLED",
        DomainNotFound = "DOMAIN_NOT_FOUND",
        UserNotFound = "USER_NOT_FOUND",
        InstanceNotFound = "INSTANCE_NOT_FOUND",
        AccountNotFound = "ACCOUNT_NOT_FOUND",
        AccessTokenNotFound = "ACCESS_TOKEN_NOT_FOUND",
        TenantNotFound = "TENANT_NOT_FOUND",
        ServiceNotFound = "SERVICE_NOT_FOUND",
        AlreadyExists = "ALREADY_EXISTS",
        VersionConflict = "VERSION_CONFLICT",
        CursorExpired = "CURSOR_EXPIRED",
        TooManyAttempts = "TOO_MANY_ATTEMPTS",
        MessageTooLarge = "MESSAGE_TOO_LARGE",
        Overloaded = "OVERLOADED",
        StoreUnavailable = "STORE_UNAVAILABLE",
        HookUnavailable = "HOOK_UNAVAILABLE",
        OutcomeUnknown = "OUTCOME_UNKNOWN",
        DeadlineTooShort = "DEADLINE_TOO_SHORT",
        DeadlineExceeded = "DEADLINE_EXCEEDED",
        UnsupportedCompression = "UNSUPPORTED_COMPRESSION",
        UnknownMethod = "UNKNOWN_METHOD",
        Internal = "INTERNAL",
    }

    /// Why the service closes a connection.
    Closing {
        /// The service stops.
        Stopping = "stopping",
        /// It had no call for too long.
        Idle = "idle",
        /// It had no call while others waited for a place.
        Crowded = "crowded",
        /// Its peer cancelled too many calls.
        Cancellations = "cancellations",
        /// Its peer did not begin HTTP in time, or did not send the head of a request that it had begun.
        Handshake = "handshake",
        /// Its peer read nothing of an answer over HTTP/1.1.
        Stalled = "stalled",
    }

    /// What accepting waits for.
    AcceptWait {
        /// As many connections are open as are allowed.
        Limit = "limit",
        /// The system has no resources for another one.
        Resources = "resources",
    }

    /// The verdict on a password.
    AttemptOutcome {
        /// It is right.
        Right = "right",
        /// It is wrong.
        Wrong = "wrong",
        /// The service could not decide.
        Undecided = "undecided",
    }

    /// The count of wrong passwords that throttles an attempt.
    AttemptThrottle {
        /// That of the caller with the subject. It refuses.
        Pair = "pair",
        /// The same, if it has stopped the caller.
        Stop = "stop",
        /// That of all callers with the subject. It delays, or refuses if the deadline is too short.
        Subject = "subject",
    }

    /// Whose quota of requests it is.
    QuotaHolder {
        /// A caller's.
        Caller = "caller",
        /// A tenant's, which its callers share.
        Tenant = "tenant",
    }

    /// Why the store returns no result.
    StoreFailure {
        /// It can't be reached or refuses to work.
        Unavailable = "unavailable",
        /// It is unknown whether a commit was made.
        OutcomeUnknown = "outcome_unknown",
        /// Its contents can't be understood.
        Damaged = "damaged",
    }

    /// What a connection to the database does.
    ConnectionState {
        /// It is used, or being made.
        InUse = "in_use",
        /// It is kept for reuse.
        Idle = "idle",
    }

    /// How a hash is computed.
    HashKind {
        /// Argon2, one hash at a time.
        Alone = "alone",
        /// Argon2, two hashes together: each has the time of both.
        Paired = "paired",
        /// A hash of another algorithm, from elsewhere.
        Foreign = "foreign",
    }

    /// What became of changed files.
    ReloadOutcome {
        /// They are in force.
        InForce = "in_force",
        /// They have mistakes: the ones before stay in force.
        Refused = "refused",
    }

    /// Why an operation of the store is retried.
    RetryCause {
        /// A conflict with another transaction.
        Conflict = "conflict",
        /// A violated constraint, most likely by a race.
        Constraint = "constraint",
        /// The connection was lost.
        Lost = "lost",
        /// The outcome of the commit is in doubt.
        InDoubt = "in_doubt",
    }

    /// Files that are read again while the service runs.
    FileKind {
        /// Those of TLS.
        Tls = "tls",
        /// The list or the filter of refused passwords.
        RefusedPasswords = "refused_passwords",
        /// Those of permissions.
        Policies = "policies",
        /// Candidates for permissions.
        CandidatePolicies = "candidate_policies",
        /// Those of the issuers of JWTs.
        Jwt = "jwt",
        /// The ring of pepper keys.
        Pepper = "pepper",
    }

    /// What candidate policies would decide.
    CandidateDecision {
        /// The same as the policies in force.
        Same = "same",
        /// They permit what is denied now.
        Permits = "permits",
        /// They deny what is permitted now.
        Denies = "denies",
    }

    /// How a fetch of keys ended.
    FetchOutcome {
        /// They were fetched.
        Fetched = "fetched",
        /// They were not: the ones before are used, for a bounded time.
        Failed = "failed",
    }

    /// What the hook of another system answers about a password.
    HookOutcome {
        /// It is right: its hash is stored from now on.
        Matched = "matched",
        /// It is wrong.
        NotMatched = "not_matched",
        /// There is no clear answer.
        Unavailable = "unavailable",
    }

    /// What became of passwords on a node.
    NodeOutcome {
        /// It answered.
        Answered = "answered",
        /// It did not, or refused.
        Failed = "failed",
    }

    /// What became of a span.
    SpanOutcome {
        /// The collector took it.
        Exported = "exported",
        /// The collector refused it.
        Rejected = "rejected",
        /// The collector did not answer, or with an error: it is lost.
        Failed = "failed",
        /// Too many waited to be sent: it is lost.
        Dropped = "dropped",
    }

    /// Work in the background.
    UpkeepTask {
        /// Giving positions to change events.
        Numbering = "numbering",
        /// Removing what has expired.
        Removal = "removal",
        /// Recording failed attempts that the store did not take before.
        HeldAttempts = "held_attempts",
        /// Recording repeated refusals.
        Refusals = "refusals",
        /// Storing how candidate password policies compare.
        Comparisons = "comparisons",
        /// Closing ranges of the audit log.
        AuditChain = "audit_chain",
        /// Delivering passwords to the nodes of instances.
        Delivery = "delivery",
    }
}

impl StoreFailure {
    /// The failure that an error is. That the evidence or the tenant is gone is an answer, not a failure.
    pub const fn of(error: &StoreError) -> Option<Self> {
        match error {
            StoreError::Unavailable(_) => Some(Self::Unavailable),
            StoreError::OutcomeUnknown(_) => Some(Self::OutcomeUnknown),
            StoreError::Damaged(_) => Some(Self::Damaged),
            StoreError::EvidenceGone | StoreError::TenantGone => None,
        }
    }
}
