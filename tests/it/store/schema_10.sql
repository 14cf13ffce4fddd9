-- A store of schema 10: the one of schema 9, migrated, with an endpoint and deliveries. Never to be edited.
PRAGMA application_id = 1129465156;
PRAGMA user_version = 10;
PRAGMA foreign_keys=OFF;
BEGIN TRANSACTION;
CREATE TABLE _sqlx_migrations (
    version BIGINT PRIMARY KEY,
    description TEXT NOT NULL,
    installed_on TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP,
    success BOOLEAN NOT NULL,
    checksum BLOB NOT NULL,
    execution_time BIGINT NOT NULL
);
INSERT INTO "_sqlx_migrations" VALUES(1,'schema','2026-11-22 02:54:26',1,X'F21251C1E9DA99253D0D321ECF8F2F6EECA5987B90C2C95F3D2ACBB2C2FF90F7004990BB400E01DC256C27D408B4B278',3319571);
INSERT INTO "_sqlx_migrations" VALUES(2,'revision','2026-11-22 05:26:28',1,X'5353A48CBAA0AB403FD1B18D2B5A8F712E3464A4BC99B9AA886E4B70EA2F606D8CC0D65CD6DD058361296A6EE848B147',14915806);
INSERT INTO "_sqlx_migrations" VALUES(3,'pepper','2026-11-22 05:50:00',1,X'A8CE38B4F25EF86D486AB054455BC69533C87AE5B77591003EDA04EA0AE206B1E0E4EB2A377602941F7054EBCD10839F',3000000);
INSERT INTO "_sqlx_migrations" VALUES(4,'change events','2026-11-22 05:58:42',1,X'27AC8145228FB13163BC2E50E67A6D8D14F7A3D1F61944AD7E83D0616E91379941267768841DA7C30554DFEE93B6F7FD',4479771);
INSERT INTO "_sqlx_migrations" VALUES(5,'client tokens','2026-11-22 06:11:48',1,X'92CD9035B129A8395E5A4197971878742BBCBBAE38728D7DF4C329A946DDE8E681E793E5FC5EA7C83411CFD1C611A788',6909165);
INSERT INTO "_sqlx_migrations" VALUES(6,'overlaps','2026-11-22 06:37:00',1,X'327701A6D6748CC42C4CC1E2C978865C1C953336B8A1A5BC5E1A812E4B9C326F77015E5973CB33924B32EF325B0153C7',1000000);
INSERT INTO "_sqlx_migrations" VALUES(7,'import','2026-11-22 07:30:00',1,X'218077F80B704910C4C173207776316C0F5E856EA51AF533AC1ED6D72CB1BE1275446D889A11215E3EAA429F8145AAEE',1000000);
CREATE TABLE "access_token" (
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
INSERT INTO "access_token" VALUES('c63b9af6-04f6-451f-9942-e270635f8eb5',X'C53C751109998990E7BEA3A1D6E33FFB52EAB7974DB38A612310A86E416E9524',NULL,'operator','bootstrap',NULL,1795316066953605,1803092066953605,NULL,0,NULL,NULL,NULL);
INSERT INTO "access_token" VALUES('0d0a1c39-9d3f-4f0a-8f5a-6d3f1f6a0c11',X'0101010101010101010101010101010101010101010101010101010101010101','acme','root','root',NULL,1795316070224107,1803092066953605,'f5ae7271-c2f6-46a9-bc71-70e5d9a16db5',0,NULL,NULL,NULL);
CREATE TABLE audit_checkpoint (
    last      INTEGER NOT NULL PRIMARY KEY,
    first     INTEGER NOT NULL CHECK (first >= 1 AND first <= last),
    closed_at INTEGER NOT NULL,
    latest_at INTEGER NOT NULL,
    hash      BLOB   NOT NULL CHECK (length(hash) = 32),
    key_id    TEXT,
    signature BLOB
) STRICT;
CREATE TABLE audit_cut (
    only_row  INTEGER NOT NULL PRIMARY KEY CHECK (only_row = 1),
    last      INTEGER NOT NULL CHECK (last >= 0),
    hash      BLOB   NOT NULL CHECK (length(hash) = 32),
    key_id    TEXT,
    signature BLOB
) STRICT;
INSERT INTO "audit_cut" VALUES(1,0,X'E5E7CF4A5496607805889E0F72A024802F51595772F360E47817BEBF5E45429E',NULL,NULL);
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
, imported INTEGER, unchanged INTEGER, repeats INTEGER NOT NULL DEFAULT 0, repeated_since INTEGER, tenant_id TEXT, process TEXT, position INTEGER CHECK (position >= 1)) STRICT;
INSERT INTO "audit_event" VALUES(1,'5432121b-2d00-4153-9ba1-14dc03022e8a',1795316066953605,'00000000-0000-0000-0000-000000000000',NULL,NULL,'operator','bootstrap',NULL,'admin:IssueAccessToken','installation',NULL,'done',NULL,NULL,NULL,NULL,NULL,0,NULL,NULL,NULL,NULL);
INSERT INTO "audit_event" VALUES(2,'a02a8f38-d0f0-4b13-98fb-d5ad321e5961',1795316070051398,'7d4bdd49-15c6-465a-ad98-e1bc367d726e',NULL,NULL,'operator','bootstrap',NULL,'admin:CreateTenant','installation',NULL,'done',NULL,NULL,NULL,NULL,NULL,0,NULL,NULL,NULL,NULL);
INSERT INTO "audit_event" VALUES(3,'4eb2d5d7-4686-4650-a220-0bc4ea844610',1795316070119487,'240f8569-7998-430f-88b5-6b75772a9d58',NULL,NULL,'operator','bootstrap',NULL,'admin:SetPasswordPolicy','tenant/acme',NULL,'done',NULL,NULL,NULL,NULL,NULL,0,NULL,NULL,NULL,NULL);
INSERT INTO "audit_event" VALUES(4,'c65b9eff-11b2-45b1-9556-13f69b659b58',1795316070281631,'3a0a06d5-504c-4d36-8985-755ccfae00d8',NULL,NULL,'operator','bootstrap',NULL,'admin:CreateRamUser','acs:ram::acme:user/alice',NULL,'done',NULL,NULL,NULL,NULL,NULL,0,NULL,NULL,NULL,NULL);
INSERT INTO "audit_event" VALUES(5,'4c5d01a5-c9e9-429f-96a9-aff7ed7e696a',1795316070494400,'438be6ff-8f91-43e1-87a6-2eadb638232a',NULL,NULL,'operator','bootstrap',NULL,'admin:ResetPassword','acs:ram::acme:user/alice','5a7afbd5-7fae-4bd4-ad24-452a14476564','changed','744058e3-2d5a-4fc0-91a4-1a47b0a85c16',2,NULL,NULL,NULL,0,NULL,NULL,NULL,NULL);
CREATE TABLE candidate_policy (
    tenant_id   TEXT NOT NULL PRIMARY KEY,
    version     INTEGER NOT NULL CHECK (version >= 1),
    settings    TEXT,
    comparisons TEXT NOT NULL
) STRICT;
CREATE TABLE change_event (
    subject_id TEXT    NOT NULL,
    number     INTEGER NOT NULL CHECK (number >= 1),
    id         TEXT    NOT NULL,
    at         INTEGER NOT NULL,
    tenant     TEXT    NOT NULL,
    kind       TEXT    NOT NULL,
    instance   TEXT,
    written    TEXT    NOT NULL,
    what       TEXT    NOT NULL,
    version    INTEGER,
    until      INTEGER,
    position   INTEGER CHECK (position >= 1), tenant_id TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (subject_id, number)
) STRICT;
CREATE TABLE change_position (
    only_row INTEGER NOT NULL PRIMARY KEY CHECK (only_row = 1),
    last     INTEGER NOT NULL,
    purged   INTEGER NOT NULL CHECK (purged <= last)
) STRICT;
INSERT INTO "change_position" VALUES(1,0,0);
CREATE TABLE client_token (
    subject_id       TEXT    NOT NULL REFERENCES subject (id) ON DELETE CASCADE,
    token_key        BLOB    NOT NULL CHECK (length(token_key) = 32),
    version          INTEGER NOT NULL CHECK (version >= 1),
    expected_version INTEGER CHECK (expected_version >= 0),
    started_at       INTEGER NOT NULL,
    length           INTEGER NOT NULL CHECK (length >= 0),
    PRIMARY KEY (subject_id, token_key)
) STRICT;
CREATE TABLE credential (
    subject_id TEXT    NOT NULL PRIMARY KEY REFERENCES subject (id) ON DELETE CASCADE,
    version    INTEGER NOT NULL CHECK (version >= 1),
    hash       TEXT    NOT NULL,
    changed_at INTEGER NOT NULL,
    changed_by TEXT    NOT NULL,
    change_id  TEXT    NOT NULL
, revision INTEGER NOT NULL DEFAULT 1 CHECK (revision >= 1), pepper_key TEXT, overlap_started_at INTEGER, overlap_length INTEGER CHECK (overlap_length >= 0), overlap_history INTEGER CHECK (overlap_history >= 0), first_hash INTEGER) STRICT;
INSERT INTO "credential" VALUES('5a7afbd5-7fae-4bd4-ad24-452a14476564',2,'$argon2id$v=19$m=47104,t=1,p=1$t69MlOV2U14uDgGox+tfpA$u/UnOdC0ew5LJ8kzq29/b9tS8tU9gmc10jrI7qmQJo0',1795316070494400,'administrator','744058e3-2d5a-4fc0-91a4-1a47b0a85c16',1,NULL,NULL,NULL,NULL,NULL);
CREATE TABLE delivery (
    subject_id    TEXT    NOT NULL PRIMARY KEY,
    tenant        TEXT    NOT NULL,
    instance      TEXT    NOT NULL,
    account       TEXT    NOT NULL,
    version       INTEGER NOT NULL CHECK (version >= 1),
    revision      INTEGER NOT NULL DEFAULT 0,
    phase         TEXT    NOT NULL,
    secret        TEXT,
    pepper_key    TEXT    CHECK ((pepper_key IS NULL) = (secret IS NULL)),
    set_at        INTEGER NOT NULL,
    pending_since INTEGER,
    due_at        INTEGER,
    attempts      INTEGER NOT NULL DEFAULT 0,
    nodes         INTEGER NOT NULL DEFAULT 0,
    reached       INTEGER NOT NULL DEFAULT 0,
    failure       TEXT,
    drift         TEXT,
    drift_at      INTEGER CHECK ((drift_at IS NULL) = (drift IS NULL))
) STRICT;
INSERT INTO "delivery" VALUES('7d1f4a36-2f2b-4a50-8e0b-52a0f1c1b1d1','acme','r-1','app',2,0,'adding','c2VhbGVkIHR3bw','2026',1795316070224110,1795316070224110,1795316070224110,0,0,0,NULL,NULL,NULL);
INSERT INTO "delivery" VALUES('0e0f3c1b-6b8e-4b2c-8c57-3c7a2f0d9e42','acme','r-1','former',3,0,'withdrawing',NULL,NULL,1795316070224111,1795316070224111,1795316070224112,1,2,1,'redis-2.example.com:6379 did not answer in time',NULL,NULL);
CREATE TABLE earlier_hash (
    subject_id TEXT    NOT NULL REFERENCES subject (id) ON DELETE CASCADE,
    version    INTEGER NOT NULL CHECK (version >= 1),
    hash       TEXT    NOT NULL,
    change_id  TEXT    NOT NULL, pepper_key TEXT, changed_at INTEGER,
    PRIMARY KEY (subject_id, version)
) STRICT;
INSERT INTO "earlier_hash" VALUES('5a7afbd5-7fae-4bd4-ad24-452a14476564',1,'$argon2id$v=19$m=47104,t=1,p=1$nMN0SWyCBbtgxbOQtN+wfQ$4v7WZ4RBEDz6scFO64l0w427s7EVoGypO39wzAnQ6tU','fb6dd389-bbf2-43c2-8f00-e81d5a23d48e',NULL,NULL);
CREATE TABLE endpoint (
    id           TEXT    NOT NULL PRIMARY KEY,
    tenant       TEXT    NOT NULL,
    instance     TEXT    NOT NULL,
    nodes        TEXT    NOT NULL,
    ca           TEXT,
    plaintext    INTEGER NOT NULL,
    user_name    TEXT    NOT NULL,
    saves_acl    INTEGER NOT NULL,
    secret       TEXT    NOT NULL,
    pepper_key   TEXT    NOT NULL,
    set_at       INTEGER NOT NULL,
    compared     INTEGER CHECK (compared > 0),
    mends        INTEGER NOT NULL DEFAULT 0,
    cluster      INTEGER NOT NULL DEFAULT 0,
    sentinel_master TEXT CHECK (sentinel_master IS NULL OR cluster = 0),
    leased_by    TEXT,
    leased_until INTEGER NOT NULL DEFAULT 0,
    UNIQUE (tenant, instance),
    FOREIGN KEY (tenant, instance) REFERENCES instance (tenant, id)
) STRICT;
INSERT INTO "endpoint" VALUES('5b0a7c52-5b0f-4b2e-9a55-0f3b8f7f5a10','acme','r-1','["sentinel-1.example.com:26379"]',NULL,0,'credentiald',1,'c2VhbGVkIG9uZQ','2026',1795316070224108,300000000,1,0,'mymaster',NULL,0);
CREATE TABLE instance (
    tenant     TEXT    NOT NULL REFERENCES tenant (name),
    id         TEXT    NOT NULL,
    region     TEXT    NOT NULL,
    status     TEXT    NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (tenant, id)
) STRICT;
INSERT INTO "instance" VALUES('acme','r-1','cn-hangzhou','normal',1795316070224107);
CREATE TABLE leftover (
    tenant_id TEXT NOT NULL,
    kind      TEXT NOT NULL,
    after     TEXT NOT NULL,
    PRIMARY KEY (tenant_id, kind)
) STRICT;
CREATE TABLE page_key (
    only_row INTEGER NOT NULL PRIMARY KEY CHECK (only_row = 1),
    key      BLOB    NOT NULL CHECK (length(key) = 32)
) STRICT;
INSERT INTO "page_key" VALUES(1,X'3934A8E018284A68692C23B46181B37695E7A295D532E418B87ADC8F358E8D62');
CREATE TABLE pair_failures (
    subject_key BLOB    NOT NULL,
    caller_key  BLOB    NOT NULL,
    count       INTEGER NOT NULL CHECK (count >= 1),
    last_at     INTEGER NOT NULL, stopped INTEGER NOT NULL DEFAULT 0, caller_tenant TEXT, caller_kind TEXT, caller_name TEXT, caller_subject_id TEXT,
    PRIMARY KEY (subject_key, caller_key)
) STRICT;
CREATE TABLE password_use (
    subject_id        TEXT    NOT NULL REFERENCES subject (id) ON DELETE CASCADE,
    version           INTEGER NOT NULL CHECK (version >= 1),
    caller_tenant     TEXT,
    caller_kind       TEXT    NOT NULL,
    caller_name       TEXT    NOT NULL,
    caller_subject_id TEXT,
    used_at           INTEGER NOT NULL,
    PRIMARY KEY (subject_id, version, caller_kind, caller_name)
) STRICT;
CREATE TABLE spent_nonce (
    nonce_key  BLOB    NOT NULL PRIMARY KEY CHECK (length(nonce_key) = 32),
    expires_at INTEGER NOT NULL
) STRICT;
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
    created_at INTEGER NOT NULL, events INTEGER NOT NULL DEFAULT 1 CHECK (events >= 1), overlap INTEGER NOT NULL DEFAULT 0 CHECK (overlap >= 0),
    FOREIGN KEY (tenant, instance) REFERENCES instance (tenant, id)
) STRICT;
INSERT INTO "subject" VALUES('5a7afbd5-7fae-4bd4-ad24-452a14476564','acme','ram-user',NULL,'alice','alice',NULL,NULL,NULL,NULL,1795316070224107,1,0);
INSERT INTO "subject" VALUES('7d1f4a36-2f2b-4a50-8e0b-52a0f1c1b1d1','acme','instance-account','r-1','app','app',NULL,'available',NULL,NULL,1795316070224109,1,0);
CREATE TABLE subject_failures (
    subject_key BLOB    NOT NULL PRIMARY KEY,
    count       INTEGER NOT NULL CHECK (count >= 1),
    last_at     INTEGER NOT NULL
) STRICT;
CREATE TABLE tenant (
    name       TEXT    NOT NULL PRIMARY KEY,
    settings   TEXT    NOT NULL,
    created_at INTEGER NOT NULL
, id TEXT NOT NULL DEFAULT '') STRICT;
INSERT INTO "tenant" VALUES('acme','{"ram":{"minimum_password_length":8,"require_lowercase_characters":false,"require_uppercase_characters":false,"require_numbers":false,"require_symbols":false,"hard_expiry":false,"max_password_age":0,"password_reuse_prevention":3,"max_login_attemps":0,"minimum_password_different_character":0,"password_not_contain_user_name":false},"iam":{"maximum_consecutive_identical_chars":0,"minimum_password_age":0,"minimum_password_length":8,"password_reuse_prevention":1,"password_not_username_or_invert":true,"password_validity_period":0,"password_char_combination":2,"allow_user_to_change_password":true},"preference":{"allow_user_to_change_password":true}}',1795316070051389,'f5ae7271-c2f6-46a9-bc71-70e5d9a16db5');
CREATE UNIQUE INDEX subject_name ON subject (tenant, kind, coalesce(instance, ''), name);
CREATE INDEX credential_pepper ON credential (pepper_key, subject_id);
CREATE INDEX earlier_hash_pepper ON earlier_hash (pepper_key, subject_id, version);
CREATE UNIQUE INDEX change_event_position ON change_event (position) WHERE position IS NOT NULL;
CREATE INDEX change_event_waiting ON change_event (subject_id, number) WHERE position IS NULL;
CREATE INDEX client_token_age ON client_token (started_at);
CREATE INDEX credential_overlap ON credential ((overlap_started_at + overlap_length))
    WHERE overlap_started_at IS NOT NULL;
CREATE INDEX subject_instance ON subject (tenant, instance) WHERE instance IS NOT NULL;
CREATE INDEX subject_tenant ON subject (tenant, id);
CREATE UNIQUE INDEX tenant_id ON tenant (id);
CREATE INDEX access_token_age ON access_token (tenant_id, created_at, id);
CREATE INDEX access_token_subject ON access_token (subject_id);
CREATE INDEX access_token_pepper ON access_token (pepper_key, id);
CREATE INDEX access_token_keys ON access_token (tenant_id, kind, name) WHERE secret IS NOT NULL;
CREATE INDEX spent_nonce_expiry ON spent_nonce (expires_at);
CREATE INDEX change_event_tenant ON change_event (tenant_id, position);
CREATE INDEX pair_failures_age ON pair_failures (stopped, last_at);
CREATE INDEX access_token_expiry ON access_token (expires_at);
CREATE UNIQUE INDEX audit_event_position ON audit_event (position) WHERE position IS NOT NULL;
CREATE INDEX audit_event_waiting ON audit_event (at, id) WHERE position IS NULL;
CREATE INDEX audit_event_tenant ON audit_event (tenant_id, position) WHERE position IS NOT NULL;
CREATE INDEX audit_event_subject ON audit_event (subject_id, position) WHERE position IS NOT NULL;
CREATE INDEX audit_event_caller ON audit_event (caller_name, coalesce(caller_tenant, ''), position)
    WHERE position IS NOT NULL;
CREATE INDEX audit_event_outcome ON audit_event (outcome, position) WHERE position IS NOT NULL;
CREATE INDEX audit_checkpoint_latest ON audit_checkpoint (latest_at, last);
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
CREATE INDEX endpoint_pepper ON endpoint (pepper_key, id);
CREATE INDEX delivery_due ON delivery (due_at);
CREATE INDEX delivery_instance ON delivery (tenant, instance, due_at);
CREATE INDEX delivery_withdrawing ON delivery (tenant, instance, account) WHERE phase = 'withdrawing';
CREATE INDEX delivery_pending ON delivery (pending_since);
CREATE INDEX delivery_pepper ON delivery (pepper_key, subject_id);
COMMIT;
