//! Legal holds.

use artifact_domain::PackageId;
use artifact_domain::filter::PageLimit;
use artifact_domain::id::HoldId;
use artifact_domain::wire::{HoldView, Page, PlaceHold, ReleaseHold};
use reqwest::Method;

use crate::address::paged;
use crate::call::Call;
use crate::client::Client;
use crate::error::ClientError;

impl Client {
    /// Places a hold on a package. It is not repeated when the answer is lost: there would be two,
    /// and each would have to be released. [`holds`](Self::holds) tells whether it was placed.
    pub async fn place_hold(
        &self,
        id: PackageId,
        request: &PlaceHold,
    ) -> Result<HoldView, ClientError> {
        let url = self.address().package(id, "/holds");
        let call = Call::new(Method::POST, url, format!("place a hold on package {id}"));
        self.send_json(&call.json(request)?).await
    }

    /// Releases a hold. It is not repeated when the answer is lost: nobody could tell this release
    /// from another's. Asking again does no harm; a hold that is released already is the problem
    /// `wrong-status`.
    pub async fn release_hold(
        &self,
        id: PackageId,
        hold: HoldId,
        request: &ReleaseHold,
    ) -> Result<HoldView, ClientError> {
        let url = self.address().package(id, &format!("/holds/{hold}/release"));
        let call = Call::new(Method::POST, url, format!("release hold {hold} of package {id}"));
        self.send_json(&call.json(request)?).await
    }

    /// One page of a package's holds, active and released, in the order in which they were
    /// placed. `cursor` is the `next_cursor` of the page before.
    pub async fn holds(
        &self,
        id: PackageId,
        cursor: Option<&str>,
        limit: PageLimit,
    ) -> Result<Page<HoldView>, ClientError> {
        let url = paged(&self.address().package(id, "/holds"), cursor, limit);
        self.send_json(&Call::get(url, format!("list the holds of package {id}"))).await
    }
}
