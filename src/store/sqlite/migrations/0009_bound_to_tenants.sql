-- The id that a tenant keeps for good: one that is made again under the same name is another tenant. Tenants of before are
-- given a random UUID.
ALTER TABLE tenant ADD COLUMN id TEXT NOT NULL DEFAULT '';
UPDATE tenant SET id = lower(
    hex(randomblob(4)) || '-' || hex(randomblob(2)) || '-4' || substr(hex(randomblob(2)), 2) || '-'
    || substr('89ab', 1 + (random() & 3), 1) || substr(hex(randomblob(2)), 2) || '-' || hex(randomblob(6)));
CREATE UNIQUE INDEX tenant_id ON tenant (id);

-- The tenant that a token is bound to; NULL for operators. No reference: the tokens of a tenant that is gone prove nothing,
-- and are removed a part at a time. A bearer token has the digest of its text; an access key has its secret instead, sealed
-- under the key `pepper_key` of the pepper, and the time of its last use. `disabled` is 1 while the token proves nothing.
CREATE TABLE new_access_token (
    id         TEXT    NOT NULL PRIMARY KEY,
    digest     BLOB    UNIQUE CHECK (length(digest) = 32),
    tenant     TEXT,
    kind       TEXT    NOT NULL,
    name       TEXT    NOT NULL,
    subject_id TEXT    REFERENCES subject (id) ON DELETE CASCADE,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    tenant_id  TEXT    CHECK ((tenant_id IS NULL) = (tenant IS NULL)),
    disabled   INTEGER NOT NULL DEFAULT 0,
    secret     TEXT    CHECK ((secret IS NULL) <> (digest IS NULL)),
    pepper_key TEXT    CHECK ((pepper_key IS NULL) = (secret IS NULL)),
    last_used_at INTEGER
) STRICT;
INSERT INTO new_access_token (id, digest, tenant, kind, name, subject_id, created_at, expires_at, tenant_id)
    SELECT a.id, a.digest, a.tenant, a.kind, a.name, a.subject_id, a.created_at, a.expires_at,
        (SELECT t.id FROM tenant t WHERE t.name = a.tenant)
    FROM access_token a;
DROP TABLE access_token;
ALTER TABLE new_access_token RENAME TO access_token;
CREATE INDEX access_token_age ON access_token (tenant_id, created_at, id);
CREATE INDEX access_token_subject ON access_token (subject_id);
CREATE INDEX access_token_pepper ON access_token (pepper_key, id);
CREATE INDEX access_token_keys ON access_token (tenant_id, kind, name) WHERE secret IS NOT NULL;

-- The nonces of signed requests, each a digest with its access key. `expires_at` is when it need not be known any more.
CREATE TABLE spent_nonce (
    nonce_key  BLOB    NOT NULL PRIMARY KEY CHECK (length(nonce_key) = 32),
    expires_at INTEGER NOT NULL
) STRICT;
CREATE INDEX spent_nonce_expiry ON spent_nonce (expires_at);

-- One row: the random key that the tokens of lists are authenticated with.
CREATE TABLE page_key (
    only_row INTEGER NOT NULL PRIMARY KEY CHECK (only_row = 1),
    key      BLOB    NOT NULL CHECK (length(key) = 32)
) STRICT;
INSERT INTO page_key (only_row, key) VALUES (1, randomblob(32));

-- The tenant that an event belongs to.
ALTER TABLE change_event ADD COLUMN tenant_id TEXT NOT NULL DEFAULT '';
UPDATE change_event SET tenant_id = coalesce((SELECT t.id FROM tenant t WHERE t.name = change_event.tenant), '');
DROP INDEX change_event_tenant;
CREATE INDEX change_event_tenant ON change_event (tenant_id, position);

-- Whether a caller is stopped for a subject: 1 until an administrator clears it.
ALTER TABLE pair_failures ADD COLUMN stopped INTEGER NOT NULL DEFAULT 0;
DROP INDEX pair_failures_last_at;
CREATE INDEX pair_failures_age ON pair_failures (stopped, last_at);
-- The caller, to be listed; NULL in rows from before.
ALTER TABLE pair_failures ADD COLUMN caller_tenant TEXT;
ALTER TABLE pair_failures ADD COLUMN caller_kind TEXT;
ALTER TABLE pair_failures ADD COLUMN caller_name TEXT;
ALTER TABLE pair_failures ADD COLUMN caller_subject_id TEXT;

-- What is left to remove of what is over: a part at a time, in the background. `kind` is `event` or `token` for those of a
-- tenant that is gone; otherwise that of the subjects of which fewer earlier hashes are needed than before, done up to `after`.
CREATE TABLE leftover (
    tenant_id TEXT NOT NULL,
    kind      TEXT NOT NULL,
    after     TEXT NOT NULL,
    PRIMARY KEY (tenant_id, kind)
) STRICT;

-- The candidate password policies of a tenant. `settings` is NULL when there is none: the row keeps the version, which only grows.
-- `comparisons` are counts of requests.
CREATE TABLE candidate_policy (
    tenant_id   TEXT NOT NULL PRIMARY KEY,
    version     INTEGER NOT NULL CHECK (version >= 1),
    settings    TEXT,
    comparisons TEXT NOT NULL
) STRICT;

-- A short digest of the hash that the password had first, where an upgrade has replaced that: an import knows it again.
ALTER TABLE credential ADD COLUMN first_hash INTEGER;

-- Which tokens have expired.
CREATE INDEX access_token_expiry ON access_token (expires_at);

-- How many refusals like it an event of a refusal stands for besides itself, and when the first of them happened.
ALTER TABLE audit_event ADD COLUMN repeats INTEGER NOT NULL DEFAULT 0;
ALTER TABLE audit_event ADD COLUMN repeated_since INTEGER;

-- The tenant that an event belongs to, and the process that recorded it; NULL in events of before.
ALTER TABLE audit_event ADD COLUMN tenant_id TEXT;
ALTER TABLE audit_event ADD COLUMN process TEXT;

-- The place of an event in the one order of all, given after the commit, a range of events at a time.
ALTER TABLE audit_event ADD COLUMN position INTEGER CHECK (position >= 1);
CREATE UNIQUE INDEX audit_event_position ON audit_event (position) WHERE position IS NOT NULL;
CREATE INDEX audit_event_waiting ON audit_event (at, id) WHERE position IS NULL;
CREATE INDEX audit_event_tenant ON audit_event (tenant_id, position) WHERE position IS NOT NULL;
CREATE INDEX audit_event_subject ON audit_event (subject_id, position) WHERE position IS NOT NULL;
CREATE INDEX audit_event_caller ON audit_event (caller_name, coalesce(caller_tenant, ''), position)
    WHERE position IS NOT NULL;
CREATE INDEX audit_event_outcome ON audit_event (outcome, position) WHERE position IS NOT NULL;

-- The ranges of the audit log, chained: each hash covers the one before it and the events of the range. `latest_at` is the
-- latest time of an event up to the end of the range. `signature` is that of the hash, by the key `key_id`.
CREATE TABLE audit_checkpoint (
    last      INTEGER NOT NULL PRIMARY KEY,
    first     INTEGER NOT NULL CHECK (first >= 1 AND first <= last),
    closed_at INTEGER NOT NULL,
    latest_at INTEGER NOT NULL,
    hash      BLOB   NOT NULL CHECK (length(hash) = 32),
    key_id    TEXT,
    signature BLOB
) STRICT;
CREATE INDEX audit_checkpoint_latest ON audit_checkpoint (latest_at, last);

-- One row: the end of what was removed of the audit log, and the hash there. In the beginning a random one.
CREATE TABLE audit_cut (
    only_row  INTEGER NOT NULL PRIMARY KEY CHECK (only_row = 1),
    last      INTEGER NOT NULL CHECK (last >= 0),
    hash      BLOB   NOT NULL CHECK (length(hash) = 32),
    key_id    TEXT,
    signature BLOB
) STRICT;
INSERT INTO audit_cut (only_row, last, hash) VALUES (1, 0, randomblob(32));

-- Audit events are added, get a place, are never changed otherwise, and removed when they are old: not before 30 days, by the clock of this machine.
CREATE TRIGGER audit_event_recent BEFORE DELETE ON audit_event
WHEN old.at > unixepoch() * 1000000 - 2592000000000
BEGIN
    SELECT RAISE(ABORT, 'an audit event is not removed before 30 days');
END;
CREATE TRIGGER audit_event_unchanged BEFORE UPDATE OF number, id, at, request_id, correlation_id, caller_tenant, caller_kind, caller_name,
    caller_subject_id, action, resource, subject_id, outcome, change_id, version, policies, imported, unchanged, repeats,
    repeated_since, tenant_id, process
ON audit_event
BEGIN
    SELECT RAISE(ABORT, 'an audit event is not changed');
END;
CREATE TRIGGER audit_event_in_place BEFORE UPDATE OF position ON audit_event
WHEN old.position IS NOT NULL
BEGIN
    SELECT RAISE(ABORT, 'an audit event is not moved');
END;

PRAGMA user_version = 9;
