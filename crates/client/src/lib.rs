//! The use cases of artifact-store over HTTP.
//!
//! # What this room is for
//!
//! A typed client of the gateway for the command line and for other Rust programs: the same words
//! as the embedded store, streaming both ways, digests checked in both directions, retries of
//! what is safe to retry. There is no gateway yet, so there is nothing in this room yet.
//!
//! # What it may not know
//!
//! The registry, the storage, the use cases' insides. It knows `artifact-domain`, whose wire types
//! it speaks, and HTTP.
