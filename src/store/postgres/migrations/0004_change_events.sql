-- How many events a subject has had; it is created with the first.
ALTER TABLE subject ADD COLUMN events BIGINT NOT NULL DEFAULT 1 CHECK (events >= 1);

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
