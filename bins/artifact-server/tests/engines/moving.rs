//! All packages from a folder to a bucket and back, with PostgreSQL.

use std::process::{Output, Stdio};

use crate::room::{Package, assert_problem, eventually};
use crate::shared::{BUCKET, CEPH, POSTGRES, Shared, assert_no_storage, sealed_files};

const SMALL: usize = 200;

/// A package of many small files and two that go in parts.
fn filled(client: crate::room::Client) -> Package {
    let package = client.package();
    for number in 0..SMALL {
        package.upload(&format!("logs/{number}~a+b.txt"), format!("log {number}").as_bytes());
    }
    for number in 0..2_u8 {
        let bytes: Vec<u8> = (0..=255).cycle().take((9 << 20) + usize::from(number)).collect();
        package.upload(&format!("large/{number}.bin"), &bytes);
    }
    package
}

#[track_caller]
fn assert_moved(output: &Output) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{}{said}", String::from_utf8_lossy(&output.stdout));
}

#[test]
#[ignore = "needs PostgreSQL and Ceph: just test-engines"]
fn packages_move_to_a_bucket_and_back_and_a_killed_move_goes_on() {
    let folder = Shared::on(&POSTGRES);
    let bucket = folder.beside_in_bucket(&CEPH);
    let here = folder.replica();
    let (sealed, open) = (filled(here.client()), filled(here.client()));
    assert_eq!(sealed.finalize().status, 200);
    let manifest = sealed.get("/manifest").body;

    let mut killed =
        folder.moving(&bucket).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let prefix = bucket.storage_url().replace(&format!("s3://{BUCKET}/"), "");
    let copied = || CEPH.keys(BUCKET, &format!("{prefix}/packages/")).len();
    eventually(|| copied() > SMALL / 4, || "nothing is copied".to_owned());
    killed.kill().unwrap();
    killed.wait().unwrap();
    // Nothing has changed at the old home.
    open.upload("in-the-meantime.txt", b"later");
    folder.assert_clean();

    assert_moved(&folder.moving(&bucket).output().unwrap());
    // The server that still runs at the old home reads and changes nothing.
    assert_eq!(sealed.read("large/1.bin").body.len(), (9 << 20) + 1);
    assert_no_storage(&open.put("late.txt", b"late"));
    assert_no_storage(&open.finalize());
    drop(here);

    bucket.assert_clean();
    let there = bucket.replica();
    let (sealed, open) = (there.see(&sealed), there.see(&open));
    assert_eq!(sealed.get("/manifest").body, manifest);
    assert_eq!(sealed.read("logs/7~a+b.txt").body, b"log 7");
    assert_eq!(open.read("in-the-meantime.txt").body, b"later");
    assert_eq!(open.finalize().status, 200);
    assert_eq!(sealed_files(&open).len(), SMALL + 3);
    bucket.assert_clean();
    drop(there);

    assert_moved(&bucket.moving(&folder).output().unwrap());
    folder.assert_clean();
    let here = folder.replica();
    assert_eq!(here.see(&sealed).get("/manifest").body, manifest);
    assert_problem(&here.see(&open).put("late.txt", b"late"), 409, "wrong-status");
    here.assert_no_panic();
}
