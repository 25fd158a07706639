DROP TABLE file_copies;
DROP TABLE package_copies;
DROP INDEX storage_locations_home;
ALTER TABLE storage_locations DROP COLUMN role;
