//! Files whose bytes are in storage.

use artifact_domain::digest::{Blake3Digest, Sha256Digest};
use artifact_domain::file::FileRecord;
use artifact_domain::{LogicalPath, PackageId, Timestamp};
use diesel::prelude::*;

use crate::connection::{Backend, on_backend};
use crate::error::RegistryError;
use crate::packages::{column, digest_bytes};
use crate::read::Reader;
use crate::schema::{files, packages};
use crate::write::Writer;

/// A file as its table has it.
#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = files, treat_none_as_default_value = false)]
pub(crate) struct FileRow {
    pub(crate) package_id: String,
    pub(crate) path: String,
    pub(crate) size: i64,
    pub(crate) sha256: Vec<u8>,
    pub(crate) blake3: Vec<u8>,
    pub(crate) media_type: String,
    pub(crate) uploaded_at: i64,
    pub(crate) etag: Option<String>,
    pub(crate) writer_id: i64,
}

/// A stored file and what the storage said of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredFile {
    /// The file.
    pub record: FileRecord,
    /// The storage's version of the object, if it has one.
    pub etag: Option<String>,
}

impl TryFrom<FileRow> for StoredFile {
    type Error = RegistryError;

    fn try_from(row: FileRow) -> Result<Self, RegistryError> {
        fn get<T, E: std::fmt::Display>(
            key: &str,
            name: &str,
            value: Result<T, E>,
        ) -> Result<T, RegistryError> {
            column("file", key, name, value)
        }
        let key = format!("{}/{}", row.package_id, row.path);
        let record = FileRecord {
            path: get(&key, "path", LogicalPath::parse(row.path))?,
            size: get(&key, "size", u64::try_from(row.size))?,
            sha256: Sha256Digest::from_bytes(get(&key, "sha256", digest_bytes(&row.sha256))?),
            blake3: Blake3Digest::from_bytes(get(&key, "blake3", digest_bytes(&row.blake3))?),
            media_type: get(&key, "media_type", row.media_type.parse())?,
            uploaded_at: get(&key, "uploaded_at", Timestamp::from_unix_micros(row.uploaded_at))?,
        };
        Ok(Self { record, etag: row.etag })
    }
}

/// The first text behind all texts that begin with `prefix`, by bytes; `None` when there is none.
fn behind_prefix(prefix: &str) -> Option<String> {
    let mut characters: Vec<char> = prefix.chars().collect();
    while let Some(last) = characters.pop() {
        // The next code point; the surrogates between U+D7FF and U+E000 are no characters.
        let next =
            if last == '\u{d7ff}' { Some('\u{e000}') } else { char::from_u32(u32::from(last) + 1) };
        if let Some(next) = next {
            characters.push(next);
            return Some(characters.into_iter().collect());
        }
    }
    None
}

impl Reader<'_> {
    /// One file of a package.
    pub fn file(
        &mut self,
        package: PackageId,
        path: &LogicalPath,
    ) -> Result<Option<StoredFile>, RegistryError> {
        let row: Option<FileRow> = files::table
            .find((package.to_string(), path.as_str()))
            .select(FileRow::as_select())
            .first(self.connection)
            .optional()
            .map_err(|error| RegistryError::query(self.url, "look up a file", error))?;
        row.map(StoredFile::try_from).transpose()
    }

    /// One file of a package that was not deleted, and whether the package is sealed, in one
    /// question: for reading many small files.
    pub fn present_file(
        &mut self,
        package: PackageId,
        path: &LogicalPath,
    ) -> Result<Option<(StoredFile, bool)>, RegistryError> {
        // Through the connection itself, not through the enum of both: only so does diesel keep the
        // prepared statement, and preparing it costs several times what running it does.
        let row = on_backend!(self.connection, |c| files::table
            .inner_join(packages::table)
            .filter(files::package_id.eq(package.to_string()))
            .filter(files::path.eq(path.as_str()))
            .filter(packages::deleted_at.is_null())
            .select((FileRow::as_select(), packages::finalized_at))
            .first::<(FileRow, Option<i64>)>(c))
        .optional()
        .map_err(|error| RegistryError::query(self.url, "look up a file", error))?;
        row.map(|(row, sealed_at)| Ok((row.try_into()?, sealed_at.is_some()))).transpose()
    }

    /// One page of a package's files whose paths begin with `prefix`, ordered by the bytes of
    /// their paths, beginning behind `after`.
    pub fn files(
        &mut self,
        package: PackageId,
        prefix: Option<&str>,
        after: Option<&LogicalPath>,
        limit: u32,
    ) -> Result<Vec<StoredFile>, RegistryError> {
        let mut query = files::table
            .filter(files::package_id.eq(package.to_string()))
            .order(files::path.asc())
            .limit(limit.into())
            .select(FileRow::as_select())
            .into_boxed::<Backend>();
        if let Some(prefix) = prefix {
            // LIKE would ignore case on SQLite and treat % as a wildcard; a range does neither.
            query = query.filter(files::path.ge(prefix.to_owned()));
            if let Some(end) = behind_prefix(prefix) {
                query = query.filter(files::path.lt(end));
            }
        }
        if let Some(after) = after {
            query = query.filter(files::path.gt(after.to_string()));
        }
        let rows: Vec<FileRow> = query
            .load(self.connection)
            .map_err(|error| RegistryError::query(self.url, "list files", error))?;
        rows.into_iter().map(StoredFile::try_from).collect()
    }
}

impl Writer<'_> {
    /// Takes a file out of a package, so that its path is free again. Answers the file, or `None`
    /// if there is none. The caller has checked the package's status in this transaction.
    pub fn remove_file(
        &mut self,
        package: PackageId,
        path: &LogicalPath,
        now: Timestamp,
    ) -> Result<Option<StoredFile>, RegistryError> {
        let url = self.url;
        let failed = |error| RegistryError::query(url, "remove a file", error);
        let removed: Option<FileRow> = on_backend!(self.connection, |c| diesel::delete(
            files::table.find((package.to_string(), path.as_str()))
        )
        .returning(FileRow::as_returning())
        .get_result(c))
        .optional()
        .map_err(failed)?;
        let Some(file) = removed.map(StoredFile::try_from).transpose()? else { return Ok(None) };
        diesel::update(packages::table.find(package.to_string()))
            .set((
                packages::file_count.eq(packages::file_count - 1),
                packages::total_bytes
                    .eq(packages::total_bytes - crate::packages::big(file.record.size)),
                packages::updated_at.eq(now.unix_micros()),
                packages::revision.eq(packages::revision + 1),
            ))
            .execute(self.connection)
            .map_err(failed)?;
        Ok(Some(file))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::behind_prefix;

    proptest! {
        #[test]
        fn the_range_of_a_prefix_holds_what_begins_with_it_and_nothing_else(
            prefix in "[a\u{d7ff}\u{10ffff}é]{1,3}", text in "[a\u{d7ff}\u{10ffff}éb]{0,4}"
        ) {
            let inside = text >= prefix && behind_prefix(&prefix).is_none_or(|end| text < end);
            prop_assert_eq!(inside, text.starts_with(&prefix));
        }
    }
}
