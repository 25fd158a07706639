//! What packages are promised, and by which classes.

use artifact_domain::event::RetentionEvent;
use artifact_domain::filter::PageLimit;
use artifact_domain::name::RetentionClassName;
use artifact_domain::wire::{
    ChangeRetentionClass, ExtendRetention, Page, PutRetentionClass, RetentionClassView,
    RetentionView,
};
use artifact_domain::{PackageId, Timestamp};
use reqwest::Method;

use crate::address::{paged, with_query};
use crate::call::Call;
use crate::client::Client;
use crate::error::ClientError;

impl Client {
    /// What a package is promised, and what every rule says to deleting it at `at`: now, or any
    /// other time. A deleted package still answers.
    pub async fn retention(
        &self,
        id: PackageId,
        at: Option<Timestamp>,
    ) -> Result<RetentionView, ClientError> {
        let url = self.address().package(id, "/retention");
        let url = match at {
            Some(at) => with_query(&url, [("at", at.to_string())]),
            None => url,
        };
        self.send_json(&Call::get(url, format!("look up the retention of package {id}"))).await
    }

    /// Moves the expiry of a package to a later time.
    ///
    /// To a date or to for ever it is repeated when the answer is lost: the same expiry again is
    /// no change. By days it is not, because the days might be added twice: look at
    /// [`retention`](Self::retention) before asking again.
    pub async fn extend_retention(
        &self,
        id: PackageId,
        request: &ExtendRetention,
    ) -> Result<RetentionView, ClientError> {
        let url = self.address().package(id, "/retention/extend");
        let call = Call::new(Method::POST, url, format!("extend the retention of package {id}"))
            .safe(request.days.is_none())
            .json(request)?;
        self.send_json(&call).await
    }

    /// Puts a package into another class. It is not repeated when the answer is lost: each change
    /// is on record, and meanwhile somebody may have decided otherwise.
    pub async fn change_retention_class(
        &self,
        id: PackageId,
        request: &ChangeRetentionClass,
    ) -> Result<RetentionView, ClientError> {
        let url = self.address().package(id, "/retention/class");
        let what = format!("put package {id} into class {}", request.retention_class);
        self.send_json(&Call::new(Method::PUT, url, what).json(request)?).await
    }

    /// One page of how a package's retention came to be, oldest first. `cursor` is the
    /// `next_cursor` of the page before.
    pub async fn retention_events(
        &self,
        id: PackageId,
        cursor: Option<&str>,
        limit: PageLimit,
    ) -> Result<Page<RetentionEvent>, ClientError> {
        let url = paged(&self.address().package(id, "/retention/events"), cursor, limit);
        let what = format!("read the retention events of package {id}");
        self.send_json(&Call::get(url, what)).await
    }

    /// The retention classes, by name, in the versions that are for packages to come.
    pub async fn retention_classes(&self) -> Result<Vec<RetentionClassView>, ClientError> {
        let call = Call::get(self.address().api("/retention-classes"), "list retention classes");
        let page: Page<RetentionClassView> = self.send_json(&call).await?;
        Ok(page.items)
    }

    /// Adds a class, which is then of version 1, or a version to one. It is not repeated when the
    /// answer is lost: each time makes a version of its own.
    pub async fn put_retention_class(
        &self,
        class: &RetentionClassName,
        request: &PutRetentionClass,
    ) -> Result<RetentionClassView, ClientError> {
        let url = self.address().api(&format!("/retention-classes/{class}"));
        let what = format!("put retention class {class}");
        self.send_json(&Call::new(Method::PUT, url, what).json(request)?).await
    }
}
