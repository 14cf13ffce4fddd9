-- The id that a tenant keeps for good: one that is made again under the same name is another tenant. Tenants of before are
-- given a random UUID.
ALTER TABLE tenant ADD COLUMN id TEXT COLLATE "C";
UPDATE tenant SET id = CAST(gen_random_uuid() AS TEXT);
ALTER TABLE tenant ALTER COLUMN id SET NOT NULL;
CREATE UNIQUE INDEX tenant_id ON tenant (id);

-- The tenant that a token is bound to; NULL for operators. No reference: the tokens of a tenant that is gone prove nothing,
-- and are removed a part at a time.
ALTER TABLE access_token ADD COLUMN tenant_id TEXT COLLATE "C";
UPDATE access_token SET tenant_id = (SELECT t.id FROM tenant t WHERE t.name = access_token.tenant);
ALTER TABLE access_token ADD CHECK ((tenant_id IS NULL) = (tenant IS NULL));
ALTER TABLE access_token DROP CONSTRAINT access_token_tenant_fkey;
DROP INDEX access_token_age;
CREATE INDEX access_token_age ON access_token (tenant_id, created_at, id);

-- A bearer token has the digest of its text; an access key has its secret instead, sealed under the key `pepper_key` of the
-- pepper, and the time of its last use. `disabled` is 1 while the token proves nothing.
ALTER TABLE access_token ALTER COLUMN digest DROP NOT NULL;
ALTER TABLE access_token ADD COLUMN disabled BIGINT NOT NULL DEFAULT 0;
ALTER TABLE access_token ADD COLUMN secret TEXT CHECK ((secret IS NULL) <> (digest IS NULL));
ALTER TABLE access_token ADD COLUMN pepper_key TEXT COLLATE "C" CHECK ((pepper_key IS NULL) = (secret IS NULL));
ALTER TABLE access_token ADD COLUMN last_used_at BIGINT;
CREATE INDEX access_token_pepper ON access_token (pepper_key, id);
CREATE INDEX access_token_keys ON access_token (tenant_id, kind, name) WHERE secret IS NOT NULL;

-- The nonces of signed requests, each a digest with its access key. `expires_at` is when it need not be known any more.
CREATE TABLE spent_nonce (
    nonce_key  BYTEA  NOT NULL PRIMARY KEY CHECK (length(nonce_key) = 32),
    expires_at BIGINT NOT NULL
);
CREATE INDEX spent_nonce_expiry ON spent_nonce (expires_at);

-- One row: the random key that the tokens of lists are authenticated with, the digest of 244 random bits.
CREATE TABLE page_key (
    only_row BIGINT NOT NULL PRIMARY KEY CHECK (only_row = 1),
    key      BYTEA  NOT NULL CHECK (length(key) = 32)
);
INSERT INTO page_key (only_row, key)
    SELECT 1, sha256(CAST(CAST(gen_random_uuid() AS TEXT) || CAST(gen_random_uuid() AS TEXT) AS BYTEA));

-- The tenant that an event belongs to.
ALTER TABLE change_event ADD COLUMN tenant_id TEXT COLLATE "C" NOT NULL DEFAULT '';
UPDATE change_event SET tenant_id = coalesce((SELECT t.id FROM tenant t WHERE t.name = change_event.tenant), '');
DROP INDEX change_event_tenant;
CREATE INDEX change_event_tenant ON change_event (tenant_id, position);

-- Whether a caller is stopped for a subject: 1 until an administrator clears it.
ALTER TABLE pair_failures ADD COLUMN stopped BIGINT NOT NULL DEFAULT 0;
DROP INDEX pair_failures_last_at;
CREATE INDEX pair_failures_age ON pair_failures (stopped, last_at);
-- The caller, to be listed; NULL in rows from before.
ALTER TABLE pair_failures ADD COLUMN caller_tenant TEXT COLLATE "C";
ALTER TABLE pair_failures ADD COLUMN caller_kind TEXT COLLATE "C";
ALTER TABLE pair_failures ADD COLUMN caller_name TEXT COLLATE "C";
ALTER TABLE pair_failures ADD COLUMN caller_subject_id TEXT COLLATE "C";

-- What is left to remove of what is over: a part at a time, in the background. `kind` is `event` or `token` for those of a
-- tenant that is gone; otherwise that of the subjects of which fewer earlier hashes are needed than before, done up to `after`.
CREATE TABLE leftover (
    tenant_id TEXT COLLATE "C" NOT NULL,
    kind      TEXT COLLATE "C" NOT NULL,
    after     TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (tenant_id, kind)
);

-- The candidate password policies of a tenant. `settings` is NULL when there is none: the row keeps the version, which only grows.
-- `comparisons` are counts of requests.
CREATE TABLE candidate_policy (
    tenant_id   TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    version     BIGINT NOT NULL CHECK (version >= 1),
    settings    TEXT,
    comparisons TEXT NOT NULL
);

-- A short digest of the hash that the password had first, where an upgrade has replaced that: an import knows it again.
ALTER TABLE credential ADD COLUMN first_hash BIGINT;

-- Which tokens have expired.
CREATE INDEX access_token_expiry ON access_token (expires_at);

-- How many refusals like it an event of a refusal stands for besides itself, and when the first of them happened.
ALTER TABLE audit_event ADD COLUMN repeats BIGINT NOT NULL DEFAULT 0;
ALTER TABLE audit_event ADD COLUMN repeated_since BIGINT;

-- The tenant that an event belongs to, and the process that recorded it; NULL in events of before.
ALTER TABLE audit_event ADD COLUMN tenant_id TEXT COLLATE "C";
ALTER TABLE audit_event ADD COLUMN process TEXT;

-- The place of an event in the one order of all, given after the commit, a range of events at a time.
ALTER TABLE audit_event ADD COLUMN position BIGINT CHECK (position >= 1);
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
    last      BIGINT NOT NULL PRIMARY KEY,
    first     BIGINT NOT NULL CHECK (first >= 1 AND first <= last),
    closed_at BIGINT NOT NULL,
    latest_at BIGINT NOT NULL,
    hash      BYTEA NOT NULL CHECK (length(hash) = 32),
    key_id    TEXT,
    signature BYTEA
);
CREATE INDEX audit_checkpoint_latest ON audit_checkpoint (latest_at, last);

-- One row: the end of what was removed of the audit log, and the hash there. In the beginning a random one.
CREATE TABLE audit_cut (
    only_row  BIGINT NOT NULL PRIMARY KEY CHECK (only_row = 1),
    last      BIGINT NOT NULL CHECK (last >= 0),
    hash      BYTEA NOT NULL CHECK (length(hash) = 32),
    key_id    TEXT,
    signature BYTEA
);
INSERT INTO audit_cut (only_row, last, hash)
    SELECT 1, 0, sha256(CAST(CAST(gen_random_uuid() AS TEXT) || CAST(gen_random_uuid() AS TEXT) AS BYTEA));

-- Audit events are added, get a place, are never changed otherwise, and removed when they are old: not before 30 days, by the clock of the database.
CREATE FUNCTION refuse_audit_event() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'an audit event is not changed, nor removed before 30 days' USING ERRCODE = 'restrict_violation';
END
$$;
CREATE TRIGGER audit_event_recent BEFORE DELETE ON audit_event FOR EACH ROW
    WHEN (old.at > extract(epoch FROM clock_timestamp()) * 1000000 - 2592000000000)
    EXECUTE FUNCTION refuse_audit_event();
CREATE TRIGGER audit_event_unchanged BEFORE UPDATE OF id, at, request_id, correlation_id, caller_tenant, caller_kind, caller_name,
    caller_subject_id, action, resource, subject_id, outcome, change_id, version, policies, imported, unchanged, repeats,
    repeated_since, tenant_id, process
    ON audit_event FOR EACH ROW EXECUTE FUNCTION refuse_audit_event();
CREATE TRIGGER audit_event_in_place BEFORE UPDATE OF position ON audit_event FOR EACH ROW
    WHEN (old.position IS NOT NULL) EXECUTE FUNCTION refuse_audit_event();
CREATE TRIGGER audit_event_emptied BEFORE TRUNCATE ON audit_event EXECUTE FUNCTION refuse_audit_event();
