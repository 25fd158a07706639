//! What the registry knows of the time.

use artifact_domain::retention::ClockRecord;
use artifact_registry::{Reader, Registry, RegistryError};

use super::{at, raw, read, write};

fn look(reader: &mut Reader<'_>) -> Result<Option<ClockRecord>, RegistryError> {
    reader.clock()
}

pub(crate) fn clock(registry: &Registry) -> Option<ClockRecord> {
    read(registry, look)
}

pub(crate) fn the_clock_is_unknown_until_it_is_set_and_then_as_it_was_set(registry: &Registry) {
    assert_eq!(clock(registry), None);
    for (seen_at, suspended_at) in [(5, None), (9, Some(1_000_000)), (7, Some(2)), (8, None)] {
        let record = ClockRecord { seen_at: at(seen_at), suspended_at: suspended_at.map(at) };
        write(registry, |writer| {
            writer.clock()?;
            writer.set_clock(record)
        });
        assert_eq!(clock(registry), Some(record));
    }
}

pub(crate) fn there_is_one_clock(registry: &Registry) {
    let record = ClockRecord { seen_at: at(5), suspended_at: None };
    write(registry, |writer| writer.set_clock(record));
    for id in [0, 1, 2] {
        raw(registry, &format!("INSERT INTO clock (id, seen_at) VALUES ({id}, 1)")).unwrap_err();
    }
    raw(registry, "UPDATE clock SET id = 2").unwrap_err();
    assert_eq!(clock(registry), Some(record));
}

pub(crate) fn a_damaged_clock_names_its_column(registry: &Registry) {
    let record = ClockRecord { seen_at: at(5), suspended_at: None };
    for column in ["seen_at", "suspended_at"] {
        write(registry, |writer| writer.set_clock(record));
        raw(registry, &format!("UPDATE clock SET {column} = -1")).unwrap();
        let error = registry.read(look).unwrap_err();
        let said = error.to_string();
        assert!(matches!(error, RegistryError::Damaged { what: "clock", .. }), "{said}");
        assert!(said.contains(column), "{said}");
    }
}
