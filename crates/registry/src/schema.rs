//! The tables, as both migration trees make them.

diesel::table! {
    storage_locations (id) {
        id -> Text,
        url -> Text,
        first_seen_at -> BigInt,
        role -> Text,
    }
}

diesel::table! {
    writers (id) {
        id -> BigInt,
        boot_id -> Text,
        opened_at -> BigInt,
    }
}

diesel::table! {
    retention_rules (class, version) {
        class -> Text,
        version -> BigInt,
        period_days -> Nullable<BigInt>,
        description -> Text,
        updated_at -> BigInt,
    }
}

diesel::table! {
    packages (id) {
        id -> Text,
        producer -> Text,
        kind -> Text,
        external_id -> Nullable<Text>,
        title -> Nullable<Text>,
        labels -> Text,
        metadata -> Text,
        status -> Text,
        retention_class -> Text,
        rule_version -> BigInt,
        created_at -> BigInt,
        updated_at -> BigInt,
        finalized_at -> Nullable<BigInt>,
        expires_at -> Nullable<BigInt>,
        on_hold -> Bool,
        file_count -> BigInt,
        total_bytes -> BigInt,
        manifest_sha256 -> Nullable<Binary>,
        payload_manifest_sha256 -> Nullable<Binary>,
        manifest_head -> Nullable<Text>,
        failure_reason -> Nullable<Text>,
        deleted_at -> Nullable<BigInt>,
        deletion_reason -> Nullable<Text>,
        location_id -> Text,
        revision -> BigInt,
        sealing_at -> Nullable<BigInt>,
        sealing_revision -> Nullable<BigInt>,
    }
}

diesel::table! {
    package_labels (package_id, key) {
        package_id -> Text,
        key -> Text,
        value -> Text,
        created_at -> BigInt,
    }
}

diesel::table! {
    files (package_id, path) {
        package_id -> Text,
        path -> Text,
        size -> BigInt,
        sha256 -> Binary,
        blake3 -> Binary,
        media_type -> Text,
        uploaded_at -> BigInt,
        etag -> Nullable<Text>,
        writer_id -> BigInt,
    }
}

diesel::table! {
    uploads (claim_id) {
        claim_id -> Text,
        package_id -> Text,
        path -> Text,
        writer_id -> BigInt,
        renewed_at -> BigInt,
    }
}

diesel::table! {
    retention_events (seq) {
        seq -> BigInt,
        package_id -> Text,
        kind -> Text,
        actor -> Text,
        at -> BigInt,
        request_id -> Nullable<Text>,
        reason -> Text,
        before -> Text,
        after -> Text,
    }
}

diesel::table! {
    audit_events (seq) {
        seq -> BigInt,
        at -> BigInt,
        actor -> Text,
        action -> Text,
        package_id -> Nullable<Text>,
        request_id -> Nullable<Text>,
        details -> Text,
    }
}

diesel::table! {
    holds (id) {
        id -> Text,
        package_id -> Text,
        reason -> Text,
        mandate -> Nullable<Text>,
        placed_at -> BigInt,
        placed_by -> Text,
        released_at -> Nullable<BigInt>,
        released_by -> Nullable<Text>,
        release_reason -> Nullable<Text>,
    }
}

diesel::table! {
    deletions (package_id) {
        package_id -> Text,
        manifest_sha256 -> Nullable<Binary>,
        file_count -> BigInt,
        total_bytes -> BigInt,
        deleted_at -> BigInt,
        actor -> Text,
        request_id -> Nullable<Text>,
        reason -> Text,
        retention_class -> Text,
        rule_version -> BigInt,
        expires_at -> Nullable<BigInt>,
        reasons -> Text,
        bytes_removed -> BigInt,
        bytes_removed_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    clock (id) {
        id -> BigInt,
        seen_at -> BigInt,
        suspended_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    records_due (package_id, revision) {
        package_id -> Text,
        revision -> BigInt,
        since -> BigInt,
    }
}

diesel::table! {
    leases (task) {
        task -> Text,
        holder -> BigInt,
        expires_at -> BigInt,
    }
}

diesel::table! {
    package_copies (location_id, package_id) {
        location_id -> Text,
        package_id -> Text,
        revision -> BigInt,
        copied_at -> BigInt,
    }
}

diesel::table! {
    file_copies (location_id, package_id, path) {
        location_id -> Text,
        package_id -> Text,
        path -> Text,
        etag -> Nullable<Text>,
    }
}

diesel::joinable!(package_copies -> packages (package_id));
diesel::joinable!(package_labels -> packages (package_id));
diesel::joinable!(files -> packages (package_id));
diesel::joinable!(files -> writers (writer_id));
diesel::allow_tables_to_appear_in_same_query!(
    packages,
    package_labels,
    files,
    uploads,
    writers,
    package_copies
);
