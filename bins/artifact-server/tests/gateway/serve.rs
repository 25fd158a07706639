//! `artifact-server serve`: what it listens on, what it says, and what it refuses to begin with.

use std::net::TcpListener;
use std::process::Output;

use serde_json::{Value, json};

use crate::process::{Place, Process};
use crate::room::{PACKAGES, eventually};

/// Asserts that the program ended with a code and said why on stderr alone.
#[track_caller]
fn assert_refused(output: &Output, code: i32, words: &[&str]) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{said}");
    assert!(output.stdout.is_empty(), "{output:?}");
    for word in words {
        assert!(said.contains(word), "{word} is not in {said}");
    }
}

#[test]
fn an_address_that_others_reach_is_refused_unless_it_is_said_expressly() {
    for bind in ["0.0.0.0:0", "[::]:0", "[::ffff:0.0.0.0]:0"] {
        let place = Place::new();
        let refused = place.run(&["--bind", bind], &[]);
        assert_refused(&refused, 2, &[bind, "--allow-anonymous"]);
        assert!(!place.data_dir().exists());
        let refused = place.run(&[], &[("ARTIFACT_STORE_BIND", bind)]);
        assert_refused(&refused, 2, &[bind, "--allow-anonymous"]);
    }
    let place = Place::new();
    let server = place.serve_there(&["--bind", "0.0.0.0:0", "--allow-anonymous"], &[]);
    assert_eq!(server.client.get("/healthz").json(), json!({"status": "ok"}));
}

#[test]
fn a_loopback_address_is_served_by_name_and_by_number() {
    for bind in ["127.0.0.1:0", "localhost:0", "127.1.2.3:0"] {
        let place = Place::new();
        let server = place.serve_there(&["--bind", bind], &[]);
        assert_eq!(server.client.get("/readyz").json()["status"], "ok", "{bind}");
    }
}

/// The scheduling policies of the threads of a process (proc(5), the 41st field of `stat`).
#[cfg(target_os = "linux")]
fn policies(pid: u32) -> Vec<String> {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    let stats = tasks.map(|task| std::fs::read_to_string(task.unwrap().path().join("stat")));
    stats
        // A thread may have ended in between.
        .filter_map(Result::ok)
        .map(|stat| {
            // The second field is a name in brackets, which may hold spaces.
            let (_, rest) = stat.rsplit_once(") ").unwrap();
            rest.split(' ').nth(38).unwrap().to_owned()
        })
        .collect()
}

#[test]
#[cfg(target_os = "linux")]
fn the_threads_of_a_server_do_not_interrupt_each_other() {
    const SCHED_BATCH: &str = "3";

    let place = Place::new();
    let server = place.serve(&[], &[]);
    // Something of everything has been asked for by then.
    assert_eq!(server.client.get("/readyz").json()["status"], "ok");
    let policies = policies(server.id());
    assert!(policies.len() > 4, "{policies:?}");
    assert!(policies.iter().all(|policy| policy == SCHED_BATCH), "{policies:?}");
}

#[test]
fn an_address_that_is_in_use_or_is_none_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let bind = taken.local_addr().unwrap().to_string();
    assert_refused(&Place::new().run(&["--bind", &bind], &[]), 1, &[&bind]);
    for bind in ["nonsense", "127.0.0.1", "127.0.0.1:99999", ":8080", ""] {
        let refused = Place::new().run(&["--bind", bind], &[]);
        assert!([Some(1), Some(2)].contains(&refused.status.code()), "{bind}: {refused:?}");
        assert!(String::from_utf8_lossy(&refused.stderr).contains(bind), "{refused:?}");
    }
}

#[test]
fn a_store_is_made_unless_nothing_may_be_migrated() {
    let place = Place::new();
    let refused = place.run(&["--bind", "127.0.0.1:0", "--no-migrate"], &[]);
    assert_refused(&refused, 1, &["no registry", place.data_dir().to_str().unwrap()]);
    assert!(!place.data_dir().exists());

    drop(place.serve(&[], &[]));
    assert!(place.data_dir().join("registry.sqlite3").is_file());
    let server = place.serve(&["--no-migrate"], &[]);
    assert_eq!(server.client.get(PACKAGES).json()["items"], json!([]));
}

#[test]
fn a_setting_that_cannot_be_read_is_refused_with_its_name_and_an_example() {
    for (flag, variable, values) in [
        (
            "--upload-idle-timeout",
            "ARTIFACT_STORE_UPLOAD_IDLE_TIMEOUT",
            &["5", "soon", "-1s", "0s"][..],
        ),
        ("--max-file-bytes", "ARTIFACT_STORE_MAX_FILE_BYTES", &["64MB", "-1", "1.5GiB", "many"]),
        ("--max-package-bytes", "ARTIFACT_STORE_MAX_PACKAGE_BYTES", &["+1", "1 GiB"]),
        ("--max-files-per-package", "ARTIFACT_STORE_MAX_FILES_PER_PACKAGE", &["0", "-1", "many"]),
        (
            "--public-url",
            "ARTIFACT_STORE_PUBLIC_URL",
            &["example.org", "ftp://example.org", "https://"],
        ),
        ("--log-format", "ARTIFACT_STORE_LOG_FORMAT", &["xml"]),
        ("--database-url", "ARTIFACT_STORE_DATABASE_URL", &["mysql://host/x"]),
        ("--storage-url", "ARTIFACT_STORE_STORAGE_URL", &["ftp://host/x", "file://relative"]),
    ] {
        for value in values {
            let place = Place::new();
            let given = format!("{flag}={value}");
            assert_refused(&place.run(&[&given], &[]), 2, &[flag]);
            assert_refused(&place.run(&[], &[(variable, value)]), 2, &[flag]);
            assert!(!place.data_dir().exists());
        }
    }
    assert_refused(&Place::new().run(&["--shutdown-timeout", "5"], &[]), 2, &["500ms"]);
    assert_refused(&Place::new().run(&["--log", "=,=x"], &[]), 2, &["--log"]);
    assert_refused(&Place::new().run(&["--frobnicate"], &[]), 2, &["--frobnicate"]);
}

#[test]
fn settings_come_from_flags_before_variables() {
    let place = Place::new();
    let variables =
        [("ARTIFACT_STORE_MAX_FILE_BYTES", "2"), ("ARTIFACT_STORE_MAX_FILES_PER_PACKAGE", "1")];
    let server = place.serve(&["--max-file-bytes", "1KiB"], &variables);
    let package = server.client.package();
    assert_eq!(package.put("a", &[b'x'; 1025]).status, 413);
    package.upload("a", &[b'x'; 1024]);
    assert_eq!(package.put("b", b"").status, 413);
}

#[test]
fn a_variable_that_means_nothing_is_warned_of() {
    let place = Place::new();
    let variables =
        [("ARTIFACT_STORE_FOO", "1"), ("ARTIFACT_STORE_S3_SECRET_ACCESS_KEY", "hush-hush")];
    let server = place.serve(&[], &variables);
    assert_eq!(server.client.get("/healthz").status, 200);
    let log = place.log();
    let warned = log.lines().find(|line| line.contains("ARTIFACT_STORE_FOO")).expect(&log);
    assert!(warned.contains("WARN"), "{warned}");
    assert!(
        !log.contains("ARTIFACT_STORE_S3_SECRET_ACCESS_KEY") && !log.contains("hush-hush"),
        "{log}"
    );
}

#[test]
fn a_log_of_json_has_one_object_a_line_with_the_request_id() {
    let place = Place::new();
    let mut server = place.serve(&[], &[("ARTIFACT_STORE_LOG_FORMAT", "json")]);
    let id = [("x-request-id", "find-me")];
    server.client.send("GET", "/api/v1/packages?x=%0Aforged%20line", &id, b"");
    eventually(|| place.log().contains("find-me"), || place.log());
    server.terminate();
    assert_eq!(server.wait().code(), Some(0));
    let lines: Vec<Value> =
        place.log().lines().map(|line| serde_json::from_str(line).expect(line)).collect();
    let access = lines.iter().find(|line| line["request_id"] == "find-me").unwrap();
    assert_eq!((&access["status"], &access["method"]), (&json!(400), &json!("GET")), "{access}");
}

#[test]
fn a_log_of_text_cannot_be_forged_by_a_path_or_an_id() {
    let place = Place::new();
    let server = place.serve(&[], &[]);
    let package = server.client.package();
    package.put("a%0Aforged%1B[31m", b"x");
    server.client.send("GET", "/healthz", &[("x-request-id", "a forged id")], b"");
    server.client.send("GET", "/healthz", &[("x-request-id", "the-last")], b"");
    eventually(|| place.log().contains("the-last"), || place.log());
    let log = place.log();
    assert!(!log.contains("a forged id") && !log.contains('\u{1b}'), "{log}");
    assert!(log.lines().all(|line| !line.starts_with("forged")), "{log}");
}

#[test]
fn what_fails_inside_is_logged_with_its_cause_under_the_request_id() {
    let place = Place::new();
    let server = place.serve(&[], &[]);
    let package = server.client.package();
    package.upload("a", b"abc");
    let stored = place.data_dir().join("packages").join(&package.id).join("data/a");
    std::fs::write(&stored, "damaged").unwrap();
    let answer =
        server.client.send("GET", &package.file("a"), &[("x-request-id", "look-here")], b"");
    assert_eq!(answer.status, 500);
    let is_logged =
        || place.log().lines().any(|line| line.contains("ERROR") && line.contains("look-here"));
    eventually(is_logged, || place.log());
    let log = place.log();
    let line = log.lines().find(|line| line.contains("ERROR")).unwrap();
    assert!(line.contains("expected 3 bytes, found 7"), "{line}");
}

#[test]
fn a_public_url_makes_links_absolute() {
    let place = Place::new();
    let variables = [("ARTIFACT_STORE_PUBLIC_URL", "https://evidence.example.org/store/")];
    let server = place.serve(&[], &variables);
    let base = "https://evidence.example.org/store";
    let created = server.client.post(PACKAGES, &json!({"producer": "ci"}));
    let package = created.json();
    let this = format!("{base}{PACKAGES}/{}", package["id"].as_str().unwrap());
    assert_eq!(created.header("location"), Some(&*this));
    let links = package["links"].as_object().unwrap();
    assert_eq!(links.len(), 7);
    for (name, link) in links {
        assert!(link.as_str().unwrap().starts_with(&format!("{base}/")), "{name}: {link}");
    }
    let target = format!("{PACKAGES}/{}", package["id"].as_str().unwrap());
    let file = server.client.send("PUT", &format!("{target}/files/a%20b"), &[], b"x");
    let content = format!("{this}/files/a%20b");
    assert_eq!(file.header("location"), Some(&*content));
    assert_eq!(file.json()["links"]["content"], content);
    assert_eq!(server.client.get(&format!("{target}/summary")).json()["url"], this);
}

#[test]
fn two_servers_on_one_data_folder_serve_one_store() {
    let place = Place::new();
    let (one, other) = (place.serve(&[], &[]), place.serve(&[], &[]));
    let package = one.client.package();
    package.upload("a", b"a");
    let there = crate::room::Package { client: other.client, ..package.clone() };
    assert_eq!(there.read("a").body, b"a");
    there.upload("b", b"b");
    assert_eq!(package.paths(), ["a", "b"]);
    assert_eq!(there.finalize().json(), package.finalize().json());
}

#[test]
fn a_server_tells_what_its_storage_does_as_it_saw_it_at_the_start() {
    let place = Place::new();
    let server = place.serve(&[], &[]);
    let seen = server.client.get("/readyz").json()["storage"]["capabilities"].clone();
    for works in ["write", "read", "delete", "create_only", "overwrite", "range_read", "multipart"]
    {
        assert_eq!(seen[works], true, "{works}: {seen}");
    }
    for is_set in ["versioning", "object_lock", "expiry_rule"] {
        assert_eq!(seen[is_set], false, "{is_set}: {seen}");
    }
    // Nothing lies between the server and a folder that could damage a body.
    assert_eq!(seen["damage_refused"], Value::Null, "{seen}");
}

#[test]
fn of_two_servers_one_does_the_work_of_the_background_and_the_other_takes_it_on() {
    let place = Place::new();
    let leads = |server: &Process| {
        let metrics = server.client.get("/metrics").text();
        metrics.lines().any(|line| line == "artifact_store_leader 1")
    };
    let mut first = place.serve(&[], &[]);
    eventually(|| leads(&first), || "nobody leads".to_owned());
    let second = place.serve(&[], &[]);
    assert!(leads(&first) && !leads(&second));
    first.terminate();
    assert!(first.wait().success());
    eventually(|| leads(&second), || "nobody took over".to_owned());
}

#[test]
fn an_address_that_a_server_has_is_not_shared_with_another() {
    let (place, other) = (Place::new(), Place::new());
    let server = place.serve(&[], &[]);
    let address = server.client.address.to_string();
    let ended = other.run(&["--bind", &address], &[]);
    let said = String::from_utf8(ended.stderr).unwrap();
    assert_eq!(ended.status.code(), Some(1), "{said}");
    assert!(said.contains(&format!("cannot listen on {address}")), "{said}");
    // All connections still go to the first.
    for _ in 0..20 {
        assert_eq!(server.client.get("/healthz").status, 200);
    }
}
