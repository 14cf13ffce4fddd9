-- The changes that are remembered under their client tokens. `token_key` is a digest; how long a change is remembered is
-- kept as a start and a length, in microseconds.
CREATE TABLE client_token (
    subject_id       TEXT    NOT NULL REFERENCES subject (id) ON DELETE CASCADE,
    token_key        BLOB    NOT NULL CHECK (length(token_key) = 32),
    version          INTEGER NOT NULL CHECK (version >= 1),
    expected_version INTEGER CHECK (expected_version >= 0),
    started_at       INTEGER NOT NULL,
    length           INTEGER NOT NULL CHECK (length >= 0),
    PRIMARY KEY (subject_id, token_key)
) STRICT;
CREATE INDEX client_token_age ON client_token (started_at);

PRAGMA user_version = 5;
