-- Moving all packages to another storage. A registry has one home, where packages are made, changed
-- and read; a copy is being filled by a move, and a former home is where packages were moved from.
ALTER TABLE storage_locations ADD COLUMN role TEXT NOT NULL DEFAULT 'home';
CREATE UNIQUE INDEX storage_locations_home ON storage_locations (role) WHERE role = 'home';

-- Packages that were copied and read back, as they were at this revision; -1 is a copy that was begun.
CREATE TABLE package_copies (
    location_id TEXT COLLATE "C" NOT NULL REFERENCES storage_locations (id),
    package_id TEXT COLLATE "C" NOT NULL REFERENCES packages (id),
    revision BIGINT NOT NULL,
    copied_at BIGINT NOT NULL,
    PRIMARY KEY (location_id, package_id)
);

-- Of packages that can still be changed: the versions that the files' objects have in the copy.
CREATE TABLE file_copies (
    location_id TEXT COLLATE "C" NOT NULL,
    package_id TEXT COLLATE "C" NOT NULL,
    path TEXT COLLATE "C" NOT NULL,
    etag TEXT,
    PRIMARY KEY (location_id, package_id, path),
    FOREIGN KEY (location_id, package_id) REFERENCES package_copies (location_id, package_id)
);
