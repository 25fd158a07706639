//! TCK reports in JSON, as a stream.
//!
//! One visitor knows where it is and which keys lead further; everything else is passed over
//! without being held. Something that is not shaped like a report ends the reading at once.

use std::{
    fmt,
    io::{self, BufReader, Read},
};

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::{
    bounded::{BoundedStrings, is_too_long},
    tally::{Tally, Verdict},
};

/// Counts a report; fails only if the file cannot be read.
pub(super) fn read(reader: impl Read, tally: &mut Tally) -> io::Result<Verdict> {
    let reader = BufReader::with_capacity(64 * 1024, BoundedStrings::new(reader));
    let mut json = serde_json::Deserializer::from_reader(reader);
    let mut text = None;
    let seed = Seed { place: Place::Report, tally, text: &mut text };
    match seed.deserialize(&mut json).and_then(|()| json.end()) {
        Ok(()) => Ok(tally.verdict(None)),
        Err(error) if error.is_io() => {
            let error = io::Error::from(error);
            if is_too_long(&error) {
                Ok(tally.verdict(Some(error.to_string())))
            } else {
                Err(error)
            }
        }
        Err(error) => Ok(tally.verdict(Some(error.to_string()))),
    }
}

/// Where in a report a value stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Report,
    Parameters,
    Groups,
    Group,
    Tests,
    Test,
    Results,
    Result,
    /// A status or the value of a parameter.
    Text,
}

struct Seed<'t> {
    place: Place,
    tally: &'t mut Tally,
    /// The last text that was read.
    text: &'t mut Option<String>,
}

impl Seed<'_> {
    fn at(&mut self, place: Place) -> Seed<'_> {
        Seed { place, tally: self.tally, text: self.text }
    }

    fn unexpected<E: Error>(&self, found: &str) -> E {
        E::custom(format_args!("{found} where a TCK report has {}", self.place.name()))
    }
}

impl Place {
    fn name(self) -> &'static str {
        match self {
            Self::Report => "an object with groups",
            Self::Parameters => "an object with parameters",
            Self::Groups => "a list of groups",
            Self::Group => "a group",
            Self::Tests => "a list of tests",
            Self::Test => "a test",
            Self::Results => "a list of results",
            Self::Result => "a result",
            Self::Text => "text",
        }
    }

    /// Where a key of an object at this place leads.
    fn below(self, key: &str) -> Option<Self> {
        match (self, key) {
            (Self::Report, "parameters") => Some(Self::Parameters),
            (Self::Report, "groups") => Some(Self::Groups),
            (Self::Group, "tests") => Some(Self::Tests),
            (Self::Test | Self::Result, "results") => Some(Self::Results),
            (Self::Parameters, _) | (Self::Result, "status") => Some(Self::Text),
            _ => None,
        }
    }

    /// Where the elements of a list at this place stand.
    fn element(self) -> Option<Self> {
        match self {
            Self::Groups => Some(Self::Group),
            Self::Tests => Some(Self::Test),
            Self::Results => Some(Self::Result),
            _ => None,
        }
    }
}

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.place.name())
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        // Null is as good as absent.
        match self.place {
            Place::Report | Place::Group | Place::Test | Place::Result => {
                Err(self.unexpected("null"))
            }
            _ => Ok(()),
        }
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<(), E> {
        if self.place != Place::Text {
            return Err(self.unexpected("a string"));
        }
        *self.text = Some(value.to_owned());
        Ok(())
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<(), E> {
        self.visit_str(if value { "true" } else { "false" })
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<(), E> {
        self.visit_str(&value.to_string())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<(), E> {
        self.visit_str(&value.to_string())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<(), E> {
        self.visit_str(&value.to_string())
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut list: A) -> Result<(), A::Error> {
        let Some(place) = self.place.element() else { return Err(self.unexpected("a list")) };
        while list.next_element_seed(self.at(place))?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut object: A) -> Result<(), A::Error> {
        match self.place {
            Place::Group => self.tally.groups += 1,
            Place::Test => self.tally.tests += 1,
            Place::Report | Place::Parameters | Place::Result => {}
            _ => return Err(self.unexpected("an object")),
        }
        let mut status = None;
        let mut has_groups = false;
        while let Some(key) = object.next_key::<String>()? {
            let Some(place) = self.place.below(&key) else {
                object.next_value::<IgnoredAny>()?;
                continue;
            };
            if place == Place::Groups && std::mem::replace(&mut has_groups, true) {
                return Err(A::Error::custom("the key \"groups\" occurs twice"));
            }
            *self.text = None;
            object.next_value_seed(self.at(place))?;
            match self.place {
                Place::Parameters => {
                    let value = self.text.take().unwrap_or_default();
                    self.tally.parameter(&key, &value);
                }
                Place::Result if place == Place::Text => status = self.text.take(),
                _ => {}
            }
        }
        if self.place == Place::Result {
            self.tally.result(status.as_deref());
        }
        Ok(())
    }
}
