//! What an operator decides over packages, through the real binary.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use artifact_domain::event::{AuditAction, AuditEvent};
use artifact_domain::filter::{AuditFilter, PageLimit};
use artifact_domain::retention::{DeletionReceipt, Verdict};
use artifact_domain::wire::{
    ClockView, DeletionCandidate, FinalizePackage, HoldView, Page, RetentionClassView,
    RetentionView,
};
use artifact_domain::{PackageId, PackageStatus};
use artifact_store::{ArtifactStore, NewUpload, StoreOptions};
use assert_cmd::Command;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tempfile::TempDir;

const NOBODY: &str = "01890a5d-ac96-774b-bcce-b302099a8057";

/// A store with a class `passing` whose packages may be deleted at once.
struct Site {
    folder: TempDir,
}

impl Site {
    fn new() -> Self {
        let site = Self { folder: tempfile::tempdir().unwrap() };
        site.succeeds(&["migrate"]);
        site.succeeds(&["retention", "classes", "put", "passing", "--days", "0"]);
        site
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_artifact-server"));
        command.arg("--data-dir").arg(self.folder.path()).args(arguments);
        command
    }

    /// What it prints on stdout as it leaves with 0.
    fn succeeds(&self, arguments: &[&str]) -> String {
        let assert = self.command(arguments).assert().success();
        String::from_utf8(assert.get_output().stdout.clone()).unwrap()
    }

    /// What it says on stderr as it leaves with `code`.
    fn fails(&self, code: i32, arguments: &[&str]) -> String {
        let assert = self.command(arguments).assert().code(code);
        String::from_utf8(assert.get_output().stderr.clone()).unwrap()
    }

    /// The one object that `retention <arguments> --json` prints.
    fn json<T: DeserializeOwned>(&self, arguments: &[&str]) -> T {
        let text = self.succeeds(&[&["retention"], arguments, &["--json"]].concat());
        assert_eq!(text.lines().count(), 1, "{text}");
        serde_json::from_str(&text).unwrap()
    }

    fn in_store<T>(&self, work: impl AsyncFnOnce(ArtifactStore) -> T) -> T {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            let options = StoreOptions::embedded(self.folder.path());
            work(ArtifactStore::open(&options).await.unwrap()).await
        })
    }

    /// A finalized package of three bytes.
    fn package(&self, class: &str) -> PackageId {
        let request = format!(r#"{{"producer":"ci","title":"A run","retention_class":"{class}"}}"#);
        let request = serde_json::from_str(&request).unwrap();
        self.in_store(async |store| {
            let id = store.create_package(request).await.unwrap().id;
            let log = NewUpload::new("log.txt".parse().unwrap());
            store.upload_bytes(id, log, "one").await.unwrap();
            store.finalize(id, FinalizePackage::default()).await.unwrap().id
        })
    }

    fn bag(&self, id: PackageId) -> PathBuf {
        self.folder.path().join("packages").join(id.to_string())
    }

    fn audit(&self, action: Option<AuditAction>) -> Vec<AuditEvent> {
        let filter = AuditFilter { action, ..AuditFilter::default() };
        self.in_store(async |store| {
            store.audit(filter, None, PageLimit::default()).await.unwrap().items
        })
    }

    /// Leaves a trace that no later look at the clock can pass for a rest of ten milliseconds.
    fn rest(&self) {
        self.in_store(async |store| store.observe_clock().await.unwrap());
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Asserts that each line of a table is there, whatever else is.
fn assert_says(text: &str, wanted: &[&str]) {
    for wanted in wanted {
        assert!(text.contains(wanted), "{wanted:?} is not in: {text}");
    }
}

#[test]
fn a_package_is_held_released_and_deleted_by_decision() {
    let site = Site::new();
    let package = site.package("passing");
    let id = &package.to_string();
    let placed = site.succeeds(&[
        "retention",
        "hold",
        id,
        "--reason",
        "litigation",
        "--mandate",
        "case 2026-17",
    ]);
    assert_says(&placed, &["active       yes\n", "mandate      case 2026-17\n"]);
    let hold = placed.lines().next().unwrap().split_whitespace().nth(1).unwrap();

    let shown = site.succeeds(&["retention", "show", id]);
    assert_says(
        &shown,
        &[
            "status       finalized\n",
            "class        passing, version 1\n",
            &format!("hold         {hold} by operator at "),
            ", mandate case 2026-17: litigation\n",
            "eligible     no, at ",
            "allows       status: ",
            "allows       expiry: ",
            &format!("protects     hold {hold}: "),
        ],
    );
    for dry_run in [&[][..], &["--dry-run"]] {
        let delete = [&["retention", "delete", id, "--reason", "expired"], dry_run].concat();
        let refused = site.fails(1, &delete);
        assert_says(
            &refused,
            &[
                &format!("error: package {id} cannot be deleted:\n"),
                "  allows    status: it is finalized",
                "  allows    expiry: ",
                &format!("  protects  hold {hold}: "),
                "litigation",
            ],
        );
    }

    let released = site.succeeds(&["retention", "release", id, hold, "--reason", "closed"]);
    assert_says(&released, &["active       no\n", " by operator: closed\n"]);
    let twice = site.fails(1, &["retention", "release", id, hold, "--reason", "closed"]);
    assert_says(&twice, &["stays on record as it is"]);

    let listed = site.succeeds(&["retention", "candidates"]);
    assert_says(&listed, &[id, "  ci: A run\n", "1 packages, 3 bytes (3 B) may be deleted\n"]);
    let delete = ["retention", "delete", id, "--reason", "expired"];
    let dry = site.succeeds(&[&delete[..], &["--dry-run"]].concat());
    assert_eq!(dry, format!("{id} would be deleted: 1 files, 3 bytes (3 B)\n"));
    assert!(site.bag(package).join("data/log.txt").exists());
    assert_eq!(site.succeeds(&delete), format!("{id} deleted: 1 files, 3 bytes (3 B)\n"));
    assert!(!site.bag(package).exists());

    let shown = site.succeeds(&["retention", "show", id]);
    assert_says(
        &shown,
        &["status       deleted\n", " by operator: expired\n", "3 in 1 files, gone from storage"],
    );
    assert_eq!(site.succeeds(&["retention", "candidates"]), "nothing may be deleted now\n");
    let extend = ["retention", "extend", id, "--permanent", "--reason", "r"];
    for arguments in [&delete[..], &extend] {
        assert_says(&site.fails(1, arguments), &[&format!("package {id} was deleted at ")]);
    }
}

#[test]
fn json_is_what_the_interface_speaks() {
    let site = Site::new();
    let package = site.package("passing");
    let id = &package.to_string();
    let because = ["--reason", "r"];
    let hold: HoldView = site.json(&[&["hold", id], &because[..]].concat());
    assert!(hold.active && hold.mandate.is_none(), "{hold:?}");
    let view: RetentionView = site.json(&["show", id, "--at", "2999-01-01T00:00:00Z"]);
    assert_eq!((view.eligible, &view.holds), (false, &vec![hold.clone()]));
    assert_eq!(view.decided_at, "2999-01-01T00:00:00Z".parse().unwrap());
    assert!(view.reasons.iter().any(|reason| reason.verdict == Verdict::Protects));
    let release = ["release", id, &hold.id.to_string(), "--reason", "r"];
    let released: HoldView = site.json(&release);
    assert_eq!((released.id, released.active), (hold.id, false));

    let candidates: Page<DeletionCandidate> = site.json(&["candidates"]);
    assert_eq!(candidates.items[0].package_id, package);
    let delete = [&["delete", id], &because[..]].concat();
    let dry: DeletionReceipt = site.json(&[&delete[..], &["--dry-run"]].concat());
    assert!(dry.dry_run);
    let receipt: DeletionReceipt = site.json(&delete);
    assert_eq!((receipt.package_id, receipt.bytes_removed), (package, 3));
    let view: RetentionView = site.json(&["show", id]);
    assert_eq!(view.status, PackageStatus::Deleted);
    let shown: Value = site.json(&["show", id]);
    let shown: DeletionReceipt = serde_json::from_value(shown["deletion"].clone()).unwrap();
    assert_eq!(shown, receipt);

    let other = &site.package("raw-evidence").to_string();
    let view: RetentionView = site.json(&["class", other, "release-evidence", "--reason", "r"]);
    assert_eq!(view.retention_class.as_str(), "release-evidence");
    let view: RetentionView =
        site.json(&[&["extend", other, "--permanent"], &because[..]].concat());
    assert_eq!(view.expires_at, None);
    let clock: ClockView = site.json(&[&["acknowledge-clock"], &because[..]].concat());
    assert!(!clock.suspended);
    let class: RetentionClassView = site.json(&["classes", "put", "other", "--never"]);
    assert_eq!((class.version, class.period_days), (1, None));
    let classes: Page<RetentionClassView> = site.json(&["classes"]);
    assert!(classes.items.contains(&class));
}

#[test]
fn a_promise_is_extended_and_never_shortened() {
    let site = Site::new();
    let id = &site.package("transient").to_string();
    let extend = |how: &[&str]| {
        site.command(&[&["retention", "extend", id, "--reason", "r"], how].concat()).assert()
    };
    let before: RetentionView = site.json(&["show", id]);
    extend(&["--days", "30"]).success();
    let after: RetentionView = site.json(&["show", id]);
    assert_eq!(after.expires_at, before.expires_at.unwrap().checked_plus_days(30));
    let until = extend(&["--until", "2999-01-01T00:00:00Z"]).success();
    let text = String::from_utf8(until.get_output().stdout.clone()).unwrap();
    assert_says(&text, &["expires      2999-01-01T00:00:00.000000Z\n", "eligible     no, at "]);

    extend(&["--until", "2998-01-01T00:00:00Z"]).code(1);
    let class = site.fails(1, &["retention", "class", id, "raw-evidence", "--reason", "r"]);
    assert_says(&class, &["cannot change its class", "kept until 2999-01-01"]);
    let nonsense = [
        &["--until", "2020-01-01T00:00:00Z"][..],
        &["--until", "tomorrow"],
        &["--days", "0"],
        &["--days", "99999999999"],
        &["--days", "1", "--permanent"],
        &[],
    ];
    for how in nonsense {
        extend(how).code(2);
    }
    let unknown = site.fails(2, &["retention", "class", id, "nowhere", "--reason", "r"]);
    assert_says(&unknown, &["there is no retention class nowhere: the store has passing, "]);
    extend(&["--permanent"]).success();
    extend(&["--days", "1"]).code(1);
    assert_says(&site.succeeds(&["retention", "show", id]), &["expires      never\n"]);
}

#[test]
fn a_reason_that_is_blank_or_missing_is_2_and_changes_nothing() {
    let site = Site::new();
    let id = &site.package("passing").to_string();
    let before = site.audit(None).len();
    for decided in [
        &["extend", id, "--permanent"][..],
        &["class", id, "permanent-record"],
        &["hold", id],
        &["release", id, NOBODY],
        &["delete", id],
        &["acknowledge-clock"],
    ] {
        let missing = [&["retention"], decided].concat();
        assert_says(&site.fails(2, &missing), &["--reason <TEXT>"]);
        let blank = [&missing[..], &["--reason", " \t\n"]].concat();
        assert_says(&site.fails(2, &blank), &["is not a valid reason", "not all blank"]);
    }
    for arguments in [&["show", id, "--at", "soon"][..], &["show", "not-an-id"], &["delete"]] {
        site.fails(2, &[&["retention"], arguments].concat());
    }
    let view: RetentionView = site.json(&["show", id]);
    assert!(view.eligible && view.retention_class.as_str() == "passing", "{view:?}");
    assert_eq!(site.audit(None).len(), before);
}

#[test]
fn what_is_not_there_is_1_and_named() {
    let site = Site::new();
    for decided in [
        &["show", NOBODY][..],
        &["extend", NOBODY, "--days", "1", "--reason", "r"],
        &["class", NOBODY, "passing", "--reason", "r"],
        &["hold", NOBODY, "--reason", "r"],
        &["release", NOBODY, NOBODY, "--reason", "r"],
        &["delete", NOBODY, "--reason", "r"],
    ] {
        let said = site.fails(1, &[&["retention"], decided].concat());
        assert_says(&said, &[&format!("error: there is no package {NOBODY}")]);
    }
    let id = &site.package("passing").to_string();
    let said = site.fails(1, &["retention", "release", id, NOBODY, "--reason", "r"]);
    assert_says(&said, &[&format!("package {id} has no hold {NOBODY}")]);

    let empty = Site { folder: tempfile::tempdir().unwrap() };
    for arguments in [&["retention", "candidates"][..], &["sweep"], &["sweep", "--apply"]] {
        assert_says(&empty.fails(1, arguments), &["there is no registry at"]);
    }
    assert_eq!(fs::read_dir(empty.folder.path()).unwrap().count(), 0);
}

#[test]
fn of_several_packages_each_is_deleted_or_refused_by_itself() {
    let site = Site::new();
    let kept = site.package("raw-evidence").to_string();
    let (one, other) = (site.package("passing").to_string(), site.package("passing").to_string());
    let delete = ["retention", "delete", &one, &kept, NOBODY, &other, "--reason", "r", "--json"];
    let assert = site.command(&delete).assert().code(1);
    let output = assert.get_output();
    let receipts: Vec<String> = String::from_utf8(output.stdout.clone())
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str::<DeletionReceipt>(line).unwrap().package_id.to_string())
        .collect();
    assert_eq!(receipts, [one, other]);
    let said = String::from_utf8(output.stderr.clone()).unwrap();
    let (refused, missing) =
        (format!("package {kept} cannot"), format!("there is no package {NOBODY}"));
    assert_says(&said, &[&refused, "  protects  expiry: ", &missing]);
}

#[test]
fn candidates_are_listed_oldest_expiry_first_up_to_a_limit() {
    let site = Site::new();
    let ids: Vec<PackageId> = (0..3).map(|_| site.package("passing")).collect();
    site.package("raw-evidence");
    let listed = |arguments: &[&str]| {
        let page: Page<DeletionCandidate> = site.json(&[&["candidates"], arguments].concat());
        page.items.into_iter().map(|item| item.package_id).collect::<Vec<_>>()
    };
    assert_eq!(listed(&[]), ids);
    assert_eq!(listed(&["--limit", "2"]), ids[..2]);
    assert_eq!(listed(&["--limit", "3000"]), ids);
    let cut = site.succeeds(&["retention", "candidates", "--limit", "2"]);
    assert_says(&cut, &["2 packages, 6 bytes (6 B) may be deleted, and more"]);
    let all = site.succeeds(&["retention", "candidates", "--limit", "3"]);
    assert!(all.ends_with("\n3 packages, 9 bytes (9 B) may be deleted\n"), "{all}");
    site.fails(2, &["retention", "candidates", "--limit", "0"]);
}

#[test]
fn classes_are_listed_and_put() {
    let site = Site::new();
    let put = |arguments: &[&str]| {
        site.succeeds(&[&["retention", "classes", "put", "nightly"], arguments].concat())
    };
    let added = put(&["--days", "3", "--description", "Nightly builds."]);
    assert_eq!(added, "nightly added: version 1 keeps packages to come 3 days\n");
    let changed = put(&["--never"]);
    assert_eq!(changed, "nightly changed: version 2 keeps packages to come for ever\n");
    let listed = site.succeeds(&["retention", "classes"]);
    assert_says(&listed, &["nightly           never        2  Nightly builds.\n"]);
    for wrong in [
        &["nightly"][..],
        &["nightly", "--days", "1", "--never"],
        &["nightly", "--days", "36501"],
        &["Nightly", "--days", "1"],
    ] {
        site.fails(2, &[&["retention", "classes", "put"], wrong].concat());
    }
}

#[test]
fn who_decided_is_on_record() {
    let site = Site::new();
    let id = &site.package("passing").to_string();
    site.succeeds(&["retention", "hold", id, "--reason", "r", "--actor", "Ann Example"]);
    site.succeeds(&["retention", "hold", id, "--reason", "r"]);
    let actors: Vec<String> = site
        .audit(Some(AuditAction::HoldPlaced))
        .iter()
        .map(|event| event.actor.to_string())
        .collect();
    assert_eq!(actors, ["Ann Example", "operator"]);
    site.fails(2, &["retention", "hold", id, "--reason", "r", "--actor", ""]);
}

#[test]
fn a_sweep_says_what_was_cut_off_and_finishes_it() {
    let site = Site::new();
    let sweep = |arguments: &[&str]| site.succeeds(&[&["sweep"], arguments].concat());
    assert_eq!(sweep(&[]), "nothing was cut off\n");

    // A record that cannot be written, and a file that the store did not make and does not touch.
    let (held, deleted) = (site.package("raw-evidence"), site.package("passing"));
    let record = site.bag(held).join("registry.json");
    fs::remove_file(&record).unwrap();
    fs::create_dir_all(record.join("in-the-way")).unwrap();
    site.succeeds(&["retention", "hold", &held.to_string(), "--reason", "r"]);
    let link = site.bag(deleted).join("data/link");
    std::os::unix::fs::symlink("/etc/passwd", &link).unwrap();
    let id = &deleted.to_string();
    let said = site.fails(1, &["retention", "delete", id, "--reason", "r"]);
    assert_says(&said, &["is deleted, but its bytes are still in storage", "sweep --apply"]);
    let shown = site.succeeds(&["retention", "show", id]);
    assert_says(&shown, &["status       deleted\n", "bytes        still in storage"]);
    fs::remove_dir_all(&record).unwrap();
    fs::remove_file(&link).unwrap();

    let found = sweep(&[]);
    assert_says(
        &found,
        &[
            &format!("{deleted} deleted, and its bytes are left\n"),
            &format!("{held} its record is behind the registry\n"),
            "1 deletions to finish, 1 records to write: --apply does it\n",
        ],
    );
    let json: Value = serde_json::from_str(&sweep(&["--json"])).unwrap();
    assert_eq!(
        json,
        serde_json::json!({
            "applied": false,
            "unfinished_deletions": [deleted],
            "stale_records": [held],
            "failures": [],
        })
    );
    assert!(site.bag(deleted).exists() && !record.exists());
    let done = sweep(&["--apply", "--actor", "Ann"]);
    assert_says(&done, &["2 finished: 1 deletions, 1 records; 0 failed\n"]);
    assert!(!site.bag(deleted).exists() && record.is_file());
    assert_eq!(site.audit(Some(AuditAction::BytesRemoved))[0].actor.as_str(), "Ann");
    assert_eq!(sweep(&["--apply"]), "nothing was cut off\n");
}

#[test]
fn nothing_is_deleted_by_a_clock_that_is_doubted() {
    let site = Site::new();
    let id = &site.package("passing").to_string();
    let delete = ["retention", "delete", id, "--reason", "r"];
    site.rest();
    let refused = site.fails(1, &[&delete[..], &["--clock-ahead", "10ms"]].concat());
    assert_says(&refused, &["  protects  clock: nothing is deleted: ", "acknowledge-clock"]);
    // It stays so, by whichever tolerance, until somebody has looked.
    assert_says(&site.fails(1, &delete), &["  protects  clock: "]);
    for command in [&["retention", "candidates"][..], &["retention", "show", id]] {
        let noted = site.fails(0, command);
        assert_says(&noted, &["note: nothing is deleted: the clock said "]);
    }
    let acknowledge = ["retention", "acknowledge-clock", "--reason", "it was off"];
    assert_says(&site.succeeds(&acknowledge), &["the clock is trusted: ", "it was doubted: "]);
    assert_says(&site.succeeds(&acknowledge), &["it was not doubted before\n"]);
    site.succeeds(&delete);
}

#[test]
fn the_tolerance_of_the_clock_is_configured_by_the_environment() {
    let site = Site::new();
    let id = &site.package("passing").to_string();
    let delete = ["retention", "delete", id, "--reason", "r", "--dry-run"];
    for (name, value) in
        [("ARTIFACT_STORE_CLOCK_AHEAD", "0s"), ("ARTIFACT_STORE_CLOCK_BEHIND", "soon")]
    {
        let assert = site.command(&delete).env(name, value).assert().code(2);
        let said = String::from_utf8(assert.get_output().stderr.clone()).unwrap();
        assert_says(&said, &["expected a time such as 500ms, 30s, 2m or 24h"]);
    }
    let mut command = site.command(&delete);
    command.env("ARTIFACT_STORE_CLOCK_AHEAD", "400d").env("ARTIFACT_STORE_CLOCK_BEHIND", "1h");
    let assert = command.assert().success();
    assert_eq!(String::from_utf8(assert.get_output().stderr.clone()).unwrap(), "");
    site.rest();
    let assert = site.command(&delete).env("ARTIFACT_STORE_CLOCK_AHEAD", "10ms").assert().code(1);
    let said = String::from_utf8(assert.get_output().stderr.clone()).unwrap();
    assert_says(&said, &["  protects  clock: "]);
}
