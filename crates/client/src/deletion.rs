//! Deleting what nothing protects, and the receipt of it.

use artifact_domain::PackageId;
use artifact_domain::filter::PageLimit;
use artifact_domain::retention::DeletionReceipt;
use artifact_domain::wire::{DeletePackage, DeletionCandidate, ErrorCode, Page};
use reqwest::Method;
use reqwest::header::HeaderName;
use uuid::Uuid;

use crate::address::paged;
use crate::call::Call;
use crate::client::Client;
use crate::error::ClientError;
use crate::tries::{Reached, Tries};

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

impl Client {
    /// Deletes a package that nothing protects. With `dry_run` the answer is only what it would
    /// be. A package that must be kept is the problem `not-eligible`, with every rule that was
    /// consulted.
    ///
    /// It is repeated when the answer is lost, always under one request id. If the package turns
    /// out to be deleted and its receipt names that request, it was an attempt of this call, and
    /// the receipt is the answer. Otherwise somebody else has deleted it, and that is the problem
    /// `package-deleted`.
    pub async fn delete_package(
        &self,
        id: PackageId,
        request: &DeletePackage,
    ) -> Result<DeletionReceipt, ClientError> {
        let url = self.address().package(id, "/delete");
        let request_id = Uuid::now_v7().to_string();
        let call = Call::new(Method::POST, url, format!("delete package {id}"))
            .answered_within(self.options().finalize_timeout)
            .header(X_REQUEST_ID, &request_id)?
            .json(request)?;
        let mut tries = Tries::new(&self.options().retries);
        let mut may_be_done = false;
        loop {
            let setback = match self.exchange(&call).await {
                Ok(answer) => return answer.json(call.what(), call.url()),
                Err(setback) => setback,
            };
            if may_be_done && setback.error.code() == ErrorCode::PackageDeleted {
                let receipt = self.deletion(id).await?;
                if receipt.request_id.as_ref().is_some_and(|id| id.as_str() == request_id) {
                    return Ok(receipt);
                }
            }
            may_be_done |= setback.reached == Reached::Unknown;
            tries.pause(setback, true).await?;
        }
    }

    /// The receipt of a deletion. A package that was not deleted has none: `not-found`.
    pub async fn deletion(&self, id: PackageId) -> Result<DeletionReceipt, ClientError> {
        let url = self.address().package(id, "/deletion");
        let what = format!("look up the deletion of package {id}");
        self.send_json(&Call::get(url, what)).await
    }

    /// One page of the packages that may be deleted now, oldest expiry first. `cursor` is the
    /// `next_cursor` of the page before.
    pub async fn deletion_candidates(
        &self,
        cursor: Option<&str>,
        limit: PageLimit,
    ) -> Result<Page<DeletionCandidate>, ClientError> {
        let url = paged(&self.address().api("/deletion-candidates"), cursor, limit);
        self.send_json(&Call::get(url, "list what may be deleted")).await
    }
}
