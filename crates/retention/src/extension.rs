//! Whether somebody may have a package kept until a later time.

use artifact_domain::Timestamp;
use artifact_domain::retention::Extension;

use crate::span::counted;

/// Why an extension is not made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ExtensionRefusal {
    /// No day more is no extension.
    #[error("0 days were asked for: ask for 1 or more")]
    NoDay,
    /// The time that was asked for is not to come.
    #[error("{asked} is not later than now, {now}: name a time to come")]
    Past {
        /// The time that was asked for.
        asked: Timestamp,
        /// When it was asked.
        now: Timestamp,
    },
    /// The days lead beyond the last year that can be written.
    #[error(
        "{} beyond {present} lead beyond the year 9999: ask for fewer, or for it to be kept for \
         ever",
        counted(*.days, "day")
    )]
    TooFar {
        /// The present expiry.
        present: Timestamp,
        /// The days that were asked for.
        days: u64,
    },
    /// The time that was asked for is earlier than the present expiry.
    #[error(
        "{asked} is earlier than {present}, until which it is kept already: an expiry is never \
         moved to an earlier time, so name a later one"
    )]
    Shortened {
        /// The present expiry.
        present: Timestamp,
        /// The time that was asked for.
        asked: Timestamp,
    },
    /// The package is kept for ever.
    #[error("it is kept for ever, and {} would end that: leave it as it is", wish(*.asked))]
    Permanent {
        /// What was asked for.
        asked: Extension,
    },
    /// The expiry has passed, and the days that were asked for do not reach the present.
    #[error(
        "{} beyond its expiry, {present}, end at {ends_at}, which is not later than now, {now}: \
         ask for more days, or name a time to come",
        counted(*.days, "day")
    )]
    StillExpired {
        /// The present expiry.
        present: Timestamp,
        /// The days that were asked for.
        days: u64,
        /// When they end.
        ends_at: Timestamp,
        /// When they were asked for.
        now: Timestamp,
    },
}

impl ExtensionRefusal {
    /// Whether what was asked for makes sense in itself, and only the package's present expiry
    /// stands against it. Otherwise the request has to be another one, whatever the package is.
    pub const fn is_shortening(&self) -> bool {
        match self {
            Self::Shortened { .. } | Self::Permanent { .. } | Self::StillExpired { .. } => true,
            Self::NoDay | Self::Past { .. } | Self::TooFar { .. } => false,
        }
    }
}

fn wish(asked: Extension) -> String {
    match asked {
        Extension::Until(until) => format!("an expiry at {until}"),
        Extension::Days(days) => format!("an expiry in {}", counted(days, "day")),
        Extension::Permanent => "permanence".to_owned(),
    }
}

/// The expiry after an extension; `None` is for ever. It is later than `now` and never earlier
/// than `present`; if it equals `present`, there is nothing to change.
pub fn extend(
    present: Option<Timestamp>,
    asked: Extension,
    now: Timestamp,
) -> Result<Option<Timestamp>, ExtensionRefusal> {
    match asked {
        Extension::Permanent => Ok(None),
        // A time that has passed is refused as such, also where it would shorten too: it is wrong
        // for every package.
        Extension::Until(until) if until <= now => {
            Err(ExtensionRefusal::Past { asked: until, now })
        }
        Extension::Days(0) => Err(ExtensionRefusal::NoDay),
        Extension::Until(until) => {
            let present = present.ok_or(ExtensionRefusal::Permanent { asked })?;
            if until < present {
                return Err(ExtensionRefusal::Shortened { present, asked: until });
            }
            Ok(Some(until))
        }
        Extension::Days(days) => {
            let present = present.ok_or(ExtensionRefusal::Permanent { asked })?;
            let ends_at = present
                .checked_plus_days(days)
                .ok_or(ExtensionRefusal::TooFar { present, days })?;
            // It would be later, and yet the package could go as it could before: whoever extends
            // wants it kept.
            if ends_at <= now {
                return Err(ExtensionRefusal::StillExpired { present, days, ends_at, now });
            }
            Ok(Some(ends_at))
        }
    }
}
