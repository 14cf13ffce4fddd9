-- How long the password before is good after a change, in microseconds.
ALTER TABLE subject ADD COLUMN overlap INTEGER NOT NULL DEFAULT 0 CHECK (overlap >= 0);

-- The overlap that the last change began, as its start and its length, and how many earlier hashes are needed without it.
ALTER TABLE credential ADD COLUMN overlap_started_at INTEGER;
ALTER TABLE credential ADD COLUMN overlap_length INTEGER CHECK (overlap_length >= 0);
ALTER TABLE credential ADD COLUMN overlap_history INTEGER CHECK (overlap_history >= 0);
CREATE INDEX credential_overlap ON credential ((overlap_started_at + overlap_length))
    WHERE overlap_started_at IS NOT NULL;

-- When the password of that version was set; NULL where that was before it was kept.
ALTER TABLE earlier_hash ADD COLUMN changed_at INTEGER;

-- Who verified which password when last, where there are overlaps.
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

PRAGMA user_version = 6;
