//! Uploads under way: claims on paths, and claims that turn into files.
//!
//! A claim is recorded before the first byte is written and turns into a row of `files` after the
//! last. Both steps take many files at once: one commit carries the claims and the files of all
//! uploads that are waiting, because a commit for each file would cost more than the file.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use artifact_domain::id::ClaimId;
use artifact_domain::{LogicalPath, PackageId, PackageStatus, Timestamp};
use diesel::prelude::*;
use diesel::sql_types::Bool;

use crate::connection::{Backend, on_backend};
use crate::error::RegistryError;
use crate::files::{FileRow, StoredFile};
use crate::packages::{big, column};
use crate::read::Reader;
use crate::schema::{files, packages, uploads};
use crate::write::Writer;
use crate::writers::WriterId;

/// How many paths one statement asks for; SQLite's expressions may be 1000 deep.
const CHUNK: usize = 100;

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

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = uploads, treat_none_as_default_value = false)]
struct UploadRow {
    claim_id: String,
    package_id: String,
    path: String,
    writer_id: i64,
    renewed_at: i64,
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
            .map_err(|error| RegistryError::query("list uploads", error))?;
        rows.into_iter().map(claim).collect()
    }

    /// Which of these paths are files of the package.
    fn stored_among(&mut self, package: &str, paths: &[&str]) -> QueryResult<Vec<String>> {
        files::table
            .filter(files::package_id.eq(package))
            .filter(files::path.eq_any(paths))
            .select(files::path)
            .load(self.connection)
    }

    /// Which of these paths are claimed.
    fn claimed_among(&mut self, package: &str, paths: &[&str]) -> QueryResult<Vec<UploadRow>> {
        uploads::table
            .filter(uploads::package_id.eq(package))
            .filter(uploads::path.eq_any(paths))
            .select(UploadRow::as_select())
            .load(self.connection)
    }

    /// A file or claim that lies in one of these paths as if they were folders.
    fn any_below(&mut self, package: &str, paths: &[&str]) -> QueryResult<Option<String>> {
        // `0` is the character behind `/`: everything between begins with the path and a slash.
        macro_rules! below {
            ($table:ident) => {{
                type Condition = Box<dyn BoxableExpression<$table::table, Backend, SqlType = Bool>>;
                let any = paths.iter().fold(None::<Condition>, |any, path| {
                    let one = $table::path
                        .gt(format!("{path}/"))
                        .and($table::path.lt(format!("{path}0")));
                    Some(match any {
                        Some(any) => Box::new(any.or(one)),
                        None => Box::new(one),
                    })
                });
                let Some(any) = any else { return Ok(None) };
                $table::table
                    .filter($table::package_id.eq(package))
                    .filter(any)
                    .select($table::path)
                    .first::<String>(self.connection)
                    .optional()?
            }};
        }
        if let Some(path) = below!(files) {
            return Ok(Some(path));
        }
        Ok(below!(uploads))
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
            let Some(row) = self.package_row(package)? else {
                for index in indices {
                    answers[index] = Err(ClaimRefusal::NoPackage);
                }
                continue;
            };
            let status = column("package", &row.id, "status", self.status_of(package))?;
            if !status.is_open() {
                for index in indices {
                    answers[index] = Err(ClaimRefusal::WrongStatus(status));
                }
                continue;
            }
            let mut room =
                rules.max_files.saturating_sub(u64::try_from(row.file_count).unwrap_or(0));
            let mut accepted = PathSet::default();
            let mut granted = Vec::new();
            for chunk in indices.chunks(CHUNK) {
                let wanted: Vec<&NewClaim> = chunk.iter().map(|index| &claims[*index]).collect();
                for (index, answer) in chunk.iter().zip(self.judge(&row.id, rules, &wanted)?) {
                    let claim = &claims[*index];
                    answers[*index] = answer.and_then(|()| {
                        if room == 0 && !claim.replace {
                            return Err(ClaimRefusal::TooManyFiles);
                        }
                        accepted.add(&claim.path)?;
                        room = room.saturating_sub(1);
                        granted.push(claim);
                        Ok(())
                    });
                }
            }
            if !granted.is_empty() {
                self.insert_claims(rules, &row.id, &granted)
                    .map_err(|error| RegistryError::query("claim paths", error))?;
            }
        }
        Ok(answers)
    }

    fn status_of(&mut self, package: PackageId) -> Result<PackageStatus, String> {
        let text: String = packages::table
            .find(package.to_string())
            .select(packages::status)
            .first(self.connection)
            .map_err(|error| error.to_string())?;
        text.parse().map_err(|error: artifact_domain::status::InvalidStatus| error.to_string())
    }

    /// Holds a chunk of claims on one package against its files and the claims that others have.
    /// Void claims on wanted paths are removed on the way.
    fn judge(
        &mut self,
        package: &str,
        rules: &ClaimRules<'_>,
        wanted: &[&NewClaim],
    ) -> Result<Vec<Result<(), ClaimRefusal>>, RegistryError> {
        let failed = |error| RegistryError::query("look for conflicting files", error);
        let mut paths: BTreeSet<&str> = wanted.iter().map(|claim| claim.path.as_str()).collect();
        paths.extend(wanted.iter().flat_map(|claim| claim.path.folders()));
        let paths: Vec<&str> = paths.into_iter().collect();
        let (mut stored, mut claimed) = (HashSet::new(), HashSet::new());
        for some in paths.chunks(CHUNK) {
            stored.extend(self.stored_among(package, some).map_err(failed)?);
            for row in self.claimed_among(package, some).map_err(failed)? {
                let id = row.claim_id.clone();
                let claim = claim(row)?;
                if (rules.is_void)(&claim) {
                    diesel::delete(uploads::table.find(id))
                        .execute(self.connection)
                        .map_err(failed)?;
                } else {
                    claimed.insert(claim.path);
                }
            }
        }
        let names: Vec<&str> = wanted.iter().map(|claim| claim.path.as_str()).collect();
        // Files below a wanted path are rare: one question for all, and one for each if any is.
        let folders_among = self.any_below(package, &names).map_err(failed)?.is_some();
        wanted
            .iter()
            .map(|claim| {
                let path = claim.path.as_str();
                let occupied =
                    claim.path.folders().find(|f| stored.contains(*f) || claimed.contains(*f));
                let below = if folders_among {
                    self.any_below(package, &[path]).map_err(failed)?
                } else {
                    None
                };
                Ok(match (occupied.map(str::to_owned)).or(below) {
                    Some(other) => Err(ClaimRefusal::Conflict { other }),
                    None if claimed.contains(path) => Err(ClaimRefusal::InProgress),
                    None if stored.contains(path) && !claim.replace => Err(ClaimRefusal::Duplicate),
                    None => Ok(()),
                })
            })
            .collect()
    }

    fn insert_claims(
        &mut self,
        rules: &ClaimRules<'_>,
        package: &str,
        granted: &[&NewClaim],
    ) -> QueryResult<()> {
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
        for some in rows.chunks(CHUNK * 10) {
            on_backend!(self.connection, |c| diesel::insert_into(uploads::table)
                .values(some)
                .execute(c))?;
        }
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
            .map_err(|error| RegistryError::query("renew a claim", error))
    }

    /// Gives claims up; those that are not held any more are passed over.
    pub fn release_claims(&mut self, claims: &[ClaimId]) -> Result<(), RegistryError> {
        self.take_claims(claims)
            .map(|_| ())
            .map_err(|error| RegistryError::query("release claims", error))
    }

    /// Removes claims and answers those that were there.
    fn take_claims(&mut self, claims: &[ClaimId]) -> QueryResult<HashSet<String>> {
        let mut taken = HashSet::new();
        for some in claims.chunks(CHUNK * 10) {
            let ids: Vec<String> = some.iter().map(ToString::to_string).collect();
            let removed: Vec<String> = on_backend!(self.connection, |c| diesel::delete(
                uploads::table.filter(uploads::claim_id.eq_any(&ids))
            )
            .returning(uploads::claim_id)
            .get_results(c))?;
            taken.extend(removed);
        }
        Ok(taken)
    }

    /// Gives up the claim on one path if it is void. Answers whether there was one.
    pub fn release_void_claim(
        &mut self,
        package: PackageId,
        path: &LogicalPath,
        is_void: &dyn Fn(&Claim) -> bool,
    ) -> Result<bool, RegistryError> {
        let failed = |error| RegistryError::query("release a claim", error);
        let mut released = false;
        for row in self.claimed_among(&package.to_string(), &[path.as_str()]).map_err(failed)? {
            let id = row.claim_id.clone();
            if is_void(&claim(row)?) {
                diesel::delete(uploads::table.find(id)).execute(self.connection).map_err(failed)?;
                released = true;
            }
        }
        Ok(released)
    }

    /// Turns claims into files, each with an answer of its own, in the order of `uploads`.
    pub fn finish_uploads(
        &mut self,
        writer: WriterId,
        now: Timestamp,
        max_bytes: u64,
        finished: &[FinishedUpload],
    ) -> Result<Vec<Result<(), FinishRefusal>>, RegistryError> {
        let failed = |error| RegistryError::query("record files", error);
        let claims: Vec<ClaimId> = finished.iter().map(|upload| upload.claim).collect();
        let held = self.take_claims(&claims).map_err(failed)?;
        let mut answers: Vec<Result<(), FinishRefusal>> = vec![Ok(()); finished.len()];
        for (package, indices) in by_package(finished.iter().map(|upload| upload.package)) {
            let status = self.status_of(package).unwrap_or(PackageStatus::Deleted);
            let mut total = self
                .package_row(package)?
                .map_or(0, |row| u64::try_from(row.total_bytes).unwrap_or(0));
            let (mut rows, mut bytes) = (Vec::new(), 0_u64);
            for index in indices {
                let upload = &finished[index];
                let size = upload.file.record.size;
                answers[index] = if !status.is_open() {
                    Err(FinishRefusal::WrongStatus(status))
                } else if !held.contains(&upload.claim.to_string()) {
                    Err(FinishRefusal::ClaimLost)
                } else if total.saturating_add(size) > max_bytes {
                    Err(FinishRefusal::TooManyBytes)
                } else {
                    total += size;
                    bytes += size;
                    rows.push(file_row(writer, upload));
                    Ok(())
                };
            }
            if rows.is_empty() {
                continue;
            }
            for some in rows.chunks(CHUNK * 10) {
                on_backend!(self.connection, |c| diesel::insert_into(files::table)
                    .values(some)
                    .execute(c))
                .map_err(failed)?;
            }
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
