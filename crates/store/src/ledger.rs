//! The ledger: claims on paths and finished uploads, recorded many at a time.
//!
//! A commit costs more than a small file. So uploads do not commit: they hand their claim or
//! their finished file to one thread, which takes all that is waiting and commits it together,
//! and each upload gets an answer of its own. Under load the batches grow by themselves.

use std::convert::Infallible;
use std::sync::{Mutex, PoisonError, mpsc};
use std::time::Duration;

use artifact_domain::PackageId;
use artifact_domain::event::{AuditAction, Origin};
use artifact_domain::id::ClaimId;
use artifact_registry::events::NewAuditEvent;
use artifact_registry::uploads::{
    Claim, ClaimRefusal, ClaimRules, FinishRefusal, FinishedUpload, NewClaim,
};
use artifact_registry::writers::WriterId;
use artifact_registry::{Durability, Registry, RegistryError, Writer};
use artifact_storage::{Liveness, Storage};
use serde_json::{Map, Value, json};
use tokio::sync::oneshot;

use crate::clock;
use crate::error::StoreError;
use crate::open::Limits;
use crate::patience::Patience;

/// The most steps that one commit carries.
const BATCH: usize = 1000;

/// How soon claims that could not be released are released again.
const RELEASED_AGAIN: Duration = Duration::from_secs(1);

type Answer<T> = oneshot::Sender<Result<T, StoreError>>;

/// One step of one upload, or of several that go together.
enum Step {
    Claim(Vec<NewClaim>, Answer<Vec<Result<(), ClaimRefusal>>>),
    Finish(Vec<FinishedUpload>, Origin, Answer<Vec<Result<(), FinishRefusal>>>),
    Renew(ClaimId, Answer<bool>),
    Release(Vec<ClaimId>, Option<Answer<()>>),
}

/// The way to the thread that records uploads. Dropping it waits for the thread to record what it
/// has taken on, so that a process that ends has left the storage when it is gone; but not for
/// ever, see [`Patience`].
#[derive(Debug)]
pub(crate) struct Ledger {
    writer: WriterId,
    steps: Option<mpsc::Sender<Step>>,
    thread: Option<std::thread::JoinHandle<()>>,
    /// Says nothing, and is disconnected when the thread is done.
    done: Mutex<mpsc::Receiver<Infallible>>,
    patience: Patience,
}

impl Drop for Ledger {
    fn drop(&mut self) {
        drop(self.steps.take());
        let done = self.done.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some(most) = self.patience.most()
            && done.recv_timeout(most) == Err(mpsc::RecvTimeoutError::Timeout)
        {
            tracing::error!("the registry does not answer: what is not recorded yet is given up");
            return;
        }
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread that records uploads panicked");
        }
    }
}

/// What the thread writes into and what it decides by.
#[derive(Debug)]
struct Book {
    registry: Registry,
    storage: Storage,
    writer: WriterId,
    limits: Limits,
    /// Claims that were given up while the registry did not answer. A writer that lives would
    /// hold them for ever, so they go with the next commit.
    unreleased: Vec<ClaimId>,
}

impl Ledger {
    pub(crate) fn start(
        registry: Registry,
        storage: Storage,
        writer: WriterId,
        limits: Limits,
        patience: Patience,
    ) -> Result<Self, StoreError> {
        let (steps, waiting) = mpsc::channel();
        let mut book = Book { registry, storage, writer, limits, unreleased: Vec::new() };
        let (working, done) = mpsc::channel();
        let thread = std::thread::Builder::new()
            .name("ledger".to_owned())
            .spawn(move || {
                // Dropped when this thread is done, in whatever way.
                let _working = working;
                book.keep(&waiting);
            })
            .map_err(|error| {
                StoreError::Stopped(format!("the ledger's thread cannot be started: {error}"))
            })?;
        Ok(Self {
            writer,
            steps: Some(steps),
            thread: Some(thread),
            done: Mutex::new(done),
            patience,
        })
    }

    /// The number that this process writes under.
    pub(crate) const fn writer(&self) -> WriterId {
        self.writer
    }

    async fn ask<T>(&self, step: impl FnOnce(Answer<T>) -> Step) -> Result<T, StoreError> {
        let (answer, answered) = oneshot::channel();
        let stopped = || StoreError::Stopped("the ledger has stopped".to_owned());
        self.send(step(answer)).ok_or_else(stopped)?;
        self.patience.wait(async { answered.await.ok().ok_or_else(stopped)? }).await
    }

    /// Hands a step over; `None` if the thread has stopped.
    fn send(&self, step: Step) -> Option<()> {
        self.steps.as_ref()?.send(step).ok()
    }

    /// Claims paths; the answers are in the order of the claims.
    pub(crate) async fn claim(
        &self,
        claims: Vec<NewClaim>,
    ) -> Result<Vec<Result<(), ClaimRefusal>>, StoreError> {
        self.ask(|answer| Step::Claim(claims, answer)).await
    }

    /// Turns claims into files; the answers are in the order of the uploads.
    pub(crate) async fn finish(
        &self,
        uploads: Vec<FinishedUpload>,
        origin: Origin,
    ) -> Result<Vec<Result<(), FinishRefusal>>, StoreError> {
        self.ask(|answer| Step::Finish(uploads, origin, answer)).await
    }

    /// Says that a claim is still being worked on; answers whether it is still held.
    pub(crate) async fn renew(&self, claim: ClaimId) -> Result<bool, StoreError> {
        self.ask(|answer| Step::Renew(claim, answer)).await
    }

    /// Gives claims up, and answers when they are.
    pub(crate) async fn release(&self, claims: Vec<ClaimId>) -> Result<(), StoreError> {
        self.ask(|answer| Step::Release(claims, Some(answer))).await
    }

    /// Gives claims up, without waiting for it.
    pub(crate) fn release_soon(&self, claims: Vec<ClaimId>) {
        // A ledger that has stopped takes nothing; the claims are then void with this process.
        let _ = self.send(Step::Release(claims, None));
    }
}

/// Whether a recorded claim is void, because whoever held it is gone. Where writers can be seen (a
/// local folder), a claim lives as long as its writer; elsewhere as long as it is renewed.
pub(crate) fn is_void(storage: &Storage, limits: &Limits, claim: &Claim) -> bool {
    match storage.writer_liveness(claim.writer.0) {
        Liveness::Alive => false,
        Liveness::Dead => true,
        Liveness::Unknown => {
            let silent = clock::now().unix_micros() - claim.renewed_at.unix_micros();
            u128::try_from(silent).is_ok_and(|silent| silent > limits.upload_idle.as_micros())
        }
    }
}

impl Book {
    fn keep(&mut self, waiting: &mpsc::Receiver<Step>) {
        loop {
            let first = if self.unreleased.is_empty() {
                waiting.recv().map_err(|_| mpsc::RecvTimeoutError::Disconnected)
            } else {
                waiting.recv_timeout(RELEASED_AGAIN)
            };
            let mut steps: Vec<Step> = match first {
                Ok(first) => vec![first],
                Err(mpsc::RecvTimeoutError::Timeout) => Vec::new(),
                Err(mpsc::RecvTimeoutError::Disconnected) => return,
            };
            steps.extend(waiting.try_iter().take(BATCH - 1));
            self.record(steps);
        }
    }

    fn record(&mut self, steps: Vec<Step>) {
        let (mut claims, mut claim_answers) = (Vec::new(), Vec::new());
        let (mut finished, mut origins, mut finish_answers) = (Vec::new(), Vec::new(), Vec::new());
        let mut renewals = Vec::new();
        let (mut releases, mut release_answers) =
            (std::mem::take(&mut self.unreleased), Vec::new());
        for step in steps {
            match step {
                // Whoever asked has given up meanwhile. The release of these claims comes behind
                // them, and in one commit releases go first.
                Step::Claim(_, answer) if answer.is_closed() => {}
                Step::Claim(some, answer) => {
                    claim_answers.push((some.len(), answer));
                    claims.extend(some);
                }
                Step::Finish(some, origin, answer) => {
                    finish_answers.push((some.len(), answer));
                    origins.extend(std::iter::repeat_n(origin, some.len()));
                    finished.extend(some);
                }
                Step::Renew(claim, answer) => renewals.push((claim, answer)),
                Step::Release(some, answer) => {
                    releases.extend(some);
                    release_answers.extend(answer);
                }
            }
        }
        let now = clock::now();
        let recorded = self.registry.write(Durability::Relaxed, |writer| {
            let packages = finished.iter().map(|upload| upload.package);
            writer.lock_packages(packages.chain(claims.iter().map(|claim| claim.package)))?;
            let stored =
                writer.finish_uploads(self.writer, now, self.limits.package_bytes, &finished)?;
            audit(writer, &finished, &origins, &stored)?;
            writer.release_claims(&releases)?;
            let is_void = |claim: &Claim| is_void(&self.storage, &self.limits, claim);
            let rules = ClaimRules {
                writer: self.writer,
                now,
                max_files: self.limits.package_files,
                is_void: &is_void,
            };
            let granted = writer.claim(&rules, &claims)?;
            let held = renewals
                .iter()
                .map(|(claim, _)| writer.renew_claim(*claim, now))
                .collect::<Result<Vec<bool>, _>>()?;
            Ok::<_, StoreError>((stored, granted, held))
        });
        // An upload that was given up meanwhile does not wait for its answer any more; its claim
        // is released by its guard.
        match recorded {
            Ok((stored, granted, held)) => {
                let (mut stored, mut granted) = (stored.into_iter(), granted.into_iter());
                for (count, answer) in finish_answers {
                    drop(answer.send(Ok(stored.by_ref().take(count).collect())));
                }
                for (count, answer) in claim_answers {
                    drop(answer.send(Ok(granted.by_ref().take(count).collect())));
                }
                for ((_, answer), said) in renewals.into_iter().zip(held) {
                    drop(answer.send(Ok(said)));
                }
                for answer in release_answers {
                    drop(answer.send(Ok(())));
                }
            }
            Err(error) => {
                let moved = match &error {
                    StoreError::Registry(RegistryError::Moved { home }) => Some(home.clone()),
                    _ => None,
                };
                // Where the home has moved away nobody asks for these claims any more.
                if moved.is_none() {
                    self.unreleased = releases;
                }
                // One failure, many uploads: each is told, the first with the cause.
                let reason = error.to_string();
                let mut cause = Some(error);
                let mut failure = || {
                    let told = || match &moved {
                        Some(home) => RegistryError::Moved { home: home.clone() },
                        None => RegistryError::NoConnection { reason: reason.clone() },
                    };
                    cause.take().unwrap_or_else(|| told().into())
                };
                for (_, answer) in finish_answers {
                    drop(answer.send(Err(failure())));
                }
                for (_, answer) in claim_answers {
                    drop(answer.send(Err(failure())));
                }
                for (_, answer) in renewals {
                    drop(answer.send(Err(failure())));
                }
                for answer in release_answers {
                    drop(answer.send(Err(failure())));
                }
            }
        }
    }
}

/// One audit event for each package and origin: what one request, or one commit of an
/// embedded ingest, stored.
fn audit(
    writer: &mut Writer<'_>,
    finished: &[FinishedUpload],
    origins: &[Origin],
    stored: &[Result<(), FinishRefusal>],
) -> Result<(), StoreError> {
    let mut events: Vec<(PackageId, &Origin, Vec<&FinishedUpload>)> = Vec::new();
    for ((upload, origin), _) in
        finished.iter().zip(origins).zip(stored).filter(|(_, said)| said.is_ok())
    {
        match events.iter_mut().find(|(package, by, _)| *package == upload.package && *by == origin)
        {
            Some((_, _, uploads)) => uploads.push(upload),
            None => events.push((upload.package, origin, vec![upload])),
        }
    }
    for (package, origin, uploads) in events {
        let files: Vec<Value> = uploads
            .iter()
            .map(|upload| {
                let file = &upload.file.record;
                json!({"path": file.path, "size": file.size, "sha256": file.sha256})
            })
            .collect();
        let mut details = Map::new();
        details.insert("files".to_owned(), Value::Array(files));
        let event = NewAuditEvent {
            at: clock::now(),
            origin,
            action: AuditAction::FilesStored,
            package: Some(package),
            details,
        };
        writer.append_audit(event)?;
    }
    Ok(())
}
