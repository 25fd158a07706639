//! Points in time: UTC, whole microseconds, RFC 3339 with `Z`.

use std::fmt;
use std::str::FromStr;

use time::format_description::BorrowedFormatItem;
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;
use time::{Duration, OffsetDateTime, UtcOffset};

use crate::parsed::quote;

/// Six digits always, so that texts of one length sort like the times they stand for.
const TEXT: &[BorrowedFormatItem<'_>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:6]Z");

/// The last instant that RFC 3339 can write: the end of the year 9999, in microseconds.
const LAST_MICROS: i64 = 253_402_300_799_999_999;

/// A point in time in UTC, truncated to microseconds (what PostgreSQL keeps of one), between the
/// years 1970 and 9999.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, utoipa::ToSchema)]
#[schema(value_type = String, format = DateTime, example = "2026-01-31T12:00:00.000000Z")]
pub struct Timestamp(i64);

/// A text or number that is no point in time of ours.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "{text} is not a time: expected RFC 3339 between 1970 and 9999, such as 2026-01-31T12:00:00Z"
)]
pub struct InvalidTimestamp {
    /// What was given.
    pub text: String,
}

impl Timestamp {
    /// The time that lies so many microseconds after 1970-01-01T00:00:00Z.
    pub fn from_unix_micros(micros: i64) -> Result<Self, InvalidTimestamp> {
        if (0..=LAST_MICROS).contains(&micros) {
            Ok(Self(micros))
        } else {
            Err(InvalidTimestamp { text: format!("{micros} µs after 1970") })
        }
    }

    /// Microseconds since 1970-01-01T00:00:00Z; how the registry stores it.
    pub const fn unix_micros(self) -> i64 {
        self.0
    }

    /// This time and whole days of 24 hours more; the year 9999 is the end.
    #[must_use]
    pub fn plus_days(self, days: u32) -> Self {
        let micros = i64::from(days).saturating_mul(86_400_000_000);
        Self(self.0.saturating_add(micros).min(LAST_MICROS))
    }

    /// This time and whole days of 24 hours more; `None` beyond the year 9999.
    #[must_use]
    pub fn checked_plus_days(self, days: u64) -> Option<Self> {
        let micros = i64::try_from(days).ok()?.checked_mul(86_400_000_000)?;
        Self::from_unix_micros(self.0.checked_add(micros)?).ok()
    }

    /// The date in UTC, `2026-01-31`.
    pub fn date(self) -> String {
        self.to_string()[..10].to_owned()
    }

    /// Whole seconds since 1970-01-01T00:00:00Z.
    pub const fn unix_seconds(self) -> i64 {
        self.0 / 1_000_000
    }
}

impl TryFrom<OffsetDateTime> for Timestamp {
    type Error = InvalidTimestamp;

    fn try_from(time: OffsetDateTime) -> Result<Self, InvalidTimestamp> {
        let micros = time.to_offset(UtcOffset::UTC).unix_timestamp_nanos().div_euclid(1_000);
        i64::try_from(micros)
            .ok()
            .and_then(|micros| Self::from_unix_micros(micros).ok())
            .ok_or_else(|| InvalidTimestamp { text: time.to_string() })
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = OffsetDateTime::UNIX_EPOCH + Duration::microseconds(self.0);
        f.write_str(&time.format(&TEXT).map_err(|_| fmt::Error)?)
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Timestamp {
    type Err = InvalidTimestamp;

    fn from_str(text: &str) -> Result<Self, InvalidTimestamp> {
        OffsetDateTime::parse(text, &Rfc3339)
            .ok()
            .and_then(|time| Self::try_from(time).ok())
            .ok_or_else(|| InvalidTimestamp { text: quote(text) })
    }
}

impl serde::Serialize for Timestamp {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Timestamp {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_time_is_written_in_utc_with_six_digits() {
        let time: Timestamp = "2026-03-01T13:00:00.5+01:00".parse().unwrap();
        assert_eq!(time.to_string(), "2026-03-01T12:00:00.500000Z");
        assert_eq!(time.date(), "2026-03-01");
    }

    #[test]
    fn what_lies_below_a_microsecond_is_cut_off_not_rounded() {
        let time: Timestamp = "2026-03-01T12:00:00.1234569Z".parse().unwrap();
        assert_eq!(time.to_string(), "2026-03-01T12:00:00.123456Z");
    }

    #[test]
    fn ninety_days_are_ninety_times_24_hours() {
        let time: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        assert_eq!(time.plus_days(90).to_string(), "2026-04-01T00:00:00.000000Z");
        assert_eq!(time.plus_days(u32::MAX).to_string(), "9999-12-31T23:59:59.999999Z");
    }

    #[test]
    fn days_that_lead_beyond_the_year_9999_can_be_told() {
        let time: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        assert_eq!(time.checked_plus_days(90), Some(time.plus_days(90)));
        for days in [4_000_000, u64::MAX] {
            assert_eq!(time.checked_plus_days(days), None, "{days}");
        }
    }

    #[test]
    fn texts_that_are_no_times_are_refused() {
        for text in [
            "",
            "2026-01-01",
            "2026-01-01T00:00:00",
            "2026-13-01T00:00:00Z",
            "1969-12-31T23:59:59Z",
            "now",
        ] {
            assert!(text.parse::<Timestamp>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_time_survives_its_text_form(micros in 0..=LAST_MICROS) {
            let time = Timestamp::from_unix_micros(micros).unwrap();
            prop_assert_eq!(time.to_string().parse::<Timestamp>().unwrap(), time);
        }
    }
}
