//! The results of an OpenCMIS TCK (test compatibility kit) run among the raw artifacts.
//!
//! A report is known by its content, not by its name: a JSON object whose `groups` hold tests, or
//! an XML root `<report>` whose `<group>` elements hold tests. Its text form is for people and not
//! read.
//!
//! Reports may have hundreds of MiB, so they are read as a stream: nothing but counts and digests
//! stays in memory. One JSON string or one piece of XML may have 64 MiB and results may nest 60
//! deep; what exceeds that is reported as a damaged report and not counted. Entities are never
//! expanded: a report that declares any is not read.
//!
//! # Which report counts
//!
//! The first one by path. If it is XML and there is a JSON report of the same run, the JSON report
//! is used. Two reports are of the same run if their parameters are equal, and either the counts of
//! their results or the numbers of their groups and tests. Reports of the same run that disagree on
//! the counts get a warning, and so do reports of another run, which are not counted. Nothing is
//! added up.

mod bounded;
mod find;
mod json;
mod sniff;
mod tally;
mod xml;

pub(super) use find::{TckResults, find};
