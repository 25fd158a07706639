ALTER TABLE files ADD CONSTRAINT files_writer_id_fkey FOREIGN KEY (writer_id) REFERENCES writers (id);
ALTER TABLE uploads ADD CONSTRAINT uploads_writer_id_fkey FOREIGN KEY (writer_id) REFERENCES writers (id);
ALTER TABLE uploads ADD CONSTRAINT uploads_package_id_fkey FOREIGN KEY (package_id) REFERENCES packages (id);
