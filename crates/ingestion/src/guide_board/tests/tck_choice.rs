//! Choosing among several TCK reports.

use serde_json::json;

use super::support::{Run, guide_board, reading, warnings_with};

#[test]
fn json_is_preferred_to_xml_of_the_same_run() {
    let reading = reading("tck-json-and-xml");
    assert_eq!(guide_board(&reading)["tck"]["source"], "artifacts/tck/b-report.txt");
    assert_eq!(guide_board(&reading)["tck"]["tests"], 3);
    assert_eq!(reading.warnings, Vec::<String>::new());
    let relied_on =
        reading.read_files.iter().filter(|file| file.path.starts_with("artifacts/")).count();
    assert_eq!(relied_on, 2);
}

#[test]
fn json_and_xml_that_disagree_are_a_warning() {
    let reading = reading("tck-disagreeing");
    assert_eq!(guide_board(&reading)["tck"]["source"], "artifacts/tck/report.json");
    assert_eq!(guide_board(&reading)["tck"]["counts"]["FAILURE"], 1);
    assert_eq!(warnings_with(&reading, "disagree").len(), 1);
}

#[test]
fn of_two_runs_the_first_by_path_counts() {
    let reading = reading("tck-two-runs");
    assert_eq!(guide_board(&reading)["tck"]["source"], "artifacts/tck/atompub/report.json");
    assert_eq!(guide_board(&reading)["tck"]["groups"], 2);
    assert_eq!(warnings_with(&reading, "artifacts/tck/browser/report.json is another").len(), 1);
}

#[test]
fn disabled_tests_which_only_the_xml_has_do_not_make_it_another_run() {
    let run = Run::valid();
    run.write(
        "artifacts/a.xml",
        r#"<report><parameters><parameter key="k" value="a&amp;b"/></parameters>
           <group name="g"><test name="t"><result status="OK" message="m"/></test><test name="off"/></group>
           <group name="off"/></report>"#,
    );
    run.write(
        "artifacts/b.json",
        r#"{"parameters":{"k":"a&b"},"groups":[{"name":"g","tests":[{"results":[{"status":"OK"}]}]}]}"#,
    );
    let reading = run.read();
    assert_eq!(
        guide_board(&reading)["tck"],
        json!({ "source": "artifacts/b.json", "counts": { "OK": 1 }, "groups": 1, "tests": 1 })
    );
    assert_eq!(reading.warnings, Vec::<String>::new());
}
