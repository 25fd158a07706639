//! The bytes of a package behind HTTP against what was promised.
//!
//! A store in this process verifies itself and sees more: the bag's own tag files and what nobody
//! recorded. From outside there is the package, its manifest, its list of files and their bytes.

use std::collections::BTreeMap;

use artifact_client::{Client, ClientError};
use artifact_domain::manifest::{Manifest, ManifestFile};
use artifact_domain::wire::{ErrorCode, PackageView};
use artifact_domain::{LogicalPath, PackageId, Sha256Digest, bag};
use artifact_store::verify::Verification;
use artifact_store::{FileProblem, ProblemKind};
use futures::{StreamExt as _, TryStreamExt as _};
use sha2::{Digest as _, Sha256};

use crate::compare::stored_files;
use crate::destination::DestinationError;
use crate::progress::Progress;

/// Files that are on their way at once.
const LANES: usize = 8;

/// Reads every file of a package and holds it against the manifest, the manifest against the
/// package, and the list of files against both. Of an open package, which has no manifest, the
/// files are held against their list.
///
/// Damage is a finding, not an error: the answer lists it.
pub async fn verify(
    client: &Client,
    package: PackageId,
    progress: &dyn Progress,
) -> Result<Verification, DestinationError> {
    let view = client.package(package).await?.package;
    progress.begin("verifying", view.file_count, view.total_bytes);
    let mut found = Verification {
        package_id: package,
        status: view.status,
        files_checked: 0,
        bytes_checked: 0,
        manifest_sha256: view.manifest_sha256,
        problems: Vec::new(),
    };
    let listed: BTreeMap<LogicalPath, ManifestFile> = stored_files(client, package)
        .await?
        .into_iter()
        .map(|(path, record)| (path, ManifestFile::from(&record)))
        .collect();
    let promised = match sealed_files(client, &view, &mut found.problems).await? {
        Some(sealed) => {
            found.problems.extend(contradictions(&sealed, &listed));
            sealed
        }
        None => listed,
    };
    let mut checks = futures::stream::iter(promised.into_values())
        .map(|file| async move {
            let problem = prove(client, package, &file, progress).await?;
            progress.file();
            Ok::<_, DestinationError>((file, problem))
        })
        .buffered(LANES);
    while let Some((file, problem)) = checks.try_next().await? {
        if !matches!(problem, Some(ProblemKind::Missing | ProblemKind::Unreadable { .. })) {
            found.files_checked += 1;
            found.bytes_checked += file.size;
        }
        let path = payload_name(&file.path);
        found.problems.extend(problem.map(|kind| FileProblem { path, kind }));
    }
    found.problems.sort_by(|a, b| a.path.cmp(&b.path));
    progress.end();
    Ok(found)
}

fn payload_name(path: &LogicalPath) -> String {
    format!("{}/{path}", bag::PAYLOAD)
}

/// The files of the manifest, if the package has one and it is what was sealed. What is wrong
/// with it is a finding.
async fn sealed_files(
    client: &Client,
    view: &PackageView,
    problems: &mut Vec<FileProblem>,
) -> Result<Option<BTreeMap<LogicalPath, ManifestFile>>, DestinationError> {
    let Some(promised) = view.manifest_sha256 else { return Ok(None) };
    let mut found = |kind| problems.push(FileProblem { path: bag::MANIFEST.to_owned(), kind });
    let manifest = match client.manifest(view.id).await {
        Ok(manifest) => manifest,
        Err(error) => {
            found(finding(error)?);
            return Ok(None);
        }
    };
    if manifest.sha256 != promised {
        found(other_digest(promised, manifest.sha256));
        return Ok(None);
    }
    match serde_json::from_slice::<Manifest>(&manifest.bytes) {
        Ok(manifest) if manifest.package.id == view.id => {
            let files = manifest.files.into_iter();
            Ok(Some(files.map(|file| (file.path.clone(), file)).collect()))
        }
        Ok(manifest) => {
            let reason = format!("it is of package {}", manifest.package.id);
            found(ProblemKind::Contradicts { reason });
            Ok(None)
        }
        Err(error) => {
            found(ProblemKind::Unreadable { reason: error.to_string() });
            Ok(None)
        }
    }
}

/// Where the list of files is not what was sealed.
fn contradictions(
    sealed: &BTreeMap<LogicalPath, ManifestFile>,
    listed: &BTreeMap<LogicalPath, ManifestFile>,
) -> Vec<FileProblem> {
    let problem = |path: &LogicalPath, reason: &str| FileProblem {
        path: payload_name(path),
        kind: ProblemKind::Contradicts { reason: reason.to_owned() },
    };
    let mut found: Vec<FileProblem> = listed
        .keys()
        .filter(|path| !sealed.contains_key(*path))
        .map(|path| problem(path, "it is listed, and the manifest does not have it"))
        .collect();
    for (path, file) in sealed {
        match listed.get(path) {
            None => found.push(problem(path, "the manifest has it, and it is not listed")),
            Some(other) if other != file => {
                found.push(problem(path, "it is not listed as it was sealed"));
            }
            Some(_) => {}
        }
    }
    found
}

fn other_digest(expected: Sha256Digest, actual: Sha256Digest) -> ProblemKind {
    let (expected, actual) = (expected.to_string(), actual.to_string());
    ProblemKind::Digest { algorithm: "SHA-256", expected, actual }
}

/// Reads a file and says how it is not what was promised.
async fn prove(
    client: &Client,
    package: PackageId,
    file: &ManifestFile,
    progress: &dyn Progress,
) -> Result<Option<ProblemKind>, DestinationError> {
    let mut bytes = match client.read_file(package, &file.path, None).await {
        Ok(download) => download.into_stream(),
        Err(error) => return finding(error).map(Some),
    };
    let (mut hash, mut size) = (Sha256::new(), 0);
    loop {
        match bytes.try_next().await {
            Ok(Some(chunk)) => {
                hash.update(&chunk);
                size += chunk.len() as u64;
                progress.bytes(chunk.len() as u64);
            }
            // All bytes have come, in either case; what they are is said below.
            Ok(None) | Err(ClientError::Mismatch { digest: "SHA-256", .. }) => break,
            Err(error) => return finding(error).map(Some),
        }
    }
    if size != file.size {
        return Ok(Some(ProblemKind::Size { expected: file.size, actual: size }));
    }
    let actual = Sha256Digest::from_bytes(hash.finalize().into());
    Ok((actual != file.sha256).then(|| other_digest(file.sha256, actual)))
}

/// What it says of the stored bytes that they could not be read. That the server could not be
/// asked is an error, not damage.
fn finding(error: ClientError) -> Result<ProblemKind, DestinationError> {
    match (&error, error.code()) {
        (ClientError::CutShort { .. }, _) | (_, ErrorCode::Internal) => {
            Ok(ProblemKind::Unreadable { reason: error.to_string() })
        }
        (ClientError::Mismatch { expected, actual, .. }, _) => Ok(ProblemKind::Digest {
            algorithm: "SHA-256",
            expected: expected.clone(),
            actual: actual.clone(),
        }),
        (_, ErrorCode::NotFound) => Ok(ProblemKind::Missing),
        _ => Err(error.into()),
    }
}
