-- How many subjects a batch of an import added, and how many were there already.
ALTER TABLE audit_event ADD COLUMN imported INTEGER;
ALTER TABLE audit_event ADD COLUMN unchanged INTEGER;

PRAGMA user_version = 7;
