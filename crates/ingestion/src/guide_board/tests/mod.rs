//! Tests of the adapter, one file for each topic.

mod contradictions;
mod directory;
mod documents;
mod keys;
mod lenient;
mod missing;
mod numbers;
mod report_files;
mod retention_summary;
mod support;
mod tck_choice;
mod tck_reports;
mod variants;
mod whole_run;
