//! The audit trail.

use artifact_domain::event::AuditEvent;
use artifact_domain::filter::{AuditFilter, PageLimit};
use artifact_domain::wire::Page;

use crate::address::with_query;
use crate::call::Call;
use crate::client::Client;
use crate::error::ClientError;

impl Client {
    /// One page of the audit events that meet the filter, oldest first: of one package if the
    /// filter names it, else of all. `cursor` is the `next_cursor` of the page before.
    pub async fn audit(
        &self,
        filter: &AuditFilter,
        cursor: Option<&str>,
        limit: PageLimit,
    ) -> Result<Page<AuditEvent>, ClientError> {
        let (url, what) = match filter.package {
            Some(id) => {
                (self.address().package(id, "/audit"), format!("read the audit of package {id}"))
            }
            None => (self.address().api("/audit"), "read the audit trail".to_owned()),
        };
        let pairs = [
            ("action", filter.action.map(|action| action.as_str().to_owned())),
            ("actor", filter.actor.as_ref().map(ToString::to_string)),
            ("after", filter.after.map(|time| time.to_string())),
            ("before", filter.before.map(|time| time.to_string())),
            ("limit", Some(limit.get().to_string())),
            ("cursor", cursor.map(str::to_owned)),
        ];
        let pairs = pairs.into_iter().filter_map(|(name, value)| Some((name, value?)));
        self.send_json(&Call::get(with_query(&url, pairs), what)).await
    }
}
