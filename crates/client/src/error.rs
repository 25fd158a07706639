//! What went wrong, said so that something can be done about it.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use artifact_domain::wire::{ErrorCode, Problem};

/// Why the server refused or failed something, or could not be asked. Each says what was
/// attempted; [`code`] is for programs.
///
/// [`code`]: ClientError::code
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// A text that is not the URL of a server.
    #[error(
        "{url:?} is not the URL of a server: {reason}; expected one such as http://127.0.0.1:8080"
    )]
    InvalidUrl {
        /// The text, without secrets.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The client cannot be made on this system.
    #[error("failed to set up the connection: {0}")]
    Setup(String),
    /// The server refused or failed the request, and says why.
    #[error("failed to {what}: {}{}", .problem.detail, advice(.problem, *.attempts))]
    Problem {
        /// What was attempted, on what.
        what: String,
        /// What the server says.
        problem: Box<Problem>,
        /// How often it was attempted.
        attempts: u32,
    },
    /// The server answered something that is not of this interface.
    #[error("failed to {what}: {url} answered {status} {detail}{}", times(*.attempts))]
    Unexpected {
        /// What was attempted, on what.
        what: String,
        /// Where.
        url: String,
        /// The HTTP status.
        status: u16,
        /// What is wrong with the answer.
        detail: String,
        /// How often it was attempted.
        attempts: u32,
    },
    /// No answer was to be had.
    #[error("failed to {what}: no answer from {url}: {source}{}; check the address, and that the server runs and can be reached", times(*.attempts))]
    Transport {
        /// What was attempted, on what.
        what: String,
        /// Where.
        url: String,
        /// How often it was attempted.
        attempts: u32,
        /// What the system said.
        source: Cause,
    },
    /// A transfer stood still, or an answer did not come.
    #[error("failed to {what}: {url} was silent for {} s{}; check the network and the load of the server", .silence.as_secs_f32(), times(*.attempts))]
    Stalled {
        /// What was attempted, on what.
        what: String,
        /// Where.
        url: String,
        /// For how long nothing moved.
        silence: Duration,
        /// How often it was attempted.
        attempts: u32,
    },
    /// An answer began and broke off.
    #[error("failed to {what}: the answer from {url} broke off after {received} bytes{}: {reason}{}", of(*.expected), times(*.attempts))]
    CutShort {
        /// What was attempted, on what.
        what: String,
        /// Where.
        url: String,
        /// How many bytes had come.
        received: u64,
        /// How many were announced.
        expected: Option<u64>,
        /// Why it broke off.
        reason: String,
        /// How often it was attempted.
        attempts: u32,
    },
    /// The bytes that arrived, here or there, are not those that were sent.
    #[error("failed to {what}: its {digest} is {actual}, not {expected}; {kept}")]
    Mismatch {
        /// What was attempted, on what.
        what: String,
        /// What was compared: `SHA-256`, `size`.
        digest: &'static str,
        /// What it should be.
        expected: String,
        /// What it is.
        actual: String,
        /// What became of the bytes.
        kept: &'static str,
    },
    /// One file of a batch was not stored.
    #[error("failed to {what}: {detail}")]
    Entry {
        /// What was attempted, on what.
        what: String,
        /// Why, for programs.
        code: ErrorCode,
        /// Why, for people.
        detail: String,
    },
    /// The bytes to send could not be had.
    #[error("failed to {what}: {source}")]
    Source {
        /// What was attempted, on what.
        what: String,
        /// What the source said.
        source: Box<dyn Error + Send + Sync>,
    },
}

/// What a failed exchange comes down to: the innermost reason, without the layers above it.
#[derive(Debug)]
pub struct Cause {
    text: String,
    whole: reqwest::Error,
}

impl Cause {
    pub(crate) fn new(error: reqwest::Error) -> Self {
        let whole = error.without_url();
        let mut innermost: &dyn Error = &whole;
        while let Some(source) = innermost.source() {
            innermost = source;
        }
        Self { text: innermost.to_string(), whole }
    }

    /// Whether the connection was never made, so that the server has seen nothing.
    pub(crate) fn is_unsent(&self) -> bool {
        self.whole.is_connect()
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Error for Cause {}

fn times(attempts: u32) -> String {
    if attempts > 1 { format!(" ({attempts} attempts)") } else { String::new() }
}

fn of(expected: Option<u64>) -> String {
    expected.map_or_else(String::new, |bytes| format!(" of {bytes}"))
}

/// What can be done about a problem, and how an operator finds it in the logs.
fn advice(problem: &Problem, attempts: u32) -> String {
    let advice = match problem.code {
        ErrorCode::Unauthorized => "; give a valid token",
        ErrorCode::Forbidden => "; give a token with the scope that is needed",
        _ => "",
    };
    let request = if problem.status >= 500 {
        format!(" (request {})", problem.request_id)
    } else {
        String::new()
    };
    format!("{advice}{request}{}", times(attempts))
}

impl ClientError {
    /// What went wrong, for programs. A server that cannot be reached counts as a storage that is
    /// not available.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::InvalidUrl { .. } => ErrorCode::InvalidRequest,
            Self::Problem { problem, .. } => problem.code,
            Self::Entry { code, .. } => *code,
            // A bare 404 comes from something that is no artifact-store, not from one that lacks
            // a package.
            Self::Unexpected { status, .. } => match status {
                401 | 407 => ErrorCode::Unauthorized,
                403 => ErrorCode::Forbidden,
                413 => ErrorCode::PayloadTooLarge,
                429 => ErrorCode::TooManyRequests,
                408 | 502..=504 => ErrorCode::StorageUnavailable,
                _ => ErrorCode::Internal,
            },
            Self::Transport { .. } | Self::Stalled { .. } | Self::CutShort { .. } => {
                ErrorCode::StorageUnavailable
            }
            Self::Mismatch { .. } => ErrorCode::DigestMismatch,
            Self::Setup(_) | Self::Source { .. } => ErrorCode::Internal,
        }
    }

    /// The problem document, if the server sent one.
    pub fn problem(&self) -> Option<&Problem> {
        match self {
            Self::Problem { problem, .. } => Some(problem),
            _ => None,
        }
    }

    /// The same error after so many attempts.
    pub(crate) fn after(mut self, made: u32) -> Self {
        match &mut self {
            Self::Problem { attempts, .. }
            | Self::Unexpected { attempts, .. }
            | Self::Transport { attempts, .. }
            | Self::Stalled { attempts, .. }
            | Self::CutShort { attempts, .. } => *attempts = made,
            _ => {}
        }
        self
    }
}
