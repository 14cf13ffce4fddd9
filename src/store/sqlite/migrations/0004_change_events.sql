-- How many events a subject has had; it is created with the first.
ALTER TABLE subject ADD COLUMN events INTEGER NOT NULL DEFAULT 1 CHECK (events >= 1);

-- What watchers are told. Outlives its subject, so nothing here refers to another table. `position` is given after the
-- commit. `kind`, `instance` and `written` are the subject's; `until` is the end of a lock or of an overlap.
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
CREATE UNIQUE INDEX change_event_position ON change_event (position) WHERE position IS NOT NULL;
CREATE INDEX change_event_tenant ON change_event (tenant, position);
CREATE INDEX change_event_waiting ON change_event (subject_id, number) WHERE position IS NULL;

-- One row: the last position that was given, and the last whose event was removed.
CREATE TABLE change_position (
    only_row INTEGER NOT NULL PRIMARY KEY CHECK (only_row = 1),
    last     INTEGER NOT NULL,
    purged   INTEGER NOT NULL CHECK (purged <= last)
) STRICT;
INSERT INTO change_position (only_row, last, purged) VALUES (1, 0, 0);

PRAGMA user_version = 4;
