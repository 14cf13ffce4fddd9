-- The key of the pepper that a hash is wrapped under; NULL where it is not wrapped.
ALTER TABLE credential ADD COLUMN pepper_key TEXT;
ALTER TABLE earlier_hash ADD COLUMN pepper_key TEXT;

-- Which keys are in use, how many hashes need each, and which those are, page by page.
CREATE INDEX credential_pepper ON credential (pepper_key, subject_id);
CREATE INDEX earlier_hash_pepper ON earlier_hash (pepper_key, subject_id, version);

PRAGMA user_version = 3;
