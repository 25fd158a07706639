//! Servers on PostgreSQL, a folder and Ceph, as real processes: what several of them promise
//! together, and what they do when an engine fails.
//!
//! | module | holds |
//! | --- | --- |
//! | `shared` | engines, and servers that share them |
//! | `folder` | several servers on one PostgreSQL and one folder |
//! | `bucket` | several servers on one PostgreSQL and one bucket |
//! | `registry` | PostgreSQL stops |
//! | `hang` | PostgreSQL hangs |
//! | `gateway` | Ceph's gateway stops |
//! | `faults` | Ceph's gateway is busy or slow, and connections to it are cut |
//! | `ingest` | the ingest program while servers or engines come and go |
//! | `moving` | all packages from a folder to a bucket and back |
//! | `start` | databases that cannot be used |

#![expect(clippy::expect_used, clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[allow(dead_code, reason = "shared with the tests of the gateway")]
#[path = "../gateway/process.rs"]
mod process;
#[allow(dead_code, reason = "shared with the tests of the gateway")]
#[path = "../gateway/room.rs"]
mod room;
#[allow(dead_code, reason = "shared with the tests of the gateway")]
#[path = "../gateway/wire.rs"]
mod wire;

mod bucket;
mod faults;
mod folder;
mod gateway;
mod hang;
mod ingest;
mod moving;
mod registry;
mod shared;
mod start;
