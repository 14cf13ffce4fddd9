-- A store of schema 8: the one of schema 7, migrated, with a token of a root. Never to be edited.
PRAGMA application_id = 1129465156;
PRAGMA user_version = 8;
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
INSERT INTO _sqlx_migrations VALUES(1,'schema','2026-11-22 02:54:26',1,X'f21251c1e9da99253d0d321ecf8f2f6eeca5987b90c2c95f3d2acbb2c2ff90f7004990bb400e01dc256c27d408b4b278',3319571);
INSERT INTO _sqlx_migrations VALUES(2,'revision','2026-11-22 05:26:28',1,X'5353a48cbaa0ab403fd1b18d2b5a8f712e3464a4bc99b9aa886e4b70ea2f606d8cc0d65cd6dd058361296a6ee848b147',14915806);
INSERT INTO _sqlx_migrations VALUES(3,'pepper','2026-11-22 05:50:00',1,X'a8ce38b4f25ef86d486ab054455bc69533c87ae5b77591003eda04ea0ae206b1e0e4eb2a377602941f7054ebcd10839f',3000000);
INSERT INTO _sqlx_migrations VALUES(4,'change events','2026-11-22 05:58:42',1,X'27ac8145228fb13163bc2e50e67a6d8d14f7a3d1f61944ad7e83d0616e91379941267768841da7c30554dfee93b6f7fd',4479771);
INSERT INTO _sqlx_migrations VALUES(5,'client tokens','2026-11-22 06:11:48',1,X'92cd9035b129a8395e5a4197971878742bbcbbae38728d7df4c329a946dde8e681e793e5fc5ea7c83411cfd1c611a788',6909165);
INSERT INTO _sqlx_migrations VALUES(6,'overlaps','2026-11-22 06:37:00',1,X'327701a6d6748cc42c4cc1e2c978865c1c953336b8a1a5bc5e1a812e4b9c326f77015e5973cb33924b32ef325b0153c7',1000000);
INSERT INTO _sqlx_migrations VALUES(7,'import','2026-11-22 07:30:00',1,X'218077f80b704910c4c173207776316c0f5e856ea51af533ac1ed6d72cb1be1275446d889a11215e3eaa429f8145aaee',1000000);
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
INSERT INTO access_token VALUES('c63b9af6-04f6-451f-9942-e270635f8eb5',X'c53c751109998990e7bea3a1d6e33ffb52eab7974db38a612310a86e416e9524',NULL,'operator','bootstrap',NULL,1795316066953605,1803092066953605);
INSERT INTO access_token VALUES('0d0a1c39-9d3f-4f0a-8f5a-6d3f1f6a0c11',X'0101010101010101010101010101010101010101010101010101010101010101','acme','root','root',NULL,1795316070224107,1803092066953605);
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
, imported INTEGER, unchanged INTEGER) STRICT;
INSERT INTO audit_event VALUES(1,'5432121b-2d00-4153-9ba1-14dc03022e8a',1795316066953605,'00000000-0000-0000-0000-000000000000',NULL,NULL,'operator','bootstrap',NULL,'admin:IssueAccessToken','installation',NULL,'done',NULL,NULL,NULL,NULL,NULL);
INSERT INTO audit_event VALUES(2,'a02a8f38-d0f0-4b13-98fb-d5ad321e5961',1795316070051398,'7d4bdd49-15c6-465a-ad98-e1bc367d726e',NULL,NULL,'operator','bootstrap',NULL,'admin:CreateTenant','installation',NULL,'done',NULL,NULL,NULL,NULL,NULL);
INSERT INTO audit_event VALUES(3,'4eb2d5d7-4686-4650-a220-0bc4ea844610',1795316070119487,'240f8569-7998-430f-88b5-6b75772a9d58',NULL,NULL,'operator','bootstrap',NULL,'admin:SetPasswordPolicy','tenant/acme',NULL,'done',NULL,NULL,NULL,NULL,NULL);
INSERT INTO audit_event VALUES(4,'c65b9eff-11b2-45b1-9556-13f69b659b58',1795316070281631,'3a0a06d5-504c-4d36-8985-755ccfae00d8',NULL,NULL,'operator','bootstrap',NULL,'admin:CreateRamUser','acs:ram::acme:user/alice',NULL,'done',NULL,NULL,NULL,NULL,NULL);
INSERT INTO audit_event VALUES(5,'4c5d01a5-c9e9-429f-96a9-aff7ed7e696a',1795316070494400,'438be6ff-8f91-43e1-87a6-2eadb638232a',NULL,NULL,'operator','bootstrap',NULL,'admin:ResetPassword','acs:ram::acme:user/alice','5a7afbd5-7fae-4bd4-ad24-452a14476564','changed','744058e3-2d5a-4fc0-91a4-1a47b0a85c16',2,NULL,NULL,NULL);
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
    position   INTEGER CHECK (position >= 1),
    PRIMARY KEY (subject_id, number)
) STRICT;
CREATE TABLE change_position (
    only_row INTEGER NOT NULL PRIMARY KEY CHECK (only_row = 1),
    last     INTEGER NOT NULL,
    purged   INTEGER NOT NULL CHECK (purged <= last)
) STRICT;
INSERT INTO change_position VALUES(1,0,0);
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
, revision INTEGER NOT NULL DEFAULT 1 CHECK (revision >= 1), pepper_key TEXT, overlap_started_at INTEGER, overlap_length INTEGER CHECK (overlap_length >= 0), overlap_history INTEGER CHECK (overlap_history >= 0)) STRICT;
INSERT INTO credential VALUES('5a7afbd5-7fae-4bd4-ad24-452a14476564',2,'$argon2id$v=19$m=47104,t=1,p=1$t69MlOV2U14uDgGox+tfpA$u/UnOdC0ew5LJ8kzq29/b9tS8tU9gmc10jrI7qmQJo0',1795316070494400,'administrator','744058e3-2d5a-4fc0-91a4-1a47b0a85c16',1,NULL,NULL,NULL,NULL);
CREATE TABLE earlier_hash (
    subject_id TEXT    NOT NULL REFERENCES subject (id) ON DELETE CASCADE,
    version    INTEGER NOT NULL CHECK (version >= 1),
    hash       TEXT    NOT NULL,
    change_id  TEXT    NOT NULL, pepper_key TEXT, changed_at INTEGER,
    PRIMARY KEY (subject_id, version)
) STRICT;
INSERT INTO earlier_hash VALUES('5a7afbd5-7fae-4bd4-ad24-452a14476564',1,'$argon2id$v=19$m=47104,t=1,p=1$nMN0SWyCBbtgxbOQtN+wfQ$4v7WZ4RBEDz6scFO64l0w427s7EVoGypO39wzAnQ6tU','fb6dd389-bbf2-43c2-8f00-e81d5a23d48e',NULL,NULL);
CREATE TABLE instance (
    tenant     TEXT    NOT NULL REFERENCES tenant (name),
    id         TEXT    NOT NULL,
    region     TEXT    NOT NULL,
    status     TEXT    NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (tenant, id)
) STRICT;
CREATE TABLE pair_failures (
    subject_key BLOB    NOT NULL,
    caller_key  BLOB    NOT NULL,
    count       INTEGER NOT NULL CHECK (count >= 1),
    last_at     INTEGER NOT NULL,
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
INSERT INTO subject VALUES('5a7afbd5-7fae-4bd4-ad24-452a14476564','acme','ram-user',NULL,'alice','alice',NULL,NULL,NULL,NULL,1795316070224107,1,0);
CREATE TABLE subject_failures (
    subject_key BLOB    NOT NULL PRIMARY KEY,
    count       INTEGER NOT NULL CHECK (count >= 1),
    last_at     INTEGER NOT NULL
) STRICT;
CREATE TABLE tenant (
    name       TEXT    NOT NULL PRIMARY KEY,
    settings   TEXT    NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;
INSERT INTO tenant VALUES('acme','{"ram":{"minimum_password_length":8,"require_lowercase_characters":false,"require_uppercase_characters":false,"require_numbers":false,"require_symbols":false,"hard_expiry":false,"max_password_age":0,"password_reuse_prevention":3,"max_login_attemps":0,"minimum_password_different_character":0,"password_not_contain_user_name":false},"iam":{"maximum_consecutive_identical_chars":0,"minimum_password_age":0,"minimum_password_length":8,"password_reuse_prevention":1,"password_not_username_or_invert":true,"password_validity_period":0,"password_char_combination":2,"allow_user_to_change_password":true},"preference":{"allow_user_to_change_password":true}}',1795316070051389);
CREATE UNIQUE INDEX subject_name ON subject (tenant, kind, coalesce(instance, ''), name);
CREATE INDEX pair_failures_last_at ON pair_failures (last_at);
CREATE INDEX access_token_age ON access_token (tenant, created_at, id);
CREATE INDEX access_token_subject ON access_token (subject_id);
CREATE INDEX credential_pepper ON credential (pepper_key, subject_id);
CREATE INDEX earlier_hash_pepper ON earlier_hash (pepper_key, subject_id, version);
CREATE UNIQUE INDEX change_event_position ON change_event (position) WHERE position IS NOT NULL;
CREATE INDEX change_event_tenant ON change_event (tenant, position);
CREATE INDEX change_event_waiting ON change_event (subject_id, number) WHERE position IS NULL;
CREATE INDEX client_token_age ON client_token (started_at);
CREATE INDEX credential_overlap ON credential ((overlap_started_at + overlap_length))
    WHERE overlap_started_at IS NOT NULL;
CREATE INDEX subject_instance ON subject (tenant, instance) WHERE instance IS NOT NULL;
CREATE INDEX subject_tenant ON subject (tenant, id);
COMMIT;
