//! Claims, and claims that turn into files.

use artifact_domain::id::ClaimId;
use artifact_domain::name::Reason;
use artifact_domain::{PackageId, PackageStatus};
use artifact_registry::Registry;
use artifact_registry::uploads::{ClaimRefusal, FinishRefusal, FinishedUpload, NewClaim};

use super::{Shelf, at, finished, new_claim, path, read, replacing, write};

fn conflict(other: &str) -> Result<(), ClaimRefusal> {
    Err(ClaimRefusal::Conflict { other: other.to_owned() })
}

pub(crate) fn a_claim_opens_the_package_and_counts_as_a_change(registry: &Registry) {
    let (shelf, package) = Shelf::with_package(registry);
    let before = shelf.package(package);
    shelf.hold(package, "a");
    let after = shelf.package(package);
    assert_eq!(after.status, PackageStatus::Uploading);
    assert_eq!((after.revision, after.updated_at), (before.revision + 1, at(2)));
    assert_eq!((after.file_count, after.total_bytes), (0, 0));
    let claims = read(registry, |reader| reader.claims(package, 10));
    assert_eq!(claims.len(), 1);
    assert_eq!(claims[0].path, "a");
    assert_eq!((claims[0].writer, claims[0].renewed_at), (shelf.writer, at(2)));
    // What is refused is no change.
    let (_, answers) = shelf.claim(package, &["a"]);
    assert_eq!(answers, [Err(ClaimRefusal::InProgress)]);
    assert_eq!(shelf.package(package), after);
}

pub(crate) fn a_stored_path_is_claimed_only_to_replace_it(registry: &Registry) {
    let (shelf, package) = Shelf::with_package(registry);
    shelf.store(package, &["a"]);
    let (_, answers) = shelf.claim(package, &["a"]);
    assert_eq!(answers, [Err(ClaimRefusal::Duplicate)]);
    assert_eq!(shelf.claim_all(&[replacing(package, "a")]), [Ok(())]);
    assert_eq!(shelf.claim_all(&[replacing(package, "a")]), [Err(ClaimRefusal::InProgress)]);
    // Nothing need be there to be replaced.
    assert_eq!(shelf.claim_all(&[replacing(package, "new")]), [Ok(())]);
}

pub(crate) fn a_path_that_is_being_written_is_not_claimed_again(registry: &Registry) {
    let (shelf, package) = Shelf::with_package(registry);
    shelf.hold(package, "a/b");
    let (_, answers) = shelf.claim(package, &["a/b", "a/c", "A/b"]);
    assert_eq!(answers, [Err(ClaimRefusal::InProgress), Ok(()), Ok(())]);
    // Another package has paths of its own.
    let other = shelf.create(|_| {}).id;
    shelf.hold(other, "a/b");
}

pub(crate) fn a_void_claim_is_taken_over_by_its_own_path_alone(registry: &Registry) {
    let (shelf, package) = Shelf::with_package(registry);
    let lost = shelf.hold(package, "a/b");
    let everything = |_: &_| true;
    // The dead upload may have left bytes at a/b, which nobody would find any more.
    let claims = ["a", "a/b/c"].map(|path| new_claim(package, path));
    let answers = shelf.claim_by(100, &everything, &claims);
    assert_eq!(answers, [conflict("a/b"), conflict("a/b")]);
    let taken = new_claim(package, "a/b");
    assert_eq!(shelf.claim_by(100, &everything, std::slice::from_ref(&taken)), [Ok(())]);
    assert_eq!(shelf.claimed(package), ["a/b"]);
    let answers =
        shelf.finish(&[finished(lost, package, "a/b", 1), finished(taken.id, package, "a/b", 2)]);
    assert_eq!(answers, [Err(FinishRefusal::ClaimLost), Ok(())]);
    assert_eq!(shelf.package(package).total_bytes, 2);
}

pub(crate) fn a_void_claim_stays_when_nobody_takes_it_over(registry: &Registry) {
    let (shelf, package) = Shelf::with_package(registry);
    shelf.store(package, &["a"]);
    assert_eq!(shelf.claim_all(&[replacing(package, "a")]), [Ok(())]);
    let answers = shelf.claim_by(100, &|_| true, &[new_claim(package, "a")]);
    assert_eq!(answers, [Err(ClaimRefusal::Duplicate)]);
    assert_eq!(shelf.claimed(package), ["a"]);
}

pub(crate) fn a_file_and_a_folder_do_not_share_a_path(registry: &Registry) {
    let (shelf, package) = Shelf::with_package(registry);
    shelf.store(package, &["stored/deep/file"]);
    shelf.hold(package, "claimed/deep/file");
    for (wanted, other) in [
        // The wanted file would be a folder of another.
        ("stored", "stored/deep/file"),
        ("stored/deep", "stored/deep/file"),
        ("claimed", "claimed/deep/file"),
        ("claimed/deep", "claimed/deep/file"),
        // Another file would be a folder of the wanted one.
        ("stored/deep/file/x", "stored/deep/file"),
        ("stored/deep/file/x/y", "stored/deep/file"),
        ("claimed/deep/file/x", "claimed/deep/file"),
        ("claimed/deep/file/x/y", "claimed/deep/file"),
    ] {
        for claim in [new_claim(package, wanted), replacing(package, wanted)] {
            assert_eq!(shelf.claim_all(&[claim]), [conflict(other)], "{wanted}");
        }
    }
    // Among others, each has its own answer.
    let (_, answers) = shelf.claim(package, &["free", "stored", "stored/deep/other", "claimed"]);
    let expected = [Ok(()), conflict("stored/deep/file"), Ok(()), conflict("claimed/deep/file")];
    assert_eq!(answers, expected);
}

pub(crate) fn names_that_only_begin_alike_do_not_conflict(registry: &Registry) {
    let (shelf, package) = Shelf::with_package(registry);
    // The characters around the slash: '.' sorts before it, '0' behind it.
    shelf.store(package, &["a.txt/x", "a0/x", "a-b", "ab/c"]);
    let (_, answers) = shelf.claim(package, &["a", "a.txt/y", "a0/y", "ab/d", "A.txt", "b"]);
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
}

pub(crate) fn one_batch_is_held_against_itself(registry: &Registry) {
    let (shelf, package) = Shelf::with_package(registry);
    let (_, answers) = shelf.claim(package, &["a", "a", "a/b", "x/y/z", "x/y", "x", "x/y/w"]);
    let expected = [
        Ok(()),
        Err(ClaimRefusal::InProgress),
        conflict("a"),
        Ok(()),
        conflict("x/y/z"),
        conflict("x/y/z"),
        Ok(()),
    ];
    assert_eq!(answers, expected);
    assert_eq!(shelf.claimed(package), ["a", "x/y/w", "x/y/z"]);
    // Far apart in a batch that takes several statements.
    let mut names: Vec<String> = (0..500).map(|i| format!("many/{i}")).collect();
    names.extend(["many/3/x", "many", "many/499"].map(str::to_owned));
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let (_, answers) = shelf.claim(package, &names);
    assert!(answers[..500].iter().all(Result::is_ok));
    assert_eq!(answers[500], conflict("many/3"));
    assert!(matches!(answers[501], Err(ClaimRefusal::Conflict { .. })));
    assert_eq!(answers[502], Err(ClaimRefusal::InProgress));
}

pub(crate) fn only_an_open_package_takes_claims(registry: &Registry) {
    let shelf = Shelf::new(registry);
    for status in PackageStatus::ALL {
        let package = shelf.create(|package| package.status = status).id;
        let (_, answers) = shelf.claim(package, &["a", "b"]);
        let expected =
            if status.is_open() { Ok(()) } else { Err(ClaimRefusal::WrongStatus(status)) };
        assert_eq!(answers, [expected.clone(), expected]);
    }
    let (_, answers) = shelf.claim(PackageId::generate(at(0)), &["a", "b"]);
    assert_eq!(answers, [Err(ClaimRefusal::NoPackage), Err(ClaimRefusal::NoPackage)]);
}

pub(crate) fn a_package_has_so_many_files_and_no_more(registry: &Registry) {
    let (shelf, package) = Shelf::with_package(registry);
    shelf.store(package, &["a", "b"]);
    let claims = ["c", "d", "e"].map(|path| new_claim(package, path));
    let answers = shelf.claim_by(4, &|_| false, &claims);
    assert_eq!(answers, [Ok(()), Ok(()), Err(ClaimRefusal::TooManyFiles)]);
    // One that replaces a file needs no room, one that would replace nothing does.
    let claims = [replacing(package, "a"), replacing(package, "f")];
    let answers = shelf.claim_by(4, &|_| false, &claims);
    assert_eq!(answers, [Ok(()), Err(ClaimRefusal::TooManyFiles)]);
    assert_eq!(shelf.claimed(package), ["a", "c", "d"]);
    // The limit may have been lowered since.
    let answers = shelf.claim_by(1, &|_| false, &[new_claim(package, "g")]);
    assert_eq!(answers, [Err(ClaimRefusal::TooManyFiles)]);
}

pub(crate) fn files_on_their_way_count_as_files(registry: &Registry) {
    let (shelf, package) = Shelf::with_package(registry);
    let claim = |max, is_void: bool, path: &str| {
        shelf.claim_by(max, &|_| is_void, &[new_claim(package, path)]).remove(0)
    };
    assert_eq!(claim(2, false, "a"), Ok(()));
    assert_eq!(claim(2, false, "b"), Ok(()));
    assert_eq!(claim(2, false, "c"), Err(ClaimRefusal::TooManyFiles));
    // Nothing will come of what is void.
    assert_eq!(claim(2, true, "c"), Ok(()));
    // A file that is being replaced is one file.
    let (shelf, package) = (&shelf, shelf.create(|_| {}).id);
    shelf.store(package, &["a"]);
    let replace = shelf.claim_by(2, &|_| false, &[replacing(package, "a")]);
    assert_eq!(replace, [Ok(())]);
    let next = ["b", "c"].map(|path| new_claim(package, path));
    let answers = shelf.claim_by(2, &|_| false, &next);
    assert_eq!(answers, [Ok(()), Err(ClaimRefusal::TooManyFiles)]);
}

pub(crate) fn five_thousand_paths_are_claimed_and_finished_at_once(registry: &Registry) {
    let (shelf, package) = Shelf::with_package(registry);
    let names: Vec<String> = (0..5000).map(|i| format!("folder {}/file {i}", i % 70)).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    shelf.store(package, &names);
    let after = shelf.package(package);
    assert_eq!((after.file_count, after.total_bytes), (5000, 50_000));
    assert_eq!(shelf.claimed(package).len(), 0);
    let (_, answers) = shelf.claim(package, &names);
    assert!(answers.iter().all(|answer| *answer == Err(ClaimRefusal::Duplicate)));
    let folders: Vec<String> = (0..70).map(|i| format!("folder {i}")).collect();
    let folders: Vec<&str> = folders.iter().map(String::as_str).collect();
    let (_, answers) = shelf.claim(package, &folders);
    assert!(answers.iter().all(|answer| matches!(answer, Err(ClaimRefusal::Conflict { .. }))));
}

pub(crate) fn one_batch_serves_several_packages_and_answers_in_order(registry: &Registry) {
    let shelf = Shelf::new(registry);
    let (one, two) = (shelf.create(|_| {}).id, shelf.create(|_| {}).id);
    let sealed = shelf.create(|package| package.status = PackageStatus::Finalized).id;
    shelf.store(two, &["old"]);
    let wanted = [
        (two, "old", Err(ClaimRefusal::Duplicate)),
        (one, "a", Ok(())),
        (sealed, "a", Err(ClaimRefusal::WrongStatus(PackageStatus::Finalized))),
        (two, "a", Ok(())),
        (one, "a", Err(ClaimRefusal::InProgress)),
        (one, "old", Ok(())),
    ];
    let claims: Vec<NewClaim> =
        wanted.iter().map(|(package, path, _)| new_claim(*package, path)).collect();
    let expected: Vec<_> = wanted.iter().map(|(_, _, answer)| answer.clone()).collect();
    assert_eq!(shelf.claim_all(&claims), expected);

    let finished: Vec<FinishedUpload> = [(3, 5), (0, 1), (1, 7), (5, 9)]
        .into_iter()
        .map(|(index, size)| {
            let claim: &NewClaim = &claims[index];
            finished(claim.id, claim.package, claim.path.as_str(), size)
        })
        .collect();
    let answers = shelf.finish(&finished);
    assert_eq!(answers, [Ok(()), Err(FinishRefusal::ClaimLost), Ok(()), Ok(())]);
    let (one, two) = (shelf.package(one), shelf.package(two));
    assert_eq!((one.file_count, one.total_bytes), (2, 16));
    assert_eq!((two.file_count, two.total_bytes), (2, 15));
}

pub(crate) fn a_finished_upload_is_a_file_and_no_claim_any_more(registry: &Registry) {
    let (shelf, package) = Shelf::with_package(registry);
    let claim = shelf.hold(package, "a");
    let before = shelf.package(package);
    assert_eq!(shelf.finish(&[finished(claim, package, "a", 0)]), [Ok(())]);
    assert_eq!(shelf.claimed(package).len(), 0);
    assert_eq!(shelf.names(package), ["a"]);
    let after = shelf.package(package);
    assert_eq!((after.file_count, after.total_bytes), (1, 0));
    assert_eq!((after.revision, after.updated_at), (before.revision + 1, at(3)));
    assert_eq!(shelf.finish(&[]), []);
    assert_eq!(shelf.claim_all(&[]), []);
}

pub(crate) fn a_lost_claim_stores_nothing(registry: &Registry) {
    let (shelf, package) = Shelf::with_package(registry);
    let claim = shelf.hold(package, "a");
    write(registry, |writer| writer.release_claims(&[claim]));
    let before = shelf.package(package);
    let never_held = ClaimId::generate(at(0));
    let answers =
        shelf.finish(&[finished(claim, package, "a", 1), finished(never_held, package, "b", 1)]);
    assert_eq!(answers, [Err(FinishRefusal::ClaimLost), Err(FinishRefusal::ClaimLost)]);
    assert_eq!(shelf.package(package), before);
    assert_eq!(shelf.names(package).len(), 0);
}

pub(crate) fn a_claim_is_good_for_its_own_path_once(registry: &Registry) {
    let (shelf, package) = Shelf::with_package(registry);
    let other = shelf.create(|_| {}).id;
    let claim = shelf.hold(package, "a");
    let answers = shelf.finish(&[
        finished(claim, package, "b", 1),
        finished(claim, other, "a", 1),
        finished(claim, package, "a", 1),
        finished(claim, package, "a", 1),
    ]);
    let lost = || Err(FinishRefusal::ClaimLost);
    assert_eq!(answers, [lost(), lost(), Ok(()), lost()]);
    assert_eq!(shelf.package(package).file_count, 1);
    assert_eq!(shelf.names(other).len(), 0);
}

pub(crate) fn a_package_that_is_not_open_takes_no_finished_upload(registry: &Registry) {
    let (shelf, package) = Shelf::with_package(registry);
    let claim = shelf.hold(package, "a");
    let reason = Reason::parse("given up").unwrap();
    write(registry, |writer| writer.fail_package(package, &reason, at(9)));
    let answers = shelf.finish(&[finished(claim, package, "a", 1)]);
    assert_eq!(answers, [Err(FinishRefusal::WrongStatus(PackageStatus::Failed))]);
    assert_eq!(shelf.names(package).len(), 0);
    // The claim still names the bytes until whoever wrote them has removed them.
    assert_eq!(shelf.claimed(package), ["a"]);
    let answers = shelf.finish(&[finished(claim, PackageId::generate(at(0)), "a", 1)]);
    assert_eq!(answers, [Err(FinishRefusal::WrongStatus(PackageStatus::Deleted))]);
}

pub(crate) fn a_package_has_so_many_bytes_and_no_more(registry: &Registry) {
    let (shelf, package) = Shelf::with_package(registry);
    shelf.store(package, &["old"]);
    let names = ["a", "b", "c", "d"];
    let (ids, _) = shelf.claim(package, &names);
    let sizes = [60, 31, u64::MAX, 30];
    let uploads: Vec<FinishedUpload> = ids
        .iter()
        .zip(names)
        .zip(sizes)
        .map(|((id, name), size)| finished(*id, package, name, size))
        .collect();
    let finish = |uploads: &[FinishedUpload]| {
        write(registry, |writer| writer.finish_uploads(shelf.writer, at(3), 100, uploads))
    };
    let too_many = || Err(FinishRefusal::TooManyBytes);
    assert_eq!(finish(&uploads), [Ok(()), too_many(), too_many(), Ok(())]);
    let after = shelf.package(package);
    assert_eq!((after.file_count, after.total_bytes), (3, 100));
    assert_eq!(shelf.claimed(package), ["b", "c"]);
}

pub(crate) fn a_released_path_is_free_again(registry: &Registry) {
    let (shelf, package) = Shelf::with_package(registry);
    let (ids, _) = shelf.claim(package, &["a", "b", "c"]);
    let unknown = ClaimId::generate(at(0));
    write(registry, |writer| writer.release_claims(&[ids[0], unknown, ids[2]]));
    write(registry, |writer| writer.release_claims(&[]));
    assert_eq!(shelf.claimed(package), ["b"]);
    let (_, answers) = shelf.claim(package, &["a", "b", "c/d"]);
    assert_eq!(answers, [Ok(()), Err(ClaimRefusal::InProgress), Ok(())]);
}

pub(crate) fn a_claim_is_renewed_while_it_is_held(registry: &Registry) {
    let (shelf, package) = Shelf::with_package(registry);
    let claim = shelf.hold(package, "a");
    assert!(write(registry, |writer| writer.renew_claim(claim, at(500))));
    let claims = read(registry, |reader| reader.claims(package, 10));
    assert_eq!(claims[0].renewed_at, at(500));
    write(registry, |writer| writer.release_claims(&[claim]));
    assert!(!write(registry, |writer| writer.renew_claim(claim, at(600))));
}

pub(crate) fn a_void_claim_is_released_on_request(registry: &Registry) {
    let (shelf, package) = Shelf::with_package(registry);
    shelf.hold(package, "a");
    let release = |name: &str, is_void: bool| {
        write(registry, |writer| writer.release_void_claim(package, &path(name), &|_| is_void))
    };
    assert!(!release("a", false));
    assert!(!release("b", true));
    assert!(release("a", true));
    assert!(!release("a", true));
    assert_eq!(shelf.claimed(package).len(), 0);
}

pub(crate) fn a_file_is_replaced_under_its_claim(registry: &Registry) {
    let (shelf, package) = Shelf::with_package(registry);
    shelf.store(package, &["a"]);
    let claim = replacing(package, "a");
    assert_eq!(shelf.claim_all(std::slice::from_ref(&claim)), [Ok(())]);
    write(registry, |writer| writer.remove_file(package, &path("a"), at(9)));
    assert_eq!(shelf.finish(&[finished(claim.id, package, "a", 3)]), [Ok(())]);
    let after = shelf.package(package);
    assert_eq!((after.file_count, after.total_bytes), (1, 3));
}
