//! One way to make a string type that only holds valid values.

/// Implements what every parsed string type has in common: `parse`, `as_str`, `FromStr`,
/// `Display`, and serde in both directions through the same rule.
///
/// The type has to be a tuple struct over `String` with a private field, and to have a
/// `fn check(&str) -> Result<(), E>` that states its rule.
macro_rules! parsed_string {
    ($type:ident, $error:ty) => {
        impl $type {
            /// Checks the rule of this type and keeps the text as it is.
            ///
            /// # Errors
            /// The rule that the text breaks.
            pub fn parse(text: impl Into<String>) -> Result<Self, $error> {
                let text = text.into();
                Self::check(&text)?;
                Ok(Self(text))
            }

            /// The text, exactly as it was given.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::str::FromStr for $type {
            type Err = $error;

            fn from_str(text: &str) -> Result<Self, $error> {
                Self::parse(text)
            }
        }

        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl std::fmt::Debug for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, "{:?}", self.0)
            }
        }

        impl AsRef<str> for $type {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                Self::parse(text).map_err(serde::de::Error::custom)
            }
        }
    };
}

pub(crate) use parsed_string;

/// At most the first 80 characters of a text, so that an error can quote its cause.
pub(crate) fn quote(text: &str) -> String {
    let mut quoted: String = text.chars().take(80).collect();
    if quoted.len() < text.len() {
        quoted.push('…');
    }
    format!("{quoted:?}")
}
