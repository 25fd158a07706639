//! Labels: a few pairs that lists can be filtered by.

use std::collections::BTreeMap;

use crate::name::{LabelKey, LabelValue};

/// The most pairs that one package carries.
pub const MAX_LABELS: usize = 32;

/// The labels of a package, ordered by key; at most [`MAX_LABELS`].
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
#[serde(transparent)]
#[schema(value_type = BTreeMap<String, LabelValue>, example = json!({"branch": "main"}))]
pub struct Labels(BTreeMap<LabelKey, LabelValue>);

/// More labels than a package carries.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{count} labels given: a package carries at most {MAX_LABELS}")]
pub struct TooManyLabels {
    /// How many there were.
    pub count: usize,
}

impl Labels {
    /// Checks the number of pairs.
    pub fn new(pairs: BTreeMap<LabelKey, LabelValue>) -> Result<Self, TooManyLabels> {
        if pairs.len() > MAX_LABELS {
            return Err(TooManyLabels { count: pairs.len() });
        }
        Ok(Self(pairs))
    }

    /// The pairs, ordered by key.
    pub fn iter(&self) -> impl Iterator<Item = (&LabelKey, &LabelValue)> {
        self.0.iter()
    }

    /// The pairs as a map.
    pub const fn as_map(&self) -> &BTreeMap<LabelKey, LabelValue> {
        &self.0
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<'de> serde::Deserialize<'de> for Labels {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(BTreeMap::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}
