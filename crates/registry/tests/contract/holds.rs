//! Legal holds: placed, listed, released once, and never edited or removed.

use artifact_domain::id::HoldId;
use artifact_domain::name::{Actor, Mandate};
use artifact_domain::package::Package;
use artifact_domain::retention::{Hold, HoldRelease};
use artifact_domain::{PackageId, PackageStatus};
use artifact_registry::{Durability, Registry, RegistryError};

use super::{Shelf, at, is_postgres, new_package, raw, read, reason, write};

pub(crate) fn hold_on(package: PackageId, placed_at: i64) -> Hold {
    Hold {
        id: HoldId::generate(at(placed_at)),
        package_id: package,
        reason: reason("the audit\nof 2026"),
        mandate: Some(Mandate::parse("case 17 'é' %").unwrap()),
        placed_at: at(placed_at),
        placed_by: Actor::parse("Zoë").unwrap(),
        release: None,
    }
}

pub(crate) fn release(released_at: i64) -> HoldRelease {
    HoldRelease {
        at: at(released_at),
        by: Actor::parse("a judge").unwrap(),
        reason: reason("the case is\nclosed"),
    }
}

/// Places a hold at a time that tells it from others.
pub(crate) fn place(registry: &Registry, package: PackageId, placed_at: i64) -> Hold {
    let hold = hold_on(package, placed_at);
    write(registry, |writer| writer.insert_hold(&hold));
    hold
}

fn let_go(registry: &Registry, hold: &Hold, released_at: i64) -> bool {
    let release = release(released_at);
    write(registry, |writer| writer.release_hold(hold.package_id, hold.id, &release))
}

fn all(registry: &Registry, package: PackageId) -> Vec<Hold> {
    read(registry, |reader| reader.holds(package, None, 1000))
}

fn active(registry: &Registry, package: PackageId) -> Vec<Hold> {
    read(registry, |reader| reader.active_holds(package))
}

pub(crate) fn a_hold_is_read_back_as_it_was_placed_and_as_it_was_released(registry: &Registry) {
    let (_shelf, package) = Shelf::with_package(registry);
    let hold = place(registry, package, 5);
    let mut bare = Hold { mandate: None, ..hold_on(package, 9_000_000) };
    write(registry, |writer| writer.insert_hold(&bare));
    assert_eq!(all(registry, package), [hold.clone(), bare.clone()]);
    assert_eq!(read(registry, |reader| reader.hold(package, hold.id)), Some(hold));
    assert_eq!(read(registry, |reader| reader.hold(package, bare.id)), Some(bare.clone()));
    assert!(let_go(registry, &bare, 9_000_001));
    bare.release = Some(release(9_000_001));
    assert_eq!(read(registry, |reader| reader.hold(package, bare.id)), Some(bare));
}

pub(crate) fn a_hold_is_found_on_its_own_package_alone(registry: &Registry) {
    let (shelf, package) = Shelf::with_package(registry);
    let other = shelf.create(|_| {}).id;
    let hold = place(registry, package, 5);
    let before = shelf.package(other);
    assert_eq!(read(registry, |reader| reader.hold(other, hold.id)), None);
    assert_eq!(read(registry, |reader| reader.hold(package, HoldId::generate(at(5)))), None);
    assert_eq!((all(registry, other), active(registry, other)), (Vec::new(), Vec::new()));
    let away = Hold { package_id: other, ..hold.clone() };
    assert!(!let_go(registry, &away, 6));
    assert_eq!(active(registry, package), [hold]);
    assert_eq!(shelf.package(other), before);
}

pub(crate) fn holds_are_listed_in_the_order_of_placing_and_in_pages(registry: &Registry) {
    let (shelf, package) = Shelf::with_package(registry);
    let other = shelf.create(|_| {}).id;
    let mut placed = Vec::new();
    for n in [4, 1, 3, 0, 2, 5, 6_i64] {
        place(registry, other, n * 1_000_000);
        placed.push(place(registry, package, n * 1_000_000));
    }
    for n in [0, 3] {
        assert!(let_go(registry, &placed[n], 50_000_000));
        placed[n].release = Some(release(50_000_000));
    }
    placed.sort_by_key(|hold| hold.placed_at);
    for limit in [1, 2, 7, 100] {
        let (mut seen, mut after) = (Vec::new(), None);
        loop {
            let page = read(registry, |reader| reader.holds(package, after, limit));
            assert!(page.len() <= limit as usize);
            let Some(last) = page.last() else { break };
            after = Some(last.id);
            seen.extend(page);
        }
        assert_eq!(seen, placed);
    }
    placed.retain(Hold::is_active);
    assert_eq!(placed.len(), 5);
    assert_eq!(active(registry, package), placed);
}

pub(crate) fn a_package_is_on_hold_while_any_of_its_holds_is_active(registry: &Registry) {
    let (shelf, package) = Shelf::with_package(registry);
    let before = shelf.package(package);
    let says = |on_hold: bool, changes: u64, micros: i64| {
        let revision = before.revision + changes;
        let expected = Package { on_hold, revision, updated_at: at(micros), ..before.clone() };
        assert_eq!(shelf.package(package), expected);
    };
    let first = place(registry, package, 5);
    says(true, 1, 5);
    let second = place(registry, package, 6);
    says(true, 2, 6);
    assert!(let_go(registry, &first, 7));
    says(true, 3, 7);
    assert_eq!(active(registry, package), std::slice::from_ref(&second));
    assert!(let_go(registry, &second, 8));
    says(false, 4, 8);
    assert_eq!(active(registry, package), []);
    // Another one holds it again.
    place(registry, package, 9);
    says(true, 5, 9);
}

pub(crate) fn a_hold_is_released_once(registry: &Registry) {
    let (shelf, package) = Shelf::with_package(registry);
    let hold = place(registry, package, 5);
    assert!(let_go(registry, &hold, 6));
    let (holds, record) = (all(registry, package), shelf.package(package));
    assert_eq!(holds[0].release, Some(release(6)));
    assert!(!let_go(registry, &hold, 7));
    // Nor is one that never was.
    assert!(!let_go(registry, &hold_on(package, 5), 7));
    assert_eq!((all(registry, package), shelf.package(package)), (holds, record));
}

pub(crate) fn a_hold_is_placed_on_a_package_that_is_there_and_once(registry: &Registry) {
    let (shelf, package) = Shelf::with_package(registry);
    let hold = place(registry, package, 5);
    let before = shelf.package(package);
    let nowhere = hold_on(new_package(at(1)).id, 5);
    let again = Hold { reason: reason("another"), ..hold.clone() };
    for hold in [nowhere, again] {
        let placed = registry.write(Durability::Synced, |writer| writer.insert_hold(&hold));
        assert!(matches!(placed, Err(RegistryError::Query { .. })), "{placed:?}");
    }
    assert_eq!((all(registry, package), shelf.package(package)), (vec![hold], before));
}

pub(crate) fn a_package_of_any_status_can_be_on_hold(registry: &Registry) {
    let shelf = Shelf::new(registry);
    for status in PackageStatus::ALL {
        let package = shelf.create(|package| package.status = status);
        place(registry, package.id, 5);
        let held = shelf.package(package.id);
        assert_eq!((held.status, held.on_hold), (status, true));
    }
}

pub(crate) fn the_database_itself_refuses_to_edit_or_remove_a_hold(registry: &Registry) {
    let (shelf, package) = Shelf::with_package(registry);
    let other = shelf.create(|_| {}).id;
    let (over, open) = (place(registry, package, 5), place(registry, package, 6_000_000));
    assert!(let_go(registry, &over, 7));
    let before = all(registry, package);
    let (over, open) = (over.id, open.id);
    let row = |id: HoldId| {
        format!(
            "(id, package_id, reason, placed_at, placed_by) VALUES ('{id}', '{package}', 'x', 1, 'y')"
        )
    };
    let mut attacks = vec!["DELETE FROM holds".to_owned()];
    for id in [over, open] {
        attacks.push(format!("DELETE FROM holds WHERE id = '{id}'"));
        attacks.push(format!("INSERT INTO holds {}", row(id)));
        attacks.push(format!(
            "INSERT INTO holds {} ON CONFLICT (id) DO UPDATE SET reason = 'another'",
            row(id)
        ));
        for edit in [
            format!("id = '{}'", HoldId::generate(at(1))),
            format!("package_id = '{other}'"),
            "reason = 'another'".to_owned(),
            "mandate = NULL".to_owned(),
            "mandate = 'another'".to_owned(),
            "placed_at = placed_at + 1".to_owned(),
            "placed_by = 'somebody else'".to_owned(),
        ] {
            attacks.push(format!("UPDATE holds SET {edit} WHERE id = '{id}'"));
            attacks.push(format!(
                "UPDATE holds SET {edit}, released_at = 1, released_by = 'x', \
                 release_reason = 'y' WHERE id = '{id}'"
            ));
        }
    }
    for edit in [
        "released_at = NULL, released_by = NULL, release_reason = NULL",
        "released_at = released_at + 1",
        "released_by = 'somebody else'",
        "release_reason = 'another'",
        "released_at = released_at",
    ] {
        attacks.push(format!("UPDATE holds SET {edit} WHERE id = '{over}'"));
    }
    // A release is whole.
    for half in ["released_at = 1", "released_by = 'x'", "released_at = 1, released_by = 'x'"] {
        attacks.push(format!("UPDATE holds SET {half} WHERE id = '{open}'"));
    }
    if is_postgres(registry) {
        attacks.push("TRUNCATE holds".to_owned());
    } else {
        for id in [over, open] {
            attacks.push(format!("INSERT OR REPLACE INTO holds {}", row(id)));
            attacks.push(format!("REPLACE INTO holds {}", row(id)));
        }
        attacks.push(format!("UPDATE OR REPLACE holds SET id = '{over}' WHERE id = '{open}'"));
        // The key is the only one: there is no rowid to replace a row by.
        attacks.push(format!(
            "INSERT OR REPLACE INTO holds (rowid, id, package_id, reason, placed_at, placed_by) \
             SELECT 1, 'x', '{package}', 'x', 1, 'y'"
        ));
    }
    for attack in attacks {
        let said = raw(registry, &attack).expect_err(&attack);
        let refused = ["never", "constraint", "rowid"].iter().any(|word| said.contains(word));
        assert!(refused, "{attack}: {said}");
        assert_eq!(all(registry, package), before, "{attack}");
    }
    // What is left is the release of an active one.
    raw(
        registry,
        &format!(
            "UPDATE holds SET released_at = 1, released_by = 'x', release_reason = 'y' \
             WHERE id = '{open}'"
        ),
    )
    .unwrap();
}

pub(crate) fn a_damaged_hold_names_its_row_and_column(registry: &Registry) {
    let shelf = Shelf::new(registry);
    for (damaged, value) in [
        ("reason", "' '"),
        ("mandate", "''"),
        ("placed_at", "-1"),
        ("placed_by", "''"),
        ("released_at", "-1"),
        ("released_by", "''"),
        ("release_reason", "' '"),
    ] {
        let package = shelf.create(|_| {}).id;
        let id = HoldId::generate(at(1));
        let columns = [
            ("id", format!("'{id}'")),
            ("package_id", format!("'{package}'")),
            ("reason", "'a'".to_owned()),
            ("mandate", "NULL".to_owned()),
            ("placed_at", "1".to_owned()),
            ("placed_by", "'b'".to_owned()),
            ("released_at", "2".to_owned()),
            ("released_by", "'c'".to_owned()),
            ("release_reason", "'d'".to_owned()),
        ];
        let names = columns.each_ref().map(|(name, _)| *name).join(", ");
        let values =
            columns.map(|(name, whole)| if name == damaged { value.to_owned() } else { whole });
        raw(registry, &format!("INSERT INTO holds ({names}) VALUES ({})", values.join(", ")))
            .unwrap();
        let error = registry.read(|reader| reader.hold(package, id)).unwrap_err();
        let said = error.to_string();
        assert!(matches!(error, RegistryError::Damaged { what: "hold", .. }), "{said}");
        assert!(said.contains(&format!("{id}: {damaged}")), "{said}");
    }
}
