//! Two processes that want the same thing at the same time.

use std::sync::Barrier;

use artifact_domain::name::{ExternalId, Producer, Reason};
use artifact_domain::retention::SEEDED_CLASSES;
use artifact_domain::{PackageId, PackageStatus};
use artifact_registry::uploads::{ClaimRefusal, FinishRefusal};
use artifact_registry::{Durability, Registry, RegistryError};

use super::seals::{intend, seal_of};
use super::{
    Shelf, another_process, at, current_rules, finished, new_claim, new_package, raw, rule,
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
    let join = |registry: &Registry| {
        registry
            .write(Durability::Synced, |writer| {
                if writer.current_rules()?.is_empty() {
                    for (name, days, _) in SEEDED_CLASSES {
                        writer.insert_rule(&rule(name, 1, days))?;
                    }
                }
                Ok::<_, RegistryError>(())
            })
            .unwrap_or_else(|error| panic!("{error:?}"));
    };
    for _ in 0..ROUNDS / 5 {
        race(|| join(registry), || join(&other));
        assert_eq!(current_rules(registry).len(), SEEDED_CLASSES.len());
        raw(registry, "DELETE FROM retention_rules").unwrap();
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
