//! Sizes in bytes, as configuration writes them.

use std::fmt;
use std::str::FromStr;

use crate::metadata::MAX_SAFE_INTEGER;
use crate::parsed::quote;

/// The largest file that can be recorded: sizes are JSON integers and stay exact (2^53 - 1 bytes,
/// 9 PB).
pub const MAX_FILE_BYTES: u64 = MAX_SAFE_INTEGER;

/// A size in bytes, written as a number or with a binary unit: `1048576`, `64MiB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ByteSize(pub u64);

/// A text that is no size.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "{text} is not a size: expected bytes or a number with KiB, MiB, GiB or TiB, such as 64MiB"
)]
pub struct InvalidByteSize {
    /// The text, quoted and shortened.
    pub text: String,
}

const UNITS: [(&str, u64); 4] =
    [("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];

impl FromStr for ByteSize {
    type Err = InvalidByteSize;

    fn from_str(text: &str) -> Result<Self, InvalidByteSize> {
        let (number, unit) = UNITS
            .iter()
            .find_map(|(unit, bytes)| text.strip_suffix(unit).map(|number| (number, *bytes)))
            .unwrap_or((text, 1));
        // `u64::from_str` would take a leading plus.
        let digits = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
        digits
            .then(|| number.parse::<u64>().ok()?.checked_mul(unit))
            .flatten()
            .map(Self)
            .ok_or_else(|| InvalidByteSize { text: quote(text) })
    }
}

impl fmt::Display for ByteSize {
    /// With the largest unit that it reaches and one digit after the point: `3.2 MiB`, `17 B`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match UNITS.iter().find(|(_, bytes)| self.0 >= *bytes) {
            Some((unit, bytes)) => {
                let tenths = u128::from(self.0) * 10 / u128::from(*bytes);
                write!(f, "{}.{} {unit}", tenths / 10, tenths % 10)
            }
            None => write!(f, "{} B", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_bytes_or_carry_a_binary_unit() {
        assert_eq!("0".parse(), Ok(ByteSize(0)));
        assert_eq!("64MiB".parse(), Ok(ByteSize(64 << 20)));
        for text in ["", "MiB", "-1", "+1", "1.5GiB", "64MB", "64 MiB", "99999999999TiB"] {
            assert!(text.parse::<ByteSize>().is_err(), "{text}");
        }
    }

    #[test]
    fn people_read_one_digit_after_the_point() {
        assert_eq!(ByteSize(17).to_string(), "17 B");
        assert_eq!(ByteSize(1024).to_string(), "1.0 KiB");
        assert_eq!(ByteSize(3_400_000).to_string(), "3.2 MiB");
        assert_eq!(ByteSize(u64::MAX).to_string(), "16777215.9 TiB");
    }
}
