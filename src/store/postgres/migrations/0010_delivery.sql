-- Where the passwords of an instance's accounts are delivered: its nodes as a JSON list, the PEM of the CAs (NULL: the public
-- ones), and the user that sets them, whose password `secret` is sealed under the key `pepper_key` of the pepper. `id` is
-- another one each time that an endpoint is set. Each `compared` microseconds, if that is not NULL, nodes are compared with what
-- was delivered, and get it again if `mends` is 1. With `cluster`, the nodes tell all others of their cluster;
-- with `sentinel_master`, they are Sentinels that tell the nodes of that name. Until `leased_until`, only the process `leased_by`
-- delivers there.
CREATE TABLE endpoint (
    id           TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    tenant       TEXT COLLATE "C" NOT NULL,
    instance     TEXT COLLATE "C" NOT NULL,
    nodes        TEXT COLLATE "C" NOT NULL,
    ca           TEXT COLLATE "C",
    plaintext    BIGINT NOT NULL,
    user_name    TEXT COLLATE "C" NOT NULL,
    saves_acl    BIGINT NOT NULL,
    secret       TEXT COLLATE "C" NOT NULL,
    pepper_key   TEXT COLLATE "C" NOT NULL,
    set_at       BIGINT NOT NULL,
    compared     BIGINT CHECK (compared > 0),
    mends        BIGINT NOT NULL DEFAULT 0,
    cluster      BIGINT NOT NULL DEFAULT 0,
    sentinel_master TEXT COLLATE "C" CHECK (sentinel_master IS NULL OR cluster = 0),
    leased_by    TEXT COLLATE "C",
    leased_until BIGINT NOT NULL DEFAULT 0,
    UNIQUE (tenant, instance),
    FOREIGN KEY (tenant, instance) REFERENCES instance (tenant, id)
);
CREATE INDEX endpoint_pepper ON endpoint (pepper_key, id);

-- The last password of an account that is, or was, to be delivered. `secret` holds the SHA-256 of it and of the one before,
-- sealed under the key `pepper_key`, and is NULL once they are not needed any more. `due_at` is when the next attempt is due, NULL if
-- none is; `pending_since` is when the password was set, NULL once it is delivered. `revision` grows with each write.
-- `drift` is which node had other passwords at `drift_at`. It outlives the account: what was delivered is withdrawn then, and
-- `set_at` is when the account was deleted.
CREATE TABLE delivery (
    subject_id    TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    tenant        TEXT COLLATE "C" NOT NULL,
    instance      TEXT COLLATE "C" NOT NULL,
    account       TEXT COLLATE "C" NOT NULL,
    version       BIGINT NOT NULL CHECK (version >= 1),
    revision      BIGINT NOT NULL DEFAULT 0,
    phase         TEXT COLLATE "C" NOT NULL,
    secret        TEXT COLLATE "C",
    pepper_key    TEXT COLLATE "C" CHECK ((pepper_key IS NULL) = (secret IS NULL)),
    set_at        BIGINT NOT NULL,
    pending_since BIGINT,
    due_at        BIGINT,
    attempts      BIGINT NOT NULL DEFAULT 0,
    nodes         BIGINT NOT NULL DEFAULT 0,
    reached       BIGINT NOT NULL DEFAULT 0,
    failure       TEXT COLLATE "C",
    drift         TEXT COLLATE "C",
    drift_at      BIGINT CHECK ((drift_at IS NULL) = (drift IS NULL))
);
CREATE INDEX delivery_due ON delivery (due_at);
CREATE INDEX delivery_instance ON delivery (tenant, instance, due_at);
CREATE INDEX delivery_withdrawing ON delivery (tenant, instance, account) WHERE phase = 'withdrawing';
CREATE INDEX delivery_pending ON delivery (pending_since);
CREATE INDEX delivery_pepper ON delivery (pepper_key, subject_id);
