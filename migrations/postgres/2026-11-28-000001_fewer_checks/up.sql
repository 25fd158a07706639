-- PostgreSQL looks each referenced row up and locks it, for every row that is inserted: two thirds
-- of what inserting them cost. Rows of packages and writers are never removed, and whoever
-- inserts these has locked the package before. A file keeps its reference to its package.
ALTER TABLE uploads DROP CONSTRAINT uploads_package_id_fkey;
ALTER TABLE uploads DROP CONSTRAINT uploads_writer_id_fkey;
ALTER TABLE files DROP CONSTRAINT files_writer_id_fkey;
