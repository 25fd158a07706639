DROP TABLE file_copies;
DROP TABLE package_copies;
ALTER TABLE storage_locations DROP COLUMN role;
