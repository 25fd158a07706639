//! What every database has to do, whichever it is: one function for each behaviour, named by a
//! sentence, and one list of them.

use std::collections::BTreeMap;

use artifact_domain::digest::{Blake3Digest, Sha256Digest};
use artifact_domain::event::Origin;
use artifact_domain::id::{ClaimId, StorageId};
use artifact_domain::label::Labels;
use artifact_domain::metadata::Metadata;
use artifact_domain::name::{Actor, LabelKey, LabelValue, Reason, RetentionClassName};
use artifact_domain::package::{Package, PackageDescription};
use artifact_domain::retention::{RetentionPeriod, RetentionRule};
use artifact_domain::{FileRecord, LogicalPath, PackageId, PackageStatus, Timestamp};
use artifact_registry::files::StoredFile;
use artifact_registry::locations::{Location, Role};
use artifact_registry::uploads::{
    Claim, ClaimRefusal, ClaimRules, FinishRefusal, FinishedUpload, NewClaim,
};
use artifact_registry::writers::WriterId;
use artifact_registry::{
    DatabaseUrl, Durability, OpenMode, Reader, Registry, RegistryError, Writer,
};
use diesel::connection::SimpleConnection as _;
use diesel::{Connection as _, PgConnection, SqliteConnection};

pub(crate) mod clock;
pub(crate) mod copies;
pub(crate) mod deletions;
pub(crate) mod events;
pub(crate) mod files;
pub(crate) mod holds;
pub(crate) mod leases;
pub(crate) mod lists;
pub(crate) mod migrations;
pub(crate) mod packages;
pub(crate) mod races;
pub(crate) mod records;
pub(crate) mod retain;
pub(crate) mod rules;
pub(crate) mod seals;
pub(crate) mod transactions;
pub(crate) mod uploads;

/// Hands the list of behaviours to a macro, which makes a test of each.
macro_rules! for_every_behaviour {
    ($make_tests:ident) => {
        $make_tests! {
            packages {
                a_package_is_read_back_as_it_was_recorded,
                a_package_that_says_little_is_read_back_too,
                every_number_of_the_metadata_is_read_back_exactly,
                what_was_never_recorded_is_not_found,
                an_external_id_finds_the_one_package_that_is_neither_failed_nor_deleted,
                an_external_id_is_the_producers_own,
                the_database_itself_refuses_a_second_package_of_one_external_id,
                title_and_labels_change_and_nothing_else,
                a_failed_package_says_why,
                a_value_that_nobody_wrote_names_its_row_and_column,
            }
            lists {
                a_list_is_newest_first_and_ties_are_broken_by_id,
                every_filter_alone_and_all_together_list_what_they_say,
                packages_made_while_paging_neither_repeat_nor_hide_others,
                labels_that_were_changed_are_filtered_by_as_they_are_now,
                what_is_eligible_is_decided_by_status_hold_and_expiry,
            }
            files {
                a_file_is_read_back_as_it_was_recorded,
                a_file_is_present_until_its_package_is_deleted,
                files_are_listed_by_the_bytes_of_their_paths,
                a_prefix_is_taken_literally,
                a_removed_file_is_gone_from_the_list_and_the_counts,
                a_damaged_file_names_its_row_and_column,
                files_that_another_boot_wrote_are_found,
            }
            uploads {
                a_claim_opens_the_package_and_counts_as_a_change,
                a_stored_path_is_claimed_only_to_replace_it,
                a_path_that_is_being_written_is_not_claimed_again,
                a_void_claim_is_taken_over_by_its_own_path_alone,
                a_void_claim_stays_when_nobody_takes_it_over,
                a_file_and_a_folder_do_not_share_a_path,
                names_that_only_begin_alike_do_not_conflict,
                one_batch_is_held_against_itself,
                only_an_open_package_takes_claims,
                a_package_has_so_many_files_and_no_more,
                files_on_their_way_count_as_files,
                five_thousand_paths_are_claimed_and_finished_at_once,
                one_batch_serves_several_packages_and_answers_in_order,
                a_finished_upload_is_a_file_and_no_claim_any_more,
                a_lost_claim_stores_nothing,
                a_claim_is_good_for_its_own_path_once,
                a_package_that_is_not_open_takes_no_finished_upload,
                a_package_has_so_many_bytes_and_no_more,
                a_released_path_is_free_again,
                a_claim_is_renewed_while_it_is_held,
                a_void_claim_is_released_on_request,
                a_file_is_replaced_under_its_claim,
            }
            seals {
                a_sealed_package_says_what_it_was_sealed_with,
                a_young_intent_is_taken_over_and_an_old_one_is_not,
                any_change_makes_an_intent_void,
                a_package_is_sealed_once,
                what_was_never_intended_is_not_sealed,
            }
            rules {
                a_class_has_versions_and_the_last_one_is_current,
                a_version_is_recorded_once,
                the_database_itself_refuses_to_change_a_version,
                a_storage_root_is_recorded_with_its_present_place,
                writers_have_numbers_of_their_own_whoever_asks,
            }
            events {
                events_are_read_back_in_order_and_in_pages,
                audit_events_are_filtered_by_each_condition_and_by_all_together,
                the_database_itself_refuses_to_change_an_event,
                an_event_of_a_kind_that_nobody_knows_names_its_row_and_column,
            }
            holds {
                a_hold_is_read_back_as_it_was_placed_and_as_it_was_released,
                a_hold_is_found_on_its_own_package_alone,
                holds_are_listed_in_the_order_of_placing_and_in_pages,
                a_package_is_on_hold_while_any_of_its_holds_is_active,
                a_hold_is_released_once,
                a_hold_is_placed_on_a_package_that_is_there_and_once,
                a_package_of_any_status_can_be_on_hold,
                the_database_itself_refuses_to_edit_or_remove_a_hold,
                a_damaged_hold_names_its_row_and_column,
            }
            retain {
                class_version_and_expiry_change_and_nothing_else,
                a_package_names_a_version_of_a_class_that_is_there,
            }
            deletions {
                a_deleted_package_is_a_tombstone_with_a_receipt,
                a_receipt_that_says_little_is_read_back_too,
                a_deletion_leaves_no_claims_and_what_was_announced,
                a_package_is_deleted_once,
                the_external_id_of_a_deleted_package_is_free_again,
                a_deletion_is_finished_once,
                unfinished_deletions_are_listed_in_pages,
                the_database_itself_refuses_to_change_what_a_deletion_left,
                a_damaged_receipt_names_its_row_and_column,
                candidates_are_over_expired_and_not_on_hold,
                candidates_are_listed_by_expiry_and_id_in_pages,
                a_change_of_a_package_changes_whether_it_is_a_candidate,
            }
            records {
                a_record_is_due_until_that_very_revision_is_written,
                records_due_are_listed_in_pages,
                a_record_is_due_for_a_package_that_is_there_and_damage_names_it,
            }
            clock {
                the_clock_is_unknown_until_it_is_set_and_then_as_it_was_set,
                there_is_one_clock,
                a_damaged_clock_names_its_column,
            }
            copies {
                a_package_is_to_be_copied_until_it_was_as_it_is,
                packages_to_copy_are_listed_in_pages,
                a_package_that_changed_since_is_not_noted_as_copied,
                a_copy_of_a_package_that_was_deleted_is_found_and_forgotten,
                the_home_moves_with_the_packages_and_the_versions_of_their_files,
                whoever_works_on_a_former_home_changes_nothing_any_more,
                what_is_written_is_before_the_switch_or_refused,
            }
            leases {
                a_lease_has_one_holder_who_may_renew_it,
                a_lease_that_ended_is_anybodys,
                a_lease_that_is_given_back_is_free_and_that_of_another_stays,
                a_lease_of_a_clock_that_stood_ahead_binds_nobody,
                each_task_has_a_lease_of_its_own,
                of_many_who_ask_at_once_one_gets_the_lease,
            }
            migrations {
                a_registry_of_the_first_version_is_migrated_with_its_rows,
            }
            transactions {
                a_transaction_that_fails_changes_nothing,
                a_transaction_that_panics_changes_nothing_and_the_next_one_works,
                a_reader_sees_what_was_committed_and_nothing_else,
                two_processes_write_at_once_and_neither_is_locked_out,
            }
            races {
                two_claims_on_one_path_have_one_winner,
                a_file_and_a_folder_of_one_name_have_one_winner,
                two_packages_of_one_external_id_have_one_winner,
                a_seal_and_a_finished_upload_do_not_both_happen,
                a_seal_and_a_failure_do_not_both_happen,
                processes_that_start_together_record_the_first_classes_once,
                commits_that_touch_the_same_packages_in_any_order_all_happen,
                the_last_room_of_a_package_is_given_once,
                a_hold_and_a_deletion_do_not_both_happen,
                a_package_is_deleted_by_one_of_two,
                a_hold_is_released_by_one_of_two,
                a_package_with_a_new_hold_stays_on_hold_when_another_is_released,
                two_changes_of_one_class_are_two_versions,
                what_two_know_of_the_time_is_the_latest,
            }
        }
    };
}
pub(crate) use for_every_behaviour;

/// A point in time of the tests' own, in microseconds after it.
pub(crate) const BEGINNING: i64 = 1_790_000_000_000_000;

pub(crate) fn at(micros: i64) -> Timestamp {
    Timestamp::from_unix_micros(BEGINNING + micros).unwrap()
}

pub(crate) fn path(text: &str) -> LogicalPath {
    LogicalPath::parse(text).unwrap()
}

pub(crate) fn labels(pairs: &[(&str, &str)]) -> Labels {
    let pairs: BTreeMap<_, _> = pairs
        .iter()
        .map(|(key, value)| (LabelKey::parse(*key).unwrap(), LabelValue::parse(*value).unwrap()))
        .collect();
    Labels::new(pairs).unwrap()
}

pub(crate) fn class(name: &str) -> RetentionClassName {
    RetentionClassName::parse(name).unwrap()
}

pub(crate) fn origin() -> Origin {
    Origin { actor: Actor::parse("a test").unwrap(), request_id: None }
}

pub(crate) fn read<T>(
    registry: &Registry,
    f: impl FnOnce(&mut Reader<'_>) -> Result<T, RegistryError>,
) -> T {
    registry.read(f).unwrap()
}

pub(crate) fn write<T>(
    registry: &Registry,
    f: impl FnOnce(&mut Writer<'_>) -> Result<T, RegistryError>,
) -> T {
    registry.write(Durability::Relaxed, f).unwrap()
}

pub(crate) fn current_rules(registry: &Registry) -> Vec<RetentionRule> {
    fn look(reader: &mut Reader<'_>) -> Result<Vec<RetentionRule>, RegistryError> {
        reader.current_rules()
    }
    read(registry, look)
}

/// The same registry, opened as another process would.
pub(crate) fn another_process(registry: &Registry) -> Registry {
    Registry::open(registry.url(), OpenMode::Existing).unwrap()
}

pub(crate) fn reason(text: &str) -> Reason {
    Reason::parse(text).unwrap()
}

/// Runs SQL past the registry, as an administrator might.
pub(crate) fn raw(registry: &Registry, sql: &str) -> Result<(), String> {
    raw_at(registry.url(), sql)
}

pub(crate) fn raw_at(url: &DatabaseUrl, sql: &str) -> Result<(), String> {
    match url {
        DatabaseUrl::Sqlite(path) => SqliteConnection::establish(path.to_str().unwrap())
            .unwrap()
            .batch_execute(&format!("PRAGMA busy_timeout = 5000; {sql}")),
        DatabaseUrl::Postgres(url) => PgConnection::establish(url).unwrap().batch_execute(sql),
    }
    .map_err(|error| error.to_string())
}

pub(crate) fn is_postgres(registry: &Registry) -> bool {
    matches!(registry.url(), DatabaseUrl::Postgres(_))
}

/// A registry with what a package needs: a storage root, a class and a writer.
pub(crate) struct Shelf<'r> {
    pub(crate) registry: &'r Registry,
    pub(crate) location: StorageId,
    pub(crate) writer: WriterId,
}

impl<'r> Shelf<'r> {
    pub(crate) fn new(registry: &'r Registry) -> Self {
        let location = Location {
            id: StorageId::generate(at(0)),
            url: "file:///a".to_owned(),
            role: Role::Home,
        };
        let writer = write(registry, |writer| {
            writer.record_location(&location, at(0))?;
            for (class, days) in [("raw-evidence", Some(90)), ("permanent-record", None)] {
                writer.insert_rule(&rule(class, 1, days))?;
            }
            writer.insert_writer("this boot", at(0))
        });
        Self { registry, location: location.id, writer }
    }

    /// The shelf of a registry that has what a package needs.
    pub(crate) fn at(registry: &'r Registry, location: StorageId) -> Self {
        let writer = write(registry, |writer| writer.insert_writer("this boot", at(0)));
        Self { registry, location, writer }
    }

    /// A shelf with one package on it.
    pub(crate) fn with_package(registry: &'r Registry) -> (Self, PackageId) {
        let shelf = Self::new(registry);
        let package = shelf.create(|_| {}).id;
        (shelf, package)
    }

    /// Records a package that `change` made different from all others.
    pub(crate) fn create(&self, change: impl FnOnce(&mut Package)) -> Package {
        let mut package = new_package(at(1));
        change(&mut package);
        self.insert(&package).unwrap();
        package
    }

    pub(crate) fn insert(&self, package: &Package) -> Result<(), RegistryError> {
        self.registry
            .write(Durability::Relaxed, |writer| writer.insert_package(package, self.location))
    }

    pub(crate) fn package(&self, id: PackageId) -> Package {
        read(self.registry, |reader| reader.package(id)).unwrap()
    }

    pub(crate) fn rules<'a>(
        &self,
        max_files: u64,
        is_void: &'a dyn Fn(&Claim) -> bool,
    ) -> ClaimRules<'a> {
        ClaimRules { writer: self.writer, now: at(2), max_files, is_void }
    }

    /// Claims paths of one package, none of which may be there.
    pub(crate) fn claim(
        &self,
        package: PackageId,
        paths: &[&str],
    ) -> (Vec<ClaimId>, Vec<Result<(), ClaimRefusal>>) {
        let claims: Vec<NewClaim> = paths.iter().map(|path| new_claim(package, path)).collect();
        let answers = self.claim_all(&claims);
        (claims.into_iter().map(|claim| claim.id).collect(), answers)
    }

    /// Claims one path that is free.
    pub(crate) fn hold(&self, package: PackageId, path: &str) -> ClaimId {
        let (ids, answers) = self.claim(package, &[path]);
        assert_eq!(answers, [Ok(())], "{path}");
        ids[0]
    }

    pub(crate) fn claim_all(&self, claims: &[NewClaim]) -> Vec<Result<(), ClaimRefusal>> {
        let rules = self.rules(1_000_000, &|_| false);
        write(self.registry, |writer| writer.claim(&rules, claims))
    }

    pub(crate) fn claim_by(
        &self,
        max_files: u64,
        is_void: &dyn Fn(&Claim) -> bool,
        claims: &[NewClaim],
    ) -> Vec<Result<(), ClaimRefusal>> {
        let rules = self.rules(max_files, is_void);
        write(self.registry, |writer| writer.claim(&rules, claims))
    }

    pub(crate) fn finish(&self, finished: &[FinishedUpload]) -> Vec<Result<(), FinishRefusal>> {
        write(self.registry, |writer| writer.finish_uploads(self.writer, at(3), u64::MAX, finished))
    }

    /// Stores files, as if each had been uploaded.
    pub(crate) fn store(&self, package: PackageId, paths: &[&str]) {
        let (ids, answers) = self.claim(package, paths);
        assert!(answers.iter().all(Result::is_ok), "{answers:?}");
        let finished: Vec<FinishedUpload> =
            ids.into_iter().zip(paths).map(|(id, path)| finished(id, package, path, 10)).collect();
        assert!(self.finish(&finished).iter().all(Result::is_ok));
    }

    pub(crate) fn names(&self, package: PackageId) -> Vec<String> {
        read(self.registry, |reader| reader.files(package, None, None, 10_000))
            .into_iter()
            .map(|file| file.record.path.to_string())
            .collect()
    }

    pub(crate) fn claimed(&self, package: PackageId) -> Vec<String> {
        read(self.registry, |reader| reader.claims(package, 10_000))
            .into_iter()
            .map(|claim| claim.path)
            .collect()
    }
}

pub(crate) fn rule(name: &str, version: u32, days: Option<u32>) -> RetentionRule {
    RetentionRule {
        class: class(name),
        version,
        period: days.map_or(RetentionPeriod::Permanent, RetentionPeriod::Days),
        description: format!("version {version}"),
        updated_at: at(i64::from(version)),
    }
}

pub(crate) fn new_package(created_at: Timestamp) -> Package {
    Package {
        id: PackageId::generate(created_at),
        description: PackageDescription {
            producer: "ci".parse().unwrap(),
            kind: "directory".parse().unwrap(),
            external_id: None,
            title: None,
            retention_class: class("raw-evidence"),
            labels: Labels::default(),
            metadata: Metadata::default(),
        },
        rule_version: 1,
        status: PackageStatus::Created,
        created_at,
        updated_at: created_at,
        finalized_at: None,
        expires_at: None,
        on_hold: false,
        file_count: 0,
        total_bytes: 0,
        manifest_sha256: None,
        payload_manifest_sha256: None,
        failure_reason: None,
        deleted_at: None,
        deletion_reason: None,
        revision: 1,
    }
}

pub(crate) fn new_claim(package: PackageId, text: &str) -> NewClaim {
    NewClaim { id: ClaimId::generate(at(1)), package, path: path(text), replace: false }
}

pub(crate) fn replacing(package: PackageId, text: &str) -> NewClaim {
    NewClaim { replace: true, ..new_claim(package, text) }
}

pub(crate) fn stored_file(text: &str, size: u64) -> StoredFile {
    StoredFile {
        record: FileRecord {
            path: path(text),
            size,
            sha256: Sha256Digest::from_bytes([0xfe; 32]),
            blake3: Blake3Digest::from_bytes([0x01; 32]),
            media_type: "text/plain; charset=utf-8".parse().unwrap(),
            uploaded_at: at(3),
        },
        etag: None,
    }
}

pub(crate) fn finished(
    claim: ClaimId,
    package: PackageId,
    text: &str,
    size: u64,
) -> FinishedUpload {
    FinishedUpload { claim, package, file: stored_file(text, size) }
}
