//! Which of several processes does the work of the background.

use std::sync::Barrier;
use std::time::Duration;

use artifact_registry::Registry;
use artifact_registry::writers::WriterId;

use super::{at, write};

const TERM: Duration = Duration::from_micros(100);

fn holder(registry: &Registry) -> WriterId {
    write(registry, |writer| writer.insert_writer("boot", at(1)))
}

fn take(registry: &Registry, task: &str, holder: WriterId, now: i64) -> bool {
    write(registry, |writer| writer.take_lease(task, holder, at(now), TERM))
}

pub(crate) fn a_lease_has_one_holder_who_may_renew_it(registry: &Registry) {
    let (one, other) = (holder(registry), holder(registry));
    assert!(take(registry, "tend", one, 1000));
    assert!(!take(registry, "tend", other, 1000));
    assert!(take(registry, "tend", one, 1090));
    // It would have ended at 1100 but for the renewal.
    assert!(!take(registry, "tend", other, 1110));
}

pub(crate) fn a_lease_that_ended_is_anybodys(registry: &Registry) {
    let (one, other) = (holder(registry), holder(registry));
    assert!(take(registry, "tend", one, 1000));
    assert!(!take(registry, "tend", other, 1099));
    assert!(take(registry, "tend", other, 1100));
    assert!(!take(registry, "tend", one, 1101));
}

pub(crate) fn a_lease_that_is_given_back_is_free_and_that_of_another_stays(registry: &Registry) {
    let (one, other) = (holder(registry), holder(registry));
    assert!(take(registry, "tend", one, 1000));
    write(registry, |writer| writer.release_lease("tend", other));
    assert!(!take(registry, "tend", other, 1001));
    write(registry, |writer| writer.release_lease("tend", one));
    assert!(take(registry, "tend", other, 1002));
    write(registry, |writer| writer.release_lease("never taken", one));
}

pub(crate) fn a_lease_of_a_clock_that_stood_ahead_binds_nobody(registry: &Registry) {
    let (one, other) = (holder(registry), holder(registry));
    assert!(take(registry, "tend", one, 1_000_000_000));
    assert!(take(registry, "tend", other, 1000));
}

pub(crate) fn each_task_has_a_lease_of_its_own(registry: &Registry) {
    let (one, other) = (holder(registry), holder(registry));
    assert!(take(registry, "tend", one, 1000));
    assert!(take(registry, "watch", other, 1000));
    assert!(!take(registry, "watch", one, 1000));
}

pub(crate) fn of_many_who_ask_at_once_one_gets_the_lease(registry: &Registry) {
    let holders: Vec<WriterId> = (0..8).map(|_| holder(registry)).collect();
    let together = Barrier::new(holders.len());
    let taken = std::thread::scope(|scope| {
        let asking: Vec<_> = holders
            .iter()
            .map(|holder| {
                scope.spawn(|| {
                    together.wait();
                    take(registry, "tend", *holder, 1000)
                })
            })
            .collect();
        asking.into_iter().map(|one| usize::from(one.join().unwrap())).sum::<usize>()
    });
    assert_eq!(taken, 1);
}
