//! Packages: create, look up, list, update, give up.

use artifact_domain::PackageId;
use artifact_domain::filter::{PackageFilter, PageLimit};
use artifact_domain::wire::{
    CreatePackage, FailPackage, PackageView, Page, Summary, UpdatePackage,
};
use reqwest::Method;
use reqwest::header::{ETAG, IF_MATCH};

use crate::address::with_query;
use crate::call::{Answer, Call};
use crate::client::Client;
use crate::error::ClientError;

/// A package as it was at one moment.
#[derive(Debug, Clone, PartialEq)]
pub struct VersionedPackage {
    /// The package.
    pub package: PackageView,
    /// What an update can name by `If-Match`, so that it changes this state of the package or
    /// nothing.
    pub etag: Option<String>,
}

fn versioned(answer: &Answer, call: &Call) -> Result<VersionedPackage, ClientError> {
    let etag = answer.headers.get(ETAG).and_then(|value| value.to_str().ok());
    let package = answer.json(call.what(), call.url())?;
    Ok(VersionedPackage { package, etag: etag.map(str::to_owned) })
}

impl Client {
    /// Announces a package.
    ///
    /// With an external id it is repeated when the answer is lost; if the package was made all the
    /// same, the answer is the problem `package-exists` with its id. Without one it is repeated
    /// only if the server cannot have seen it: nobody could tell the second package from the first.
    pub async fn create_package(
        &self,
        request: &CreatePackage,
    ) -> Result<PackageView, ClientError> {
        let what = match &request.external_id {
            Some(id) => format!("create a package of {} for {id}", request.producer),
            None => format!("create a package of {}", request.producer),
        };
        let call = Call::new(Method::POST, self.address().api("/packages"), what)
            .safe(request.external_id.is_some())
            .json(request)?;
        self.send_json(&call).await
    }

    /// A package and its present version.
    pub async fn package(&self, id: PackageId) -> Result<VersionedPackage, ClientError> {
        let call = Call::get(self.package_url(id), format!("look up package {id}"));
        versioned(&self.send(&call).await?, &call)
    }

    /// One page of the packages that meet the filter, newest first. `cursor` is the
    /// `next_cursor` of the page before.
    pub async fn packages(
        &self,
        filter: &PackageFilter,
        cursor: Option<&str>,
        limit: PageLimit,
    ) -> Result<Page<PackageView>, ClientError> {
        let mut query = filter_pairs(filter);
        query.push(("limit".to_owned(), limit.get().to_string()));
        query.extend(cursor.map(|cursor| ("cursor".to_owned(), cursor.to_owned())));
        let pairs = query.iter().map(|(name, value)| (name.as_str(), value.clone()));
        let url = with_query(&self.address().api("/packages"), pairs);
        self.send_json(&Call::get(url, "list packages")).await
    }

    /// Changes title and labels. With `if_match`, the `etag` of a [`VersionedPackage`], only if
    /// the package is still as it was then: else the problem `precondition-failed`.
    pub async fn update_package(
        &self,
        id: PackageId,
        update: &UpdatePackage,
        if_match: Option<&str>,
    ) -> Result<VersionedPackage, ClientError> {
        let mut call =
            Call::new(Method::PATCH, self.package_url(id), format!("update package {id}"))
                .json(update)?;
        if let Some(etag) = if_match {
            call = call.header(IF_MATCH, etag)?;
        }
        versioned(&self.send(&call).await?, &call)
    }

    /// Gives an open package up.
    pub async fn fail_package(
        &self,
        id: PackageId,
        request: &FailPackage,
    ) -> Result<PackageView, ClientError> {
        let url = self.address().package(id, "/fail");
        let call = Call::new(Method::POST, url, format!("give package {id} up")).json(request)?;
        self.send_json(&call).await
    }

    /// What is known of a package, without its bytes. Its `url` is absolute, whatever the server
    /// knows of its own address.
    pub async fn summary(&self, id: PackageId) -> Result<Summary, ClientError> {
        let url = self.address().package(id, "/summary");
        let call = Call::get(url, format!("look up package {id}"));
        let mut summary: Summary = self.send_json(&call).await?;
        let url = summary.url.as_deref().map(|url| self.absolute(url));
        summary.url = Some(url.unwrap_or_else(|| self.package_url(id)));
        Ok(summary)
    }
}

/// The parameters that ask for a filter.
fn filter_pairs(filter: &PackageFilter) -> Vec<(String, String)> {
    fn text<T: ToString>(value: Option<&T>) -> Option<String> {
        value.map(ToString::to_string)
    }
    let known = [
        ("status", filter.status.map(|status| status.to_string())),
        ("producer", text(filter.producer.as_ref())),
        ("kind", text(filter.kind.as_ref())),
        ("external_id", text(filter.external_id.as_ref())),
        ("retention_class", text(filter.retention_class.as_ref())),
        ("on_hold", text(filter.on_hold.as_ref())),
        ("created_after", text(filter.created_after.as_ref())),
        ("created_before", text(filter.created_before.as_ref())),
        ("expires_after", text(filter.expires_after.as_ref())),
        ("expires_before", text(filter.expires_before.as_ref())),
        ("eligible", filter.eligible.then(|| "true".to_owned())),
    ];
    let mut pairs: Vec<(String, String)> =
        known.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect();
    for (key, value) in filter.labels.iter() {
        pairs.push((format!("label.{key}"), value.to_string()));
    }
    pairs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_is_asked_for_condition_by_condition() {
        let filter = PackageFilter {
            producer: Some("ci".parse().unwrap()),
            on_hold: Some(false),
            labels: serde_json::from_str(r#"{"a":"b c"}"#).unwrap(),
            eligible: true,
            ..PackageFilter::default()
        };
        let pairs = filter_pairs(&filter);
        let pairs: Vec<_> = pairs.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        assert_eq!(
            pairs,
            [("producer", "ci"), ("on_hold", "false"), ("eligible", "true"), ("label.a", "b c")]
        );
        assert!(filter_pairs(&PackageFilter::default()).is_empty());
    }
}
