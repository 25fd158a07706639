//! What lenient reading does not tolerate.

use super::support::{fixture, leniently};

#[test]
fn lenient_reading_still_refuses_contradictions_and_broken_documents() {
    for name in [
        "contradicting-retention-summary",
        "contradicting-run-id",
        "contradicting-spellings",
        "counts-disagree",
        "counts-disagree-across-files",
        "duplicate-keys",
        "integer-too-large",
        "malformed-json",
        "not-an-object",
        "not-utf-8",
        "wrong-type-deep-inside",
        "wrong-types",
    ] {
        assert!(leniently(&fixture(name)).is_err(), "{name}");
    }
}
