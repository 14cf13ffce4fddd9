-- The id that a tenant keeps for good: one that is made again under the same name is another tenant. Tenants of before are
-- given a random UUID.
ALTER TABLE tenant ADD COLUMN id TEXT COLLATE "C";
UPDATE tenant SET id = CAST(gen_random_uuid() AS TEXT);
ALTER TABLE tenant ALTER COLUMN id SET NOT NULL;
CREATE UNIQUE INDEX tenant_id ON tenant (id);

-- The tenant that a token is bound to; NULL for operators.
ALTER TABLE access_token ADD COLUMN tenant_id TEXT COLLATE "C";
UPDATE access_token SET tenant_id = (SELECT t.id FROM tenant t WHERE t.name = access_token.tenant);

-- One row: the random key that the tokens of lists are authenticated with, the digest of 244 random bits.
CREATE TABLE page_key (
    only_row BIGINT NOT NULL PRIMARY KEY CHECK (only_row = 1),
    key      BYTEA  NOT NULL CHECK (length(key) = 32)
);
INSERT INTO page_key (only_row, key)
    SELECT 1, sha256(CAST(CAST(gen_random_uuid() AS TEXT) || CAST(gen_random_uuid() AS TEXT) AS BYTEA));
