//! How often something is tried, and how long is waited in between.

use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

use tokio::time::Instant;

use crate::error::ClientError;
use crate::options::Retries;

/// What is known of a request that has failed.
#[derive(Debug)]
pub(crate) struct Setback {
    pub(crate) error: ClientError,
    pub(crate) reached: Reached,
    /// How long the server wants to be left alone.
    pub(crate) wait: Option<Duration>,
}

/// How far a request that has failed had come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reached {
    /// Nothing of it was done: no connection was made, or the server was too busy to look at it.
    Nothing,
    /// It may have been done or not.
    Unknown,
    /// It was answered, and asking again would be answered the same.
    Answer,
}

/// The attempts at one thing.
#[derive(Debug)]
pub(crate) struct Tries<'a> {
    retries: &'a Retries,
    made: u32,
    first_failure: Option<Instant>,
}

impl<'a> Tries<'a> {
    pub(crate) const fn new(retries: &'a Retries) -> Self {
        Self { retries, made: 0, first_failure: None }
    }

    /// Waits until the next attempt, if there is to be one after this setback: `is_safe` says
    /// whether the request may be done twice.
    pub(crate) async fn pause(
        &mut self,
        setback: Setback,
        is_safe: bool,
    ) -> Result<(), ClientError> {
        let may_repeat = match setback.reached {
            Reached::Nothing => true,
            Reached::Unknown => is_safe,
            Reached::Answer => false,
        };
        if !may_repeat || self.made + 1 >= self.retries.attempts {
            return Err(setback.error.after(self.made + 1));
        }
        self.wait(setback).await
    }

    /// Waits for something that ends by itself, as often as the total time allows.
    pub(crate) async fn wait(&mut self, setback: Setback) -> Result<(), ClientError> {
        self.made += 1;
        let now = Instant::now();
        let begun = *self.first_failure.get_or_insert(now);
        let pause = self.length(setback.wait);
        if now + pause > begun + self.retries.total {
            return Err(setback.error.after(self.made));
        }
        tokio::time::sleep(pause).await;
        Ok(())
    }

    /// The next pause.
    fn length(&self, asked: Option<Duration>) -> Duration {
        let doubled = 2u32.saturating_pow(self.made.saturating_sub(1));
        let pause = self.retries.first_pause.saturating_mul(doubled);
        let pause = jittered(pause.min(self.retries.longest_pause));
        pause.max(asked.unwrap_or_default().min(self.retries.longest_pause))
    }
}

/// A duration shortened by up to a half. Who waits need not be unpredictable, only different.
fn jittered(pause: Duration) -> Duration {
    let random = RandomState::new().hash_one(0) % 1024;
    pause.mul_f64(1.0 - f64::from(u32::try_from(random).unwrap_or_default()) / 2048.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tries(retries: &Retries, made: u32) -> Tries<'_> {
        Tries { made, ..Tries::new(retries) }
    }

    #[test]
    fn pauses_double_vary_and_are_capped() {
        let retries = Retries::default();
        for (made, most) in [(1, 250), (2, 500), (3, 1000), (4, 2000), (40, 30_000)] {
            let pause = tries(&retries, made).length(None);
            let most = Duration::from_millis(most);
            assert!(pause <= most && pause >= most / 2, "{made}: {pause:?}");
        }
    }

    #[test]
    fn the_server_may_ask_for_a_longer_pause_but_not_for_any() {
        let retries = Retries::default();
        let asked = |seconds| tries(&retries, 1).length(Some(Duration::from_secs(seconds)));
        assert_eq!(asked(5), Duration::from_secs(5));
        assert_eq!(asked(3600), retries.longest_pause);
        assert!(asked(0) > Duration::ZERO);
    }
}
