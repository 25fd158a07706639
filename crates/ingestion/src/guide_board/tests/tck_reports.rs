//! Recognising and counting one TCK report.

use serde_json::{Value, json};

use super::support::{Run, guide_board, reading, warnings_with};

const PATH: &str = "artifacts/tck/report";

/// What is found in a run with one artifact.
fn tck_of(content: impl AsRef<[u8]>) -> (Value, Vec<String>) {
    let run = Run::valid();
    run.write(PATH, content);
    let reading = run.read();
    (guide_board(&reading)["tck"].clone(), reading.warnings)
}

/// A JSON report with results inside results.
fn nested_json(depth: usize) -> String {
    let results = r#""results":[{"status":"OK""#;
    let open = format!("{results},").repeat(depth - 1);
    format!(r#"{{"groups":[{{"tests":[{{{open}{results}{}]}}]}}]}}"#, "}]".repeat(depth - 1) + "}")
}

/// An XML report with results inside results.
fn nested_xml(depth: usize) -> String {
    let (open, close) = (r#"<result status="OK">"#.repeat(depth), "</result>".repeat(depth));
    format!("<report><group><test>{open}{close}</test></group></report>")
}

#[test]
fn an_xml_report_is_known_by_its_content() {
    let reading = reading("xml-tck-only");
    assert_eq!(
        guide_board(&reading)["tck"],
        json!({
            "source": "artifacts/tck/report",
            "counts": { "FAILURE": 1, "OK": 2, "SKIPPED": 1, "WARNING": 1 },
            "groups": 2,
            "tests": 3,
        })
    );
    assert_eq!(reading.warnings, Vec::<String>::new());
}

#[test]
fn results_at_every_level_count() {
    for text in [nested_json(40), nested_xml(40)] {
        let (tck, warnings) = tck_of(&text);
        assert_eq!(tck["counts"], json!({ "OK": 40 }), "{warnings:?}");
        assert_eq!((&tck["groups"], &tck["tests"]), (&json!(1), &json!(1)));
    }
}

#[test]
fn results_nested_too_deep_are_a_warning_and_not_a_crash() {
    for text in [nested_json(200_000), nested_xml(200_000)] {
        let (tck, warnings) = tck_of(&text);
        assert_eq!(tck, Value::Null);
        assert_eq!(warnings.len(), 1);
        assert!(warnings[0].contains("is not counted"), "{warnings:?}");
    }
}

#[test]
fn a_byte_order_mark_and_space_before_a_report_are_passed_over() {
    for text in [nested_json(2), nested_xml(2)] {
        assert_eq!(tck_of(format!("\u{feff}{text}")).0["counts"], json!({ "OK": 2 }));
        assert_eq!(tck_of(format!("\n {text}\n")).0["counts"], json!({ "OK": 2 }));
    }
}

#[test]
fn other_json_and_xml_is_no_report_and_no_warning() {
    for text in [
        "",
        "{}",
        "{",
        "[]",
        r#"{"groups": null}"#,
        r#"{"groups": "all"}"#,
        r#"{"groups": ["a"]}"#,
        r#"{"groups": [{"name": "everyone", "members": ["a", "b"]}]}"#,
        r#"{"groups": [{"name": "everyone", "tests": []}]}"#,
        r#"{"groups": [{"name": "everyone", "tests": 3}]}"#,
        "{\"level\": \"info\"}\n{\"level\": \"info\"}\n",
        "<!doctype html><title>report</title>",
        "<html><body><p>report</body></html>",
        "<report><group name='g'><package name='p'/></group></report>",
        "<report/>",
        "<<<<<",
        "plain text",
    ] {
        assert_eq!(tck_of(text), (Value::Null, Vec::new()), "{text}");
    }
    assert_eq!(tck_of(b"{\xff\xff\x00".as_slice()), (Value::Null, Vec::new()));
    assert_eq!(tck_of(b"<report>\xff\xff</report>".as_slice()), (Value::Null, Vec::new()));
}

#[test]
fn a_text_report_is_not_counted() {
    let text = "***\nTest Report: Tue Mar 17 08:47:12 UTC 2026\n***\n  OK: fine (RootFolderTest.java:57)\n";
    assert_eq!(tck_of(text), (Value::Null, Vec::new()));
}

#[test]
fn a_report_that_is_cut_off_is_a_warning() {
    let fixture = reading("tck-damaged");
    assert!(guide_board(&fixture)["tck"].is_null());
    assert_eq!(warnings_with(&fixture, "looks like a TCK report but is not counted").len(), 1);
    for text in [nested_json(3), nested_xml(3)] {
        let (tck, warnings) = tck_of(&text[..text.len() - 10]);
        assert_eq!((tck, warnings.len()), (Value::Null, 1));
    }
}

#[test]
fn a_report_that_declares_entities_is_not_read() {
    let reading = reading("tck-with-entities");
    assert!(guide_board(&reading)["tck"].is_null());
    assert_eq!(warnings_with(&reading, "declares entities").len(), 1);
}

#[test]
fn a_doctype_without_entities_is_harmless() {
    let text = format!("<!DOCTYPE report SYSTEM \"report.dtd\">{}", nested_xml(2));
    assert_eq!(tck_of(text).0["counts"], json!({ "OK": 2 }));
}

#[test]
fn an_entity_nobody_declared_is_not_expanded() {
    let text = r#"<report><group><test><result status="&x;"/></test></group></report>"#;
    let (tck, warnings) = tck_of(text);
    assert_eq!((tck, warnings.len()), (Value::Null, 1));
}

#[test]
fn an_unknown_status_is_counted_under_its_name_with_a_warning() {
    let reading = reading("tck-unknown-status");
    assert_eq!(guide_board(&reading)["tck"]["counts"]["INCONCLUSIVE"], 1);
    assert_eq!(warnings_with(&reading, "INCONCLUSIVE").len(), 1);
}

#[test]
fn a_result_without_a_usable_status_is_counted_with_a_warning() {
    let long = "x".repeat(100);
    let text = format!(
        r#"{{"groups":[{{"tests":[{{"results":[{{}},{{"status":null}},{{"status":"{long}"}},{{"status":"a\u0000"}}]}}]}}]}}"#
    );
    let (tck, warnings) = tck_of(text);
    assert_eq!(tck["counts"], json!({ "(none)": 2, "(other)": 2 }));
    assert_eq!(warnings.len(), 2);
}

#[test]
fn a_second_groups_key_is_damage() {
    let groups = r#""groups":[{"tests":[{"results":[{"status":"OK"}]}]}]"#;
    let (tck, warnings) = tck_of(format!("{{{groups},{groups}}}"));
    assert_eq!((tck, warnings.len()), (Value::Null, 1));
}

#[test]
fn keys_in_any_order_and_unknown_keys_are_fine() {
    let text = r#"{"x":[[{"groups":1}]],"groups":[{"tests":[{"results":[
        {"results":[{"message":"m","status":"OK"}],"request":{"results":[1]},"status":"FAILURE"}
    ],"time":1}],"name":"n"}],"parameters":{"a":1,"b":null}}"#;
    let (tck, warnings) = tck_of(text);
    assert_eq!(tck["counts"], json!({ "FAILURE": 1, "OK": 1 }), "{warnings:?}");
}

#[test]
fn a_long_report_is_streamed() {
    let result = r#"{"status":"OK","message":"Property value","stacktrace":"at a\nat b"},"#;
    let text = format!(
        r#"{{"groups":[{{"tests":[{{"results":[{}{{"status":"OK"}}]}}]}}]}}"#,
        result.repeat(20_000)
    );
    assert_eq!(tck_of(text).0["counts"], json!({ "OK": 20_001 }));
}

#[test]
fn a_single_text_beyond_the_limit_ends_the_reading() {
    // The status, so that the parser would have to hold it.
    let text = |status: &str| {
        format!(
            r#"{{"groups":[{{"tests":[{{"results":[{{"status":"OK"}},{{"status":"{status}"}}]}}]}}]}}"#
        )
    };
    let (tck, warnings) = tck_of(text(&"\\\"".repeat(33 * 1024 * 1024)));
    assert_eq!((tck, warnings.len()), (Value::Null, 1));
    assert!(warnings[0].contains("more than 64 MiB"), "{warnings:?}");
    let comment = "-> ".repeat(23 * 1024 * 1024);
    let xml = format!(
        r#"<report><group><test><result status="OK"/><!--{comment}--></test></group></report>"#
    );
    let (tck, warnings) = tck_of(xml);
    assert_eq!((tck, warnings.len()), (Value::Null, 1));
    assert!(warnings[0].contains("more than 64 MiB"), "{warnings:?}");
}
