//! Events: appended, read, and never changed.

use artifact_domain::PackageId;
use artifact_domain::event::{AuditAction, Origin, RetentionEventKind};
use artifact_domain::filter::AuditFilter;
use artifact_domain::name::{Actor, RequestId};
use artifact_registry::events::{NewAuditEvent, NewRetentionEvent};
use artifact_registry::{Registry, RegistryError};
use serde_json::{Map, json};

use super::{Shelf, at, is_postgres, origin, raw, read, write};

fn of(package: PackageId) -> AuditFilter {
    AuditFilter { package: Some(package), ..AuditFilter::default() }
}

fn audit(registry: &Registry, package: Option<PackageId>, action: AuditAction, facts: &str) {
    let mut details = Map::new();
    details.insert("facts".to_owned(), json!(facts));
    write(registry, |writer| {
        writer.append_audit(NewAuditEvent {
            at: at(7),
            origin: &origin(),
            action,
            package,
            details,
        })
    });
}

pub(crate) fn events_are_read_back_in_order_and_in_pages(registry: &Registry) {
    let (shelf, package) = Shelf::with_package(registry);
    let other = shelf.create(|_| {}).id;
    let by = Origin {
        actor: Actor::parse("Zoë (release)").unwrap(),
        request_id: Some(RequestId::parse("req-1").unwrap()),
    };
    for (index, action) in AuditAction::ALL.into_iter().enumerate() {
        audit(registry, Some(package), action, &format!("{index} \0 'é'"));
        audit(registry, Some(other), action, "of another package");
        audit(registry, None, action, "of no package");
    }
    let all = read(registry, |reader| reader.audit_events(&of(package), 0, 100));
    assert_eq!(all.iter().map(|event| event.action).collect::<Vec<_>>(), AuditAction::ALL);
    assert!(all.is_sorted_by_key(|event| event.seq) && all[0].seq > 0);
    assert_eq!(all[1].details["facts"], "1 \0 'é'");
    assert_eq!((all[1].at, all[1].package_id), (at(7), Some(package)));
    assert_eq!((&all[1].actor, &all[1].request_id), (&origin().actor, &None));
    let page = read(registry, |reader| reader.audit_events(&of(package), all[1].seq, 2));
    assert_eq!(page, all[2..4]);
    let last = all.last().unwrap().seq;
    assert!(read(registry, |reader| reader.audit_events(&of(package), last, 2)).is_empty());

    for kind in RetentionEventKind::ALL {
        let event = NewRetentionEvent {
            at: at(8),
            origin: &by,
            kind,
            reason: "two\nlines",
            before: json!(null),
            after: json!({"class": "raw-evidence", "expires_at": null}),
        };
        write(registry, |writer| {
            writer.append_retention_event(other, &event)?;
            writer.append_retention_event(package, &event)
        });
    }
    let events = read(registry, |reader| reader.retention_events(package, 0, 100));
    assert_eq!(events.iter().map(|event| event.kind).collect::<Vec<_>>(), RetentionEventKind::ALL);
    let first = &events[0];
    assert_eq!((&first.actor, &first.request_id), (&by.actor, &by.request_id));
    assert_eq!((first.at, first.reason.as_str()), (at(8), "two\nlines"));
    assert_eq!((&first.before, &first.after["class"]), (&json!(null), &json!("raw-evidence")));
    let page = read(registry, |reader| reader.retention_events(package, first.seq, 1));
    assert_eq!(page, events[1..2]);
}

pub(crate) fn audit_events_are_filtered_by_each_condition_and_by_all_together(registry: &Registry) {
    let (shelf, package) = Shelf::with_package(registry);
    let packages = [Some(package), Some(shelf.create(|_| {}).id), None];
    let actors = ["Zoë", "zoë", "ci"].map(|name| Actor::parse(name).unwrap());
    let actions = [AuditAction::FilesStored, AuditAction::FileRemoved];
    // Times that do not rise with the numbers: a clock may be set back.
    let times = [5, 1, 3, 3, 9, 2, 8];
    for (n, micros) in times.iter().cycle().take(60).enumerate() {
        let by = Origin { actor: actors[n % 3].clone(), request_id: None };
        write(registry, |writer| {
            writer.append_audit(NewAuditEvent {
                at: at(*micros),
                origin: &by,
                action: actions[(n / 3) % 2],
                package: packages[(n / 2) % 3],
                details: Map::new(),
            })
        });
    }
    let all = read(registry, |reader| reader.audit_events(&AuditFilter::default(), 0, 1000));
    assert_eq!(all.len(), 60);
    assert!(all.is_sorted_by(|a, b| a.seq < b.seq));
    for n in 0..32 {
        let filter = AuditFilter {
            package: (n & 1 > 0).then_some(package),
            action: (n & 2 > 0).then_some(actions[0]),
            actor: (n & 4 > 0).then(|| actors[0].clone()),
            after: (n & 8 > 0).then(|| at(1)),
            before: (n & 16 > 0).then(|| at(8)),
        };
        let mut expected = all.clone();
        expected.retain(|event| {
            filter.package.is_none_or(|package| event.package_id == Some(package))
                && filter.action.is_none_or(|action| event.action == action)
                && filter.actor.as_ref().is_none_or(|actor| event.actor == *actor)
                && filter.after.is_none_or(|after| event.at > after)
                && filter.before.is_none_or(|before| event.at < before)
        });
        assert!(!expected.is_empty() && (n == 0 || expected.len() < 60), "{filter:?}");
        let (mut seen, mut behind) = (Vec::new(), 0);
        loop {
            let page = read(registry, |reader| reader.audit_events(&filter, behind, 4));
            let Some(last) = page.last() else { break };
            behind = last.seq;
            seen.extend(page);
        }
        assert_eq!(seen, expected, "{filter:?}");
    }
}

pub(crate) fn the_database_itself_refuses_to_change_an_event(registry: &Registry) {
    let (_shelf, package) = Shelf::with_package(registry);
    let append = || {
        audit(registry, Some(package), AuditAction::PackageCreated, "as it was");
        let event = NewRetentionEvent {
            at: at(8),
            origin: &origin(),
            kind: RetentionEventKind::ExpirySet,
            reason: "as it was",
            before: json!(null),
            after: json!(null),
        };
        write(registry, |writer| writer.append_retention_event(package, &event));
    };
    let events = || {
        read(registry, |reader| {
            Ok((
                reader.audit_events(&of(package), 0, 100)?,
                reader.retention_events(package, 0, 100)?,
            ))
        })
    };
    append();
    append();
    let before = events();
    let audit_row = "(seq, at, actor, action, details) VALUES (1, 1, 'x', 'y', '{}')";
    let retention_row = format!(
        "(seq, package_id, kind, actor, at, reason, before, after) \
         VALUES (1, '{package}', 'x', 'y', 1, '', '', '')"
    );
    let mut attacks: Vec<String> = Vec::new();
    for (table, row) in [("audit_events", audit_row), ("retention_events", &retention_row)] {
        attacks.push(format!("UPDATE {table} SET actor = 'somebody else'"));
        attacks.push(format!("UPDATE {table} SET seq = seq + 100"));
        attacks.push(format!("DELETE FROM {table}"));
        attacks.push(format!("DELETE FROM {table} WHERE seq = 1"));
        attacks.push(format!("INSERT INTO {table} {row}"));
        attacks.push(format!(
            "INSERT INTO {table} {row} ON CONFLICT (seq) DO UPDATE SET actor = 'somebody else'"
        ));
        if is_postgres(registry) {
            attacks.push(format!("TRUNCATE {table}"));
        } else {
            attacks.push(format!("INSERT OR REPLACE INTO {table} {row}"));
            attacks.push(format!("REPLACE INTO {table} {row}"));
            attacks.push(format!("UPDATE OR REPLACE {table} SET seq = 1 WHERE seq = 2"));
        }
    }
    for attack in attacks {
        assert!(raw(registry, &attack).is_err(), "{attack}");
        assert_eq!(events(), before, "{attack}");
    }
    append();
    let (audit, retention) = events();
    assert_eq!((audit.len(), retention.len()), (3, 3));
    assert_eq!((&audit[..2], &retention[..2]), (&before.0[..], &before.1[..]));
}

pub(crate) fn an_event_of_a_kind_that_nobody_knows_names_its_row_and_column(registry: &Registry) {
    let (_shelf, package) = Shelf::with_package(registry);
    raw(
        registry,
        &format!(
            "INSERT INTO audit_events (seq, at, actor, action, package_id, details) \
             VALUES (41, 1, 'x', 'package.eaten', '{package}', '{{}}'); \
             INSERT INTO retention_events (seq, package_id, kind, actor, at, reason, before, after) \
             VALUES (42, '{package}', 'expiry-eaten', 'y', 1, '', 'null', 'null')"
        ),
    )
    .unwrap();
    let error = registry.read(|reader| reader.audit_events(&of(package), 0, 9)).unwrap_err();
    let said = error.to_string();
    assert!(matches!(error, RegistryError::Damaged { .. }), "{said}");
    assert!(said.contains("audit event 41: action"), "{said}");
    let error = registry.read(|reader| reader.retention_events(package, 0, 9)).unwrap_err();
    let said = error.to_string();
    assert!(matches!(error, RegistryError::Damaged { .. }), "{said}");
    assert!(said.contains("retention event 42: kind"), "{said}");
}
