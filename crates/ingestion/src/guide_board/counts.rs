//! Evidence results by status and findings by severity.
//!
//! Counts come from a list (each element counts once, under its status) or are given as an object
//! `{"counts": {...}}`, which may hold the list too, as `items`, `results` or under its own name.
//! They may also be given beside it, as `evidence_result_counts`. However many sources there are,
//! in whichever document, all must agree; a count of zero is the same as none.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{
    documents::Documents,
    error::GuideBoardError,
    node::{Node, Object, shortened},
    notes::Notes,
};

/// How often each status or severity occurs.
pub(super) type Counts = BTreeMap<String, u64>;

/// What is counted, and by which keys.
pub(super) struct Counted {
    /// For messages.
    what: &'static str,
    /// The key of the list, or of the object with counts.
    list: &'static str,
    /// The key of counts given beside the list.
    beside: &'static str,
    /// The key in each element that says under which name it counts.
    name: &'static str,
}

/// guide-board's evidence results, by status.
pub(super) const EVIDENCE_RESULTS: Counted = Counted {
    what: "evidence results",
    list: "evidence_results",
    beside: "evidence_result_counts",
    name: "status",
};

/// guide-board's findings, by severity.
pub(super) const FINDINGS: Counted =
    Counted { what: "findings", list: "findings", beside: "finding_counts", name: "severity" };

/// Counts and where they come from.
struct Source {
    place: String,
    counts: Counts,
}

impl Counted {
    /// Reads the counts; `None`, with a warning, if no document has any.
    pub(super) fn read(
        &self,
        documents: &Documents,
        notes: &mut Notes,
    ) -> Result<Option<Counts>, GuideBoardError> {
        let mut sources = Vec::new();
        for document in documents.present() {
            let root = document.root()?;
            if let Some(node) = root.field(self.list)? {
                self.read_value(&node, &mut sources, notes)?;
            }
            if let Some(node) = root.field(self.beside)? {
                sources.push(given(&node)?);
            }
        }
        let mut sources = sources.into_iter();
        let Some(mut agreed) = sources.next() else {
            notes.warn(format!(
                "no {}: neither `{}` nor `{}` stands in a document; their \
                 counts are recorded as null",
                self.what, self.list, self.beside
            ));
            return Ok(None);
        };
        for source in sources {
            if without_zeros(&agreed.counts) != without_zeros(&source.counts) {
                return Err(GuideBoardError::CountsDisagree {
                    what: self.what,
                    first_place: agreed.place,
                    first_counts: as_json(&agreed.counts),
                    second_place: source.place,
                    second_counts: as_json(&source.counts),
                });
            }
            // A zero that only one source states is still stated.
            agreed.counts.extend(source.counts);
        }
        Ok(Some(agreed.counts))
    }

    /// Reads the value under the list's own key, a list or an object.
    fn read_value(
        &self,
        node: &Node<'_>,
        sources: &mut Vec<Source>,
        notes: &mut Notes,
    ) -> Result<(), GuideBoardError> {
        if !node.value.is_object() {
            sources.push(self.counted(node)?);
            return Ok(());
        }
        let object = node.object()?;
        let before = sources.len();
        if let Some(counts) = object.field("counts")? {
            sources.push(given(&counts)?);
        }
        let lists = ["items", "results", self.list];
        for list in lists {
            if let Some(list) = object.field(list)? {
                sources.push(self.counted(&list)?);
            }
        }
        if sources.len() == before {
            return Err(node.wrong_type(&self.expected()));
        }
        let known = ["counts", "items", "results", self.list];
        notes.keep_leftovers(node.document.name, node.key(), object.unknown(&known)?);
        Ok(())
    }

    /// Counts the elements of a list.
    fn counted(&self, node: &Node<'_>) -> Result<Source, GuideBoardError> {
        let mut counts = Counts::new();
        for element in node.list(&self.expected())? {
            let object: Object<'_> = element.object()?;
            let name = object.required(self.name)?.text("a string")?;
            *counts.entry(name.to_owned()).or_default() += 1;
        }
        Ok(Source { place: format!("the list at {}", node.location()), counts })
    }

    fn expected(&self) -> String {
        format!("a list of objects with `{}`, or an object with `counts`", self.name)
    }
}

/// Reads an object from names to numbers.
fn given(node: &Node<'_>) -> Result<Source, GuideBoardError> {
    let mut counts = Counts::new();
    for (name, count) in node.object()?.entries()? {
        counts.insert(name.to_owned(), count.count()?);
    }
    Ok(Source { place: format!("the counts at {}", node.location()), counts })
}

fn without_zeros(counts: &Counts) -> Vec<(&String, &u64)> {
    counts.iter().filter(|(_, count)| **count != 0).collect()
}

fn as_json(counts: &Counts) -> String {
    shortened(&Value::from_iter(counts.clone()))
}
