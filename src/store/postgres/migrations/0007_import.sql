-- How many subjects a batch of an import added, and how many were there already.
ALTER TABLE audit_event ADD COLUMN imported BIGINT;
ALTER TABLE audit_event ADD COLUMN unchanged BIGINT;
