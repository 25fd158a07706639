//! Deletion, and who is told of it when the line breaks.

use artifact_client::ClientError;
use artifact_domain::filter::PageLimit;
use artifact_domain::retention::{ConsultedRule, DeletionReceipt};
use artifact_domain::wire::{DeletePackage, ErrorCode, PlaceHold};
use artifact_domain::{PackageId, PackageStatus};
use artifact_testkit::TestServer;

use crate::line::{Fault, Line};
use crate::scripted::{Scripted, answer, problem};
use crate::support::{client, expired_package, open_package, some_id};

const ONE_BYTE: u64 = 1;

async fn delete(url: &str, id: PackageId, dry_run: bool) -> Result<DeletionReceipt, ClientError> {
    let request = DeletePackage { reason: "expired".parse().unwrap(), dry_run };
    client(url).delete_package(id, &request).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_package_is_deleted_once_and_leaves_a_receipt() {
    let server = TestServer::start();
    let client = client(&server.url());
    let id = expired_package(&server).await.id;
    let candidates = client.deletion_candidates(None, PageLimit::default()).await.unwrap();
    let named: Vec<_> =
        candidates.items.iter().map(|one| (one.package_id, one.total_bytes)).collect();
    assert_eq!(named, [(id, ONE_BYTE)]);

    let dry = delete(&server.url(), id, true).await.unwrap();
    assert!(dry.dry_run);
    assert_eq!(client.deletion(id).await.unwrap_err().code(), ErrorCode::NotFound);

    let receipt = delete(&server.url(), id, false).await.unwrap();
    assert_eq!((receipt.dry_run, receipt.bytes_removed), (false, ONE_BYTE));
    assert!(receipt.request_id.is_some());
    assert_eq!(client.deletion(id).await.unwrap(), receipt);
    assert_eq!(client.retention(id, None).await.unwrap().status, PackageStatus::Deleted);
    for dry_run in [true, false] {
        let again = delete(&server.url(), id, dry_run).await.unwrap_err();
        assert_eq!(again.code(), ErrorCode::PackageDeleted);
        assert_eq!(again.problem().unwrap().deleted_at, Some(receipt.deleted_at));
    }
    let candidates = client.deletion_candidates(None, PageLimit::default()).await.unwrap();
    assert_eq!(candidates.items, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_must_be_kept_is_refused_with_every_rule() {
    let server = TestServer::start();
    let id = expired_package(&server).await.id;
    let place = PlaceHold { reason: "litigation".parse().unwrap(), mandate: None };
    let hold = client(&server.url()).place_hold(id, &place).await.unwrap();
    let open = open_package(&server).await.id;
    for (id, hold) in [(id, Some(hold.id)), (open, None)] {
        let refused = delete(&server.url(), id, false).await.unwrap_err();
        assert_eq!(refused.code(), ErrorCode::NotEligible);
        let reasons = refused.problem().unwrap().reasons.clone().unwrap();
        let rules: Vec<_> = reasons.iter().map(|reason| reason.rule).collect();
        assert_eq!(rules, [ConsultedRule::Status, ConsultedRule::Expiry, ConsultedRule::Hold]);
        assert_eq!(reasons[2].hold_id, hold);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_is_had_from_the_receipt() {
    let server = TestServer::start();
    let id = expired_package(&server).await.id;
    let line = Line::to(server.address(), [Fault::CutDown(0)]).await;
    let receipt = delete(&line.url(), id, false).await.unwrap();
    assert_eq!(receipt, client(&server.url()).deletion(id).await.unwrap());
    assert_eq!((receipt.package_id, receipt.bytes_removed), (id, ONE_BYTE));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_never_arrived_is_made_again() {
    let server = TestServer::start();
    let id = expired_package(&server).await.id;
    let line = Line::to(server.address(), [Fault::CutUp(30)]).await;
    assert!(delete(&line.url(), id, false).await.is_ok());
    assert_eq!(line.connections(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_else_has_deleted_meanwhile_is_not_claimed() {
    let server = TestServer::start();
    let id = expired_package(&server).await.id;
    let theirs = delete(&server.url(), id, false).await.unwrap();
    let receipt = answer("200 OK", &[], &serde_json::to_string(&theirs).unwrap());
    let gone = problem("410 Gone", "package-deleted", &[]);
    let scripted = Scripted::answers(&["", &gone, &receipt]).await;
    let error = delete(&scripted.url(), some_id(), false).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::PackageDeleted);
    assert!(error.to_string().contains("(2 attempts)"), "{error}");

    let ids: Vec<String> = scripted.asked().iter().take(2).map(|head| request_id(head)).collect();
    assert_eq!(ids[0], ids[1]);
    assert_ne!(Some(&ids[0]), theirs.request_id.map(|id| id.to_string()).as_ref());
}

fn request_id(head: &str) -> String {
    let line = head.lines().find_map(|line| line.strip_prefix("x-request-id: "));
    line.unwrap().to_owned()
}
