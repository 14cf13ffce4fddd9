-- "CRED": what tells our files from other SQLite files.
PRAGMA application_id = 1129465156;
-- The number of the newest migration.
PRAGMA user_version = 1;

-- Ids are UUIDs as hyphenated lower-case text. Times are microseconds since 1970-01-01 UTC.

CREATE TABLE tenant (
    name       TEXT    NOT NULL PRIMARY KEY,
    settings   TEXT    NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE instance (
    tenant     TEXT    NOT NULL REFERENCES tenant (name),
    id         TEXT    NOT NULL,
    region     TEXT    NOT NULL,
    status     TEXT    NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (tenant, id)
) STRICT;

-- `name` is the form that is compared, `written` the form that is shown. What a kind of subject has not is NULL.
CREATE TABLE subject (
    id         TEXT    NOT NULL PRIMARY KEY,
    tenant     TEXT    NOT NULL REFERENCES tenant (name),
    kind       TEXT    NOT NULL,
    instance   TEXT,
    name       TEXT    NOT NULL,
    written    TEXT    NOT NULL,
    region     TEXT,
    status     TEXT,
    user_name  TEXT,
    tags       TEXT,
    created_at INTEGER NOT NULL,
    FOREIGN KEY (tenant, instance) REFERENCES instance (tenant, id)
) STRICT;
CREATE UNIQUE INDEX subject_name ON subject (tenant, kind, coalesce(instance, ''), name);
CREATE INDEX subject_instance ON subject (tenant, instance);

CREATE TABLE credential (
    subject_id TEXT    NOT NULL PRIMARY KEY REFERENCES subject (id) ON DELETE CASCADE,
    version    INTEGER NOT NULL CHECK (version >= 1),
    hash       TEXT    NOT NULL,
    changed_at INTEGER NOT NULL,
    changed_by TEXT    NOT NULL,
    change_id  TEXT    NOT NULL
) STRICT;

-- The hashes of a credential's earlier versions.
CREATE TABLE earlier_hash (
    subject_id TEXT    NOT NULL REFERENCES subject (id) ON DELETE CASCADE,
    version    INTEGER NOT NULL CHECK (version >= 1),
    hash       TEXT    NOT NULL,
    change_id  TEXT    NOT NULL,
    PRIMARY KEY (subject_id, version)
) STRICT;

-- Wrong passwords in a row. A subject's count is the sum of its pairs', kept so that reading it costs one row.
CREATE TABLE pair_failures (
    subject_key BLOB    NOT NULL,
    caller_key  BLOB    NOT NULL,
    count       INTEGER NOT NULL CHECK (count >= 1),
    last_at     INTEGER NOT NULL,
    PRIMARY KEY (subject_key, caller_key)
) STRICT;
CREATE INDEX pair_failures_last_at ON pair_failures (last_at);

CREATE TABLE subject_failures (
    subject_key BLOB    NOT NULL PRIMARY KEY,
    count       INTEGER NOT NULL CHECK (count >= 1),
    last_at     INTEGER NOT NULL
) STRICT;

-- `tenant` is NULL for operators; `subject_id` is NULL for callers that are no subject.
CREATE TABLE access_token (
    id         TEXT    NOT NULL PRIMARY KEY,
    digest     BLOB    NOT NULL UNIQUE CHECK (length(digest) = 32),
    tenant     TEXT    REFERENCES tenant (name) ON DELETE CASCADE,
    kind       TEXT    NOT NULL,
    name       TEXT    NOT NULL,
    subject_id TEXT    REFERENCES subject (id) ON DELETE CASCADE,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT;
CREATE INDEX access_token_age ON access_token (tenant, created_at, id);
CREATE INDEX access_token_subject ON access_token (subject_id);

-- Only ever added to; outlives what it tells of, so nothing here refers to another table.
CREATE TABLE audit_event (
    number            INTEGER PRIMARY KEY,
    id                TEXT    NOT NULL UNIQUE,
    at                INTEGER NOT NULL,
    request_id        TEXT    NOT NULL,
    correlation_id    TEXT,
    caller_tenant     TEXT,
    caller_kind       TEXT    NOT NULL,
    caller_name       TEXT    NOT NULL,
    caller_subject_id TEXT,
    action            TEXT    NOT NULL,
    resource          TEXT    NOT NULL,
    subject_id        TEXT,
    outcome           TEXT    NOT NULL,
    change_id         TEXT,
    version           INTEGER,
    policies          TEXT
) STRICT;
