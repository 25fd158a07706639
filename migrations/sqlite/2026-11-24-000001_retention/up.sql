-- Retention: what keeps a package beyond its expiry, what its deletion left behind, and what the
-- registry knows of the time.
--
-- Of the same types as the first migration. What nobody may change has no rowid: with one, INSERT
-- OR REPLACE and UPDATE OR REPLACE have a second key to remove a row by.

-- Legal holds. One that was released stays on record as it was.
CREATE TABLE holds (
    id TEXT NOT NULL PRIMARY KEY,
    package_id TEXT NOT NULL REFERENCES packages (id),
    reason TEXT NOT NULL,
    mandate TEXT,
    placed_at BIGINT NOT NULL,
    placed_by TEXT NOT NULL,
    released_at BIGINT,
    released_by TEXT,
    release_reason TEXT,
    -- A release is whole or not there.
    CHECK ((released_at IS NULL) = (released_by IS NULL)),
    CHECK ((released_at IS NULL) = (release_reason IS NULL))
) WITHOUT ROWID;
-- Ids are UUIDv7: their order is that of placing.
CREATE INDEX holds_by_package ON holds (package_id, id);
CREATE INDEX holds_active ON holds (package_id, id) WHERE released_at IS NULL;

-- What a deletion leaves behind, whole: it is read without the package's row.
CREATE TABLE deletions (
    package_id TEXT NOT NULL PRIMARY KEY REFERENCES packages (id),
    manifest_sha256 BLOB,
    file_count BIGINT NOT NULL,
    total_bytes BIGINT NOT NULL,
    deleted_at BIGINT NOT NULL,
    actor TEXT NOT NULL,
    request_id TEXT,
    reason TEXT NOT NULL,
    retention_class TEXT NOT NULL,
    rule_version BIGINT NOT NULL,
    expires_at BIGINT,
    -- Each rule that was consulted and what it said.
    reasons TEXT NOT NULL,
    bytes_removed BIGINT NOT NULL,
    -- When nothing was left in storage.
    bytes_removed_at BIGINT,
    FOREIGN KEY (retention_class, rule_version) REFERENCES retention_rules (class, version)
) WITHOUT ROWID;
-- Deletions whose bytes have yet to go.
CREATE INDEX deletions_unfinished ON deletions (package_id) WHERE bytes_removed_at IS NULL;

-- One row: the latest time that was seen and trusted, and what the clock said when it contradicted
-- that.
CREATE TABLE clock (
    id BIGINT NOT NULL PRIMARY KEY CHECK (id = 1),
    seen_at BIGINT NOT NULL,
    suspended_at BIGINT
) WITHOUT ROWID;

-- Packages whose record beside their bytes has yet to follow the change of this revision. The row
-- is written with the change and goes when the record is written.
CREATE TABLE records_due (
    package_id TEXT NOT NULL REFERENCES packages (id),
    revision BIGINT NOT NULL,
    since BIGINT NOT NULL,
    PRIMARY KEY (package_id, revision)
) WITHOUT ROWID;

-- Whoever asks, these are refused. The INSERT triggers are for SQLite's INSERT OR REPLACE, which
-- removes the old row without firing a DELETE trigger.
CREATE TRIGGER holds_no_delete BEFORE DELETE ON holds
BEGIN SELECT RAISE(ABORT, 'a hold is never removed'); END;
CREATE TRIGGER holds_no_edit BEFORE UPDATE ON holds
WHEN (OLD.released_at IS NOT NULL
    OR (NEW.id, NEW.package_id, NEW.reason, NEW.mandate, NEW.placed_at, NEW.placed_by)
    IS DISTINCT FROM
    (OLD.id, OLD.package_id, OLD.reason, OLD.mandate, OLD.placed_at, OLD.placed_by))
BEGIN SELECT RAISE(ABORT, 'a hold is released once and never edited'); END;
CREATE TRIGGER holds_no_replace BEFORE INSERT ON holds
WHEN EXISTS (SELECT 1 FROM holds WHERE id = NEW.id)
BEGIN SELECT RAISE(ABORT, 'a hold is released once and never edited'); END;
CREATE TRIGGER deletions_no_delete BEFORE DELETE ON deletions
BEGIN SELECT RAISE(ABORT, 'the record of a deletion is never removed'); END;
CREATE TRIGGER deletions_no_edit BEFORE UPDATE ON deletions
WHEN (OLD.bytes_removed_at IS NOT NULL
    OR (NEW.package_id, NEW.manifest_sha256, NEW.file_count, NEW.total_bytes, NEW.deleted_at,
        NEW.actor, NEW.request_id, NEW.reason, NEW.retention_class, NEW.rule_version,
        NEW.expires_at, NEW.reasons)
    IS DISTINCT FROM
    (OLD.package_id, OLD.manifest_sha256, OLD.file_count, OLD.total_bytes, OLD.deleted_at,
        OLD.actor, OLD.request_id, OLD.reason, OLD.retention_class, OLD.rule_version,
        OLD.expires_at, OLD.reasons))
BEGIN SELECT RAISE(ABORT, 'the record of a deletion is finished once and never edited'); END;
CREATE TRIGGER deletions_no_replace BEFORE INSERT ON deletions
WHEN EXISTS (SELECT 1 FROM deletions WHERE package_id = NEW.package_id)
BEGIN SELECT RAISE(ABORT, 'the record of a deletion is finished once and never edited'); END;
-- Packages name the version that set their expiry, so a version stays what it was.
CREATE TRIGGER retention_rules_no_update BEFORE UPDATE ON retention_rules
BEGIN SELECT RAISE(ABORT, 'a version of a retention class is never changed'); END;
CREATE TRIGGER retention_rules_no_delete BEFORE DELETE ON retention_rules
BEGIN SELECT RAISE(ABORT, 'a version of a retention class is never changed'); END;
CREATE TRIGGER retention_rules_no_replace BEFORE INSERT ON retention_rules
WHEN EXISTS (
    SELECT 1 FROM retention_rules WHERE class = NEW.class AND version = NEW.version)
BEGIN SELECT RAISE(ABORT, 'a version of a retention class is never changed'); END;
