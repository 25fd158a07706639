//! A folder of its own for each test, and the binary run in it.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use artifact_domain::filter::PackageFilter;
use artifact_domain::package::Package;
use artifact_domain::{PackageId, PackageStatus, Timestamp};
use artifact_registry::files::StoredFile;
use artifact_registry::{DatabaseUrl, Durability, OpenMode, Registry, RegistryError};
use assert_cmd::assert::OutputAssertExt as _;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

/// Longer than anything here takes on a busy machine: what is not done by then hangs.
pub(crate) const PATIENCE: Duration = Duration::from_mins(2);

/// A run directory of the repository.
pub(crate) fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/guide-board").join(name)
}

/// A temporary folder that the binary runs in, with `store` as its data folder.
pub(crate) struct Sandbox {
    root: TempDir,
}

impl Sandbox {
    pub(crate) fn new() -> Self {
        Self { root: tempfile::tempdir().unwrap() }
    }

    /// One that is made below a folder.
    pub(crate) fn below(folder: &Path) -> Self {
        Self { root: tempfile::tempdir_in(folder).unwrap() }
    }

    pub(crate) fn root(&self) -> &Path {
        self.root.path()
    }

    /// Something in the sandbox, by its path.
    pub(crate) fn path(&self, path: impl AsRef<Path>) -> PathBuf {
        self.root().join(path)
    }

    pub(crate) fn store(&self) -> PathBuf {
        self.path("store")
    }

    pub(crate) fn bag(&self, id: &str) -> PathBuf {
        self.store().join("packages").join(id)
    }

    /// Writes a file and the folders that it is in.
    pub(crate) fn write(&self, path: impl AsRef<Path>, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        path
    }

    /// A file of `size` bytes that takes no room: zeros, with `mark` at its end.
    pub(crate) fn write_sparse(&self, path: impl AsRef<Path>, size: u64, mark: &str) -> PathBuf {
        let path = self.write(path, "");
        let mut file = fs::OpenOptions::new().write(true).open(&path).unwrap();
        file.seek(SeekFrom::Start(size - mark.len() as u64)).unwrap();
        file.write_all(mark.as_bytes()).unwrap();
        path
    }

    /// The binary in the sandbox, with nothing of the project's in its environment.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_artifact-ingest"));
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("ARTIFACT_STORE_") {
                command.env_remove(name);
            }
        }
        command
            .current_dir(self.root())
            .env("ARTIFACT_STORE_DATA_DIR", "store")
            .env("XDG_STATE_HOME", self.path("state"))
            .env("COLUMNS", "100")
            .args(args)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    pub(crate) fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    pub(crate) fn spawn(&self, args: &[&str]) -> Running {
        Running { child: self.command(args).spawn().unwrap() }
    }

    /// What it says on stderr as it leaves with `code`.
    pub(crate) fn fails(&self, code: i32, args: &[&str]) -> String {
        said(&self.run(args).assert().code(code).get_output().stderr)
    }

    /// What it prints on stdout as it succeeds.
    pub(crate) fn succeeds(&self, args: &[&str]) -> String {
        said(&self.run(args).assert().success().get_output().stdout)
    }

    /// The JSON object that it prints as it succeeds.
    pub(crate) fn json(&self, args: &[&str]) -> Value {
        let args: Vec<&str> = args.iter().copied().chain(["--json"]).collect();
        serde_json::from_str(&self.succeeds(&args)).unwrap()
    }

    /// The package id that an ingest with `--quiet` prints.
    pub(crate) fn ingest(&self, args: &[&str]) -> String {
        let args: Vec<&str> = args.iter().copied().chain(["--quiet"]).collect();
        let printed = self.succeeds(&args);
        let id = printed.strip_suffix('\n').unwrap();
        assert_eq!(id.len(), 36, "not an id alone: {id:?}");
        id.to_owned()
    }

    /// The ids of all packages that have a folder.
    pub(crate) fn packages(&self) -> Vec<String> {
        let names = fs::read_dir(self.store().join("packages")).unwrap();
        names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    /// Asserts that a package is whole: the store says so, and so do the bag's own manifests in
    /// the eyes of a tool that knows nothing of the store.
    pub(crate) fn assert_whole(&self, id: &str) {
        let found = self.json(&["verify", id]);
        assert_eq!(found["problems"], serde_json::json!([]));
        assert_bag(&self.bag(id));
    }

    /// Asserts that no upload is left over.
    pub(crate) fn assert_nothing_staged(&self) {
        assert_eq!(names(&self.store().join("staging")), Vec::<String>::new());
    }

    /// All packages that the registry has, newest first.
    pub(crate) fn listed(&self) -> Vec<(String, PackageStatus)> {
        let all = PackageFilter::default();
        let now = Timestamp::from_unix_micros(0).unwrap();
        let listed: Result<Vec<Package>, RegistryError> =
            self.registry().read(|reader| reader.packages(&all, None, 100, now));
        let listed = listed.unwrap();
        listed.into_iter().map(|package| (package.id.to_string(), package.status)).collect()
    }

    /// The paths of the files that the registry has of a package.
    pub(crate) fn recorded(&self, id: &str) -> Vec<String> {
        let id: PackageId = id.parse().unwrap();
        let files: Result<Vec<StoredFile>, RegistryError> =
            self.registry().read(|reader| reader.files(id, None, None, 10_000));
        files.unwrap().into_iter().map(|file| file.record.path.to_string()).collect()
    }

    pub(crate) fn registry(&self) -> Registry {
        let url = DatabaseUrl::sqlite(self.store().join("registry.sqlite3"));
        Registry::open(&url, OpenMode::Existing).unwrap()
    }

    /// Does something while the registry is locked as if another process wrote to it.
    pub(crate) fn while_locked<T>(&self, then: impl FnOnce() -> T) -> T {
        self.registry().write(Durability::Relaxed, |_| Ok::<_, RegistryError>(then())).unwrap()
    }
}

/// The binary at work. It is killed if the test gives up on it.
pub(crate) struct Running {
    child: Child,
}

impl Running {
    /// Reads stderr until `wanted` was said.
    pub(crate) fn wait_until_it_says(&mut self, wanted: &str) {
        let stderr = self.child.stderr.as_mut().unwrap();
        let mut heard = Vec::new();
        while !said(&heard).contains(wanted) {
            let mut byte = [0];
            assert_eq!(stderr.read(&mut byte).unwrap(), 1, "it only said {}", said(&heard));
            heard.extend(byte);
        }
    }

    pub(crate) fn interrupt(&self) {
        let kill = format!("kill -INT {}", self.child.id());
        Command::new("sh").args(["-c", &kill]).assert().success();
    }

    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Does not read until the process has ended, so it must not say more than a pipe holds.
    pub(crate) fn output(mut self) -> Output {
        wait_until("the process ends", || !self.is_running());
        let mut output =
            Output { status: self.child.wait().unwrap(), stdout: Vec::new(), stderr: Vec::new() };
        if let Some(mut stdout) = self.child.stdout.take() {
            stdout.read_to_end(&mut output.stdout).unwrap();
        }
        if let Some(mut stderr) = self.child.stderr.take() {
            stderr.read_to_end(&mut output.stderr).unwrap();
        }
        output
    }

    /// Stops listening to what it prints.
    pub(crate) fn close_stdout(&mut self) {
        drop(self.child.stdout.take());
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Polls until something is so.
pub(crate) fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < PATIENCE, "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

pub(crate) fn said(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Everything below a folder, by path, sorted: is it a file?
fn entries(folder: &Path) -> BTreeMap<String, bool> {
    let mut found = BTreeMap::new();
    let mut pending = vec![folder.to_owned()];
    while let Some(next) = pending.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let entry = entry.unwrap();
            let path = entry.path();
            let name = path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned();
            let is_folder = entry.file_type().unwrap().is_dir();
            found.insert(name, !is_folder);
            if is_folder {
                pending.push(path);
            }
        }
    }
    found
}

/// The names of all that is below a folder, sorted.
pub(crate) fn names(folder: &Path) -> Vec<String> {
    entries(folder).into_keys().collect()
}

/// The names of the files below a folder, sorted.
pub(crate) fn file_names(folder: &Path) -> Vec<String> {
    entries(folder).into_iter().filter_map(|(name, is_file)| is_file.then_some(name)).collect()
}

/// The files below a folder and the SHA-256 of each.
pub(crate) fn files(folder: &Path) -> BTreeMap<String, String> {
    let with_digest = |name: String| {
        let sha256 = sha256(&folder.join(&name));
        (name, sha256)
    };
    file_names(folder).into_iter().map(with_digest).collect()
}

/// Everything below a folder: the SHA-256 of a file, nothing for a folder.
pub(crate) fn tree(folder: &Path) -> BTreeMap<String, Option<String>> {
    let with_digest = |(name, is_file): (String, bool)| {
        let sha256 = is_file.then(|| sha256(&folder.join(&name)));
        (name, sha256)
    };
    entries(folder).into_iter().map(with_digest).collect()
}

/// Whether a file comes and goes: SQLite makes and removes files of its own beside the registry.
pub(crate) fn is_passing(name: &str) -> bool {
    name.ends_with("registry.sqlite3-wal") || name.ends_with("registry.sqlite3-shm")
}

pub(crate) fn sha256(path: &Path) -> String {
    let mut file = fs::File::open(path).unwrap();
    let (mut hash, mut buffer) = (Sha256::new(), vec![0; 1 << 20]);
    loop {
        match file.read(&mut buffer).unwrap() {
            0 => break,
            read => hash.update(&buffer[..read]),
        }
    }
    hash.finalize().iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

/// Asserts that a bag's manifests list exactly its files, with their digests.
pub(crate) fn assert_bag(bag: &Path) {
    for manifest in ["manifest-sha256.txt", "tagmanifest-sha256.txt"] {
        Command::new("sha256sum")
            .args(["--check", "--strict", "--quiet", manifest])
            .current_dir(bag)
            .assert()
            .success();
    }
    let listed = |manifest: &str| -> Vec<String> {
        let text = fs::read_to_string(bag.join(manifest)).unwrap();
        text.lines().map(|line| line.split_once("  ").unwrap().1.to_owned()).collect()
    };
    let payload = listed("manifest-sha256.txt");
    let mut expected = [&payload[..], &listed("tagmanifest-sha256.txt")].concat();
    expected.extend(["registry.json", "tagmanifest-sha256.txt"].map(str::to_owned));
    expected.sort();
    assert_eq!(file_names(bag), expected);
    assert!(payload.is_sorted() && payload.iter().all(|path| path.starts_with("data/")));
}
