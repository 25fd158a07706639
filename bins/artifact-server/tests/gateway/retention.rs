//! Retention as a client meets it: promises, holds, refusals, deletion.

use std::sync::Barrier;
use std::thread;

use artifact_domain::retention::ClockRecord;
use artifact_registry::{DatabaseUrl, Durability, OpenMode, Registry, RegistryError};
use serde_json::{Value, json};

use crate::room::{Client, PACKAGES, Package, Room, assert_problem};
use crate::wire::Answer;

const SOME_ID: &str = "01890a5d-ac96-774b-bcce-b302099a8057";

fn put(client: Client, target: &str, body: &Value) -> Answer {
    let json = [("content-type", "application/json")];
    client.send("PUT", target, &json, body.to_string().as_bytes())
}

/// A finalized package of a class that keeps nothing for longer than an instant.
fn expired(room: &Room) -> Package {
    let client = room.client();
    put(client, "/api/v1/retention-classes/gone", &json!({"period_days": 0}));
    let package = client.package_of(&json!({"producer": "ci", "retention_class": "gone"}));
    package.upload("a/b.txt", b"evidence");
    assert_eq!(package.finalize().status, 200);
    package
}

fn sealed(room: &Room) -> Package {
    let package = room.package();
    package.upload("a", b"a");
    assert_eq!(package.finalize().status, 200);
    package
}

/// Everything that a change of retention would show in.
fn state(package: &Package) -> [Value; 4] {
    ["", "/holds", "/retention/events", "/audit"].map(|rest| package.get(rest).json())
}

/// Asserts that requests are refused with a code and leave no trace.
#[track_caller]
fn assert_refused(package: &Package, status: u16, code: &str, requests: &[(&str, &str, Value)]) {
    let before = state(package);
    for (method, rest, body) in requests {
        let json = [("content-type", "application/json")];
        let body = body.to_string();
        let answer = package.client.send(method, &package.at(rest), &json, body.as_bytes());
        assert_eq!(answer.status, status, "{rest} {body}: {}", answer.text());
        assert_problem(&answer, status, code);
    }
    assert_eq!(state(package), before);
}

#[test]
fn the_classes_are_listed_and_a_new_version_is_for_packages_to_come() {
    let room = Room::new();
    let client = room.client();
    let classes = client.get("/api/v1/retention-classes").json();
    let periods: Vec<(&str, &Value)> = classes["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|class| (class["name"].as_str().unwrap(), &class["period_days"]))
        .collect();
    assert_eq!(
        periods,
        [
            ("permanent-record", &Value::Null),
            ("raw-evidence", &json!(90)),
            ("release-evidence", &json!(2555)),
            ("summary-evidence", &json!(365)),
            ("transient", &json!(7)),
        ]
    );
    let before = sealed(&room);
    let target = "/api/v1/retention-classes/raw-evidence";
    let changed = put(client, target, &json!({"period_days": 1}));
    assert_eq!((changed.status, &changed.json()["version"]), (200, &json!(2)));
    assert_ne!(changed.json()["description"], "");
    let after = sealed(&room);
    let version = |package: &Package| package.get("/retention").json()["rule_version"].clone();
    assert_eq!((version(&before), version(&after)), (json!(1), json!(2)));

    let added = put(client, "/api/v1/retention-classes/new", &json!({"period_days": null}));
    assert_eq!((added.status, &added.json()["version"]), (201, &json!(1)));
    let forever = client.package_of(&json!({"producer": "ci", "retention_class": "new"}));
    assert_eq!(forever.get("").json()["expires_at"], Value::Null);
}

#[test]
fn a_class_that_cannot_be_is_refused() {
    let room = Room::new();
    let client = room.client();
    for body in [
        json!({}),
        json!({"description": "no period"}),
        json!({"period_days": -1}),
        json!({"period_days": 36_501}),
        json!({"period_days": "7"}),
        json!({"period_days": 1.5}),
        json!({"period_days": 7, "typo": 1}),
        json!({"period_days": 7, "description": "two\nlines"}),
    ] {
        let answer = put(client, "/api/v1/retention-classes/transient", &body);
        assert_eq!(answer.status, 400, "{body}");
        assert_problem(&answer, 400, "invalid-request");
    }
    for name in ["Upper", "1st", "a_b", &"a".repeat(64)] {
        let target = format!("/api/v1/retention-classes/{name}");
        let answer = put(client, &target, &json!({"period_days": 1}));
        assert_problem(&answer, 400, "invalid-request");
    }
    assert_eq!(
        client.get("/api/v1/audit?action=retention-class.changed").json()["items"],
        json!([])
    );
}

#[test]
fn an_explanation_names_each_rule_for_any_time() {
    let room = Room::new();
    let package = sealed(&room);
    let now = package.get("/retention").json();
    assert_eq!(
        (&now["eligible"], &now["retention_class"]),
        (&json!(false), &json!("raw-evidence"))
    );
    let rules: Vec<&Value> =
        now["reasons"].as_array().unwrap().iter().map(|reason| &reason["rule"]).collect();
    assert_eq!(rules, ["status", "expiry", "hold"]);
    let expires_at = package.get("").json()["expires_at"].as_str().unwrap().to_owned();
    assert_eq!(now["expires_at"], expires_at);
    let at = |time: &str| package.get(&format!("/retention?at={time}")).json();
    assert_eq!(at(&expires_at)["eligible"], false, "the very instant is still protected");
    assert_eq!(at(&expires_at)["decided_at"], expires_at);
    assert_eq!(at("9999-12-31T23:59:59Z")["eligible"], true);
    assert_eq!(at("1970-01-01T00:00:00Z")["eligible"], false);
    for query in ["at=tomorrow", "at=", "when=now", "at=2030-01-01"] {
        let answer = package.get(&format!("/retention?{query}"));
        assert_problem(&answer, 400, "invalid-request");
    }
    for rest in ["/retention", "/retention/events", "/holds", "/deletion"] {
        let answer = room.client().get(&format!("{PACKAGES}/{SOME_ID}{rest}"));
        assert_problem(&answer, 404, "not-found");
    }
}

#[test]
fn extending_moves_the_expiry_to_a_later_time_and_never_back() {
    let room = Room::new();
    let package = sealed(&room);
    let tag = package.get("").header("etag").unwrap().to_owned();
    let extended = package.post(
        "/retention/extend",
        &json!({"expires_at": "2099-01-01T00:00:00Z", "reason": "the contract"}),
    );
    assert_eq!(extended.status, 200, "{}", extended.text());
    assert_eq!(extended.json()["expires_at"], "2099-01-01T00:00:00.000000Z");
    assert_ne!(package.get("").header("etag").unwrap(), tag);
    let days = package.post("/retention/extend", &json!({"days": 2, "reason": "more"}));
    assert_eq!(days.json()["expires_at"], "2099-01-03T00:00:00.000000Z");

    let same = json!({"expires_at": "2099-01-03T00:00:00Z", "reason": "again"});
    let before = state(&package);
    assert_eq!(package.post("/retention/extend", &same).status, 200);
    assert_eq!(state(&package), before, "the present expiry again is no change");

    let events = package.get("/retention/events").json();
    let last = events["items"].as_array().unwrap().last().unwrap();
    assert_eq!((&last["kind"], &last["reason"]), (&json!("extended"), &json!("more")));
    assert_eq!(last["before"]["expires_at"], "2099-01-01T00:00:00.000000Z");
    assert_eq!(last["after"]["expires_at"], "2099-01-03T00:00:00.000000Z");
    assert_eq!(last["actor"], "anonymous");
    assert_eq!(last["request_id"].as_str(), days.header("x-request-id"));

    assert_refused(
        &package,
        409,
        "retention-shortened",
        &[(
            "POST",
            "/retention/extend",
            json!({"expires_at": "2098-01-01T00:00:00Z", "reason": "r"}),
        )],
    );
    let forever = json!({"permanent": true, "reason": "a landmark"});
    assert_eq!(package.post("/retention/extend", &forever).json()["expires_at"], Value::Null);
    assert_refused(
        &package,
        409,
        "retention-shortened",
        &[
            (
                "POST",
                "/retention/extend",
                json!({"expires_at": "2999-01-01T00:00:00Z", "reason": "r"}),
            ),
            ("POST", "/retention/extend", json!({"days": 1, "reason": "r"})),
            (
                "PUT",
                "/retention/class",
                json!({"retention_class": "release-evidence", "reason": "r"}),
            ),
        ],
    );
}

#[test]
fn what_is_malformed_is_refused_and_leaves_no_trace() {
    let room = Room::new();
    let package = sealed(&room);
    let extend = |body: Value| ("POST", "/retention/extend", body);
    assert_refused(
        &package,
        400,
        "invalid-request",
        &[
            extend(json!({"expires_at": "2001-01-01T00:00:00Z", "reason": "r"})),
            extend(json!({"expires_at": "soon", "reason": "r"})),
            extend(json!({"reason": "r"})),
            extend(json!({"days": 1, "permanent": true, "reason": "r"})),
            extend(json!({"days": 1, "expires_at": "2099-01-01T00:00:00Z", "reason": "r"})),
            extend(json!({"permanent": false, "reason": "r"})),
            extend(json!({"days": 0, "reason": "r"})),
            extend(json!({"days": -1, "reason": "r"})),
            extend(json!({"days": 1.5, "reason": "r"})),
            extend(json!({"days": 9_000_000, "reason": "r"})),
            extend(json!({"days": 9_007_199_254_740_991_u64, "reason": "r"})),
            extend(json!({"days": 9_007_199_254_740_992_u64, "reason": "r"})),
            extend(json!({"days": u64::MAX, "reason": "r"})),
            extend(json!({"days": 1})),
            extend(json!({"days": 1, "reason": ""})),
            extend(json!({"days": 1, "reason": " \t\n"})),
            extend(json!({"days": 1, "reason": null})),
            extend(json!({"days": 1, "reason": "r", "typo": 1})),
            (
                "PUT",
                "/retention/class",
                json!({"retention_class": "nobody-made-it", "reason": "r"}),
            ),
            ("PUT", "/retention/class", json!({"retention_class": "No Name", "reason": "r"})),
            ("PUT", "/retention/class", json!({"retention_class": "permanent-record"})),
            (
                "PUT",
                "/retention/class",
                json!({"retention_class": "permanent-record", "reason": " "}),
            ),
            ("PUT", "/retention/class", json!({"reason": "r"})),
            ("POST", "/holds", json!({})),
            ("POST", "/holds", json!({"reason": " "})),
            ("POST", "/holds", json!({"reason": "r", "mandate": ""})),
            ("POST", "/holds", json!({"reason": "r", "until": "2099-01-01T00:00:00Z"})),
            ("POST", "/delete", json!({})),
            ("POST", "/delete", json!({"reason": "  "})),
            ("POST", "/delete", json!({"reason": "r", "dry_run": "yes"})),
        ],
    );
    let release = format!("/holds/{SOME_ID}/release");
    assert_refused(&package, 404, "not-found", &[("POST", &release, json!({"reason": "r"}))]);
    let nonsense = ("POST", "/holds/nonsense/release", json!({"reason": "r"}));
    assert_refused(&package, 404, "not-found", &[nonsense]);
    assert_refused(
        &package,
        409,
        "retention-shortened",
        &[("PUT", "/retention/class", json!({"retention_class": "transient", "reason": "r"}))],
    );
}

#[test]
fn a_hold_keeps_a_package_until_it_is_released_and_stays_on_record() {
    let room = Room::new();
    let package = expired(&room);
    let placed = package.post("/holds", &json!({"reason": "litigation", "mandate": "case 17"}));
    assert_eq!(placed.status, 201, "{}", placed.text());
    let hold = placed.json();
    assert_eq!((&hold["active"], &hold["placed_by"]), (&json!(true), &json!("anonymous")));
    let second = package.post("/holds", &json!({"reason": "another"})).json();
    assert_eq!(package.get("").json()["on_hold"], true);
    let listed = |query: &str| {
        let page = room.client().get(&format!("{PACKAGES}?{query}")).json();
        page["items"].as_array().unwrap().len()
    };
    assert_eq!((listed("on_hold=true"), listed("eligible=true")), (1, 0));

    let refused = package.post("/delete", &json!({"reason": "expired"}));
    let problem = assert_problem(&refused, 409, "not-eligible");
    let protecting: Vec<&Value> = problem["reasons"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|reason| reason["verdict"] == "protects")
        .map(|reason| &reason["hold_id"])
        .collect();
    assert_eq!(protecting, [&hold["id"], &second["id"]]);
    assert!(problem["detail"].as_str().unwrap().contains("case 17"), "{problem}");

    let release = |hold: &Value| {
        let rest = format!("/holds/{}/release", hold["id"].as_str().unwrap());
        package.post(&rest, &json!({"reason": "closed"}))
    };
    let released = release(&hold);
    assert_eq!((released.status, &released.json()["active"]), (200, &json!(false)));
    assert_eq!(package.get("").json()["on_hold"], true, "the other one is active");
    assert_problem(&release(&hold), 409, "wrong-status");
    let rest = format!("/holds/{}/release", second["id"].as_str().unwrap());
    assert_problem(&sealed(&room).post(&rest, &json!({"reason": "r"})), 404, "not-found");
    assert_eq!(release(&second).status, 200);
    assert_eq!((listed("on_hold=true"), listed("eligible=true")), (0, 1));

    let first = package.get("/holds?limit=1").json();
    assert_eq!(first["items"], json!([released.json()]));
    let cursor = first["next_cursor"].as_str().unwrap();
    let rest = package.get(&format!("/holds?limit=1&cursor={cursor}")).json();
    assert_eq!((&rest["items"][0]["id"], &rest["next_cursor"]), (&second["id"], &Value::Null));
}

#[test]
fn a_deleted_package_is_a_tombstone_with_a_receipt() {
    let room = Room::new();
    let package = expired(&room);
    let manifest = package.get("/manifest").body;
    assert_problem(&package.get("/deletion"), 404, "not-found");
    let candidates = room.client().get("/api/v1/deletion-candidates").json();
    assert_eq!(candidates["items"][0]["package_id"], package.id);
    assert_eq!(candidates["items"][0]["total_bytes"], 8);

    let before = state(&package);
    let dry = package.post("/delete", &json!({"reason": "to see", "dry_run": true}));
    assert_eq!((dry.status, &dry.json()["dry_run"]), (200, &json!(true)));
    assert_eq!(state(&package), before, "a dry run leaves no trace");
    assert_eq!(package.read("a/b.txt").body, b"evidence");

    let answer = package.post("/delete", &json!({"reason": "expired"}));
    assert_eq!(answer.status, 200, "{}", answer.text());
    let receipt = answer.json();
    for (member, expected) in [
        ("package_id", json!(package.id)),
        ("manifest_sha256", before[0]["manifest_sha256"].clone()),
        ("file_count", json!(1)),
        ("total_bytes", json!(8)),
        ("actor", json!("anonymous")),
        ("reason", json!("expired")),
        ("rule_version", json!(1)),
        ("bytes_removed", json!(8)),
    ] {
        assert_eq!(receipt[member], expected, "{member}");
    }
    assert_eq!(package.get("/deletion").json(), receipt);
    assert!(room.stored(&package).is_empty());
    assert!(!room.data_dir().join("packages").join(&package.id).exists());

    let tombstone = package.get("").json();
    assert_eq!(
        (&tombstone["status"], &tombstone["deletion_reason"]),
        (&json!("deleted"), &json!("expired"))
    );
    assert_eq!(tombstone["deleted_at"], receipt["deleted_at"]);
    assert_eq!(package.get("/manifest").body, manifest);
    assert_eq!(package.paths(), ["a/b.txt"]);
    assert_eq!(package.get("/summary").json()["status"], "deleted");
    assert_eq!(package.get("/retention").json()["eligible"], false);
    let events = package.get("/retention/events").json();
    assert_eq!(events["items"].as_array().unwrap().last().unwrap()["kind"], "deleted");
    let audit = package.get("/audit").json();
    let actions: Vec<&Value> =
        audit["items"].as_array().unwrap().iter().map(|event| &event["action"]).collect();
    assert!(actions.ends_with(&[&json!("package.deleted"), &json!("package.bytes-removed")]));

    let gone = |answer: &Answer| {
        let problem = assert_problem(answer, 410, "package-deleted");
        assert_eq!(
            (&problem["reason"], &problem["deleted_at"]),
            (&json!("expired"), &receipt["deleted_at"])
        );
    };
    for rest in ["/files/a/b.txt", "/archive", "/archive?format=zip"] {
        gone(&package.get(rest));
    }
    gone(&package.put("new", b"bytes"));
    gone(&package.put("a/b.txt?replace=true", b"bytes"));
    gone(&package.finalize());
    let reason = json!({"reason": "r"});
    gone(&package.post("/delete", &reason));
    gone(&package.post("/fail", &reason));
    gone(&package.post("/holds", &reason));
    gone(&package.post(&format!("/holds/{SOME_ID}/release"), &reason));
    gone(&package.post("/retention/extend", &json!({"days": 1, "reason": "r"})));
    let class = json!({"retention_class": "permanent-record", "reason": "r"});
    gone(&put(package.client, &package.at("/retention/class"), &class));
    gone(&package.post("/delete", &json!({"reason": "r", "dry_run": true})));
    let json = [("content-type", "application/json")];
    gone(&package.client.send("PATCH", &package.at(""), &json, br#"{"title": "t"}"#));
    gone(&package.client.send("DELETE", &package.file("a/b.txt"), &[], b""));
    gone(&package.post("/files:check", &json!({"files": []})));
    let tar = [("content-type", "application/x-tar")];
    gone(&package.client.send("POST", &package.at("/files:batch"), &tar, &[0; 1024]));
    assert!(room.stored(&package).is_empty());
}

#[test]
fn what_must_be_kept_is_not_deleted_and_the_rules_say_why() {
    let room = Room::new();
    let (open, kept) = (room.package(), sealed(&room));
    let forever =
        room.client().package_of(&json!({"producer": "ci", "retention_class": "permanent-record"}));
    forever.upload("a", b"a");
    assert_eq!(forever.finalize().status, 200);
    for (package, rule) in [(&open, "status"), (&kept, "expiry"), (&forever, "expiry")] {
        for dry_run in [true, false] {
            let before = state(package);
            let refused = package.post("/delete", &json!({"reason": "r", "dry_run": dry_run}));
            let problem = assert_problem(&refused, 409, "not-eligible");
            assert_eq!(problem["package_id"], package.id);
            let reasons = problem["reasons"].as_array().unwrap();
            let says = reasons.iter().find(|reason| reason["rule"] == rule).unwrap();
            assert_eq!(says["verdict"], "protects", "{problem}");
            assert_eq!(state(package), before);
        }
    }
    assert_eq!(kept.read("a").body, b"a");
}

#[test]
fn an_extension_or_a_hold_that_races_a_deletion_has_one_winner() {
    let room = Room::new();
    for round in 0..40 {
        let package = expired(&room);
        let together = Barrier::new(2);
        let (rest, body, done) = if round % 2 == 0 {
            ("/holds", json!({"reason": "litigation"}), 201)
        } else {
            ("/retention/extend", json!({"permanent": true, "reason": "a landmark"}), 200)
        };
        let (kept, deleted) = thread::scope(|scope| {
            let keeper = scope.spawn(|| {
                together.wait();
                package.post(rest, &body)
            });
            together.wait();
            let deleted = package.post("/delete", &json!({"reason": "expired"}));
            (keeper.join().unwrap(), deleted)
        });
        if deleted.status == 200 {
            assert_problem(&kept, 410, "package-deleted");
            assert!(room.stored(&package).is_empty());
        } else {
            assert_problem(&deleted, 409, "not-eligible");
            assert_eq!(kept.status, done, "{}", kept.text());
            assert_eq!(package.read("a/b.txt").body, b"evidence");
        }
    }
}

#[test]
fn two_admins_who_change_a_class_get_one_result_and_two_events() {
    let room = Room::new();
    let package = sealed(&room);
    let together = Barrier::new(2);
    let change = |class: &str| {
        together.wait();
        let body = json!({"retention_class": class, "reason": class});
        put(package.client, &package.at("/retention/class"), &body).status
    };
    let answers = thread::scope(|scope| {
        let other = scope.spawn(|| change("release-evidence"));
        [change("release-evidence"), other.join().unwrap()]
    });
    assert_eq!(answers, [200, 200]);
    let events = package.get("/retention/events").json();
    let changes = events["items"].as_array().unwrap().iter();
    assert_eq!(changes.filter(|event| event["kind"] == "class-changed").count(), 2);
    assert_eq!(package.get("").json()["retention_class"], "release-evidence");
}

#[test]
fn a_clock_that_is_not_trusted_stops_deleting_and_nothing_else_until_it_is_acknowledged() {
    let room = Room::new();
    let package = expired(&room);
    assert_eq!(room.client().get("/api/v1/clock").json()["suspended"], false);
    let url = DatabaseUrl::sqlite(room.data_dir().join("registry.sqlite3"));
    let registry = Registry::open(&url, OpenMode::Existing).unwrap();
    let seen_at = "2999-01-01T00:00:00Z".parse().unwrap();
    registry
        .write::<_, RegistryError>(Durability::Synced, |writer| {
            writer.set_clock(ClockRecord { seen_at, suspended_at: None })
        })
        .unwrap();

    let refused = package.post("/delete", &json!({"reason": "expired"}));
    let problem = assert_problem(&refused, 409, "not-eligible");
    let reasons = problem["reasons"].as_array().unwrap();
    assert!(reasons.iter().any(|reason| reason["rule"] == "clock"), "{problem}");
    let ready = room.client().get("/readyz");
    assert_eq!((ready.status, &ready.json()["clock"]["status"]), (200, &json!("suspended")));
    assert_eq!(room.client().get("/api/v1/clock").json()["suspended"], true);
    let audit = room.client().get("/api/v1/audit?action=clock.suspended").json();
    assert_eq!(audit["items"].as_array().unwrap().len(), 1);
    sealed(&room);

    for body in [json!({}), json!({"reason": " "})] {
        let answer = room.client().post("/api/v1/clock/acknowledge", &body);
        assert_problem(&answer, 400, "invalid-request");
    }
    let trusted = room.client().post("/api/v1/clock/acknowledge", &json!({"reason": "looked"}));
    assert_eq!((trusted.status, &trusted.json()["suspended"]), (200, &json!(false)));
    assert_eq!(package.post("/delete", &json!({"reason": "expired"})).status, 200);
}
