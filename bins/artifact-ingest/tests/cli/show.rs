//! What `show` says of a package's retention, and of one that was deleted, in a store of its own
//! and at a server.

use artifact_domain::PackageId;
use artifact_domain::retention::DeletionReceipt;
use artifact_domain::wire::{DeletePackage, PlaceHold, RetentionView, Summary};
use artifact_store::{ArtifactStore, StoreOptions};
use artifact_testkit::TestServer;
use serde_json::Value;
use tokio::runtime::Runtime;

use crate::support::Sandbox;

/// A store behind the commands, and how the commands are told of it.
struct Place<'a> {
    sandbox: &'a Sandbox,
    runtime: Runtime,
    store: ArtifactStore,
    server: Vec<&'a str>,
}

/// Tests the embedded store and a server alike.
fn everywhere(test: impl Fn(&Place<'_>)) {
    let sandbox = Sandbox::new();
    let runtime = Runtime::new().unwrap();
    let options = StoreOptions::embedded(sandbox.store());
    let store = runtime.block_on(ArtifactStore::open(&options)).unwrap();
    test(&Place { sandbox: &sandbox, runtime, store, server: Vec::new() });

    let sandbox = Sandbox::new();
    let server = TestServer::start();
    let url = server.url();
    let (runtime, store) = (Runtime::new().unwrap(), server.store().clone());
    test(&Place { sandbox: &sandbox, runtime, store, server: vec!["--server", &url] });
}

impl Place<'_> {
    /// The id of an ingested package, of a class whose packages may be deleted at once.
    fn expired(&self) -> PackageId {
        let no_days = serde_json::from_str(r#"{"period_days":0}"#).unwrap();
        let put = self.store.put_retention_class("passing".parse().unwrap(), no_days);
        self.runtime.block_on(put).unwrap();
        self.ingested("passing")
    }

    fn ingested(&self, class: &str) -> PackageId {
        self.sandbox.write("run/a.txt", "a");
        let ingest = ["directory", "run", "--producer", "p", "--retention-class", class];
        self.sandbox.ingest(&[&ingest[..], &self.server].concat()).parse().unwrap()
    }

    fn hold(&self, id: PackageId, reason: &str, mandate: Option<&str>) {
        let mandate = mandate.map(|text| text.parse().unwrap());
        let request = PlaceHold { reason: reason.parse().unwrap(), mandate };
        self.runtime.block_on(self.store.place_hold(id, request)).unwrap();
    }

    fn delete(&self, id: PackageId) -> DeletionReceipt {
        let request =
            DeletePackage { reason: "expired\nlong ago".parse().unwrap(), dry_run: false };
        self.runtime.block_on(self.store.delete_package(id, request)).unwrap()
    }

    fn table(&self, id: PackageId) -> String {
        self.sandbox.succeeds(&[&["show", &id.to_string()], &self.server[..]].concat())
    }

    fn json(&self, id: PackageId) -> Value {
        self.sandbox.json(&[&["show", &id.to_string()], &self.server[..]].concat())
    }
}

fn assert_has_rows(table: &str, rows: &[&str]) {
    for row in rows {
        assert!(table.lines().any(|line| line.starts_with(row)), "{row:?} is not in: {table}");
    }
}

#[test]
fn a_package_that_is_kept_shows_until_when_and_by_which_version_of_its_class() {
    everywhere(|place| {
        let id = place.ingested("transient");
        let table = place.table(id);
        let rows = [
            "retention     transient, version 1",
            "expires       2",
            "eligible      no: it is kept",
            "protected     its class transient, version 1, with every extension since, keeps it",
        ];
        assert_has_rows(&table, &rows);
        assert_eq!(table.lines().filter(|line| line.starts_with("protected")).count(), 1);
    });
}

#[test]
fn each_hold_has_a_row_with_its_reason_mandate_and_who_placed_it_when() {
    everywhere(|place| {
        let id = place.expired();
        assert_has_rows(&place.table(id), &["eligible      yes: it may be deleted"]);
        place.hold(id, "litigation", Some("case 2026-17"));
        place.hold(id, "an audit\nof two lines", None);
        let table = place.table(id);
        assert_has_rows(&table, &["eligible      no: it is kept", "hold          litigation (by "]);
        let holds: Vec<&str> = table.lines().filter(|line| line.starts_with("hold ")).collect();
        assert!(holds[0].contains(" at 20") && holds[0].ends_with(", mandate case 2026-17)"));
        assert!(holds[1].starts_with("hold          an audit of two lines (by "), "{table}");
    });
}

#[test]
fn json_gains_the_retention_beside_the_summary() {
    everywhere(|place| {
        let id = place.expired();
        place.hold(id, "litigation", Some("case 2026-17"));
        let shown = place.json(id);
        let summary: Summary = serde_json::from_value(shown.clone()).unwrap();
        assert_eq!((summary.package_id, summary.on_hold), (id, true));
        let retention: RetentionView = serde_json::from_value(shown["retention"].clone()).unwrap();
        assert_eq!((retention.package_id, retention.eligible), (id, false));
        assert_eq!(retention.holds[0].mandate, "case 2026-17".parse().ok());
        assert_eq!(retention.reasons.last().unwrap().hold_id, Some(retention.holds[0].id));
        assert_eq!(shown.get("deletion"), None);
    });
}

#[test]
fn a_deleted_package_shows_its_tombstone() {
    everywhere(|place| {
        let id = place.expired();
        let receipt = place.delete(id);
        let DeletionReceipt { deleted_at, actor, .. } = &receipt;
        let rows = [
            "status        deleted",
            "files         1",
            &format!("deleted       {deleted_at} by {actor}: expired long ago"),
            &format!("bytes removed {}", receipt.bytes_removed_at.unwrap()),
            "retention     passing, version 1",
        ];
        let table = place.table(id);
        assert_has_rows(&table, &rows);
        assert!(!table.contains("eligible"), "{table}");

        let shown = place.json(id);
        assert_eq!(
            (&shown["status"], &shown["retention"]["status"]),
            (&"deleted".into(), &"deleted".into())
        );
        let told: DeletionReceipt = serde_json::from_value(shown["deletion"].clone()).unwrap();
        assert_eq!(told, receipt);
        let text = id.to_string();
        let quiet = [&["show", &text, "--quiet"], &place.server[..]].concat();
        assert_eq!(place.sandbox.succeeds(&quiet), format!("{id}\n"));
        // What needs the bytes is refused, as before.
        let verify = [&["verify", &text], &place.server[..]].concat();
        let refused = place.sandbox.fails(5, &verify);
        assert!(refused.contains(&format!("package {id} was deleted at")), "{refused}");
    });
}
