//! What a store has to do wherever its registry and its bytes are. Each function is one behaviour
//! over the options of a store that nobody has opened yet; a backend's own test calls `contract!`
//! with a function that makes them. Nothing here looks at how the bytes are kept.

use artifact_domain::digest::Blake3Digest;
use artifact_domain::event::{AuditAction, AuditEvent, RetentionEvent};
use artifact_domain::filter::{AuditFilter, PageLimit};
use artifact_domain::wire::{CreatePackage, FinalizePackage};
use artifact_domain::{FileRecord, LogicalPath, Package, PackageId, Sha256Digest, Timestamp};
use artifact_store::{ArtifactStore, ByteStream, NewUpload, SmallFile, StoreError, StoreOptions};
use bytes::Bytes;
use futures::{Stream, TryStreamExt as _};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use time::OffsetDateTime;

mod archive;
mod batch;
mod changes;
mod classes;
mod clock;
mod create;
mod deletion;
mod extend;
mod finalize;
mod history;
mod holds;
pub(crate) mod kept;
mod lists;
mod races;
mod read;
mod reclassify;
mod refused_deletion;
mod refused_uploads;
mod retention;
mod retention_races;
mod tar;
mod tar_hostile;
mod unfinished;
mod upload;

pub(crate) use archive::*;
pub(crate) use batch::*;
pub(crate) use changes::*;
pub(crate) use classes::*;
pub(crate) use clock::*;
pub(crate) use create::*;
pub(crate) use deletion::*;
pub(crate) use extend::*;
pub(crate) use finalize::*;
pub(crate) use history::*;
pub(crate) use holds::*;
pub(crate) use lists::*;
pub(crate) use races::*;
pub(crate) use read::*;
pub(crate) use reclassify::*;
pub(crate) use refused_deletion::*;
pub(crate) use refused_uploads::*;
pub(crate) use retention::*;
pub(crate) use retention_races::*;
pub(crate) use tar::*;
pub(crate) use tar_hostile::*;
pub(crate) use unfinished::*;
pub(crate) use upload::*;

/// Makes a test of each behaviour. `$options` is an async function to options and a guard.
macro_rules! contract {
    ($(#[$attribute:meta])* $options:path) => {
        $crate::contract::contract! { $(#[$attribute])* $options,
            a_package_that_says_little_gets_the_defaults,
            what_the_producer_says_is_kept,
            each_seeded_class_gives_its_expiry,
            a_class_that_nobody_made_is_refused,
            an_external_id_is_taken_until_its_package_fails,
            of_concurrent_creates_of_one_external_id_one_wins,
            creating_is_audited_and_promised,
            events_name_who_acted_in_which_request,

            a_file_in_any_pieces_has_both_digests,
            a_body_of_empty_pieces_is_an_empty_file,
            a_media_type_is_kept_or_guessed_or_unknown,
            odd_names_are_kept_byte_for_byte,
            bytes_that_are_as_announced_are_stored,
            a_replaced_file_has_the_new_bytes_and_the_counters_follow,
            replacing_what_is_not_there_stores_it,
            a_removed_file_is_gone_and_its_path_is_free,
            removing_what_is_not_there_is_no_file,
            many_uploads_from_many_tasks_all_arrive,

            bytes_that_are_not_as_announced_store_nothing,
            a_replace_with_the_wrong_bytes_keeps_the_old_file,
            a_body_that_fails_stores_nothing,
            a_body_that_falls_silent_frees_its_path,
            a_slow_body_is_not_a_silent_one,
            an_upload_that_is_dropped_before_it_began_frees_its_path,
            an_upload_that_is_dropped_half_way_frees_its_path,
            a_batch_that_is_dropped_frees_its_paths,
            a_path_is_stored_once,
            a_path_that_is_being_uploaded_is_in_use,
            a_file_is_no_folder_and_a_folder_no_file,
            a_file_has_its_limit,
            a_package_has_its_limit_of_bytes,
            a_replace_beyond_the_limit_keeps_the_old_file,
            a_batch_beyond_the_limit_stores_what_fits,
            a_package_has_its_limit_of_files,
            a_finalized_package_takes_no_files_and_loses_none,
            a_failed_package_takes_no_files,
            a_package_that_nobody_created_takes_no_files,

            a_batch_answers_in_order,
            a_batch_with_refusals_in_its_middle_stores_the_rest,
            an_empty_batch_is_answered_with_nothing,
            a_batch_for_a_closed_package_refuses_each_file,

            each_file_of_a_tar_is_an_upload,
            names_of_every_length_survive_a_tar,
            an_archiver_that_is_common_is_understood,
            an_empty_tar_stores_nothing_and_no_tar_is_refused,
            a_tar_for_a_package_that_takes_no_files_is_refused_unread,
            a_package_that_closes_on_the_way_stops_its_tar,
            a_tar_that_may_not_be_sent_elsewhere_is_stored_all_the_same,

            what_is_no_file_in_a_tar_is_an_error_of_its_entry,
            a_name_that_leaves_the_package_is_refused,
            a_path_twice_in_a_tar_is_stored_once,
            files_of_one_tar_conflict_as_others_do,
            a_tar_that_breaks_off_is_stored_as_far_as_it_was_whole,
            a_tar_that_breaks_off_at_once_is_an_error,
            a_wrong_checksum_ends_a_tar,
            sizes_that_lie_cost_no_memory,
            what_follows_the_end_of_a_tar_is_an_error,
            a_tar_whose_sender_fails_keeps_its_whole_files,
            a_tar_whose_sender_falls_silent_frees_its_paths,
            a_tar_has_its_limit_of_entries,
            a_tar_cut_anywhere_stores_whole_files_or_nothing,

            the_manifest_has_its_digest_and_is_canonical,
            the_payload_manifest_is_what_a_client_computes,
            what_was_sent_is_held_against_what_is_there,
            a_package_without_files_is_not_finalized,
            finalizing_again_answers_the_same_package,
            ten_concurrent_finalizes_seal_once,
            a_package_is_not_finalized_while_a_file_arrives,
            a_failed_package_is_not_finalized,
            finalizing_moves_the_expiry_to_the_later_date,
            a_rule_that_changed_does_not_change_a_package,
            a_permanent_package_stays_permanent,
            the_manifest_never_changes,
            there_is_no_manifest_before_finalize,
            a_sealed_package_proves_itself,

            of_two_writers_of_one_path_one_wins,
            of_a_file_and_a_folder_of_one_name_one_wins,
            a_reader_never_sees_a_half_written_file,
            a_reader_beside_a_replace_sees_one_version_whole,
            finalize_seals_all_that_was_answered_before,
            a_file_that_was_removed_beside_finalize_is_in_or_out,

            a_file_is_read_before_and_after_finalize,
            any_range_is_the_slice,
            a_range_beyond_the_file_is_refused_with_its_size,
            what_is_not_there_is_said_to_be_missing,

            packages_are_filtered_by_each_condition,
            packages_are_paged_newest_first,
            packages_created_while_paging_neither_repeat_nor_hide,
            a_cursor_of_another_list_is_refused,
            files_are_listed_by_the_bytes_of_their_paths,
            files_below_a_prefix_are_paged,
            the_eligible_filter_is_the_rule_of_retention,

            a_title_is_set_and_cleared_and_labels_are_replaced,
            an_update_of_what_somebody_else_changed_is_refused,
            every_change_moves_the_revision,
            a_package_is_failed_once_and_with_a_reason,
            a_client_learns_which_files_it_need_not_send,
            a_summary_says_what_a_tracker_needs,
            the_audit_trail_tells_the_story_in_order,
            events_are_paged_and_no_empty_page_is_promised,
            the_audit_trail_of_all_packages_is_filtered,
            events_of_what_nobody_made_are_no_empty_list,

            an_archive_is_the_same_each_time,
            a_tar_holds_the_whole_bag_in_order,
            a_zip_holds_the_whole_bag_in_order,
            long_names_survive_both_archives,
            an_archive_is_made_of_a_finalized_package_only,
            an_archive_that_nobody_reads_to_its_end_does_no_harm,

            the_retention_of_a_package_says_which_rules_protect_it,
            retention_is_answered_for_any_time_with_the_holds_of_now,
            what_nobody_made_has_no_retention,

            an_extension_moves_the_expiry_and_both_trails_say_so,
            an_extension_to_the_present_expiry_leaves_no_trace,
            what_is_no_extension_is_refused_and_leaves_no_trace,
            an_extension_of_what_has_expired_has_to_reach_the_present,
            an_open_package_is_extended_and_finalize_keeps_the_later_date,
            a_failed_package_is_extended_like_any_other,

            a_package_is_put_into_a_class_that_keeps_it_longer,
            a_package_is_put_into_the_newer_version_of_its_own_class,
            a_class_that_keeps_a_package_less_long_is_refused_and_leaves_no_trace,
            a_class_that_nobody_made_takes_no_package,
            a_class_that_changes_leaves_its_packages_as_they_are,
            finalize_goes_by_the_class_that_the_package_was_put_into,

            a_new_store_has_five_classes_and_no_later_one_adds_them_again,
            a_class_is_added_and_changed_and_each_version_is_audited,
            two_who_put_a_class_at_once_make_two_versions_and_two_events,

            a_package_is_held_until_its_last_hold_is_released,
            a_hold_and_its_release_stay_on_record_with_who_and_why,
            a_hold_is_released_once_and_by_its_own_package,
            whatever_is_not_deleted_can_be_held,
            holds_are_paged_in_the_order_in_which_they_were_placed,

            a_package_that_nothing_protects_is_deleted_and_its_story_stays,
            a_failed_package_is_deleted_with_the_files_that_it_got,
            a_deleted_package_leaves_its_external_id_to_others,
            there_is_no_receipt_before_a_deletion,
            an_upload_that_outlives_its_package_stores_nothing,
            a_store_that_was_opened_to_read_changes_no_promise,

            what_a_rule_protects_is_not_deleted_and_nothing_is_recorded,
            a_dry_run_says_what_would_go_and_lets_it_be,
            what_may_be_deleted_is_listed_with_all_that_speaks_for_it,
            what_may_be_deleted_is_paged_oldest_expiry_first,

            deleting_again_removes_what_a_crash_left,
            a_sweep_says_what_a_crash_left_and_removes_it_when_it_is_told_to,
            a_sweep_finds_more_than_one_page_of_what_is_left,
            several_who_finish_a_deletion_at_once_do_no_harm,

            a_new_store_trusts_its_clock_and_remembers_the_latest_time,
            a_clock_that_contradicts_what_was_seen_suspends_deletion_when_somebody_deletes,
            a_clock_that_contradicts_what_was_seen_suspends_deletion_at_opening,
            a_clock_that_is_not_trusted_stops_deleting_and_nothing_else,
            an_acknowledged_clock_is_trusted_from_then_on,
            how_far_a_clock_is_trusted_is_the_operators_choice,

            of_a_hold_and_a_deletion_one_wins,
            of_an_extension_and_a_deletion_one_wins,
            of_a_class_change_and_a_deletion_one_wins,
            a_deletion_beside_a_release_comes_before_it_or_after,
            of_two_deletions_one_gets_the_receipt,
            finalize_beside_an_extension_never_shortens,
            of_two_class_changes_the_later_one_stands,
            holds_that_come_and_go_at_once_are_all_counted,
            a_reader_beside_a_deletion_gets_all_or_is_told,
        }
    };
    (@each $attributes:tt $options:path, $($behaviour:ident),+) => {
        $($crate::contract::contract! { @one $attributes $options, $behaviour })+
    };
    (@one [$($attribute:meta),*] $options:path, $behaviour:ident) => {
        $(#[$attribute])*
        #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
        async fn $behaviour() {
            let (options, _guard) = $options().await;
            crate::contract::$behaviour(options).await;
        }
    };
    ($(#[$attribute:meta])* $options:path, $($behaviour:ident),+ $(,)?) => {
        $crate::contract::contract! { @each [$($attribute),*] $options, $($behaviour),+ }
    };
}
pub(crate) use contract;

pub(crate) async fn open(options: &StoreOptions) -> ArtifactStore {
    ArtifactStore::open(options).await.unwrap()
}

pub(crate) fn request(said: Value) -> CreatePackage {
    serde_json::from_value(said).unwrap()
}

/// Creates a package of which as much is said as `said` has.
pub(crate) async fn create(store: &ArtifactStore, said: Value) -> Package {
    store.create_package(request(said)).await.unwrap()
}

/// Creates a package about which nothing matters.
pub(crate) async fn package(store: &ArtifactStore) -> PackageId {
    create(store, json!({"producer": "ci"})).await.id
}

pub(crate) fn path(text: &str) -> LogicalPath {
    LogicalPath::parse(text).unwrap()
}

pub(crate) fn new(text: &str) -> NewUpload {
    NewUpload::new(path(text))
}

pub(crate) fn replacing(text: &str) -> NewUpload {
    NewUpload { replace: true, ..new(text) }
}

pub(crate) fn small(text: &str, bytes: impl Into<Bytes>) -> SmallFile {
    SmallFile { upload: new(text), bytes: bytes.into() }
}

pub(crate) async fn put(
    store: &ArtifactStore,
    package: PackageId,
    name: &str,
    bytes: impl Into<Bytes>,
) -> FileRecord {
    store.upload_bytes(package, new(name), bytes).await.unwrap()
}

/// Bytes that differ from place to place, so that a piece in the wrong place shows.
pub(crate) fn bytes(len: usize) -> Bytes {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        state.to_be_bytes()
    };
    let mut bytes: Vec<u8> =
        std::iter::repeat_with(&mut next).take(len / 8 + 1).flatten().collect();
    bytes.truncate(len);
    bytes.into()
}

pub(crate) fn sha256(bytes: &[u8]) -> Sha256Digest {
    Sha256Digest::from_bytes(Sha256::digest(bytes).into())
}

pub(crate) fn blake3(bytes: &[u8]) -> Blake3Digest {
    Blake3Digest::from_bytes(*blake3::hash(bytes).as_bytes())
}

/// Bytes as a body in pieces of `chunk` bytes.
pub(crate) fn pieces(
    bytes: &Bytes,
    chunk: usize,
) -> impl Stream<Item = std::io::Result<Bytes>> + Send + use<> {
    let bytes = bytes.clone();
    let len = bytes.len();
    futures::stream::iter(
        (0..len).step_by(chunk).map(move |at| Ok(bytes.slice(at..len.min(at + chunk)))),
    )
}

pub(crate) async fn collect(stream: ByteStream) -> Result<Vec<u8>, StoreError> {
    let chunks: Vec<Bytes> = stream.try_collect().await?;
    Ok(chunks.concat())
}

pub(crate) async fn read(
    store: &ArtifactStore,
    package: PackageId,
    name: &str,
) -> Result<Vec<u8>, StoreError> {
    let (_, stream) = store.read_file(package, &path(name), None).await?;
    collect(stream).await
}

pub(crate) async fn seal(store: &ArtifactStore, package: PackageId) -> Package {
    store.finalize(package, FinalizePackage::default()).await.unwrap()
}

pub(crate) fn limit(items: u64) -> PageLimit {
    PageLimit::new(items).unwrap()
}

/// The paths of a package's files, as the list has them.
pub(crate) async fn paths(store: &ArtifactStore, package: PackageId) -> Vec<String> {
    let page = store.files(package, None, None, limit(1000)).await.unwrap();
    assert_eq!(page.next_cursor, None);
    page.items.iter().map(|file| file.path.to_string()).collect()
}

/// The files that are listed are those that the package counts and that storage has, with the
/// right bytes and nothing beside them.
pub(crate) async fn assert_sound(store: &ArtifactStore, id: PackageId) {
    let files = store.files(id, None, None, limit(1000)).await.unwrap().items;
    let package = store.package(id).await.unwrap();
    assert_eq!(package.file_count, files.len() as u64);
    assert_eq!(package.total_bytes, files.iter().map(|file| file.size).sum::<u64>());
    let found = store.verify(id, |_| ()).await.unwrap();
    assert_eq!(found.problems, []);
    assert_eq!(found.files_checked, package.file_count);
    assert_eq!(found.bytes_checked, package.total_bytes);
}

/// The path takes a file at once, and the package with it can be finalized.
pub(crate) async fn assert_free(store: &ArtifactStore, package: PackageId, name: &str) {
    put(store, package, name, "again").await;
    assert_eq!(read(store, package, name).await.unwrap(), b"again");
    seal(store, package).await;
    assert_sound(store, package).await;
}

/// All audit events of a package.
pub(crate) async fn trail(store: &ArtifactStore, package: PackageId) -> Vec<AuditEvent> {
    let filter = AuditFilter { package: Some(package), ..AuditFilter::default() };
    let page = store.audit(filter, None, limit(1000)).await.unwrap();
    assert_eq!(page.next_cursor, None);
    page.items
}

/// All retention events of a package.
pub(crate) async fn promises(store: &ArtifactStore, package: PackageId) -> Vec<RetentionEvent> {
    let page = store.retention_events(package, None, limit(1000)).await.unwrap();
    assert_eq!(page.next_cursor, None);
    page.items
}

pub(crate) async fn actions(store: &ArtifactStore, package: PackageId) -> Vec<AuditAction> {
    let events = trail(store, package).await;
    events.into_iter().map(|event| event.action).collect()
}

pub(crate) fn now() -> Timestamp {
    Timestamp::try_from(OffsetDateTime::now_utc()).unwrap()
}

/// Asserts that a result is an error of a shape.
macro_rules! assert_refused {
    ($result:expr, $shape:pat $(if $guard:expr)?) => {
        match $result {
            Err($shape) $(if $guard)? => {}
            other => panic!("expected {}, found {:?}", stringify!($shape $(if $guard)?), other.map(|_| "a result")),
        }
    };
}
pub(crate) use assert_refused;
