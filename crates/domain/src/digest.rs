//! Digests: SHA-256 is the contract, BLAKE3 a second, independent witness.

use std::fmt;
use std::str::FromStr;

use data_encoding::HEXLOWER;

use crate::parsed::quote;

/// A text that is not a digest.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{text} is not a {algorithm} digest: expected 64 lower-case hexadecimal characters")]
pub struct InvalidDigest {
    /// The algorithm whose digest was expected.
    pub algorithm: &'static str,
    /// The text, quoted and shortened.
    pub text: String,
}

macro_rules! digest {
    ($(#[$doc:meta])* $type:ident, $algorithm:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, utoipa::ToSchema)]
        #[schema(
            value_type = String,
            pattern = "^[0-9a-f]{64}$",
            example = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
        )]
        pub struct $type([u8; 32]);

        impl $type {
            /// The digest with these bytes.
            pub const fn from_bytes(bytes: [u8; 32]) -> Self {
                Self(bytes)
            }

            /// The 32 bytes of the digest.
            pub const fn as_bytes(&self) -> &[u8; 32] {
                &self.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&HEXLOWER.encode(&self.0))
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $type {
            type Err = InvalidDigest;

            fn from_str(text: &str) -> Result<Self, InvalidDigest> {
                let invalid = || InvalidDigest { algorithm: $algorithm, text: quote(text) };
                let bytes = HEXLOWER.decode(text.as_bytes()).ok().ok_or_else(invalid)?;
                Ok(Self(bytes.try_into().ok().ok_or_else(invalid)?))
            }
        }

        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

digest!(
    /// A SHA-256 digest (FIPS 180-4); its text form is 64 lower-case hexadecimal characters.
    Sha256Digest,
    "SHA-256"
);
digest!(
    /// A BLAKE3 digest of 256 bits; its text form is 64 lower-case hexadecimal characters.
    Blake3Digest,
    "BLAKE3"
);

impl Sha256Digest {
    /// The SHA-256 of bytes that are in memory anyway, such as a tag file.
    pub fn of(bytes: &[u8]) -> Self {
        use sha2::Digest as _;
        Self(sha2::Sha256::digest(bytes).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sha256_of_nothing_is_the_published_value() {
        let text = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(Sha256Digest::of(b"").to_string(), text);
        assert_eq!(text.parse(), Ok(Sha256Digest::of(b"")));
    }

    #[test]
    fn capitals_prefixes_and_other_lengths_are_refused() {
        let text = Sha256Digest::of(b"").to_string();
        for wrong in [
            text.to_uppercase(),
            format!("sha256:{text}"),
            text[2..].to_owned(),
            format!("{text}00"),
        ] {
            assert!(wrong.parse::<Sha256Digest>().is_err(), "{wrong}");
        }
    }
}
