//! The variables that this program reads.

/// Every variable of artifact-store, also those that other programs of it read.
const KNOWN: [&str; 24] = [
    "ARTIFACT_STORE_DATA_DIR",
    "ARTIFACT_STORE_BIND",
    "ARTIFACT_STORE_DATABASE_URL",
    "ARTIFACT_STORE_DATABASE_CONNECTIONS",
    "ARTIFACT_STORE_DATABASE_CONNECTION_TIMEOUT",
    "ARTIFACT_STORE_DATABASE_STATEMENT_TIMEOUT",
    "ARTIFACT_STORE_STORAGE_URL",
    "ARTIFACT_STORE_S3_ENDPOINT",
    "ARTIFACT_STORE_S3_REGION",
    "ARTIFACT_STORE_S3_ACCESS_KEY_ID",
    "ARTIFACT_STORE_S3_SECRET_ACCESS_KEY",
    "ARTIFACT_STORE_S3_ALLOW_HTTP",
    "ARTIFACT_STORE_S3_VIRTUAL_HOSTED_STYLE",
    "ARTIFACT_STORE_MAX_FILE_BYTES",
    "ARTIFACT_STORE_MAX_PACKAGE_BYTES",
    "ARTIFACT_STORE_MAX_FILES_PER_PACKAGE",
    "ARTIFACT_STORE_UPLOAD_IDLE_TIMEOUT",
    "ARTIFACT_STORE_PUBLIC_URL",
    "ARTIFACT_STORE_CLOCK_BEHIND",
    "ARTIFACT_STORE_CLOCK_AHEAD",
    "ARTIFACT_STORE_LOG",
    "ARTIFACT_STORE_LOG_FORMAT",
    "ARTIFACT_STORE_SERVER",
    "ARTIFACT_STORE_TOKEN",
];

/// Warns of variables that nobody reads: most often a typo that would pass for a setting.
pub(crate) fn warn_of_unknown_variables() {
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy();
        let ours = name.starts_with("ARTIFACT_STORE_") && !name.starts_with("ARTIFACT_STORE_TEST_");
        if ours && !KNOWN.contains(&&*name) {
            tracing::warn!("{name} is set and means nothing to artifact-store: a typo?");
        }
    }
}
