//! What the writers of a storage share: how many they are, and how much they have in memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How much the writers of a backend may have in memory. Sizes are in bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// The largest part of a writer that is one of few.
    pub(crate) largest_part: usize,
    /// The smallest part, in a crowd.
    pub(crate) least_part: usize,
    /// Parts of a size between are whole multiples of this.
    pub(crate) step: usize,
    /// What the parts of all writers may have together while they are collected; parts are made
    /// smaller for it, down to the smallest.
    pub(crate) collected: usize,
    /// The parts that all writers have on their way at most, and so any one of them.
    pub(crate) in_flight: usize,
    /// What a writer may have without a share of the budget.
    pub(crate) free: usize,
    /// What the parts of all writers may have together, collected or on their way, for a backend
    /// whose smallest part is too large for every writer to have one.
    pub(crate) budget: Option<usize>,
    /// The number of parts after which a writer's parts grow by their first size, and again and
    /// again, up to the whole budget; for a backend that counts them.
    pub(crate) parts_before_growth: usize,
}

/// One permit of the budget, in bytes: a semaphore counts less far than memory reaches.
const UNIT: usize = 64 << 10;

/// All writers of a storage.
#[derive(Debug)]
pub(crate) struct Crowd {
    limits: Limits,
    writers: AtomicUsize,
    parts: Arc<Semaphore>,
    budget: Option<Arc<Semaphore>>,
}

/// A share of the budget, given back when it is dropped.
pub(crate) type Share = OwnedSemaphorePermit;

impl Crowd {
    pub(crate) fn new(limits: Limits) -> Self {
        let budget = limits.budget.map(|bytes| Arc::new(Semaphore::new(bytes / UNIT)));
        let parts = Arc::new(Semaphore::new(limits.in_flight));
        Self { limits, writers: AtomicUsize::new(0), parts, budget }
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The part of one more writer: large if there are few, small in a crowd.
    fn part_bytes(&self) -> usize {
        let Limits { largest_part, least_part, step, collected, .. } = self.limits;
        let writers = self.writers.load(Ordering::Relaxed).max(1);
        (collected / writers / step * step).clamp(least_part, largest_part)
    }

    /// Waits until another part may go on its way.
    pub(crate) async fn turn(&self) -> Option<Share> {
        Arc::clone(&self.parts).acquire_owned().await.ok()
    }

    /// Waits for a share of the budget for `bytes`; `None` if this backend has no budget. Whoever
    /// asked first gets it first, and a part on its way needs none, so it always comes.
    pub(crate) async fn share(&self, bytes: usize) -> Option<Share> {
        let budget = Arc::clone(self.budget.as_ref()?);
        budget.acquire_many_owned(u32::try_from(bytes / UNIT).unwrap_or(u32::MAX)).await.ok()
    }
}

/// One writer more, until it is dropped.
pub(crate) struct Member {
    crowd: Arc<Crowd>,
    first_part: usize,
}

impl Member {
    pub(crate) fn join(crowd: Arc<Crowd>) -> Self {
        crowd.writers.fetch_add(1, Ordering::Relaxed);
        let first_part = crowd.part_bytes();
        Self { crowd, first_part }
    }

    pub(crate) fn crowd(&self) -> &Arc<Crowd> {
        &self.crowd
    }

    /// The size of the part after `sent` others.
    pub(crate) fn part_bytes(&self, sent: usize) -> usize {
        let Limits { budget, parts_before_growth, .. } = self.crowd.limits;
        let grown = self.first_part.saturating_mul(1 + sent / parts_before_growth);
        grown.min(budget.unwrap_or(self.first_part))
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.crowd.writers.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_a_bucket_are_large_for_few_and_hold_hundreds_of_gigabytes() {
        let crowd = Arc::new(Crowd::new(crate::s3::LIMITS));
        let members: Vec<_> = (0..64).map(|_| Member::join(Arc::clone(&crowd))).collect();
        assert_eq!(members[3].part_bytes(0), 8 << 20);
        assert_eq!(members[63].part_bytes(999), 5 << 20);
        assert_eq!(members[63].part_bytes(1000), 10 << 20);
        for member in [&members[0], &members[63]] {
            let all: usize = (0..10_000).map(|sent| member.part_bytes(sent)).sum();
            assert!(all > 250 << 30 && member.part_bytes(9999) == 40 << 20);
        }
    }

    #[test]
    fn parts_of_a_folder_get_small_in_a_crowd_and_never_grow() {
        let crowd = Arc::new(Crowd::new(crate::local::LIMITS));
        let members: Vec<_> = (0..64).map(|_| Member::join(Arc::clone(&crowd))).collect();
        assert_eq!(members[0].part_bytes(1_000_000), 1 << 20);
        assert_eq!(members[63].part_bytes(1_000_000), 64 << 10);
    }
}
