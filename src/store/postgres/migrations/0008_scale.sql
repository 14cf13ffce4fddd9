-- What belongs to no instance is looked up by none.
DROP INDEX subject_instance;
CREATE INDEX subject_instance ON subject (tenant, instance) WHERE instance IS NOT NULL;

-- A tenant's hashes, page by page.
CREATE INDEX subject_tenant ON subject (tenant, id);
