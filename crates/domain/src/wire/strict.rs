//! Rules of requests that a derived reader does not have.

use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use crate::metadata::MAX_SAFE_INTEGER;

/// An integer that every JSON reader keeps exactly (RFC 7493, section 2.2).
pub(super) fn safe_integer<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    let number = u64::deserialize(deserializer)?;
    if number > MAX_SAFE_INTEGER {
        return Err(D::Error::custom(format!(
            "the integer {number} is beyond 2^53: other JSON readers would round it"
        )));
    }
    Ok(number)
}

/// The same for a member that may be null.
pub(super) fn optional_safe_integer<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<u64>, D::Error> {
    #[derive(Deserialize)]
    struct Safe(#[serde(deserialize_with = "safe_integer")] u64);

    Ok(Option::<Safe>::deserialize(deserializer)?.map(|number| number.0))
}

/// A list of objects. A derived reader of a structure takes a list of its members too, in an
/// order that no interface promises.
pub(super) fn objects<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned,
{
    let objects = Vec::<Map<String, Value>>::deserialize(deserializer)?;
    let read = |object| serde_json::from_value(Value::Object(object)).map_err(D::Error::custom);
    objects.into_iter().map(read).collect()
}
