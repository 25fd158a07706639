//! Identities that the store gives out: UUIDv7 (RFC 9562), lower-case and hyphenated.

use std::fmt;
use std::str::FromStr;

use uuid::Uuid;

use crate::Timestamp;
use crate::parsed::quote;

/// A text that is not an id of ours.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "{text} is not {kind}: expected a UUIDv7 in lower-case hyphenated form, such as 01890a5d-ac96-774b-bcce-b302099a8057"
)]
pub struct InvalidId {
    /// What was looked for, with its article: "a package id".
    pub kind: &'static str,
    /// The text, quoted and shortened.
    pub text: String,
}

macro_rules! uuid_id {
    ($(#[$doc:meta])* $type:ident, $kind:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, utoipa::ToSchema)]
        #[schema(
            value_type = String,
            pattern = "^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$",
            example = "01890a5d-ac96-774b-bcce-b302099a8057"
        )]
        pub struct $type(Uuid);

        impl $type {
            /// A new id. Its leading bits are `at`, down to a quarter of a microsecond (RFC 9562,
            /// section 6.2, method 3), so ids made later sort later; the rest is random. The time
            /// in it is for ordering only and is never read back as a fact.
            pub fn generate(at: Timestamp) -> Self {
                let micros = at.unix_micros().max(0).unsigned_abs();
                let nanos = u32::try_from(micros % 1_000_000).unwrap_or(0) * 1_000;
                let context = uuid::ContextV7::new().with_additional_precision();
                let stamp = uuid::Timestamp::from_unix(&context, micros / 1_000_000, nanos);
                Self(Uuid::new_v7(stamp))
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0.hyphenated(), f)
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $type {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                match Uuid::try_parse(text) {
                    // One identity has one spelling: braces, URNs and capitals are other strings.
                    Ok(id) if id.get_version_num() == 7 && id.hyphenated().to_string() == text => {
                        Ok(Self(id))
                    }
                    _ => Err(InvalidId { kind: $kind, text: quote(text) }),
                }
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

uuid_id!(
    /// The stable identity of a package: what a tracker records and a link contains.
    PackageId,
    "a package id"
);
uuid_id!(
    /// One attempt to upload one file: the token that says the path is still ours.
    ClaimId,
    "a claim id"
);
uuid_id!(
    /// One legal hold.
    HoldId,
    "a hold id"
);
uuid_id!(
    /// One storage root, wherever it is mounted or however its URL is spelled.
    StorageId,
    "a storage id"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_survives_its_text_form() {
        let id = PackageId::generate(Timestamp::from_unix_micros(1_790_000_000_123_456).unwrap());
        assert_eq!(id.to_string().parse::<PackageId>().unwrap(), id);
    }

    #[test]
    fn ids_made_later_sort_later() {
        let earlier = PackageId::generate(Timestamp::from_unix_micros(1_000_000_000).unwrap());
        let later = PackageId::generate(Timestamp::from_unix_micros(1_000_000_001).unwrap());
        assert!(earlier < later && earlier.to_string() < later.to_string());
    }

    #[test]
    fn other_spellings_and_other_versions_are_refused() {
        for text in [
            "",
            "x",
            "01890A5D-AC96-774B-BCCE-B302099A8057",
            "{01890a5d-ac96-774b-bcce-b302099a8057}",
            "01890a5dac96774bbcceb302099a8057",
            "urn:uuid:01890a5d-ac96-774b-bcce-b302099a8057",
            "936da01f-9abd-4d9d-80c7-02af85c822a8",
        ] {
            assert!(text.parse::<PackageId>().is_err(), "{text}");
        }
    }
}
