//! Which files of a directory are taken, and what is left out and why.

use std::fmt;
use std::fs::FileType;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use artifact_domain::LogicalPath;
use artifact_domain::path::InvalidPath;
use ignore::gitignore::{Gitignore, GitignoreBuilder};
use walkdir::WalkDir;

/// What of a directory is wanted. Globs are those of gitignore, on the whole path below the
/// directory: `*.log` anywhere, `/tmp` only at the top, `build/` folders alone.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    /// If there is any, only files that match one of these are taken.
    pub include: Vec<String>,
    /// Files that match one of these are left out.
    pub exclude: Vec<String>,
    /// Whether files and folders whose names begin with a dot are taken.
    pub hidden: bool,
}

/// The state of a file that must be the same when it has been read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileState {
    pub(crate) size: u64,
    device: u64,
    inode: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl FileState {
    pub(crate) fn of(metadata: &std::fs::Metadata) -> Self {
        Self {
            size: metadata.size(),
            device: metadata.dev(),
            inode: metadata.ino(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

/// A file that is to be ingested.
#[derive(Debug, Clone)]
pub struct WalkedFile {
    /// Its name in the package.
    pub path: LogicalPath,
    /// Where it is.
    pub source: PathBuf,
    /// As it was when it was listed.
    pub state: FileState,
}

impl WalkedFile {
    /// Its size in bytes when it was listed.
    pub const fn size(&self) -> u64 {
        self.state.size
    }
}

/// Why something in the directory is not ingested.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeftOut {
    /// Its name, or a folder's that it is in, begins with a dot.
    Hidden,
    /// The options exclude it, or do not include it.
    Unwanted,
    /// A symbolic link.
    Symlink,
    /// A named pipe.
    Fifo,
    /// A socket.
    Socket,
    /// A block or character device.
    Device,
}

impl fmt::Display for LeftOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Hidden => "hidden",
            Self::Unwanted => "excluded by the options",
            Self::Symlink => "symbolic link",
            Self::Fifo => "named pipe",
            Self::Socket => "socket",
            Self::Device => "device",
        })
    }
}

/// What a directory holds.
#[derive(Debug, Clone)]
pub struct Walk {
    /// The directory.
    pub directory: PathBuf,
    /// The files to ingest, ordered by the bytes of their paths.
    pub files: Vec<WalkedFile>,
    /// What is left out, in the order of the directory; a folder stands for all that is in it.
    pub left_out: Vec<(PathBuf, LeftOut)>,
}

impl Walk {
    /// The bytes of all files together.
    pub fn total_bytes(&self) -> u64 {
        self.files.iter().map(WalkedFile::size).sum()
    }
}

/// Why a directory cannot be listed.
#[derive(Debug, thiserror::Error)]
pub enum WalkError {
    /// There is no such directory, or it is none.
    #[error("{} cannot be ingested: {reason}", path.display())]
    NotADirectory {
        /// What was to be a directory.
        path: PathBuf,
        /// What it is instead.
        reason: String,
    },
    /// A glob that is none.
    #[error("{glob:?} is not a glob: {reason}")]
    InvalidGlob {
        /// The text.
        glob: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Something in the directory cannot be looked at.
    #[error("failed to list {}: {reason}", path.display())]
    Unreadable {
        /// What could not be looked at.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// Names that no package can have.
    #[error("{} of the names cannot be kept in a package; rename the files or leave them out with --exclude:{}", names.len(), list(names))]
    InvalidNames {
        /// Each name and what is wrong with it.
        names: Vec<(PathBuf, String)>,
    },
}

#[expect(
    clippy::unnecessary_debug_formatting,
    reason = "a control character has to be seen, not done"
)]
fn list(names: &[(PathBuf, String)]) -> String {
    names
        .iter()
        .fold(String::new(), |text, (path, reason)| text + &format!("\n  {path:?}: {reason}"))
}

/// The globs of a selection, ready to match.
struct Globs {
    include: Option<Gitignore>,
    exclude: Gitignore,
}

fn compile(globs: &[String]) -> Result<Gitignore, WalkError> {
    let mut builder = GitignoreBuilder::new("");
    for glob in globs {
        let invalid = |reason: String| WalkError::InvalidGlob { glob: glob.clone(), reason };
        builder.add_line(None, glob).map_err(|error| invalid(error.to_string()))?;
    }
    builder.build().map_err(|error| WalkError::InvalidGlob {
        glob: globs.join(" "),
        reason: error.to_string(),
    })
}

impl Globs {
    fn new(selection: &Selection) -> Result<Self, WalkError> {
        let include =
            (!selection.include.is_empty()).then(|| compile(&selection.include)).transpose()?;
        Ok(Self { include, exclude: compile(&selection.exclude)? })
    }

    fn wants(&self, path: &Path) -> bool {
        let included =
            |globs: &Gitignore| globs.matched_path_or_any_parents(path, false).is_ignore();
        self.include.as_ref().is_none_or(included)
            && !self.exclude.matched_path_or_any_parents(path, false).is_ignore()
    }
}

fn special(kind: FileType) -> Option<LeftOut> {
    if kind.is_symlink() {
        Some(LeftOut::Symlink)
    } else if kind.is_fifo() {
        Some(LeftOut::Fifo)
    } else if kind.is_socket() {
        Some(LeftOut::Socket)
    } else if kind.is_block_device() || kind.is_char_device() {
        Some(LeftOut::Device)
    } else {
        None
    }
}

/// Lists a directory. Nothing in it is opened but its folders; links are not followed.
///
/// # Errors
/// The directory cannot be listed as a whole, or it has names that no package can have; all of
/// these are listed at once.
pub fn walk(directory: &Path, selection: &Selection) -> Result<Walk, WalkError> {
    let not_a_directory =
        |reason: String| WalkError::NotADirectory { path: directory.to_owned(), reason };
    let metadata =
        std::fs::metadata(directory).map_err(|error| not_a_directory(error.to_string()))?;
    if !metadata.is_dir() {
        return Err(not_a_directory("it is not a directory".to_owned()));
    }
    let globs = Globs::new(selection)?;
    let mut found =
        Walk { directory: directory.to_owned(), files: Vec::new(), left_out: Vec::new() };
    let mut invalid = Vec::new();
    // A slash at the end follows a link that the user named; links below are not followed.
    let mut entries = WalkDir::new(directory.join("")).min_depth(1).sort_by_file_name().into_iter();
    while let Some(entry) = entries.next() {
        let entry = entry.map_err(|error| WalkError::Unreadable {
            path: error.path().unwrap_or(directory).to_owned(),
            reason: error.io_error().map_or_else(|| error.to_string(), ToString::to_string),
        })?;
        let path = entry.path().strip_prefix(directory).unwrap_or(entry.path()).to_owned();
        let kind = entry.file_type();
        if !selection.hidden && entry.file_name().as_encoded_bytes().starts_with(b".") {
            if kind.is_dir() {
                entries.skip_current_dir();
            }
            found.left_out.push((path, LeftOut::Hidden));
            continue;
        }
        if kind.is_dir() {
            continue;
        }
        if !globs.wants(&path) {
            found.left_out.push((path, LeftOut::Unwanted));
            continue;
        }
        if let Some(reason) = special(kind) {
            found.left_out.push((path, reason));
            continue;
        }
        match logical(&path) {
            Err(reason) => invalid.push((path, reason)),
            Ok(logical) => {
                let metadata = entry.metadata().map_err(|error| WalkError::Unreadable {
                    path: entry.path().to_owned(),
                    reason: error.to_string(),
                })?;
                let state = FileState::of(&metadata);
                found.files.push(WalkedFile { path: logical, source: entry.into_path(), state });
            }
        }
    }
    if !invalid.is_empty() {
        return Err(WalkError::InvalidNames { names: invalid });
    }
    found.files.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(found)
}

fn logical(path: &Path) -> Result<LogicalPath, String> {
    let text = path.to_str().ok_or("the name is not UTF-8")?;
    LogicalPath::parse(text).map_err(|error| match error {
        InvalidPath::Backslash { .. } => "the name has a backslash".to_owned(),
        InvalidPath::ControlCharacter { code, .. } => {
            format!("the name has the control character U+{code:04X}")
        }
        error => error.to_string(),
    })
}
