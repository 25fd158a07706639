//! Events: appended, read, and never changed.

use artifact_domain::PackageId;
use artifact_domain::event::{AuditAction, Origin, RetentionEventKind};
use artifact_domain::name::{Actor, RequestId};
use artifact_registry::events::{NewAuditEvent, NewRetentionEvent};
use artifact_registry::{Registry, RegistryError};
use serde_json::{Map, json};

use super::{Shelf, at, is_postgres, origin, raw, read, write};

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
    let all = read(registry, |reader| reader.package_audit(package, 0, 100));
    assert_eq!(all.iter().map(|event| event.action).collect::<Vec<_>>(), AuditAction::ALL);
    assert!(all.is_sorted_by_key(|event| event.seq) && all[0].seq > 0);
    assert_eq!(all[1].details["facts"], "1 \0 'é'");
    assert_eq!((all[1].at, all[1].package_id), (at(7), Some(package)));
    assert_eq!((&all[1].actor, &all[1].request_id), (&origin().actor, &None));
    let page = read(registry, |reader| reader.package_audit(package, all[1].seq, 2));
    assert_eq!(page, all[2..4]);
    let last = all.last().unwrap().seq;
    assert!(read(registry, |reader| reader.package_audit(package, last, 2)).is_empty());

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
            Ok((reader.package_audit(package, 0, 100)?, reader.retention_events(package, 0, 100)?))
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
    let error = registry.read(|reader| reader.package_audit(package, 0, 9)).unwrap_err();
    let said = error.to_string();
    assert!(matches!(error, RegistryError::Damaged { .. }), "{said}");
    assert!(said.contains("audit event 41: action"), "{said}");
    let error = registry.read(|reader| reader.retention_events(package, 0, 9)).unwrap_err();
    let said = error.to_string();
    assert!(matches!(error, RegistryError::Damaged { .. }), "{said}");
    assert!(said.contains("retention event 42: kind"), "{said}");
}
