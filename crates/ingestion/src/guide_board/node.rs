//! Typed access to the values of a document. Every complaint names file, line and column.

use serde_json::{Map, Value};

use super::{
    document::{Document, Leftovers},
    error::GuideBoardError,
    names::{snake_case, spellings},
    position::Position,
};

/// The largest integer that every JSON reader keeps exactly, 2^53 - 1.
const MAX_INTEGER: u64 = (1 << 53) - 1;

/// A value and where it stands.
#[derive(Clone)]
pub(super) struct Node<'a> {
    pub(super) document: &'a Document,
    path: Vec<String>,
    pub(super) value: &'a Value,
}

/// An object and where it stands.
pub(super) struct Object<'a> {
    node: Node<'a>,
    members: &'a Map<String, Value>,
}

impl<'a> Node<'a> {
    pub(super) fn root(document: &'a Document, value: &'a Value) -> Self {
        Self { document, path: Vec::new(), value }
    }

    fn child(&self, step: impl Into<String>, value: &'a Value) -> Self {
        let mut path = self.path.clone();
        path.push(step.into());
        Self { document: self.document, path, value }
    }

    /// The key or index this value stands under, in its original spelling.
    pub(super) fn key(&self) -> &str {
        self.path.last().map_or("", String::as_str)
    }

    pub(super) fn position(&self) -> Position {
        Position::of_value(&self.document.text, &self.path)
    }

    /// File, line and column, for messages.
    pub(super) fn location(&self) -> String {
        let at = self.position();
        format!("{}:{}:{}", self.document.name, at.line, at.column)
    }

    pub(super) fn object(&self) -> Result<Object<'a>, GuideBoardError> {
        match self.value {
            Value::Object(members) => Ok(Object { node: self.clone(), members }),
            _ => Err(self.wrong_type("an object")),
        }
    }

    /// The elements of a list.
    pub(super) fn list(&self, expected: &str) -> Result<Vec<Self>, GuideBoardError> {
        match self.value {
            Value::Array(values) => Ok(values
                .iter()
                .enumerate()
                .map(|(index, value)| self.child(index.to_string(), value))
                .collect()),
            _ => Err(self.wrong_type(expected)),
        }
    }

    pub(super) fn text(&self, expected: &str) -> Result<&'a str, GuideBoardError> {
        match self.value {
            Value::String(text) => {
                self.check_storable()?;
                Ok(text)
            }
            _ => Err(self.wrong_type(expected)),
        }
    }

    pub(super) fn boolean(&self) -> Result<bool, GuideBoardError> {
        self.value.as_bool().ok_or_else(|| self.wrong_type("true or false"))
    }

    pub(super) fn count(&self) -> Result<u64, GuideBoardError> {
        match self.value.as_u64() {
            Some(count) => {
                self.check_storable()?;
                Ok(count)
            }
            None => Err(self.wrong_type("a count, an integer that is not negative")),
        }
    }

    /// The value as it is, once it is known that metadata can hold it exactly.
    pub(super) fn storable(&self) -> Result<Value, GuideBoardError> {
        self.check_storable()?;
        Ok(self.value.clone())
    }

    pub(super) fn wrong_type(&self, expected: &str) -> GuideBoardError {
        let at = self.position();
        GuideBoardError::WrongType {
            file: self.document.name,
            line: at.line,
            column: at.column,
            place: self.place(),
            found: describe(self.value),
            expected: expected.to_owned(),
        }
    }

    fn check_storable(&self) -> Result<(), GuideBoardError> {
        match self.value {
            Value::Number(number) if !is_exact(number) => Err(self.not_storable(format!(
                "is the number {number}, which not every JSON reader keeps exactly; write integers \
                 of 2^53 or more as a string"
            ))),
            Value::String(text) if text.contains('\0') => Err(self.nul_inside()),
            Value::Array(values) => values.iter().enumerate().try_for_each(|(index, value)| {
                self.child(index.to_string(), value).check_storable()
            }),
            Value::Object(members) => members.iter().try_for_each(|(key, value)| {
                let member = self.child(key, value);
                member.check_key()?;
                member.check_storable()
            }),
            _ => Ok(()),
        }
    }

    fn check_key(&self) -> Result<(), GuideBoardError> {
        if self.key().contains('\0') { Err(self.nul_inside()) } else { Ok(()) }
    }

    fn nul_inside(&self) -> GuideBoardError {
        self.not_storable("holds a NUL character; remove it".to_owned())
    }

    fn not_storable(&self, problem: String) -> GuideBoardError {
        let at = self.position();
        GuideBoardError::NotStorable {
            file: self.document.name,
            line: at.line,
            column: at.column,
            place: self.place(),
            problem,
        }
    }

    /// The JSON pointer of this value, for messages.
    fn place(&self) -> String {
        if self.path.is_empty() {
            return "the document".to_owned();
        }
        self.path.iter().fold(String::new(), |mut pointer, step| {
            pointer.push('/');
            pointer.push_str(&step.replace('~', "~0").replace('/', "~1"));
            pointer
        })
    }
}

impl<'a> Object<'a> {
    /// The member whose key is a spelling of `name`; `None` if there is none or it is null.
    pub(super) fn field(&self, name: &str) -> Result<Option<Node<'a>>, GuideBoardError> {
        let mut found: Option<Node<'a>> = None;
        for (key, value) in self.members.iter().filter(|(key, _)| snake_case(key) == name) {
            let node = self.node.child(key, value);
            match &found {
                Some(first) if first.value != value => return Err(spellings_differ(first, &node)),
                Some(_) => {}
                None => found = Some(node),
            }
        }
        Ok(found.filter(|node| !node.value.is_null()))
    }

    /// Like [`Object::field`], for a member that must be there.
    pub(super) fn required(&self, name: &str) -> Result<Node<'a>, GuideBoardError> {
        self.field(name)?
            .ok_or_else(|| self.node.wrong_type(&format!("an object with {}", spellings(name))))
    }

    /// All members, sorted by key; for objects whose keys are data and not names.
    pub(super) fn entries(&self) -> Result<Vec<(&'a str, Node<'a>)>, GuideBoardError> {
        let mut entries = Vec::with_capacity(self.members.len());
        for (key, value) in self.members {
            let node = self.node.child(key, value);
            node.check_key()?;
            entries.push((key.as_str(), node));
        }
        entries.sort_by_key(|(key, _)| *key);
        Ok(entries)
    }

    /// The members that are no spelling of a `known` name, as they are.
    pub(super) fn unknown(&self, known: &[&str]) -> Result<Leftovers, GuideBoardError> {
        let mut leftovers = Leftovers::new();
        for (key, node) in self.entries()? {
            if !known.contains(&snake_case(key).as_str()) {
                leftovers.insert(key.to_owned(), node.storable()?);
            }
        }
        Ok(leftovers)
    }
}

/// Whether a number means the same to every reader of JSON.
fn is_exact(number: &serde_json::Number) -> bool {
    if let Some(integer) = number.as_u64() {
        integer <= MAX_INTEGER
    } else if let Some(integer) = number.as_i64() {
        integer.unsigned_abs() <= MAX_INTEGER
    } else {
        // 2^53; an integer too long for 64 bits arrives here, already rounded.
        number
            .as_f64()
            .is_some_and(|float| float.fract() != 0.0 || float.abs() < 9_007_199_254_740_992.0)
    }
}

fn spellings_differ(first: &Node<'_>, second: &Node<'_>) -> GuideBoardError {
    let at = second.position();
    let member = |node: &Node<'_>| format!("{:?}: {}", node.key(), shortened(node.value));
    GuideBoardError::SpellingsDiffer {
        file: second.document.name,
        line: at.line,
        column: at.column,
        first: member(first),
        second: member(second),
    }
}

/// A value as JSON, cut to a length that fits into a message.
pub(super) fn shortened(value: &Value) -> String {
    const LONGEST: usize = 200;
    let json = value.to_string();
    match json.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", json.get(..end).unwrap_or_default()),
        None => json,
    }
}

fn describe(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(_) => format!("the boolean {value}"),
        Value::Number(_) => format!("the number {value}"),
        Value::String(_) => format!("the string {}", shortened(value)),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "an object".to_owned(),
    }
}
