//! Retention rules, storage roots and writers.

use std::collections::BTreeSet;

use artifact_domain::id::StorageId;
use artifact_registry::locations::{Location, Role};
use artifact_registry::writers::WriterId;
use artifact_registry::{Durability, Reader, Registry, RegistryError};

use super::{another_process, at, class, current_rules, is_postgres, raw, read, rule, write};

pub(crate) fn a_class_has_versions_and_the_last_one_is_current(registry: &Registry) {
    let (first, second) = (rule("raw-evidence", 1, Some(90)), rule("raw-evidence", 2, Some(30)));
    let (tenth, other) = (rule("raw-evidence", 10, None), rule("a-class", 1, Some(36_500)));
    for rule in [&first, &other, &second, &tenth] {
        write(registry, |writer| writer.insert_rule(rule));
    }
    let name = class("raw-evidence");
    assert_eq!(read(registry, |reader| reader.current_rule(&name)), Some(tenth.clone()));
    assert_eq!(read(registry, |reader| reader.rule(&name, 1)), Some(first));
    assert_eq!(read(registry, |reader| reader.rule(&name, 2)), Some(second));
    assert_eq!(read(registry, |reader| reader.rule(&name, 3)), None);
    assert_eq!(read(registry, |reader| reader.current_rule(&class("other"))), None);
    assert_eq!(current_rules(registry), [other, tenth]);

    raw(registry, "INSERT INTO retention_rules VALUES ('raw-evidence', 11, -1, '', 1)").unwrap();
    let error = registry.read(|reader| reader.current_rule(&name)).unwrap_err();
    let said = error.to_string();
    assert!(matches!(error, RegistryError::Damaged { what: "retention rule", .. }), "{said}");
    assert!(said.contains("raw-evidence version 11") && said.contains("period_days"), "{said}");
}

pub(crate) fn a_version_is_recorded_once(registry: &Registry) {
    write(registry, |writer| writer.insert_rule(&rule("raw-evidence", 1, Some(90))));
    let again = registry
        .write(Durability::Synced, |writer| writer.insert_rule(&rule("raw-evidence", 1, Some(1))));
    assert!(matches!(again, Err(RegistryError::Query { .. })), "{again:?}");
    let current = read(registry, |reader| reader.current_rule(&class("raw-evidence")));
    assert_eq!(current, Some(rule("raw-evidence", 1, Some(90))));
}

pub(crate) fn the_database_itself_refuses_to_change_a_version(registry: &Registry) {
    for version in [1, 2] {
        write(registry, |writer| writer.insert_rule(&rule("raw-evidence", version, Some(90))));
    }
    let versions =
        || [1, 2, 3].map(|n| read(registry, |reader| reader.rule(&class("raw-evidence"), n)));
    let before = versions();
    let row = "VALUES ('raw-evidence', 1, 1, 'another', 1)";
    let mut attacks = vec![
        "UPDATE retention_rules SET period_days = 1".to_owned(),
        "UPDATE retention_rules SET version = 3 WHERE version = 2".to_owned(),
        "UPDATE retention_rules SET description = 'another' WHERE version = 1".to_owned(),
        "DELETE FROM retention_rules".to_owned(),
        "DELETE FROM retention_rules WHERE version = 2".to_owned(),
        format!("INSERT INTO retention_rules {row}"),
        format!(
            "INSERT INTO retention_rules {row} \
             ON CONFLICT (class, version) DO UPDATE SET period_days = 1"
        ),
    ];
    if is_postgres(registry) {
        attacks.push("TRUNCATE retention_rules CASCADE".to_owned());
    } else {
        attacks.push(format!("INSERT OR REPLACE INTO retention_rules {row}"));
        attacks.push("UPDATE OR REPLACE retention_rules SET version = 1".to_owned());
    }
    for attack in attacks {
        let said = raw(registry, &attack).expect_err(&attack);
        assert!(said.contains("never") || said.contains("constraint"), "{attack}: {said}");
        assert_eq!(versions(), before, "{attack}");
    }
}

fn locations(registry: &Registry) -> Vec<Location> {
    fn look(reader: &mut Reader<'_>) -> Result<Vec<Location>, RegistryError> {
        reader.locations()
    }
    read(registry, look)
}

pub(crate) fn a_storage_root_is_recorded_with_its_present_place(registry: &Registry) {
    let mut here = Location {
        id: StorageId::generate(at(1)),
        url: "file:///old".to_owned(),
        role: Role::Home,
    };
    let there = Location {
        id: StorageId::generate(at(2)),
        url: "s3://bucket/ü".to_owned(),
        role: Role::Copy,
    };
    assert_eq!(locations(registry), []);
    write(registry, |writer| writer.record_location(&here, at(1)));
    write(registry, |writer| writer.record_location(&there, at(2)));
    "file:///new".clone_into(&mut here.url);
    write(registry, |writer| writer.record_location(&here, at(3)));
    let mut expected = vec![here, there];
    expected.sort_by_key(|location| location.id);
    assert_eq!(locations(registry), expected);
}

pub(crate) fn writers_have_numbers_of_their_own_whoever_asks(registry: &Registry) {
    let other = another_process(registry);
    let mut numbers: BTreeSet<WriterId> = BTreeSet::new();
    std::thread::scope(|scope| {
        let threads: Vec<_> = [registry, &other, registry, &other]
            .map(|registry| {
                scope.spawn(move || {
                    let enter = || write(registry, |writer| writer.insert_writer("boot", at(0)));
                    std::iter::repeat_with(enter).take(10).collect::<Vec<_>>()
                })
            })
            .into();
        for thread in threads {
            numbers.extend(thread.join().unwrap());
        }
    });
    assert_eq!(numbers.len(), 40);
    // A number is never given again, even if its row is gone.
    let last = *numbers.last().unwrap();
    raw(registry, "DELETE FROM writers").unwrap();
    assert!(write(registry, |writer| writer.insert_writer("boot", at(0))) > last);
}
