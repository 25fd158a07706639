//! What a link does to requests, and to which.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// What happens to a request on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It is taken and answered with this status, as S3 words it; nothing is passed on.
    Answer(u16),
    /// It is passed on, and its answer is held back for so long.
    Delay(Duration),
    /// It is passed on up to this byte of its body; then the connection is cut on both sides.
    CutRequest(usize),
    /// Its answer is passed on up to this byte of the body; then the connection is cut.
    CutAnswer(usize),
    /// It is passed on and done; instead of its answer the connection is cut.
    LoseAnswer,
    /// It is taken, and nothing ever happens.
    Silence,
}

/// The faults that are in force.
#[derive(Debug, Default)]
pub(super) struct Rules {
    rules: Mutex<Vec<Rule>>,
    met: AtomicUsize,
}

#[derive(Debug)]
struct Rule {
    words: String,
    fault: Fault,
    left: usize,
}

impl Rules {
    pub(super) fn add(&self, words: &str, fault: Fault, left: usize) {
        self.rules().push(Rule { words: words.to_owned(), fault, left });
    }

    pub(super) fn clear(&self) {
        self.rules().clear();
    }

    pub(super) fn met(&self) -> usize {
        self.met.load(Ordering::Relaxed)
    }

    /// What happens to a request with this first line.
    pub(super) fn meet(&self, line: &str) -> Option<Fault> {
        let mut rules = self.rules();
        let rule = rules.iter_mut().rev().find(|rule| rule.left > 0 && line.contains(&rule.words));
        let fault = rule.map(|rule| {
            rule.left -= 1;
            rule.fault
        });
        if fault.is_some() {
            self.met.fetch_add(1, Ordering::Relaxed);
        }
        fault
    }

    fn rules(&self) -> MutexGuard<'_, Vec<Rule>> {
        self.rules.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
