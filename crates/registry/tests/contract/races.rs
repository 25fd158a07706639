//! Two processes that want the same thing at the same time.

use std::sync::Barrier;

use artifact_domain::name::{ExternalId, Producer, Reason};
use artifact_domain::retention::{ClockRecord, SEEDED_CLASSES};
use artifact_domain::{PackageId, PackageStatus};
use artifact_registry::uploads::{ClaimRefusal, FinishRefusal};
use artifact_registry::{Durability, Registry, RegistryError};

use super::clock::clock;
use super::deletions::receipt_of;
use super::holds::{hold_on, place, release};
use super::seals::{intend, seal_of};
use super::{
    Shelf, another_process, at, class, current_rules, finished, new_claim, new_package, read, rule,
    write,
};

const ROUNDS: usize = 50;

/// Runs both at once.
fn race<A: Send, B: Send>(
    one: impl FnOnce() -> A + Send,
    two: impl FnOnce() -> B + Send,
) -> (A, B) {
    let start = Barrier::new(2);
    std::thread::scope(|scope| {
        let two = scope.spawn(|| {
            start.wait();
            two()
        });
        start.wait();
        let one = one();
        (one, two.join().unwrap())
    })
}

fn claim(
    registry: &Registry,
    shelf: &Shelf<'_>,
    package: PackageId,
    path: &str,
    max_files: u64,
) -> Result<(), ClaimRefusal> {
    let rules = shelf.rules(max_files, &|_| false);
    registry
        .write(Durability::Relaxed, |writer| writer.claim(&rules, &[new_claim(package, path)]))
        .unwrap_or_else(|error: RegistryError| panic!("{error:?}"))
        .remove(0)
}

pub(crate) fn two_claims_on_one_path_have_one_winner(registry: &Registry) {
    let shelf = Shelf::new(registry);
    let other = another_process(registry);
    for _ in 0..ROUNDS {
        let package = shelf.create(|_| {}).id;
        let (one, two) = race(
            || claim(registry, &shelf, package, "a", 10),
            || claim(&other, &shelf, package, "a", 10),
        );
        let won = [&one, &two].into_iter().filter(|answer| answer.is_ok()).count();
        let lost = [&one, &two]
            .into_iter()
            .filter(|answer| **answer == Err(ClaimRefusal::InProgress))
            .count();
        assert_eq!((won, lost), (1, 1), "{one:?} {two:?}");
        assert_eq!(shelf.claimed(package), ["a"]);
    }
}

pub(crate) fn a_file_and_a_folder_of_one_name_have_one_winner(registry: &Registry) {
    let shelf = Shelf::new(registry);
    let other = another_process(registry);
    for _ in 0..ROUNDS {
        let package = shelf.create(|_| {}).id;
        let (file, folder) = race(
            || claim(registry, &shelf, package, "a", 10),
            || claim(&other, &shelf, package, "a/b", 10),
        );
        assert_ne!(file.is_ok(), folder.is_ok(), "{file:?} {folder:?}");
        assert_eq!(shelf.claimed(package).len(), 1);
    }
}

pub(crate) fn the_last_room_of_a_package_is_given_once(registry: &Registry) {
    let shelf = Shelf::new(registry);
    let other = another_process(registry);
    for _ in 0..ROUNDS {
        let package = shelf.create(|_| {}).id;
        let (one, two) = race(
            || claim(registry, &shelf, package, "a", 1),
            || claim(&other, &shelf, package, "b", 1),
        );
        assert_ne!(one.is_ok(), two.is_ok(), "{one:?} {two:?}");
    }
}

/// What create does: look, and make it if it is not there.
fn create(registry: &Registry, shelf: &Shelf<'_>, external_id: &ExternalId) -> bool {
    let producer = Producer::parse("ci").unwrap();
    registry
        .write(Durability::Synced, |writer| {
            if writer.package_by_external_id(&producer, external_id)?.is_some() {
                return Ok::<_, RegistryError>(false);
            }
            let mut package = new_package(at(1));
            package.description.external_id = Some(external_id.clone());
            writer.insert_package(&package, shelf.location)?;
            Ok(true)
        })
        .unwrap_or_else(|error| panic!("{error:?}"))
}

pub(crate) fn two_packages_of_one_external_id_have_one_winner(registry: &Registry) {
    let shelf = Shelf::new(registry);
    let other = another_process(registry);
    for round in 0..ROUNDS {
        let id = ExternalId::parse(format!("run {round}")).unwrap();
        let (one, two) = race(|| create(registry, &shelf, &id), || create(&other, &shelf, &id));
        assert_ne!(one, two);
    }
}

pub(crate) fn a_seal_and_a_finished_upload_do_not_both_happen(registry: &Registry) {
    let shelf = Shelf::new(registry);
    let other = another_process(registry);
    for _ in 0..ROUNDS {
        let package = shelf.create(|_| {}).id;
        let upload = finished(shelf.hold(package, "a"), package, "a", 1);
        let seal = seal_of(&shelf.package(package), intend(registry, package, 50));
        let (sealed, stored) = race(
            || registry.write(Durability::Synced, |writer| writer.seal(package, &seal, at(60))),
            || {
                other.write(Durability::Relaxed, |writer| {
                    writer.finish_uploads(shelf.writer, at(60), 100, std::slice::from_ref(&upload))
                })
            },
        );
        let (sealed, stored): (bool, _) = (sealed.unwrap(), stored.unwrap().remove(0));
        assert_ne!(sealed, stored.is_ok());
        if sealed {
            let refusal = FinishRefusal::WrongStatus(PackageStatus::Finalized);
            assert_eq!(stored, Err(refusal));
        }
        assert_eq!(shelf.names(package).len(), usize::from(!sealed));
    }
}

pub(crate) fn a_seal_and_a_failure_do_not_both_happen(registry: &Registry) {
    let shelf = Shelf::new(registry);
    let other = another_process(registry);
    let reason = Reason::parse("given up").unwrap();
    for _ in 0..ROUNDS {
        let package = shelf.create(|_| {}).id;
        shelf.store(package, &["a"]);
        let seal = seal_of(&shelf.package(package), intend(registry, package, 50));
        let (sealed, failed) = race(
            || registry.write(Durability::Synced, |writer| writer.seal(package, &seal, at(60))),
            || {
                other.write(Durability::Synced, |writer| {
                    let open = writer.package(package)?.unwrap().status.is_open();
                    if open {
                        writer.fail_package(package, &reason, at(60))?;
                    }
                    Ok::<_, RegistryError>(open)
                })
            },
        );
        let (sealed, failed): (bool, bool) = (sealed.unwrap(), failed.unwrap());
        assert_ne!(sealed, failed);
        let expected = if sealed { PackageStatus::Finalized } else { PackageStatus::Failed };
        assert_eq!(shelf.package(package).status, expected);
    }
}

pub(crate) fn processes_that_start_together_record_the_first_classes_once(registry: &Registry) {
    let other = another_process(registry);
    // The classes of a round are new to the registry, as all are to a new one.
    let join = |registry: &Registry, round: usize| {
        registry
            .write(Durability::Synced, |writer| {
                if writer.current_rules()?.len() == round * SEEDED_CLASSES.len() {
                    for (name, days, _) in SEEDED_CLASSES {
                        writer.insert_rule(&rule(&format!("{name}-{round}"), 1, days))?;
                    }
                }
                Ok::<_, RegistryError>(())
            })
            .unwrap_or_else(|error| panic!("{error:?}"));
    };
    for round in 0..ROUNDS / 5 {
        race(|| join(registry, round), || join(&other, round));
        assert_eq!(current_rules(registry).len(), (round + 1) * SEEDED_CLASSES.len());
    }
}

pub(crate) fn commits_that_touch_the_same_packages_in_any_order_all_happen(registry: &Registry) {
    let shelf = Shelf::new(registry);
    let other = another_process(registry);
    for _ in 0..ROUNDS {
        let (one, two) = (shelf.create(|_| {}).id, shelf.create(|_| {}).id);
        let uploads = [one, two].map(|id| finished(shelf.hold(id, "first"), id, "first", 1));
        let commit = |registry: &Registry, finish: usize, wanted: PackageId| {
            let rules = shelf.rules(10, &|_| false);
            registry.write(Durability::Relaxed, |writer| {
                writer.lock_packages([one, two])?;
                let upload = std::slice::from_ref(&uploads[finish]);
                let stored = writer.finish_uploads(shelf.writer, at(5), 100, upload)?;
                let claimed = writer.claim(&rules, &[new_claim(wanted, "second")])?;
                Ok::<_, RegistryError>(stored == [Ok(())] && claimed == [Ok(())])
            })
        };
        let (first, second) = race(|| commit(registry, 0, two), || commit(&other, 1, one));
        assert!(first.unwrap() && second.unwrap());
    }
}

/// What delete does: look whether it may be, and delete it.
fn delete(registry: &Registry, package: PackageId) -> bool {
    registry
        .write(Durability::Synced, |writer| {
            let record = writer.package(package)?.unwrap();
            let held = !writer.active_holds(package)?.is_empty();
            assert_eq!(record.on_hold, held);
            if held || record.status == PackageStatus::Deleted {
                return Ok::<_, RegistryError>(false);
            }
            writer.delete_package(&receipt_of(&record, 60))?;
            Ok(true)
        })
        .unwrap_or_else(|error| panic!("{error:?}"))
}

/// What placing a hold does: look whether it can be, and place it.
fn hold(registry: &Registry, package: PackageId) -> bool {
    registry
        .write(Durability::Synced, |writer| {
            if writer.package(package)?.unwrap().status == PackageStatus::Deleted {
                return Ok::<_, RegistryError>(false);
            }
            writer.insert_hold(&hold_on(package, 60))?;
            Ok(true)
        })
        .unwrap_or_else(|error| panic!("{error:?}"))
}

pub(crate) fn a_hold_and_a_deletion_do_not_both_happen(registry: &Registry) {
    let shelf = Shelf::new(registry);
    let other = another_process(registry);
    for _ in 0..ROUNDS {
        let package = shelf.create(|package| package.status = PackageStatus::Finalized).id;
        let (held, deleted) = race(|| hold(registry, package), || delete(&other, package));
        assert_ne!(held, deleted);
        let record = shelf.package(package);
        assert_eq!((record.on_hold, record.status == PackageStatus::Deleted), (held, deleted));
        assert_eq!(read(registry, |reader| reader.deletion(package)).is_some(), deleted);
    }
}

pub(crate) fn a_package_is_deleted_by_one_of_two(registry: &Registry) {
    let shelf = Shelf::new(registry);
    let other = another_process(registry);
    for _ in 0..ROUNDS {
        let package = shelf.create(|package| package.status = PackageStatus::Finalized).id;
        let (one, two) = race(|| delete(registry, package), || delete(&other, package));
        assert_ne!(one, two);
        let finish = |registry: &Registry| {
            write(registry, |writer| writer.finish_deletion(package, 1, at(61)))
        };
        let (one, two) = race(|| finish(registry), || finish(&other));
        assert_ne!(one, two);
    }
}

pub(crate) fn a_hold_is_released_by_one_of_two(registry: &Registry) {
    let shelf = Shelf::new(registry);
    let other = another_process(registry);
    for _ in 0..ROUNDS {
        let package = shelf.create(|_| {}).id;
        let hold = place(registry, package, 5);
        let let_go = |registry: &Registry, at: i64| {
            write(registry, |writer| writer.release_hold(package, hold.id, &release(at)))
        };
        let (one, two) = race(|| let_go(registry, 6), || let_go(&other, 7));
        assert_ne!(one, two);
        let found = read(registry, |reader| reader.hold(package, hold.id)).unwrap();
        assert_eq!(found.release, Some(release(if one { 6 } else { 7 })));
        let record = shelf.package(package);
        assert_eq!((record.on_hold, record.revision), (false, 3));
    }
}

pub(crate) fn a_package_with_a_new_hold_stays_on_hold_when_another_is_released(
    registry: &Registry,
) {
    let shelf = Shelf::new(registry);
    let other = another_process(registry);
    for _ in 0..ROUNDS {
        let package = shelf.create(|_| {}).id;
        let first = place(registry, package, 5);
        // Neither reads the package first: the changes lock it themselves.
        race(
            || place(registry, package, 6),
            || write(&other, |writer| writer.release_hold(package, first.id, &release(7))),
        );
        let record = shelf.package(package);
        assert_eq!((record.on_hold, record.revision), (true, 4));
    }
}

pub(crate) fn two_changes_of_one_class_are_two_versions(registry: &Registry) {
    let other = another_process(registry);
    let name = class("raw-evidence");
    let change = |registry: &Registry| {
        write(registry, |writer| {
            writer.lock_rules()?;
            let version = writer.current_rule(&name)?.map_or(1, |current| current.version + 1);
            writer.insert_rule(&rule("raw-evidence", version, Some(90)))
        });
    };
    for _ in 0..ROUNDS {
        race(|| change(registry), || change(&other));
    }
    let current = read(registry, |reader| reader.current_rule(&name)).unwrap();
    assert_eq!(current.version as usize, 2 * ROUNDS);
}

pub(crate) fn what_two_know_of_the_time_is_the_latest(registry: &Registry) {
    let other = another_process(registry);
    let see = |registry: &Registry, micros: i64| {
        write(registry, |writer| {
            let known = writer.clock()?.map(|record| record.seen_at);
            let seen_at = known.map_or(at(micros), |known| known.max(at(micros)));
            writer.set_clock(ClockRecord { seen_at, suspended_at: None })
        });
    };
    for round in 0..i64::try_from(ROUNDS).unwrap() {
        race(|| see(registry, 2 * round + 1), || see(&other, 2 * round));
        let seen_at = clock(registry).map(|record| record.seen_at);
        assert_eq!(seen_at, Some(at(2 * round + 1)));
    }
}
