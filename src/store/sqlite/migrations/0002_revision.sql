-- Counts the writes of a row: what replaces a hash and keeps the version is sure by it that nobody wrote in between.
ALTER TABLE credential ADD COLUMN revision INTEGER NOT NULL DEFAULT 1 CHECK (revision >= 1);

PRAGMA user_version = 2;
