//! What another class gives, and what is refused.

use artifact_domain::Package;
use artifact_domain::PackageStatus::{Created, Failed, Finalized, Uploading};
use artifact_domain::retention::RetentionPeriod::{Days, Permanent};
use artifact_retention::change_class;

use crate::facts::{LAST_INSTANT, at, day, next, package, rule};

#[test]
fn a_class_counts_from_the_finalize_and_before_it_from_the_creation() {
    let year = rule("summary-evidence", 1, Days(365));
    for status in [Created, Uploading, Failed] {
        let open = package(status, Some(day(90)));
        assert_eq!(change_class(&open, &year), Ok(Some(day(365))), "{status}");
    }
    let sealed = Package { finalized_at: Some(day(7)), ..package(Finalized, Some(day(97))) };
    assert_eq!(change_class(&sealed, &year), Ok(Some(day(372))));
}

#[test]
fn the_same_expiry_is_allowed_and_a_microsecond_less_is_not() {
    let quarter = rule("quarter", 1, Days(90));
    assert_eq!(change_class(&package(Finalized, Some(day(90))), &quarter), Ok(Some(day(90))));

    let longer = package(Finalized, Some(next(day(90))));
    let refused = change_class(&longer, &quarter).unwrap_err();
    assert_eq!((refused.present, refused.given), (longer.expires_at, day(90)));
}

#[test]
fn permanent_is_the_latest_of_all() {
    let for_ever = rule("permanent-record", 1, Permanent);
    assert_eq!(change_class(&package(Finalized, Some(day(90))), &for_ever), Ok(None));
    assert_eq!(change_class(&package(Finalized, Some(at(LAST_INSTANT))), &for_ever), Ok(None));
    assert_eq!(change_class(&package(Finalized, None), &for_ever), Ok(None));

    let century = rule("release-evidence", 1, Days(36_500));
    assert!(change_class(&package(Finalized, None), &century).is_err());
}

#[test]
fn an_extension_is_not_lost_to_a_class_that_gives_more_than_the_old_one() {
    let extended = package(Finalized, Some(day(400)));
    let year = rule("summary-evidence", 1, Days(365));
    assert!(change_class(&extended, &year).is_err());
}

#[test]
fn a_version_that_an_admin_made_shorter_is_refused_for_a_package_of_the_older_one() {
    let package = package(Finalized, Some(day(90)));
    let shorter = rule("raw-evidence", 2, Days(30));
    let refused = change_class(&package, &shorter).unwrap_err();
    assert_eq!((refused.class.as_str(), refused.version), ("raw-evidence", 2));
    // Made longer, it can be asked for: the way in which a new version reaches an old package.
    let longer = rule("raw-evidence", 3, Days(180));
    assert_eq!(change_class(&package, &longer), Ok(Some(day(180))));
}

#[test]
fn a_class_that_gives_no_day_keeps_until_the_finalize() {
    let nothing = rule("nothing", 1, Days(0));
    assert_eq!(change_class(&package(Finalized, Some(day(0))), &nothing), Ok(Some(day(0))));
    assert!(change_class(&package(Finalized, Some(day(1))), &nothing).is_err());
}

#[test]
fn a_refusal_says_what_is_promised_and_what_to_do() {
    let week = rule("transient", 2, Days(7));
    let refused =
        |expires_at| change_class(&package(Finalized, expires_at), &week).unwrap_err().to_string();
    assert_eq!(
        refused(Some(day(90))),
        "retention class transient, version 2, would keep it until 2026-01-08T00:00:00.000000Z, \
         but it is kept until 2026-04-01T00:00:00.000000Z already: leave it in its class, or \
         extend it"
    );
    assert_eq!(
        refused(None),
        "retention class transient, version 2, would keep it until 2026-01-08T00:00:00.000000Z, \
         but it is kept for ever already: leave it in its class, or extend it"
    );
}
