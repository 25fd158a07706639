//! The contract suite on SQLite, each behaviour on a file of its own.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

mod contract;

use artifact_registry::{DatabaseUrl, OpenMode, Registry};

fn on_a_fresh_file(behaviour: fn(&Registry)) {
    let folder = tempfile::tempdir().unwrap();
    let url = DatabaseUrl::sqlite(folder.path().join("registry.sqlite3"));
    behaviour(&Registry::open(&url, OpenMode::CreateAndMigrate).unwrap());
}

macro_rules! make_tests {
    ($($module:ident { $($behaviour:ident,)* })*) => {
        $(mod $module {
            $(#[test]
            fn $behaviour() {
                super::on_a_fresh_file(super::contract::$module::$behaviour);
            })*
        })*
    };
}

contract::for_every_behaviour!(make_tests);
