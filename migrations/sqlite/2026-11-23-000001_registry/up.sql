-- The registry: what was promised about which bytes.
--
-- Times are microseconds since 1970 in UTC, ids are UUIDv7 as text, digests are 32 bytes, JSON is
-- text. BIGINT, not INTEGER: both databases then have the same Rust types.

-- A storage root that packages lie in. The id stands in the root itself, so that a registry
-- notices when it is started on somebody else's folder or on an empty mount point.
CREATE TABLE storage_locations (
    id TEXT NOT NULL PRIMARY KEY,
    url TEXT NOT NULL,
    first_seen_at BIGINT NOT NULL
);

-- A process that opened the store to write. A file names its writer, and so the kernel's boot
-- during which its bytes were written: after a reboot they are hashed again before they are sealed.
CREATE TABLE writers (
    id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    boot_id TEXT NOT NULL,
    opened_at BIGINT NOT NULL
);

-- Each change of a retention class is a new version; packages name the version they were given.
CREATE TABLE retention_rules (
    class TEXT NOT NULL,
    version BIGINT NOT NULL,
    period_days BIGINT,
    description TEXT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (class, version)
) WITHOUT ROWID;

CREATE TABLE packages (
    id TEXT NOT NULL PRIMARY KEY,
    producer TEXT NOT NULL,
    kind TEXT NOT NULL,
    external_id TEXT,
    title TEXT,
    labels TEXT NOT NULL,
    metadata TEXT NOT NULL,
    status TEXT NOT NULL,
    retention_class TEXT NOT NULL,
    rule_version BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    finalized_at BIGINT,
    expires_at BIGINT,
    on_hold BOOLEAN NOT NULL,
    file_count BIGINT NOT NULL,
    total_bytes BIGINT NOT NULL,
    manifest_sha256 BLOB,
    payload_manifest_sha256 BLOB,
    -- The manifest without its files, as it was sealed: the manifest can be written again from it.
    manifest_head TEXT,
    failure_reason TEXT,
    deleted_at BIGINT,
    deletion_reason TEXT,
    location_id TEXT NOT NULL REFERENCES storage_locations (id),
    -- Counts every change of the package, its files and its uploads.
    revision BIGINT NOT NULL,
    -- A finalize under way: the time it will seal with, and the revision that it saw.
    sealing_at BIGINT,
    sealing_revision BIGINT,
    FOREIGN KEY (retention_class, rule_version) REFERENCES retention_rules (class, version)
);

-- One open or kept package per run of a producer.
CREATE UNIQUE INDEX packages_identity ON packages (producer, external_id)
    WHERE external_id IS NOT NULL AND status <> 'failed' AND status <> 'deleted';
-- Lists are newest first; each filter has an index that ends in that order.
CREATE INDEX packages_by_created ON packages (created_at, id);
CREATE INDEX packages_by_status ON packages (status, created_at, id);
CREATE INDEX packages_by_producer ON packages (producer, created_at, id);
CREATE INDEX packages_by_kind ON packages (kind, created_at, id);
CREATE INDEX packages_by_external_id ON packages (external_id, created_at, id);
CREATE INDEX packages_by_class ON packages (retention_class, created_at, id);
CREATE INDEX packages_by_hold ON packages (on_hold, created_at, id);
CREATE INDEX packages_by_expiry ON packages (status, on_hold, expires_at, id);

-- The labels again, for filters; the package's own column is what is read.
CREATE TABLE package_labels (
    package_id TEXT NOT NULL REFERENCES packages (id),
    key TEXT NOT NULL,
    value TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (package_id, key)
) WITHOUT ROWID;
CREATE INDEX package_labels_by_value ON package_labels (key, value, created_at, package_id);

-- Files whose bytes are in storage.
CREATE TABLE files (
    package_id TEXT NOT NULL REFERENCES packages (id),
    path TEXT NOT NULL,
    size BIGINT NOT NULL,
    sha256 BLOB NOT NULL,
    blake3 BLOB NOT NULL,
    media_type TEXT NOT NULL,
    uploaded_at BIGINT NOT NULL,
    etag TEXT,
    writer_id BIGINT NOT NULL REFERENCES writers (id),
    PRIMARY KEY (package_id, path)
) WITHOUT ROWID;

-- Uploads under way: the row comes before the first byte and turns into a row of files after the
-- last. Whoever holds the claim may write the path.
CREATE TABLE uploads (
    claim_id TEXT NOT NULL PRIMARY KEY,
    package_id TEXT NOT NULL REFERENCES packages (id),
    path TEXT NOT NULL,
    writer_id BIGINT NOT NULL REFERENCES writers (id),
    renewed_at BIGINT NOT NULL,
    UNIQUE (package_id, path)
);

CREATE TABLE retention_events (
    seq INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    package_id TEXT NOT NULL REFERENCES packages (id),
    kind TEXT NOT NULL,
    actor TEXT NOT NULL,
    at BIGINT NOT NULL,
    request_id TEXT,
    reason TEXT NOT NULL,
    before TEXT NOT NULL,
    after TEXT NOT NULL
);
CREATE INDEX retention_events_by_package ON retention_events (package_id, seq);

CREATE TABLE audit_events (
    seq INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    at BIGINT NOT NULL,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    package_id TEXT,
    request_id TEXT,
    details TEXT NOT NULL
);
CREATE INDEX audit_events_by_package ON audit_events (package_id, seq);
CREATE INDEX audit_events_by_action ON audit_events (action, seq);
CREATE INDEX audit_events_by_actor ON audit_events (actor, seq);
CREATE INDEX audit_events_by_time ON audit_events (at, seq);

-- Events are appended and never changed, whoever asks. The INSERT triggers are for SQLite's
-- INSERT OR REPLACE, which removes the old row without firing a DELETE trigger.
CREATE TRIGGER audit_events_no_update BEFORE UPDATE ON audit_events
BEGIN SELECT RAISE(ABORT, 'audit events are append-only'); END;
CREATE TRIGGER audit_events_no_delete BEFORE DELETE ON audit_events
BEGIN SELECT RAISE(ABORT, 'audit events are append-only'); END;
CREATE TRIGGER audit_events_no_replace BEFORE INSERT ON audit_events
WHEN EXISTS (SELECT 1 FROM audit_events WHERE seq = NEW.seq)
BEGIN SELECT RAISE(ABORT, 'audit events are append-only'); END;
CREATE TRIGGER retention_events_no_update BEFORE UPDATE ON retention_events
BEGIN SELECT RAISE(ABORT, 'retention events are append-only'); END;
CREATE TRIGGER retention_events_no_delete BEFORE DELETE ON retention_events
BEGIN SELECT RAISE(ABORT, 'retention events are append-only'); END;
CREATE TRIGGER retention_events_no_replace BEFORE INSERT ON retention_events
WHEN EXISTS (SELECT 1 FROM retention_events WHERE seq = NEW.seq)
BEGIN SELECT RAISE(ABORT, 'retention events are append-only'); END;
