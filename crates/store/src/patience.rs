//! How long an answer of the registry is waited for.
//!
//! A server that runs a statement for too long stops it by itself, and one that has vanished is
//! noticed by the kernel. A server that is stopped, or a proxy that hangs, does neither: its kernel
//! confirms every byte, and libpq waits for ever. So those who ask do not wait for the thread that
//! does. What it was doing may still be done when the database goes on, as after an answer that
//! was lost: every use case bears that.

use std::time::Duration;

use artifact_registry::{ConnectionOptions, DatabaseUrl, RegistryError};

use crate::error::StoreError;

/// How long a transaction may take until whoever asked is told that the registry does not answer.
/// SQLite has nobody who could fall silent.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience(Option<Duration>);

impl Patience {
    /// A connection may take its time, and so may a statement.
    pub(crate) fn with(database: &DatabaseUrl, options: &ConnectionOptions) -> Self {
        Self(match database {
            DatabaseUrl::Sqlite(_) => None,
            DatabaseUrl::Postgres(_) => {
                Some(options.connection_timeout.saturating_add(options.statement_timeout))
            }
        })
    }

    /// How long that is, if there is an end to it.
    pub(crate) const fn most(self) -> Option<Duration> {
        self.0
    }

    /// The answer, if it comes in time.
    pub(crate) async fn wait<T>(
        self,
        answer: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let Some(most) = self.0 else { return answer.await };
        tokio::time::timeout(most, answer).await.unwrap_or_else(|_| {
            let reason = format!("no answer within {most:?}");
            Err(RegistryError::NoConnection { reason }.into())
        })
    }
}

#[cfg(test)]
mod tests {
    use artifact_domain::wire::ErrorCode;

    use super::*;

    #[tokio::test]
    async fn a_database_that_hangs_is_unavailable_and_a_file_is_waited_for() {
        let moment = Duration::from_millis(5);
        let options = ConnectionOptions {
            connection_timeout: moment,
            statement_timeout: moment,
            ..ConnectionOptions::default()
        };
        let hangs = || std::future::pending::<Result<(), StoreError>>();
        let url = "postgres://store@db.example.org/evidence".parse().unwrap();
        let error = Patience::with(&url, &options).wait(hangs()).await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::RegistryUnavailable);
        assert!(error.to_string().contains("no answer within 10ms"), "{error}");

        let patience = Patience::with(&DatabaseUrl::sqlite("registry.sqlite3"), &options);
        let longer = Duration::from_millis(50);
        assert!(tokio::time::timeout(longer, patience.wait(hangs())).await.is_err());
    }
}
