//! The source commits a run was made from.

use serde_json::{Map, Value, json};

use super::{documents::Documents, error::GuideBoardError, node::Node, notes::Notes};

const KEY: &str = "source_commits";

/// Reads the commits, each `{repository, commit, branch?, dirty?}`, from a list in its order or
/// from a map in the order of repositories. `None`, with a warning, if no document has any.
pub(super) fn read(
    documents: &Documents,
    notes: &mut Notes,
) -> Result<Option<Vec<Value>>, GuideBoardError> {
    let commits = documents.agreed(KEY, |node| read_value(node, notes).map(Some), sorted)?;
    if commits.is_none() {
        notes.warn(format!("no source commits: `{KEY}` stands in no document; recorded as null"));
    }
    Ok(commits)
}

fn read_value(node: &Node<'_>, notes: &mut Notes) -> Result<Vec<Value>, GuideBoardError> {
    let mut leftovers = Map::new();
    let mut commits = Vec::new();
    if node.value.is_object() {
        for (repository, entry) in node.object()?.entries()? {
            commits.push(commit(repository, &entry, &mut leftovers)?);
        }
    } else {
        for entry in node.list("a list of commits, or an object from repository to commit")? {
            let repository = entry.object()?.required("repository")?.text("a string")?;
            commits.push(commit(repository, &entry, &mut leftovers)?);
        }
    }
    notes.keep_leftovers(node.document.name, node.key(), leftovers);
    Ok(commits)
}

/// One commit: the commit itself, or an object with it.
fn commit(
    repository: &str,
    node: &Node<'_>,
    leftovers: &mut Map<String, Value>,
) -> Result<Value, GuideBoardError> {
    if !node.value.is_object() {
        let commit = node.text("a commit as a string, or an object with `commit`")?;
        return Ok(json!({ "repository": repository, "commit": commit }));
    }
    let object = node.object()?;
    let mut entry = Map::new();
    entry.insert("repository".to_owned(), repository.into());
    entry.insert("commit".to_owned(), object.required("commit")?.text("a string")?.into());
    if let Some(branch) = object.field("branch")? {
        entry.insert("branch".to_owned(), branch.text("a string")?.into());
    }
    if let Some(dirty) = object.field("dirty")? {
        entry.insert("dirty".to_owned(), dirty.boolean()?.into());
    }
    let unknown = object.unknown(&["repository", "commit", "branch", "dirty"])?;
    if !unknown.is_empty() {
        leftovers.insert(repository.to_owned(), Value::Object(unknown));
    }
    Ok(Value::Object(entry))
}

/// The order of commits says nothing, so it does not count when two documents are compared.
#[expect(clippy::ptr_arg, reason = "the comparison is handed the value that was read")]
fn sorted(commits: &Vec<Value>) -> Value {
    let mut commits = commits.clone();
    commits.sort_by_cached_key(Value::to_string);
    Value::Array(commits)
}
