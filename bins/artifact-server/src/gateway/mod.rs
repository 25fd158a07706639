//! The gateway: packages over HTTP.
//!
//! | module | holds |
//! | --- | --- |
//! | `routes` | the resources; a handler extracts, calls one use case and answers |
//! | `caller` | who asks and what they may do; the only way to the store |
//! | `extract` | paths, parameters, bodies and digests of requests, strictly |
//! | `conditions` | ETags, preconditions and ranges |
//! | `bytes` | bodies of answers |
//! | `problem` | errors as problem documents |
//! | `early` | refusals before the body is sent |
//! | `listen`, `doors`, `workers`, `socket` | the server itself, its listeners, threads and connections |
//! | `connection` | what a connection and its requests tell each other |
//! | `unread` | what a client is told whose request cannot be read |
//! | `observe`, `metrics` | request ids, the log, the numbers |
//! | `readiness` | whether the parts work |
//! | `openapi` | the description of all this |

mod bytes;
mod caller;
mod conditions;
mod connection;
mod doors;
mod early;
mod extract;
mod listen;
mod metrics;
mod observe;
mod openapi;
mod problem;
mod readiness;
mod routes;
mod socket;
mod unread;
mod workers;

use std::time::Duration;

pub use listen::Gateway;

/// How the gateway behaves.
#[derive(Debug, Clone)]
pub struct Settings {
    /// What links begin with, without a slash at the end; empty for paths alone.
    pub public_url: String,
    /// The most bytes of one file, as the store has it.
    pub max_file_bytes: u64,
    /// How long a request's body may be silent.
    pub upload_idle: Duration,
    /// How long running requests may take to finish after the signal to stop.
    pub shutdown: Duration,
}
