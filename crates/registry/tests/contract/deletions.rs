//! Deletions: what may be deleted, what is left behind, and when nothing is left of the bytes.

use artifact_domain::cursor::CandidateCursor;
use artifact_domain::digest::Sha256Digest;
use artifact_domain::filter::PackageFilter;
use artifact_domain::id::HoldId;
use artifact_domain::name::{Actor, ExternalId, Producer, RequestId};
use artifact_domain::package::Package;
use artifact_domain::retention::{ConsultedRule, DeletionReceipt, RetentionReason, Verdict};
use artifact_domain::{PackageId, PackageStatus};
use artifact_registry::{Durability, Registry, RegistryError};

use super::holds::{place, release};
use super::{Shelf, at, class, is_postgres, new_package, raw, read, reason, write};

/// What the deletion of this package leaves behind.
pub(crate) fn receipt_of(package: &Package, deleted_at: i64) -> DeletionReceipt {
    let consulted = |rule, detail: &str, hold_id| RetentionReason {
        rule,
        verdict: Verdict::Allows,
        detail: detail.to_owned(),
        hold_id,
    };
    DeletionReceipt {
        package_id: package.id,
        manifest_sha256: package.manifest_sha256,
        file_count: package.file_count,
        total_bytes: package.total_bytes,
        deleted_at: at(deleted_at),
        actor: Actor::parse("Zoë").unwrap(),
        request_id: Some(RequestId::parse("req-1").unwrap()),
        reason: reason("no longer\nneeded"),
        retention_class: package.description.retention_class.clone(),
        rule_version: package.rule_version,
        expires_at: package.expires_at,
        reasons: vec![
            consulted(ConsultedRule::Status, "it is \"finalized\"", None),
            consulted(ConsultedRule::Hold, "é\n", Some(HoldId::generate(at(1)))),
        ],
        bytes_removed: 0,
        bytes_removed_at: None,
        dry_run: false,
    }
}

fn sealed(package: &mut Package) {
    package.status = PackageStatus::Finalized;
    package.finalized_at = Some(at(3));
    package.expires_at = Some(at(4));
    package.manifest_sha256 = Some(Sha256Digest::from_bytes([7; 32]));
    package.file_count = 3;
    package.total_bytes = (1 << 53) - 1;
}

pub(crate) fn delete(registry: &Registry, package: &Package, deleted_at: i64) -> DeletionReceipt {
    let receipt = receipt_of(package, deleted_at);
    write(registry, |writer| writer.delete_package(&receipt));
    receipt
}

fn deletion(registry: &Registry, package: PackageId) -> Option<DeletionReceipt> {
    read(registry, |reader| reader.deletion(package))
}

fn finish(registry: &Registry, package: PackageId, bytes: u64, finished_at: i64) -> bool {
    write(registry, |writer| writer.finish_deletion(package, bytes, at(finished_at)))
}

pub(crate) fn a_deleted_package_is_a_tombstone_with_a_receipt(registry: &Registry) {
    let shelf = Shelf::new(registry);
    let before = shelf.create(sealed);
    let kept = shelf.create(sealed);
    assert_eq!(deletion(registry, before.id), None);
    let receipt = delete(registry, &before, 9);
    assert_eq!(deletion(registry, before.id), Some(receipt.clone()));
    let expected = Package {
        status: PackageStatus::Deleted,
        deleted_at: Some(at(9)),
        deletion_reason: Some(receipt.reason),
        updated_at: at(9),
        revision: before.revision + 1,
        ..before
    };
    assert_eq!(shelf.package(expected.id), expected);
    assert_eq!((shelf.package(kept.id), deletion(registry, kept.id)), (kept, None));
}

pub(crate) fn a_receipt_that_says_little_is_read_back_too(registry: &Registry) {
    let shelf = Shelf::new(registry);
    let package = shelf.create(|package| package.status = PackageStatus::Failed);
    let receipt =
        DeletionReceipt { request_id: None, reasons: Vec::new(), ..receipt_of(&package, 9) };
    write(registry, |writer| writer.delete_package(&receipt));
    assert_eq!(deletion(registry, package.id), Some(receipt));
}

pub(crate) fn a_deletion_leaves_no_claims_and_what_was_announced(registry: &Registry) {
    let (shelf, package) = Shelf::with_package(registry);
    let other = shelf.create(|_| {}).id;
    shelf.store(package, &["kept"]);
    for id in [package, other] {
        shelf.hold(id, "a");
        shelf.hold(id, "b/c");
        write(registry, |writer| {
            writer.record_due(id, 2, at(5))?;
            writer.record_due(id, 3, at(5))
        });
    }
    write(registry, |writer| writer.fail_package(package, &reason("given up"), at(8)));
    delete(registry, &shelf.package(package), 9);
    assert_eq!(shelf.claimed(package), [""; 0]);
    assert_eq!(shelf.claimed(other), ["a", "b/c"]);
    let due = read(registry, |reader| reader.records_due(None, 10));
    let mut expected = [(package, 2), (package, 3), (other, 2), (other, 3)];
    expected.sort_unstable();
    assert_eq!(due, expected);
    // What it had is still known.
    assert_eq!(shelf.names(package), ["kept"]);
}

pub(crate) fn a_package_is_deleted_once(registry: &Registry) {
    let shelf = Shelf::new(registry);
    let package = shelf.create(sealed);
    let receipt = delete(registry, &package, 9);
    let tombstone = shelf.package(package.id);
    let again = receipt_of(&package, 10);
    let nowhere = receipt_of(&new_package(at(1)), 10);
    for receipt in [again, nowhere] {
        let deleted = registry.write(Durability::Synced, |writer| writer.delete_package(&receipt));
        assert!(matches!(deleted, Err(RegistryError::Query { .. })), "{deleted:?}");
    }
    assert_eq!(deletion(registry, package.id), Some(receipt));
    assert_eq!(shelf.package(package.id), tombstone);
}

pub(crate) fn the_external_id_of_a_deleted_package_is_free_again(registry: &Registry) {
    let shelf = Shelf::new(registry);
    let id = ExternalId::parse("run-1").unwrap();
    let producer = Producer::parse("ci").unwrap();
    let create = || {
        shelf.create(|package| {
            sealed(package);
            package.description.external_id = Some(id.clone());
        })
    };
    let by_id = || read(registry, |reader| reader.package_by_external_id(&producer, &id));
    for _ in 0..3 {
        let package = create();
        assert_eq!(by_id().map(|package| package.id), Some(package.id));
        delete(registry, &package, 9);
        assert_eq!(by_id(), None);
    }
}

pub(crate) fn a_deletion_is_finished_once(registry: &Registry) {
    let shelf = Shelf::new(registry);
    let package = shelf.create(sealed);
    assert!(!finish(registry, package.id, 1, 10));
    let receipt = delete(registry, &package, 9);
    let tombstone = shelf.package(package.id);
    assert!(finish(registry, package.id, receipt.total_bytes, 11));
    let expected = DeletionReceipt {
        bytes_removed: receipt.total_bytes,
        bytes_removed_at: Some(at(11)),
        ..receipt
    };
    assert_eq!(deletion(registry, package.id), Some(expected.clone()));
    assert!(!finish(registry, package.id, 5, 12));
    assert_eq!(deletion(registry, package.id), Some(expected));
    assert_eq!(shelf.package(package.id), tombstone);
}

pub(crate) fn unfinished_deletions_are_listed_in_pages(registry: &Registry) {
    let shelf = Shelf::new(registry);
    let mut expected = Vec::new();
    for n in 0..20 {
        let package = shelf.create(sealed);
        if n % 5 > 0 {
            delete(registry, &package, 9);
            expected.push(package.id);
        }
        if n % 5 == 2 {
            assert!(finish(registry, package.id, 1, 10));
            expected.pop();
        }
    }
    expected.sort_unstable();
    assert_eq!(expected.len(), 12);
    for limit in [1, 5, 12, 100] {
        let (mut seen, mut after) = (Vec::new(), None);
        loop {
            let page = read(registry, |reader| reader.unfinished_deletions(after, limit));
            assert!(page.len() <= limit as usize);
            let Some(last) = page.last() else { break };
            after = Some(*last);
            seen.extend(page);
        }
        assert_eq!(seen, expected);
    }
}

pub(crate) fn the_database_itself_refuses_to_change_what_a_deletion_left(registry: &Registry) {
    let shelf = Shelf::new(registry);
    let [done, open, alive] = [(); 3].map(|()| shelf.create(sealed));
    for package in [&done, &open] {
        delete(registry, package, 9);
    }
    assert!(finish(registry, done.id, 1, 10));
    let receipts = || [done.id, open.id].map(|id| deletion(registry, id).unwrap());
    let before = receipts();
    let (done, open, alive) = (done.id, open.id, alive.id);
    let row = |id: PackageId| {
        format!(
            "(package_id, file_count, total_bytes, deleted_at, actor, reason, retention_class, \
             rule_version, reasons, bytes_removed) \
             VALUES ('{id}', 1, 1, 1, 'x', 'y', 'raw-evidence', 1, '[]', 0)"
        )
    };
    let mut attacks = vec!["DELETE FROM deletions".to_owned()];
    for id in [done, open] {
        attacks.push(format!("DELETE FROM deletions WHERE package_id = '{id}'"));
        attacks.push(format!("DELETE FROM packages WHERE id = '{id}'"));
        attacks.push(format!("INSERT INTO deletions {}", row(id)));
        attacks.push(format!(
            "INSERT INTO deletions {} ON CONFLICT (package_id) DO UPDATE SET reason = 'another'",
            row(id)
        ));
        for edit in [
            format!("package_id = '{alive}'"),
            "manifest_sha256 = NULL".to_owned(),
            "file_count = 0".to_owned(),
            "total_bytes = 0".to_owned(),
            "deleted_at = 1".to_owned(),
            "actor = 'somebody else'".to_owned(),
            "request_id = NULL".to_owned(),
            "reason = 'another'".to_owned(),
            "retention_class = 'permanent-record'".to_owned(),
            "rule_version = 2".to_owned(),
            "expires_at = NULL".to_owned(),
            "reasons = '[]'".to_owned(),
        ] {
            attacks.push(format!("UPDATE deletions SET {edit} WHERE package_id = '{id}'"));
            attacks.push(format!(
                "UPDATE deletions SET {edit}, bytes_removed = 1, bytes_removed_at = 1 \
                 WHERE package_id = '{id}'"
            ));
        }
    }
    for edit in ["bytes_removed = 2", "bytes_removed_at = NULL", "bytes_removed_at = 11"] {
        attacks.push(format!("UPDATE deletions SET {edit} WHERE package_id = '{done}'"));
    }
    if is_postgres(registry) {
        attacks.push("TRUNCATE deletions".to_owned());
    } else {
        for id in [done, open] {
            attacks.push(format!("INSERT OR REPLACE INTO deletions {}", row(id)));
        }
        attacks.push(format!(
            "UPDATE OR REPLACE deletions SET package_id = '{done}' WHERE package_id = '{open}'"
        ));
    }
    for attack in attacks {
        let attack = format!("{}{attack}", foreign_keys(registry));
        let said = raw(registry, &attack).expect_err(&attack).to_lowercase();
        assert!(["never", "constraint"].iter().any(|word| said.contains(word)), "{attack}: {said}");
        assert_eq!(receipts(), before, "{attack}");
    }
}

/// SQLite has them only when it is told to.
fn foreign_keys(registry: &Registry) -> &'static str {
    if is_postgres(registry) { "" } else { "PRAGMA foreign_keys = ON; " }
}

pub(crate) fn a_damaged_receipt_names_its_row_and_column(registry: &Registry) {
    let shelf = Shelf::new(registry);
    for (damaged, value) in [
        ("manifest_sha256", if is_postgres(registry) { r"'\x010203'" } else { "x'010203'" }),
        ("file_count", "-1"),
        ("total_bytes", "-1"),
        ("deleted_at", "-1"),
        ("actor", "''"),
        ("request_id", "''"),
        ("reason", "' '"),
        ("expires_at", "-1"),
        ("reasons", "'{}'"),
        ("bytes_removed", "-1"),
        ("bytes_removed_at", "-1"),
    ] {
        let id = shelf.create(sealed).id;
        let columns = [
            ("package_id", format!("'{id}'")),
            ("manifest_sha256", "NULL".to_owned()),
            ("file_count", "1".to_owned()),
            ("total_bytes", "2".to_owned()),
            ("deleted_at", "3".to_owned()),
            ("actor", "'a'".to_owned()),
            ("request_id", "NULL".to_owned()),
            ("reason", "'b'".to_owned()),
            ("retention_class", "'raw-evidence'".to_owned()),
            ("rule_version", "1".to_owned()),
            ("expires_at", "NULL".to_owned()),
            ("reasons", "'[]'".to_owned()),
            ("bytes_removed", "0".to_owned()),
            ("bytes_removed_at", "NULL".to_owned()),
        ];
        let names = columns.each_ref().map(|(name, _)| *name).join(", ");
        let values =
            columns.map(|(name, whole)| if name == damaged { value.to_owned() } else { whole });
        raw(registry, &format!("INSERT INTO deletions ({names}) VALUES ({})", values.join(", ")))
            .unwrap();
        let error = registry.read(|reader| reader.deletion(id)).unwrap_err();
        let said = error.to_string();
        assert!(matches!(error, RegistryError::Damaged { what: "deletion", .. }), "{said}");
        assert!(said.contains(&format!("{id}: {damaged}")), "{said}");
    }
}

/// All pages of the list of candidates.
fn candidates(registry: &Registry, limit: u32, now: i64) -> Vec<PackageId> {
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let page = read(registry, |reader| reader.deletion_candidates(after, limit, at(now)));
        assert!(page.len() <= limit as usize);
        let Some(last) = page.last() else { return seen };
        after = Some(CandidateCursor { expires_at: last.expires_at.unwrap(), id: last.id });
        seen.extend(page.iter().map(|package| package.id));
    }
}

pub(crate) fn candidates_are_over_expired_and_not_on_hold(registry: &Registry) {
    let shelf = Shelf::new(registry);
    let mut expected = Vec::new();
    for status in PackageStatus::ALL {
        for on_hold in [false, true] {
            // Equal is still protected, and what has no expiry never goes.
            for expires_at in [None, Some(999), Some(1000), Some(1001)] {
                let package = shelf.create(|package| {
                    package.status = status;
                    package.on_hold = on_hold;
                    package.expires_at = expires_at.map(at);
                });
                let is_over = matches!(status, PackageStatus::Finalized | PackageStatus::Failed);
                if is_over && !on_hold && expires_at == Some(999) {
                    expected.push(package.id);
                }
            }
        }
    }
    expected.sort_unstable();
    assert_eq!(expected.len(), 2);
    assert_eq!(candidates(registry, 10, 1000), expected);
    // The list of packages means the same.
    let filter = PackageFilter { eligible: true, ..PackageFilter::default() };
    let mut listed: Vec<PackageId> =
        read(registry, |reader| reader.packages(&filter, None, 100, at(1000)))
            .iter()
            .map(|package| package.id)
            .collect();
    listed.sort_unstable();
    assert_eq!(listed, expected);
}

pub(crate) fn candidates_are_listed_by_expiry_and_id_in_pages(registry: &Registry) {
    let shelf = Shelf::new(registry);
    assert_eq!(candidates(registry, 10, 1000), []);
    let mut expected = Vec::new();
    write(registry, |writer| {
        for n in 0..600_i64 {
            let mut package = new_package(at(1));
            // Many expire in one microsecond; the first of all at the beginning of time.
            let expires_at = if n == 0 { at(-super::BEGINNING) } else { at((n * 7 % 5) * 100) };
            package.expires_at = Some(expires_at);
            package.status = match n % 4 {
                0 => PackageStatus::Failed,
                3 => PackageStatus::Uploading,
                _ => PackageStatus::Finalized,
            };
            package.on_hold = n % 9 == 8;
            writer.insert_package(&package, shelf.location)?;
            if n % 4 != 3 && n % 9 != 8 && expires_at < at(300) {
                expected.push((expires_at, package.id));
            }
        }
        Ok(())
    });
    expected.sort_unstable();
    let expected: Vec<PackageId> = expected.into_iter().map(|(_, id)| id).collect();
    assert!(expected.len() > 200);
    for limit in [1, 7, 50, 1000] {
        assert_eq!(candidates(registry, limit, 300), expected, "{limit}");
    }
    assert_eq!(candidates(registry, 10, -1), expected[..1]);
}

pub(crate) fn a_change_of_a_package_changes_whether_it_is_a_candidate(registry: &Registry) {
    let shelf = Shelf::new(registry);
    let package = shelf.create(sealed);
    let listed = || candidates(registry, 10, 1000) == [package.id];
    assert!(listed());
    let hold = place(registry, package.id, 10);
    assert!(!listed());
    write(registry, |writer| writer.release_hold(package.id, hold.id, &release(11)));
    assert!(listed());
    let class = class("raw-evidence");
    for (expires_at, expected) in [(None, false), (Some(at(1000)), false), (Some(at(999)), true)] {
        write(registry, |writer| writer.set_retention(package.id, &class, 1, expires_at, at(12)));
        assert_eq!(listed(), expected, "{expires_at:?}");
    }
    delete(registry, &shelf.package(package.id), 13);
    assert!(!listed());
}
