//! TCK reports in XML, as a stream.

use std::{
    io::{self, BufRead},
    sync::Arc,
};

use quick_xml::{
    Reader, XmlVersion,
    events::{BytesStart, Event},
};

use super::{
    bounded::{BoundedPieces, is_too_long},
    tally::{Tally, Verdict},
};

/// How deep elements may nest: about as deep as `serde_json` lets results nest in JSON.
const MAX_DEPTH: usize = 64;

/// An element, as far as it matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Element {
    Report,
    Parameters,
    Group,
    Test,
    Result,
    Other,
}

/// Why a reading ends before the text does.
enum Stop {
    /// It is no report.
    Foreign,
    /// It is one, but cannot be read on.
    Damaged(String),
}

/// Counts a report; fails only if the file cannot be read.
pub(super) fn read(reader: impl BufRead, tally: &mut Tally) -> io::Result<Verdict> {
    let mut xml = Reader::from_reader(BoundedPieces::new(reader));
    let mut open = Vec::new();
    let mut buffer = Vec::new();
    loop {
        buffer.clear();
        xml.get_mut().next_piece();
        let event = match xml.read_event_into(&mut buffer) {
            Ok(Event::Eof) => {
                let damage =
                    (!open.is_empty()).then(|| "it ends before its root element does".to_owned());
                return Ok(tally.verdict(damage));
            }
            Ok(event) => event,
            Err(quick_xml::Error::Io(error)) if !is_too_long(&error) => {
                return Err(Arc::try_unwrap(error).unwrap_or_else(|e| io::Error::new(e.kind(), e)));
            }
            Err(error) => {
                let damage = format!("{error} (byte {})", xml.error_position());
                return Ok(tally.verdict(Some(damage)));
            }
        };
        match take(&event, &mut open, tally) {
            Ok(()) => {}
            Err(Stop::Foreign) => return Ok(Verdict::Foreign),
            Err(Stop::Damaged(damage)) => return Ok(Verdict::Damaged(damage)),
        }
    }
}

fn take(event: &Event<'_>, open: &mut Vec<Element>, tally: &mut Tally) -> Result<(), Stop> {
    match event {
        Event::Start(start) => {
            let element = enter(start, open.last().copied(), tally)?;
            if open.len() >= MAX_DEPTH {
                return Err(damaged(
                    tally,
                    format!("its elements nest more than {MAX_DEPTH} deep"),
                ));
            }
            open.push(element);
        }
        Event::Empty(start) => {
            enter(start, open.last().copied(), tally)?;
        }
        Event::End(_) => {
            open.pop();
        }
        Event::DocType(doctype) => check_doctype(doctype)?,
        _ => {}
    }
    Ok(())
}

/// Entities are never expanded; a report that declares some is not read at all.
fn check_doctype(doctype: &str) -> Result<(), Stop> {
    let root = doctype.split(|c: char| c.is_whitespace() || c == '[').find(|word| !word.is_empty());
    if root != Some("report") {
        return Err(Stop::Foreign);
    }
    if doctype.contains("<!ENTITY") {
        return Err(Stop::Damaged("it declares entities, which are never expanded".to_owned()));
    }
    Ok(())
}

fn enter(
    start: &BytesStart<'_>,
    parent: Option<Element>,
    tally: &mut Tally,
) -> Result<Element, Stop> {
    let element = match (parent, start.name().as_ref()) {
        (None, "report") => Element::Report,
        (None, _) => return Err(Stop::Foreign),
        (Some(Element::Report), "parameters") => Element::Parameters,
        (Some(Element::Parameters), "parameter") => {
            let key = attribute(start, "key", tally)?.unwrap_or_default();
            let value = attribute(start, "value", tally)?.unwrap_or_default();
            tally.parameter(&key, &value);
            Element::Other
        }
        (Some(Element::Report), "group") => {
            tally.groups += 1;
            Element::Group
        }
        (Some(Element::Group), "test") => {
            tally.tests += 1;
            Element::Test
        }
        (Some(Element::Test | Element::Result), "result") => {
            let status = attribute(start, "status", tally)?;
            tally.result(status.as_deref());
            Element::Result
        }
        _ => Element::Other,
    };
    Ok(element)
}

fn attribute(start: &BytesStart<'_>, name: &str, tally: &Tally) -> Result<Option<String>, Stop> {
    let unreadable = |error: &dyn std::fmt::Display| {
        damaged(tally, format!("the attribute `{name}` of an element cannot be read: {error}"))
    };
    let Some(attribute) = start.try_get_attribute(name).map_err(|e| unreadable(&e))? else {
        return Ok(None);
    };
    let value = attribute.normalized_value(XmlVersion::Explicit1_0).map_err(|e| unreadable(&e))?;
    Ok(Some(value.into_owned()))
}

/// Damage matters only in what is known to be a report.
fn damaged(tally: &Tally, damage: String) -> Stop {
    if tally.is_tck() { Stop::Damaged(damage) } else { Stop::Foreign }
}
