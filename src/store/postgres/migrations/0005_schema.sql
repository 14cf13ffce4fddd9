-- Ids are UUIDs as hyphenated lower-case text. Times are microseconds since 1970-01-01 UTC. Text is compared by its bytes,
-- whatever the database's collation.

CREATE TABLE tenant (
    name       TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    settings   TEXT   NOT NULL,
    created_at BIGINT NOT NULL
);

CREATE TABLE instance (
    tenant     TEXT COLLATE "C" NOT NULL REFERENCES tenant (name),
    id         TEXT COLLATE "C" NOT NULL,
    region     TEXT   NOT NULL,
    status     TEXT   NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (tenant, id)
);

-- `name` is the form that is compared, `written` the form that is shown. What a kind of subject has not is NULL. `events`
-- is how many change events it has had; it is created with the first.
CREATE TABLE subject (
    id         TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    tenant     TEXT COLLATE "C" NOT NULL REFERENCES tenant (name),
    kind       TEXT COLLATE "C" NOT NULL,
    instance   TEXT COLLATE "C",
    name       TEXT COLLATE "C" NOT NULL,
    written    TEXT   NOT NULL,
    region     TEXT,
    status     TEXT,
    user_name  TEXT,
    tags       TEXT,
    created_at BIGINT NOT NULL,
    events     BIGINT NOT NULL DEFAULT 1 CHECK (events >= 1),
    FOREIGN KEY (tenant, instance) REFERENCES instance (tenant, id)
);
CREATE UNIQUE INDEX subject_name ON subject (tenant, kind, coalesce(instance, ''), name);
CREATE INDEX subject_instance ON subject (tenant, instance);

-- `revision` counts the writes of a row: what replaces a hash and keeps the version is sure by it that nobody wrote in
-- between. `pepper_key` is the key of the pepper that a hash is wrapped under; NULL where it is not wrapped.
CREATE TABLE credential (
    subject_id TEXT COLLATE "C" NOT NULL PRIMARY KEY REFERENCES subject (id) ON DELETE CASCADE,
    version    BIGINT NOT NULL CHECK (version >= 1),
    hash       TEXT   NOT NULL,
    changed_at BIGINT NOT NULL,
    changed_by TEXT   NOT NULL,
    change_id  TEXT   NOT NULL,
    revision   BIGINT NOT NULL DEFAULT 1 CHECK (revision >= 1),
    pepper_key TEXT COLLATE "C"
);
CREATE INDEX credential_pepper ON credential (pepper_key, subject_id);

-- The hashes of a credential's earlier versions.
CREATE TABLE earlier_hash (
    subject_id TEXT COLLATE "C" NOT NULL REFERENCES subject (id) ON DELETE CASCADE,
    version    BIGINT NOT NULL CHECK (version >= 1),
    hash       TEXT   NOT NULL,
    change_id  TEXT   NOT NULL,
    pepper_key TEXT COLLATE "C",
    PRIMARY KEY (subject_id, version)
);
CREATE INDEX earlier_hash_pepper ON earlier_hash (pepper_key, subject_id, version);

-- Wrong passwords in a row. A subject's count is the sum of its pairs', kept so that reading it costs one row.
CREATE TABLE pair_failures (
    subject_key BYTEA  NOT NULL,
    caller_key  BYTEA  NOT NULL,
    count       BIGINT NOT NULL CHECK (count >= 1),
    last_at     BIGINT NOT NULL,
    PRIMARY KEY (subject_key, caller_key)
);
CREATE INDEX pair_failures_last_at ON pair_failures (last_at);

CREATE TABLE subject_failures (
    subject_key BYTEA  NOT NULL PRIMARY KEY,
    count       BIGINT NOT NULL CHECK (count >= 1),
    last_at     BIGINT NOT NULL
);

-- `tenant` is NULL for operators; `subject_id` is NULL for callers that are no subject.
CREATE TABLE access_token (
    id         TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    digest     BYTEA  NOT NULL UNIQUE CHECK (length(digest) = 32),
    tenant     TEXT COLLATE "C" REFERENCES tenant (name) ON DELETE CASCADE,
    kind       TEXT   NOT NULL,
    name       TEXT COLLATE "C" NOT NULL,
    subject_id TEXT COLLATE "C" REFERENCES subject (id) ON DELETE CASCADE,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX access_token_age ON access_token (tenant, created_at, id);
CREATE INDEX access_token_subject ON access_token (subject_id);

-- Only ever added to; outlives what it tells of, so nothing here refers to another table. Nothing here counts, because a
-- counter would put all writers in a row.
CREATE TABLE audit_event (
    id                TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    at                BIGINT NOT NULL,
    request_id        TEXT   NOT NULL,
    correlation_id    TEXT,
    caller_tenant     TEXT,
    caller_kind       TEXT   NOT NULL,
    caller_name       TEXT   NOT NULL,
    caller_subject_id TEXT,
    action            TEXT   NOT NULL,
    resource          TEXT   NOT NULL,
    subject_id        TEXT,
    outcome           TEXT   NOT NULL,
    change_id         TEXT,
    version           BIGINT,
    policies          TEXT
);

-- What watchers are told. Outlives its subject, so nothing here refers to another table. `position` is given after the
-- commit. `kind`, `instance` and `written` are the subject's; `until` is the end of a lock or of an overlap.
CREATE TABLE change_event (
    subject_id TEXT COLLATE "C" NOT NULL,
    number     BIGINT NOT NULL CHECK (number >= 1),
    id         TEXT   NOT NULL,
    at         BIGINT NOT NULL,
    tenant     TEXT COLLATE "C" NOT NULL,
    kind       TEXT   NOT NULL,
    instance   TEXT,
    written    TEXT   NOT NULL,
    what       TEXT   NOT NULL,
    version    BIGINT,
    until      BIGINT,
    position   BIGINT CHECK (position >= 1),
    PRIMARY KEY (subject_id, number)
);
CREATE UNIQUE INDEX change_event_position ON change_event (position) WHERE position IS NOT NULL;
CREATE INDEX change_event_tenant ON change_event (tenant, position);
CREATE INDEX change_event_waiting ON change_event (subject_id, number) WHERE position IS NULL;

-- One row: the last position that was given, and the last whose event was removed.
CREATE TABLE change_position (
    only_row BIGINT NOT NULL PRIMARY KEY CHECK (only_row = 1),
    last     BIGINT NOT NULL,
    purged   BIGINT NOT NULL CHECK (purged <= last)
);
INSERT INTO change_position (only_row, last, purged) VALUES (1, 0, 0);

-- The changes that are remembered under their client tokens. `token_key` is a digest; how long a change is remembered is
-- kept as a start and a length, in microseconds.
CREATE TABLE client_token (
    subject_id       TEXT COLLATE "C" NOT NULL REFERENCES subject (id) ON DELETE CASCADE,
    token_key        BYTEA  NOT NULL CHECK (length(token_key) = 32),
    version          BIGINT NOT NULL CHECK (version >= 1),
    expected_version BIGINT CHECK (expected_version >= 0),
    started_at       BIGINT NOT NULL,
    length           BIGINT NOT NULL CHECK (length >= 0),
    PRIMARY KEY (subject_id, token_key)
);
CREATE INDEX client_token_age ON client_token (started_at);
