-- The id that a tenant keeps for good: one that is made again under the same name is another tenant. Tenants of before are
-- given a random UUID.
ALTER TABLE tenant ADD COLUMN id TEXT NOT NULL DEFAULT '';
UPDATE tenant SET id = lower(
    hex(randomblob(4)) || '-' || hex(randomblob(2)) || '-4' || substr(hex(randomblob(2)), 2) || '-'
    || substr('89ab', 1 + (random() & 3), 1) || substr(hex(randomblob(2)), 2) || '-' || hex(randomblob(6)));
CREATE UNIQUE INDEX tenant_id ON tenant (id);

-- The tenant that a token is bound to; NULL for operators.
ALTER TABLE access_token ADD COLUMN tenant_id TEXT;
UPDATE access_token SET tenant_id = (SELECT t.id FROM tenant t WHERE t.name = access_token.tenant);

-- One row: the random key that the tokens of lists are authenticated with.
CREATE TABLE page_key (
    only_row INTEGER NOT NULL PRIMARY KEY CHECK (only_row = 1),
    key      BLOB    NOT NULL CHECK (length(key) = 32)
) STRICT;
INSERT INTO page_key (only_row, key) VALUES (1, randomblob(32));

PRAGMA user_version = 9;
