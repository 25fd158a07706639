//! Transactions: all or nothing, and many at once.

use std::panic::{AssertUnwindSafe, catch_unwind};

use artifact_registry::writers::WriterId;
use artifact_registry::{Durability, Registry, RegistryError};

use super::{Shelf, another_process, at, new_claim, new_package, read, write};

#[derive(Debug)]
enum Failure {
    Registry,
    Ours,
}

impl From<RegistryError> for Failure {
    fn from(_: RegistryError) -> Self {
        Self::Registry
    }
}

pub(crate) fn a_transaction_that_fails_changes_nothing(registry: &Registry) {
    let (shelf, package) = Shelf::with_package(registry);
    let before = shelf.package(package);
    for durability in [Durability::Relaxed, Durability::Synced] {
        let failed = registry.write(durability, |writer| {
            writer.claim(&shelf.rules(10, &|_| false), &[new_claim(package, "a")])?;
            writer.insert_package(&new_package(at(1)), shelf.location)?;
            Err::<(), _>(Failure::Ours)
        });
        assert!(matches!(failed, Err(Failure::Ours)), "{failed:?}");
        // A statement that the database refuses takes the rest with it.
        let failed = registry.write(durability, |writer| {
            writer.claim(&shelf.rules(10, &|_| false), &[new_claim(package, "a")])?;
            writer.insert_package(&before, shelf.location)?;
            Ok::<_, Failure>(())
        });
        assert!(matches!(failed, Err(Failure::Registry)), "{failed:?}");
    }
    assert_eq!(shelf.package(package), before);
    assert_eq!(shelf.claimed(package).len(), 0);
    shelf.hold(package, "a");
}

pub(crate) fn a_transaction_that_panics_changes_nothing_and_the_next_one_works(
    registry: &Registry,
) {
    let (shelf, package) = Shelf::with_package(registry);
    let before = shelf.package(package);
    for _ in 0..20 {
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            write::<()>(registry, |writer| {
                writer.claim(&shelf.rules(10, &|_| false), &[new_claim(package, "a")])?;
                // As a bug in a use case would.
                std::panic::resume_unwind(Box::new("a bug"));
            });
        }));
        assert!(panicked.is_err());
    }
    assert_eq!(shelf.package(package), before);
    shelf.hold(package, "a");
}

pub(crate) fn a_reader_sees_what_was_committed_and_nothing_else(registry: &Registry) {
    let (shelf, package) = Shelf::with_package(registry);
    write(registry, |writer| {
        writer.claim(&shelf.rules(10, &|_| false), &[new_claim(package, "a")])?;
        assert_eq!(shelf.claimed(package).len(), 0);
        assert_eq!(writer.claims(package, 10)?.len(), 1);
        Ok(())
    });
    assert_eq!(shelf.claimed(package).len(), 1);
}

pub(crate) fn two_processes_write_at_once_and_neither_is_locked_out(registry: &Registry) {
    let shelf = Shelf::new(registry);
    let other = another_process(registry);
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let (shelf, registry) = (&shelf, if thread % 2 == 0 { registry } else { &other });
            scope.spawn(move || {
                let package = shelf.create(|_| {}).id;
                for i in 0..200 {
                    let claim = new_claim(package, &i.to_string());
                    let rules = shelf.rules(1000, &|_| false);
                    // Each reads before it writes, which is where a lock would be missed.
                    let durability =
                        if i % 20 == 0 { Durability::Synced } else { Durability::Relaxed };
                    registry
                        .write(durability, |writer| {
                            let before = writer.package(package)?.unwrap();
                            writer.claim(&rules, &[claim])?;
                            assert_eq!(before.revision, i + 1);
                            Ok::<_, RegistryError>(())
                        })
                        .unwrap();
                    assert_eq!(read(registry, |reader| reader.claims(package, 1)).len(), 1);
                }
            });
        }
    });
    let last: WriterId = write(registry, |writer| writer.insert_writer("boot", at(0)));
    assert!(last > shelf.writer);
}
