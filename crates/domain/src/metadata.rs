//! Metadata: a producer's own JSON object, sealed in the manifest.

use serde_json::{Map, Value};

/// The most bytes that a package's metadata may have, written as compact JSON.
pub const MAX_METADATA_BYTES: usize = 256 * 1024;

/// The largest integer that every JSON reader keeps exactly: 2^53 - 1 (RFC 8785, I-JSON).
pub const MAX_SAFE_INTEGER: u64 = (1 << 53) - 1;

/// A JSON object that can be written as RFC 8785 bytes and stored in any of our databases.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize, utoipa::ToSchema)]
#[serde(transparent)]
#[schema(value_type = BTreeMap<String, Value>, example = json!({"suite": "tck"}))]
pub struct Metadata(Map<String, Value>);

/// Why a JSON object cannot be metadata. The place is a JSON pointer (RFC 6901).
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum InvalidMetadata {
    /// More bytes than [`MAX_METADATA_BYTES`].
    #[error(
        "the metadata has {bytes} bytes as JSON, more than {MAX_METADATA_BYTES}: store large documents as files"
    )]
    TooLarge {
        /// Its size as compact JSON.
        bytes: usize,
    },
    /// An integer that other JSON readers would round.
    #[error(
        "the metadata has the integer {number} at {pointer}, beyond 2^53: write it as a string"
    )]
    UnsafeInteger {
        /// Where it stands.
        pointer: String,
        /// The number.
        number: String,
    },
    /// A NUL character, which PostgreSQL does not store.
    #[error("the metadata has a NUL character at {pointer}")]
    Nul {
        /// Where it stands.
        pointer: String,
    },
}

impl Metadata {
    /// Checks an object's size, integers and texts.
    pub fn new(object: Map<String, Value>) -> Result<Self, InvalidMetadata> {
        let object = Value::Object(object);
        let bytes = object.to_string().len();
        if bytes > MAX_METADATA_BYTES {
            return Err(InvalidMetadata::TooLarge { bytes });
        }
        check(&object, &mut String::new())?;
        match object {
            Value::Object(object) => Ok(Self(object)),
            _ => Ok(Self::default()),
        }
    }

    /// The object.
    pub const fn as_object(&self) -> &Map<String, Value> {
        &self.0
    }

    /// Whether it says nothing.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

fn check(value: &Value, pointer: &mut String) -> Result<(), InvalidMetadata> {
    let nul = |pointer: &str| InvalidMetadata::Nul {
        pointer: if pointer.is_empty() { "the root".into() } else { pointer.into() },
    };
    match value {
        Value::Number(number) => {
            let safe = match (number.as_u64(), number.as_i64()) {
                (Some(positive), _) => positive <= MAX_SAFE_INTEGER,
                (None, Some(negative)) => negative.unsigned_abs() <= MAX_SAFE_INTEGER,
                // A fraction or an exponent: IEEE 754 on every side.
                (None, None) => true,
            };
            if safe {
                Ok(())
            } else {
                Err(InvalidMetadata::UnsafeInteger {
                    pointer: pointer.clone(),
                    number: number.to_string(),
                })
            }
        }
        Value::String(text) if text.contains('\0') => Err(nul(pointer)),
        Value::Null | Value::Bool(_) | Value::String(_) => Ok(()),
        Value::Array(items) => items.iter().enumerate().try_for_each(|(index, item)| {
            descend(pointer, &index.to_string(), |pointer| check(item, pointer))
        }),
        Value::Object(object) => object.iter().try_for_each(|(key, item)| {
            if key.contains('\0') {
                return Err(nul(pointer));
            }
            let step = key.replace('~', "~0").replace('/', "~1");
            descend(pointer, &step, |pointer| check(item, pointer))
        }),
    }
}

/// Runs `f` with `step` appended to the pointer, and takes it off again.
fn descend<T>(pointer: &mut String, step: &str, f: impl FnOnce(&mut String) -> T) -> T {
    let length = pointer.len();
    pointer.push('/');
    pointer.push_str(step);
    let result = f(pointer);
    pointer.truncate(length);
    result
}

impl<'de> serde::Deserialize<'de> for Metadata {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(Map::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metadata(text: &str) -> Result<Metadata, InvalidMetadata> {
        Metadata::new(serde_json::from_str(text).unwrap())
    }

    #[test]
    fn integers_beyond_two_to_the_53_are_refused_with_their_place() {
        assert!(metadata(r#"{"a": [9007199254740991, -9007199254740991, 1e300]}"#).is_ok());
        assert_eq!(
            metadata(r#"{"a": [0, {"b/c": 9007199254740992}]}"#),
            Err(InvalidMetadata::UnsafeInteger {
                pointer: "/a/1/b~1c".into(),
                number: "9007199254740992".into()
            })
        );
        assert!(metadata(r#"{"a": -9007199254740992}"#).is_err());
    }

    #[test]
    fn nul_is_refused_in_texts_and_keys() {
        assert_eq!(
            metadata(r#"{"a": "x\u0000"}"#),
            Err(InvalidMetadata::Nul { pointer: "/a".into() })
        );
        assert_eq!(
            metadata(r#"{"a\u0000": 1}"#),
            Err(InvalidMetadata::Nul { pointer: "the root".into() })
        );
    }

    #[test]
    fn its_size_is_bounded() {
        assert!(metadata(&format!(r#"{{"a":"{}"}}"#, "x".repeat(MAX_METADATA_BYTES - 8))).is_ok());
        assert!(matches!(
            metadata(&format!(r#"{{"a":"{}"}}"#, "x".repeat(MAX_METADATA_BYTES))),
            Err(InvalidMetadata::TooLarge { .. })
        ));
    }
}
