//! Names that users choose: producers, kinds, retention classes, titles, actors.

use crate::parsed::{parsed_string, quote};

/// A text that breaks the rule of the name it was to be.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{text} is not a valid {what}: expected {expected}")]
pub struct InvalidName {
    /// What the text was to be: "producer", "title".
    pub what: &'static str,
    /// The text, quoted and shortened.
    pub text: String,
    /// The rule, in words.
    pub expected: &'static str,
}

/// `first` for the first byte, then up to `more` bytes that satisfy `rest`.
fn has_shape(text: &str, first: fn(u8) -> bool, rest: fn(u8) -> bool, more: usize) -> bool {
    match text.as_bytes() {
        [head, tail @ ..] => first(*head) && tail.len() <= more && tail.iter().all(|b| rest(*b)),
        [] => false,
    }
}

const fn lower_or_digit(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit()
}

const fn word(byte: u8) -> bool {
    lower_or_digit(byte) || matches!(byte, b'.' | b'_' | b'-')
}

/// One line of text: `min..=max` characters and no control character, so that it fits into a
/// table, a log line and a bag's tag file.
fn is_line(text: &str, min: usize, max: usize) -> bool {
    let length = text.chars().count();
    (min..=max).contains(&length) && !text.chars().any(char::is_control)
}

macro_rules! name {
    (
        $(#[$doc:meta])* $type:ident, $what:literal, $expected:literal,
        pattern $pattern:literal, like $example:literal, $rule:expr
    ) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, utoipa::ToSchema)]
        #[schema(value_type = String, pattern = $pattern, example = $example)]
        pub struct $type(String);

        impl $type {
            fn check(text: &str) -> Result<(), InvalidName> {
                let rule: fn(&str) -> bool = $rule;
                if rule(text) {
                    return Ok(());
                }
                Err(InvalidName { what: $what, text: quote(text), expected: $expected })
            }
        }

        parsed_string!($type, InvalidName);
    };
}

name!(
    /// Who made the evidence: `guide-board`, `ci`.
    Producer,
    "producer",
    "1 to 64 of a-z, 0-9, '.', '_', '-', beginning with a letter or digit",
    pattern r"^[a-z0-9][a-z0-9._-]{0,63}$",
    like "guide-board",
    |text| has_shape(text, lower_or_digit, word, 63)
);
name!(
    /// What sort of package a producer made: `guide-board-run`, `directory`.
    Kind,
    "kind",
    "1 to 64 of a-z, 0-9, '.', '_', '-', beginning with a letter or digit",
    pattern r"^[a-z0-9][a-z0-9._-]{0,63}$",
    like "guide-board-run",
    |text| has_shape(text, lower_or_digit, word, 63)
);
name!(
    /// The producer's own id of what it handed over, such as a run id. Unique per producer among
    /// packages that are neither failed nor deleted.
    ExternalId,
    "external id",
    "1 to 256 characters on one line",
    pattern r"^[^\u0000-\u001f\u007f-\u009f]{1,256}$",
    like "run-2026-03-01",
    |text| is_line(text, 1, 256)
);
name!(
    /// What a person calls the package.
    Title,
    "title",
    "1 to 256 characters on one line",
    pattern r"^[^\u0000-\u001f\u007f-\u009f]{1,256}$",
    like "CMIS pilot",
    |text| is_line(text, 1, 256)
);
name!(
    /// The name of a retention class: `raw-evidence`.
    RetentionClassName,
    "retention class",
    "1 to 63 of a-z, 0-9, '-', beginning with a letter",
    pattern r"^[a-z][a-z0-9-]{0,62}$",
    like "raw-evidence",
    |text| has_shape(text, |b| b.is_ascii_lowercase(), |b| lower_or_digit(b) || b == b'-', 62)
);
name!(
    /// The key of a label.
    LabelKey,
    "label key",
    "1 to 63 of a-z, 0-9, '.', '_', '-', beginning with a letter or digit",
    pattern r"^[a-z0-9][a-z0-9._-]{0,62}$",
    like "branch",
    |text| has_shape(text, lower_or_digit, word, 62)
);
name!(
    /// The value of a label; it may be empty.
    LabelValue,
    "label value",
    "at most 256 characters on one line",
    pattern r"^[^\u0000-\u001f\u007f-\u009f]{0,256}$",
    like "main",
    |text| is_line(text, 0, 256)
);
name!(
    /// Who did something, as events record it: a token's name, `anonymous`, `embedded`.
    Actor,
    "actor",
    "1 to 128 characters on one line",
    pattern r"^[^\u0000-\u001f\u007f-\u009f]{1,128}$",
    like "anonymous",
    |text| is_line(text, 1, 128)
);
name!(
    /// The id of the request that caused a change.
    RequestId,
    "request id",
    "1 to 128 of A-Z, a-z, 0-9, '.', '_', '-'",
    pattern r"^[A-Za-z0-9._-]{1,128}$",
    like "01890a5d-ac96-774b-bcce-b302099a8057",
    |text| {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
        has_shape(text, allowed, allowed, 127)
    }
);
name!(
    /// Why somebody did something. It may have several lines, but it must say something; and it is
    /// shown in terminals, so it has no other control characters.
    Reason,
    "reason",
    "1 to 2000 characters that are not all blank, without control characters but tabs and ends of lines",
    pattern r"^[^\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f]{0,1999}[^\u0000-\u0020\u007f-\u00a0][^\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f]{0,1999}$",
    like "the run was aborted",
    |text| {
        let is_text = |c: char| !c.is_control() || matches!(c, '\t' | '\n' | '\r');
        !text.trim().is_empty() && text.chars().count() <= 2000 && text.chars().all(is_text)
    }
);
name!(
    /// Who demands a hold: a case number, a contract, an order.
    Mandate,
    "mandate",
    "1 to 256 characters on one line",
    pattern r"^[^\u0000-\u001f\u007f-\u009f]{1,256}$",
    like "case 2026-17",
    |text| is_line(text, 1, 256)
);
name!(
    /// What a retention class is for; it may be empty.
    ClassDescription,
    "class description",
    "at most 256 characters on one line",
    pattern r"^[^\u0000-\u001f\u007f-\u009f]{0,256}$",
    like "Evidence that a release was made on.",
    |text| is_line(text, 0, 256)
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn producers_have_their_shape() {
        for good in ["guide-board", "a", "0", "x.y_z-1", &"a".repeat(64)] {
            assert!(Producer::parse(good).is_ok(), "{good}");
        }
        for bad in ["", "-a", ".a", "A", "a b", "ä", "a/b", &"a".repeat(65)] {
            assert!(Producer::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn retention_classes_begin_with_a_letter() {
        assert!(RetentionClassName::parse("raw-evidence").is_ok());
        for bad in ["", "1a", "-a", "a_b", "a.b", &"a".repeat(64)] {
            assert!(RetentionClassName::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn lines_count_characters_and_refuse_control_characters() {
        assert!(Title::parse("ü".repeat(256)).is_ok());
        assert!(Title::parse("ü".repeat(257)).is_err());
        assert!(Title::parse("two\nlines").is_err());
        assert!(ExternalId::parse("").is_err());
        assert!(LabelValue::parse("").is_ok());
    }

    #[test]
    fn a_reason_must_say_something() {
        assert!(Reason::parse("because\nit is so").is_ok());
        assert!(Reason::parse(" \n\t").is_err());
        for text in ["nul\0", "\u{1b}[31mred", "c1 \u{9b}"] {
            assert!(Reason::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn the_error_names_the_thing_the_text_and_the_rule() {
        let error = Producer::parse("Guide Board").unwrap_err().to_string();
        assert_eq!(
            error,
            "\"Guide Board\" is not a valid producer: expected 1 to 64 of a-z, 0-9, '.', '_', '-', beginning with a letter or digit"
        );
    }
}
