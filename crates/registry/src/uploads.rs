//! Uploads under way: claims on paths, and claims that turn into files.
//!
//! A claim is recorded before the first byte is written and turns into a row of `files` after the
//! last. Both steps take many files at once: one commit carries the claims and the files of all
//! uploads that are waiting, because a commit for each file would cost more than the file.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use artifact_domain::id::ClaimId;
use artifact_domain::{LogicalPath, PackageId, PackageStatus, Timestamp};
use diesel::prelude::*;
use diesel::sql_types::{Array, Nullable, Text};

use crate::batches::CHUNK;
use crate::connection::RegistryConnection;
use crate::error::RegistryError;
use crate::files::{FileRow, StoredFile};
use crate::packages::{big, column, find_package};
use crate::read::Reader;
use crate::schema::{packages, uploads};
use crate::write::Writer;
use crate::writers::WriterId;

/// A wish to write one path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewClaim {
    /// The token that says the path is ours.
    pub id: ClaimId,
    /// The package.
    pub package: PackageId,
    /// The path.
    pub path: LogicalPath,
    /// Whether a file of this path may be there.
    pub replace: bool,
}

/// A claim as it is recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// The path that is being written.
    pub path: String,
    /// Who writes it.
    pub writer: WriterId,
    /// When the writer last said that it still does.
    pub renewed_at: Timestamp,
}

/// Why a path cannot be claimed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClaimRefusal {
    /// There is no such package.
    NoPackage,
    /// The package takes no files any more.
    WrongStatus(PackageStatus),
    /// The package has a file of this path.
    Duplicate,
    /// `other` is a folder of the path, or the path a folder of `other`.
    Conflict {
        /// The file that is there, or that is being uploaded.
        other: String,
    },
    /// Somebody is writing this path.
    InProgress,
    /// The package has as many files as a package may have.
    TooManyFiles,
}

/// A file whose bytes have been written under a claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FinishedUpload {
    /// The claim.
    pub claim: ClaimId,
    /// The package.
    pub package: PackageId,
    /// The file.
    pub file: StoredFile,
}

/// Why a finished upload is not recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FinishRefusal {
    /// The claim was given to somebody else, after this writer had seemed dead.
    ClaimLost,
    /// The package takes no files any more.
    WrongStatus(PackageStatus),
    /// The package would have more bytes than a package may have.
    TooManyBytes,
}

/// A claim as its table has it.
#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = uploads, treat_none_as_default_value = false)]
pub(crate) struct UploadRow {
    pub(crate) claim_id: String,
    pub(crate) package_id: String,
    pub(crate) path: String,
    pub(crate) writer_id: i64,
    pub(crate) renewed_at: i64,
}

/// What is at a path.
#[derive(diesel::QueryableByName)]
struct PlaceRow {
    #[diesel(sql_type = Text)]
    path: String,
    /// The path again, if there is a file.
    #[diesel(sql_type = Nullable<Text>)]
    stored: Option<String>,
    /// The claim on it.
    #[diesel(sql_type = Nullable<Text>)]
    claim_id: Option<String>,
    /// A file or claim that lies in it as if it were a folder.
    #[diesel(sql_type = Nullable<Text>)]
    inside: Option<String>,
}

/// What of a package decides whether it takes a file.
#[derive(Queryable, Selectable)]
#[diesel(table_name = packages)]
struct TallyRow {
    status: String,
    file_count: i64,
    total_bytes: i64,
}

struct Tally {
    status: PackageStatus,
    files: u64,
    bytes: u64,
}

/// What a claim that is granted finds at its path.
struct Grant {
    /// Whether there is a file, which the claim's file will replace.
    stored: bool,
    /// A void claim that is taken over.
    void: Option<String>,
}

/// What a batch of claims is decided by.
pub struct ClaimRules<'a> {
    /// The process that claims.
    pub writer: WriterId,
    /// The time.
    pub now: Timestamp,
    /// The most files that a package may have.
    pub max_files: u64,
    /// Whether a recorded claim is void because its writer is gone.
    pub is_void: &'a dyn Fn(&Claim) -> bool,
}

impl Reader<'_> {
    /// Claims of a package, ordered by path: uploads that are under way or that were cut off.
    pub fn claims(&mut self, package: PackageId, limit: u32) -> Result<Vec<Claim>, RegistryError> {
        let rows: Vec<UploadRow> = uploads::table
            .filter(uploads::package_id.eq(package.to_string()))
            .order(uploads::path.asc())
            .limit(limit.into())
            .select(UploadRow::as_select())
            .load(self.connection)
            .map_err(|error| RegistryError::query(self.url, "list uploads", error))?;
        rows.into_iter().map(claim).collect()
    }

    fn tally(&mut self, package: PackageId) -> Result<Option<Tally>, RegistryError> {
        let found = find_package!(self, package, TallyRow)
            .optional()
            .map_err(|error| RegistryError::query(self.url, "look up a package", error))?;
        let Some(row) = found else { return Ok(None) };
        let key = package.to_string();
        Ok(Some(Tally {
            status: column("package", &key, "status", row.status.parse())?,
            files: column("package", &key, "file_count", u64::try_from(row.file_count))?,
            bytes: column("package", &key, "total_bytes", u64::try_from(row.total_bytes))?,
        }))
    }

    /// What is at each of these paths, and in it.
    fn look_at(&mut self, package: &str, paths: &[&str]) -> QueryResult<Vec<PlaceRow>> {
        // Each path is looked up by itself, in subqueries. `path IN (...)` and an `OR` of ranges
        // say the same, but without statistics, which a package that is being filled never has,
        // both databases may answer them by reading the whole package.
        //
        // `0` is the character behind `/`: everything between begins with the path and a slash.
        macro_rules! places {
            ($package:literal, $wanted:literal) => {
                concat!(
                    "SELECT wanted.value AS path, ",
                    "(SELECT f.path FROM files AS f ",
                    "WHERE f.package_id = ",
                    $package,
                    " AND f.path = wanted.value) AS stored, ",
                    "(SELECT u.claim_id FROM uploads AS u ",
                    "WHERE u.package_id = ",
                    $package,
                    " AND u.path = wanted.value) AS claim_id, ",
                    "COALESCE((SELECT f.path FROM files AS f ",
                    "WHERE f.package_id = ",
                    $package,
                    " AND f.path > wanted.value || '/' AND f.path < wanted.value || '0' ",
                    "ORDER BY f.path LIMIT 1), ",
                    "(SELECT u.path FROM uploads AS u ",
                    "WHERE u.package_id = ",
                    $package,
                    " AND u.path > wanted.value || '/' AND u.path < wanted.value || '0' ",
                    "ORDER BY u.path LIMIT 1)) AS inside FROM ",
                    $wanted
                )
            };
        }
        match self.connection {
            RegistryConnection::Postgres(c) => {
                diesel::sql_query(places!("$1", "unnest($2) AS wanted (value)"))
                    .bind::<Text, _>(package)
                    .bind::<Array<Text>, _>(paths)
                    .load(c)
            }
            RegistryConnection::Sqlite(c) => {
                diesel::sql_query(places!("?1", "json_each(?2) AS wanted"))
                    .bind::<Text, _>(package)
                    .bind::<Text, _>(serde_json::Value::from(paths).to_string())
                    .load(c)
            }
        }
    }
}

fn claim(row: UploadRow) -> Result<Claim, RegistryError> {
    let renewed_at =
        column("upload", &row.claim_id, "renewed_at", Timestamp::from_unix_micros(row.renewed_at))?;
    Ok(Claim { path: row.path, writer: WriterId(row.writer_id), renewed_at })
}

impl Writer<'_> {
    /// Claims paths, each with an answer of its own, in the order of `claims`. The claims that
    /// are granted are recorded and their packages are `uploading`.
    pub fn claim(
        &mut self,
        rules: &ClaimRules<'_>,
        claims: &[NewClaim],
    ) -> Result<Vec<Result<(), ClaimRefusal>>, RegistryError> {
        let mut answers: Vec<Result<(), ClaimRefusal>> = vec![Ok(()); claims.len()];
        for (package, indices) in by_package(claims.iter().map(|claim| claim.package)) {
            let tally = self.tally(package)?;
            let refusal = match &tally {
                None => Some(ClaimRefusal::NoPackage),
                Some(tally) if !tally.status.is_open() => {
                    Some(ClaimRefusal::WrongStatus(tally.status))
                }
                Some(_) => None,
            };
            if let Some(refusal) = refusal {
                for index in indices {
                    answers[index] = Err(refusal.clone());
                }
                continue;
            }
            let package = package.to_string();
            let stored = tally.map_or(0, |tally| tally.files);
            let mut room = self.room(&package, rules, stored, indices.len() as u64)?;
            let mut accepted = PathSet::default();
            let (mut granted, mut void) = (Vec::new(), Vec::new());
            for chunk in indices.chunks(CHUNK) {
                let wanted: Vec<&NewClaim> = chunk.iter().map(|index| &claims[*index]).collect();
                for (index, answer) in chunk.iter().zip(self.judge(&package, rules, &wanted)?) {
                    let claim = &claims[*index];
                    answers[*index] = answer.and_then(|grant| {
                        if room == 0 && !grant.stored {
                            return Err(ClaimRefusal::TooManyFiles);
                        }
                        accepted.add(&claim.path)?;
                        if !grant.stored {
                            room -= 1;
                        }
                        granted.push(claim);
                        void.extend(grant.void);
                        Ok(())
                    });
                }
            }
            if !granted.is_empty() {
                self.insert_claims(rules, &package, &granted, &void)
                    .map_err(|error| RegistryError::query(self.url, "claim paths", error))?;
            }
        }
        Ok(answers)
    }

    /// How many more files the package may have: those that are stored and those that are on
    /// their way count. `wanted` is how many are asked for; if all of them fit, the answer may be
    /// less than what is there.
    fn room(
        &mut self,
        package: &str,
        rules: &ClaimRules<'_>,
        stored: u64,
        wanted: u64,
    ) -> Result<u64, RegistryError> {
        let url = self.url;
        let failed = |error| RegistryError::query(url, "count uploads", error);
        let claims = uploads::table.filter(uploads::package_id.eq(package));
        let count: i64 = claims.count().get_result(self.connection).map_err(failed)?;
        let taken = stored.saturating_add(u64::try_from(count).unwrap_or(0));
        if taken.saturating_add(wanted) <= rules.max_files {
            return Ok(rules.max_files - taken);
        }
        // It is close: void claims and claims that replace a file take no room of their own.
        let rows: Vec<UploadRow> =
            claims.select(UploadRow::as_select()).load(self.connection).map_err(failed)?;
        let mut live = Vec::new();
        for row in rows {
            let claim = claim(row)?;
            if !(rules.is_void)(&claim) {
                live.push(claim.path);
            }
        }
        let mut coming = 0;
        for some in live.chunks(CHUNK) {
            let paths: Vec<&str> = some.iter().map(String::as_str).collect();
            let places = self.look_at(package, &paths).map_err(failed)?;
            coming += places.iter().filter(|place| place.stored.is_none()).count() as u64;
        }
        Ok(rules.max_files.saturating_sub(stored.saturating_add(coming)))
    }

    /// Holds a chunk of claims on one package against its files and the claims that others have.
    ///
    /// A void claim gives way to a claim on the same path, which finds and removes what the dead
    /// upload left there. To other paths it is a claim like any: it still names bytes that may be
    /// in storage.
    fn judge(
        &mut self,
        package: &str,
        rules: &ClaimRules<'_>,
        wanted: &[&NewClaim],
    ) -> Result<Vec<Result<Grant, ClaimRefusal>>, RegistryError> {
        let url = self.url;
        let failed = |error| RegistryError::query(url, "look for conflicting files", error);
        let mut paths: BTreeSet<&str> = wanted.iter().map(|claim| claim.path.as_str()).collect();
        paths.extend(wanted.iter().flat_map(|claim| claim.path.folders()));
        let paths: Vec<&str> = paths.into_iter().collect();
        let places = self.look_at(package, &paths).map_err(failed)?;
        let ids: Vec<String> = places.iter().filter_map(|place| place.claim_id.clone()).collect();
        let mut void = HashSet::new();
        for (id, row) in self.held_among(&ids).map_err(failed)? {
            if (rules.is_void)(&claim(row)?) {
                void.insert(id);
            }
        }
        let places: HashMap<&str, &PlaceRow> =
            places.iter().map(|place| (place.path.as_str(), place)).collect();
        let judged = wanted.iter().map(|claim| {
            let is_taken = |folder: &&str| {
                places
                    .get(folder)
                    .is_some_and(|place| place.stored.is_some() || place.claim_id.is_some())
            };
            let place = places.get(claim.path.as_str());
            let inside = place.and_then(|place| place.inside.as_deref());
            if let Some(other) = claim.path.folders().find(is_taken).or(inside) {
                return Err(ClaimRefusal::Conflict { other: other.to_owned() });
            }
            let held = place.and_then(|place| place.claim_id.as_ref());
            if held.is_some_and(|id| !void.contains(id)) {
                return Err(ClaimRefusal::InProgress);
            }
            let stored = place.is_some_and(|place| place.stored.is_some());
            if stored && !claim.replace {
                return Err(ClaimRefusal::Duplicate);
            }
            Ok(Grant { stored, void: held.cloned() })
        });
        Ok(judged.collect())
    }

    fn insert_claims(
        &mut self,
        rules: &ClaimRules<'_>,
        package: &str,
        granted: &[&NewClaim],
        void: &[String],
    ) -> QueryResult<()> {
        self.connection.delete_uploads(void)?;
        let rows: Vec<UploadRow> = granted
            .iter()
            .map(|claim| UploadRow {
                claim_id: claim.id.to_string(),
                package_id: package.to_owned(),
                path: claim.path.to_string(),
                writer_id: rules.writer.0,
                renewed_at: rules.now.unix_micros(),
            })
            .collect();
        self.connection.insert_uploads(&rows)?;
        diesel::update(packages::table.find(package))
            .set((
                packages::status.eq(PackageStatus::Uploading.as_str()),
                packages::updated_at.eq(rules.now.unix_micros()),
                packages::revision.eq(packages::revision + 1),
            ))
            .execute(self.connection)
            .map(|_| ())
    }

    /// Says that claims are still being worked on. Answers whether each is still held.
    pub fn renew_claim(&mut self, claim: ClaimId, now: Timestamp) -> Result<bool, RegistryError> {
        diesel::update(uploads::table.find(claim.to_string()))
            .set(uploads::renewed_at.eq(now.unix_micros()))
            .execute(self.connection)
            .map(|changed| changed == 1)
            .map_err(|error| RegistryError::query(self.url, "renew a claim", error))
    }

    /// Gives claims up; those that are not held any more are passed over.
    pub fn release_claims(&mut self, claims: &[ClaimId]) -> Result<(), RegistryError> {
        let ids: Vec<String> = claims.iter().map(ToString::to_string).collect();
        self.connection
            .delete_uploads(&ids)
            .map_err(|error| RegistryError::query(self.url, "release claims", error))
    }

    /// The claims of these that are held, by id.
    fn held_among(&mut self, ids: &[String]) -> QueryResult<HashMap<String, UploadRow>> {
        let rows = self.connection.uploads_among(ids)?;
        Ok(rows.into_iter().map(|row| (row.claim_id.clone(), row)).collect())
    }

    /// Gives up the claim on one path if it is void. Answers whether there was one.
    pub fn release_void_claim(
        &mut self,
        package: PackageId,
        path: &LogicalPath,
        is_void: &dyn Fn(&Claim) -> bool,
    ) -> Result<bool, RegistryError> {
        let url = self.url;
        let failed = |error| RegistryError::query(url, "release a claim", error);
        let rows: Vec<UploadRow> = uploads::table
            .filter(uploads::package_id.eq(package.to_string()))
            .filter(uploads::path.eq(path.as_str()))
            .select(UploadRow::as_select())
            .load(self.connection)
            .map_err(failed)?;
        let mut released = false;
        for row in rows {
            let id = row.claim_id.clone();
            if is_void(&claim(row)?) {
                self.connection.delete_uploads(&[id]).map_err(failed)?;
                released = true;
            }
        }
        Ok(released)
    }

    /// Locks packages, so that a transaction that changes several of them can do so in any order.
    /// Without it, two such transactions may wait for each other, and PostgreSQL then ends one.
    /// SQLite has one writer at a time and nothing to lock.
    pub fn lock_packages(
        &mut self,
        packages: impl IntoIterator<Item = PackageId>,
    ) -> Result<(), RegistryError> {
        if matches!(self.connection, RegistryConnection::Postgres(_)) {
            for package in packages.into_iter().collect::<BTreeSet<_>>() {
                self.tally(package)?;
            }
        }
        Ok(())
    }

    /// Turns claims into files, each with an answer of its own, in the order of `finished`. What
    /// is refused keeps its claim, if it still has it: whoever wrote the bytes removes them first
    /// and then releases it.
    pub fn finish_uploads(
        &mut self,
        writer: WriterId,
        now: Timestamp,
        max_bytes: u64,
        finished: &[FinishedUpload],
    ) -> Result<Vec<Result<(), FinishRefusal>>, RegistryError> {
        let url = self.url;
        let failed = |error| RegistryError::query(url, "record files", error);
        let mut answers: Vec<Result<(), FinishRefusal>> = vec![Ok(()); finished.len()];
        for (package, indices) in by_package(finished.iter().map(|upload| upload.package)) {
            // A package whose row is gone has gone further than deletion.
            let tally = self.tally(package)?.unwrap_or(Tally {
                status: PackageStatus::Deleted,
                files: 0,
                bytes: 0,
            });
            if !tally.status.is_open() {
                for index in indices {
                    answers[index] = Err(FinishRefusal::WrongStatus(tally.status));
                }
                continue;
            }
            let ids: Vec<String> =
                indices.iter().map(|index| finished[*index].claim.to_string()).collect();
            let mut held = self.held_among(&ids).map_err(failed)?;
            let (mut rows, mut done, mut bytes) = (Vec::new(), Vec::new(), 0_u64);
            for (index, id) in indices.into_iter().zip(ids) {
                let upload = &finished[index];
                let row = file_row(writer, upload);
                let size = upload.file.record.size;
                // A claim is good for its path, once.
                let is_held = held
                    .get(&id)
                    .is_some_and(|held| held.package_id == row.package_id && held.path == row.path);
                answers[index] = if !is_held {
                    Err(FinishRefusal::ClaimLost)
                } else if tally.bytes.saturating_add(bytes).saturating_add(size) > max_bytes {
                    Err(FinishRefusal::TooManyBytes)
                } else {
                    held.remove(&id);
                    bytes += size;
                    rows.push(row);
                    done.push(id);
                    Ok(())
                };
            }
            if rows.is_empty() {
                continue;
            }
            self.connection.delete_uploads(&done).map_err(failed)?;
            self.connection.insert_files(&rows).map_err(failed)?;
            diesel::update(packages::table.find(package.to_string()))
                .set((
                    packages::file_count.eq(packages::file_count + big(rows.len() as u64)),
                    packages::total_bytes.eq(packages::total_bytes + big(bytes)),
                    packages::updated_at.eq(now.unix_micros()),
                    packages::revision.eq(packages::revision + 1),
                ))
                .execute(self.connection)
                .map_err(failed)?;
        }
        Ok(answers)
    }
}

fn file_row(writer: WriterId, upload: &FinishedUpload) -> FileRow {
    let file = &upload.file.record;
    FileRow {
        package_id: upload.package.to_string(),
        path: file.path.to_string(),
        size: big(file.size),
        sha256: file.sha256.as_bytes().to_vec(),
        blake3: file.blake3.as_bytes().to_vec(),
        media_type: file.media_type.to_string(),
        uploaded_at: file.uploaded_at.unix_micros(),
        etag: upload.file.etag.clone(),
        writer_id: writer.0,
    }
}

/// The indices of each package's items, in order.
fn by_package(packages: impl Iterator<Item = PackageId>) -> BTreeMap<PackageId, Vec<usize>> {
    let mut groups: BTreeMap<PackageId, Vec<usize>> = BTreeMap::new();
    for (index, package) in packages.enumerate() {
        groups.entry(package).or_default().push(index);
    }
    groups
}

/// The paths granted in one batch, to hold its claims against each other.
#[derive(Default)]
struct PathSet {
    paths: HashSet<String>,
    /// Each folder, with a file in it.
    folders: HashMap<String, String>,
}

impl PathSet {
    fn add(&mut self, path: &LogicalPath) -> Result<(), ClaimRefusal> {
        let text = path.as_str();
        if self.paths.contains(text) {
            return Err(ClaimRefusal::InProgress);
        }
        if let Some(other) = self.folders.get(text) {
            return Err(ClaimRefusal::Conflict { other: other.clone() });
        }
        if let Some(other) = path.folders().find(|folder| self.paths.contains(*folder)) {
            return Err(ClaimRefusal::Conflict { other: other.to_owned() });
        }
        self.paths.insert(text.to_owned());
        for folder in path.folders() {
            if !self.folders.contains_key(folder) {
                self.folders.insert(folder.to_owned(), text.to_owned());
            }
        }
        Ok(())
    }
}
