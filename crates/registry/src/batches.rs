//! Statements that carry many rows, as each database takes them best.
//!
//! PostgreSQL gets the columns as arrays: a statement with thousands of parameters takes it longer
//! to read than to carry out. SQLite has no arrays, and its statements are read in this process.

use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Binary, Nullable, Text};

use crate::connection::{RegistryConnection, on_backend};
use crate::files::FileRow;
use crate::schema::{files, uploads};
use crate::uploads::UploadRow;

/// How many rows or paths one statement carries.
pub(crate) const CHUNK: usize = 1000;

impl RegistryConnection {
    /// Records claims of one writer on paths of one package.
    pub(crate) fn insert_uploads(&mut self, rows: &[UploadRow]) -> QueryResult<()> {
        for some in rows.chunks(CHUNK) {
            match self {
                Self::Sqlite(c) => diesel::insert_into(uploads::table).values(some).execute(c)?,
                Self::Postgres(c) => {
                    let texts =
                        |of: fn(&UploadRow) -> &str| some.iter().map(of).collect::<Vec<_>>();
                    let numbers =
                        |of: fn(&UploadRow) -> i64| some.iter().map(of).collect::<Vec<_>>();
                    diesel::sql_query(
                        "INSERT INTO uploads (claim_id, package_id, path, writer_id, renewed_at) \
                         SELECT * FROM unnest($1, $2, $3, $4, $5)",
                    )
                    .bind::<Array<Text>, _>(texts(|row| &row.claim_id))
                    .bind::<Array<Text>, _>(texts(|row| &row.package_id))
                    .bind::<Array<Text>, _>(texts(|row| &row.path))
                    .bind::<Array<BigInt>, _>(numbers(|row| row.writer_id))
                    .bind::<Array<BigInt>, _>(numbers(|row| row.renewed_at))
                    .execute(c)?
                }
            };
        }
        Ok(())
    }

    /// Removes the claims of these that are held.
    pub(crate) fn delete_uploads(&mut self, ids: &[String]) -> QueryResult<()> {
        for some in ids.chunks(CHUNK) {
            on_backend!(self, |c| diesel::delete(
                uploads::table.filter(uploads::claim_id.eq_any(some))
            )
            .execute(c))?;
        }
        Ok(())
    }

    /// The claims of these that are held.
    pub(crate) fn uploads_among(&mut self, ids: &[String]) -> QueryResult<Vec<UploadRow>> {
        let mut held = Vec::new();
        for some in ids.chunks(CHUNK) {
            let found: Vec<UploadRow> = on_backend!(self, |c| uploads::table
                .filter(uploads::claim_id.eq_any(some))
                .select(UploadRow::as_select())
                .load(c))?;
            held.extend(found);
        }
        Ok(held)
    }

    /// Records files.
    pub(crate) fn insert_files(&mut self, rows: &[FileRow]) -> QueryResult<()> {
        for some in rows.chunks(CHUNK) {
            match self {
                Self::Sqlite(c) => diesel::insert_into(files::table).values(some).execute(c)?,
                Self::Postgres(c) => {
                    let texts = |of: fn(&FileRow) -> &str| some.iter().map(of).collect::<Vec<_>>();
                    let numbers = |of: fn(&FileRow) -> i64| some.iter().map(of).collect::<Vec<_>>();
                    let bytes = |of: fn(&FileRow) -> &[u8]| some.iter().map(of).collect::<Vec<_>>();
                    let etags: Vec<_> = some.iter().map(|row| row.etag.as_deref()).collect();
                    diesel::sql_query(
                        "INSERT INTO files (package_id, path, size, sha256, blake3, media_type, \
                         uploaded_at, etag, writer_id) \
                         SELECT * FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9)",
                    )
                    .bind::<Array<Text>, _>(texts(|row| &row.package_id))
                    .bind::<Array<Text>, _>(texts(|row| &row.path))
                    .bind::<Array<BigInt>, _>(numbers(|row| row.size))
                    .bind::<Array<Binary>, _>(bytes(|row| &row.sha256))
                    .bind::<Array<Binary>, _>(bytes(|row| &row.blake3))
                    .bind::<Array<Text>, _>(texts(|row| &row.media_type))
                    .bind::<Array<BigInt>, _>(numbers(|row| row.uploaded_at))
                    .bind::<Array<Nullable<Text>>, _>(etags)
                    .bind::<Array<BigInt>, _>(numbers(|row| row.writer_id))
                    .execute(c)?
                }
            };
        }
        Ok(())
    }
}
