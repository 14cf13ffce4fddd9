//! Laws that hold for every store. Each law gets a fresh store; each backend gets every law.

mod attempts;
mod audit;
mod authorities;
mod backend;
mod candidates;
mod change_events;
mod client_tokens;
mod commits;
mod costs;
mod deletions;
mod deliveries;
mod directory;
mod everything;
mod history;
mod imports;
mod large;
mod model;
mod observed;
mod overlaps;
mod pages;
mod pepper;
mod postgres;
mod postgres_attempts;
mod postgres_authorities;
mod postgres_events;
mod postgres_faults;
mod postgres_hosts;
mod postgres_privileges;
mod postgres_schema;
mod postgres_sessions;
mod query_plans;
mod sqlite;
mod sqlite_damage;
mod sqlite_files;
mod sqlite_full_disk;
mod sqlite_groups;
mod sqlite_owner;
mod take_overs;
mod tokens;
mod upgrades;
pub mod values;

pub use sqlite::{connection_to, stored_hash, tamper};

/// A test for each law, for each backend.
macro_rules! laws {
    ($($backend:ident = $kind:ty;)+) => { $(laws! { @one $backend $kind })+ };
    (@one $backend:ident $kind:ty) => {
        laws! { @tests $backend $kind;
            attempts: [
                failures_count_per_caller_and_per_subject,
                forgetting_takes_only_the_callers_share,
                failures_on_a_name_count_for_the_subject_that_has_it_now,
                a_caller_is_locked_by_what_it_tried_on_the_name,
                what_is_more_than_a_week_old_is_removed,
                what_is_more_than_a_week_old_does_not_count_though_it_is_still_there,
                what_is_old_is_removed_a_part_at_a_time,
                waits_that_begin_later_than_now_begin_now,
                a_stop_is_stored_and_outlasts_what_is_counted,
                where_pairs_are_stopped_the_failures_of_one_that_is_not_count_as_long_as_a_stop,
                of_one_subject_the_latest_pairs_and_those_that_failed_most_are_kept,
                as_many_stopped_pairs_as_are_kept_leave_room_for_new_ones,
                failures_are_listed_by_caller_a_page_at_a_time,
                failures_are_cleared_of_one_caller_or_of_all_with_an_audit_event,
                a_wrong_password_and_its_audit_event_are_one,
                decisions_recorded_at_once_stand_each_for_itself,
            ],
            audit: [
                every_outcome_is_read_back_with_all_that_it_has,
                events_are_found_by_all_that_they_can_be_filtered_by,
                a_time_leads_to_a_position_before_which_all_is_older,
                every_event_gets_its_place_in_the_chain_once,
                an_event_that_can_not_be_read_is_in_its_place_and_stops_no_other,
                no_cut_is_signed_over_events_that_are_not_those_of_their_ranges,
                old_audit_events_are_removed_the_oldest_first_and_the_chain_stays_sound,
                a_recent_audit_event_is_neither_removed_nor_changed,
            ],
            authorities: [
                no_write_is_made_once_what_proves_its_caller_is_gone,
                no_write_is_made_for_an_external_identity_that_no_longer_holds,
                what_was_permitted_in_a_tenant_is_not_done_in_its_namesake,
            ],
            candidates: [
                a_candidate_changes_only_from_the_version_that_was_seen,
                a_candidate_that_is_adopted_replaces_the_password_policies_alone,
                a_candidate_is_not_adopted_over_policies_that_changed_since,
                counts_are_added_to_their_own_candidate_alone,
                a_candidate_that_can_not_be_read_stops_nothing_and_is_replaced_or_dropped,
            ],
            change_events: [
                each_change_has_its_event_and_nothing_else_has,
                a_change_and_its_event_are_one,
                a_clock_that_jumps_changes_no_order,
                another_tenants_events_are_not_found,
                events_of_a_tenant_that_is_gone_are_removed_a_part_at_a_time,
                a_cursor_leads_on_after_reopening,
                where_nothing_waits_no_position_is_given,
                many_events_get_their_positions_a_part_at_a_time,
                what_is_old_is_removed_and_a_cursor_before_it_expires,
                who_follows_positions_misses_nothing_of_racing_writers,
            ],
            client_tokens: [
                a_change_is_remembered_under_its_token,
                what_is_not_committed_is_not_remembered,
                what_is_remembered_last_takes_the_place,
                a_deleted_subject_takes_its_tokens_along,
                what_is_over_for_all_is_removed,
            ],
            commits: [
                an_absent_row_is_none,
                a_password_is_set_and_read_back,
                who_set_a_password_is_read_back,
                a_stale_version_changes_nothing,
                of_sixteen_racing_writers_exactly_one_wins,
                of_sixteen_racing_first_passwords_exactly_one_is_set,
                a_reader_never_sees_half_of_a_change,
                what_was_committed_survives_reopening,
                history_keeps_what_is_asked_newest_first,
                a_change_forgets_the_callers_failures,
                an_administrators_change_forgets_everybodys_failures,
                a_change_and_its_audit_event_are_one,
            ],
            deletions: [
                a_subject_takes_everything_along,
                a_subject_made_again_inherits_nothing,
                what_has_children_is_not_deleted,
                a_tenant_takes_its_settings_and_tokens_along,
                tokens_of_a_tenant_that_is_gone_prove_nothing_and_are_removed_a_part_at_a_time,
            ],
            deliveries: [
                an_endpoint_is_read_back_and_replaced_and_removed,
                a_change_and_its_delivery_are_one_and_the_newest_takes_the_place,
                one_round_at_a_time_delivers_to_an_instance,
                what_is_delivered_leaves_no_password_behind,
                what_was_delivered_of_an_account_is_withdrawn_once_it_is_deleted,
                an_account_made_again_takes_the_place_of_a_withdrawal,
                what_a_clock_that_was_put_back_has_set_is_over,
                what_cannot_be_read_keeps_nothing_else_from_its_delivery,
            ],
            directory: [
                another_tenants_subject_is_not_found,
                what_is_missing_is_distinguished,
                mail_domains_are_found_in_any_case,
                attributes_are_read_back,
                a_name_is_taken_once,
                states_are_set_where_the_subject_is,
                settings_are_replaced_where_they_are_as_expected,
                racing_settings_are_never_lost,
                every_write_records_one_audit_event,
            ],
            history: [
                what_a_smaller_policy_does_not_need_goes_with_it,
                a_smaller_policy_is_worked_off_a_part_at_a_time,
                settings_that_are_not_replaced_remove_nothing,
                what_is_needed_again_counts_where_it_is_still_there,
            ],
            imports: [
                a_batch_is_read_back_as_it_was,
                what_is_missing_is_reported_for_each_name,
                a_batch_that_does_not_fit_changes_nothing,
                any_batch_is_stored_as_a_whole_or_not_at_all,
                of_racing_imports_of_one_name_exactly_one_is_made,
            ],
            model: [
                any_sequence_of_operations_does_what_the_model_does,
            ],
            overlaps: [
                a_change_begins_an_overlap_and_the_one_before_stays,
                a_change_during_an_overlap_drops_the_older_one,
                a_change_that_begins_none_ends_the_one_that_runs,
                what_is_ended_leaves_only_what_the_history_needs,
                a_shorter_length_shortens_and_none_ends,
                a_subject_that_does_not_exist_has_no_overlap,
                overlaps_that_are_over_are_cleared_away,
                uses_are_noted_once_a_minute_for_each_caller_and_password,
            ],
            pages: [
                paging_visits_everything_once_in_order,
                accounts_of_all_instances_come_in_order,
                accounts_of_an_instance_are_counted,
                tokens_come_the_oldest_first,
            ],
            pepper: [
                hashes_are_found_by_their_key,
                a_hash_is_replaced_where_it_is_still_the_one_that_was_read,
                of_a_rewrap_and_a_change_the_change_wins,
                secrets_are_found_by_their_key_and_replaced_where_they_are_still_the_same,
            ],
            take_overs: [
                a_hash_takes_the_place_of_the_mark_once_and_nothing_else_changes,
                of_a_take_over_and_a_change_the_change_wins,
                a_take_over_and_its_audit_event_are_one,
            ],
            tokens: [
                a_token_is_found_by_its_digest,
                the_soonest_expiry_is_that_of_a_token_that_still_counts,
                a_token_for_what_is_absent_is_refused,
                a_change_ends_the_tokens_of_its_subject_except_the_one_that_made_it,
                a_deleted_token_is_gone,
                tokens_that_have_expired_are_removed,
                the_first_operator_is_made_once,
                when_no_operators_token_is_valid_any_more_one_can_be_made_again,
                of_racing_first_operators_exactly_one_is_made,
                a_caller_has_at_most_two_access_keys_that_have_not_expired,
                of_racing_access_keys_two_are_added,
                an_access_key_is_found_with_its_secret_while_its_caller_exists,
                a_nonce_is_spent_once_until_it_is_removed,
                the_use_of_an_access_key_is_noted_once_a_minute,
                a_disabled_token_proves_nothing_until_it_is_enabled_again,
            ],
            upgrades: [
                a_replaced_hash_changes_nothing_else,
                the_first_hash_of_a_password_is_known_after_upgrades,
                a_stale_revision_changes_nothing,
                of_an_upgrade_and_a_change_the_change_wins,
                every_current_hash_is_listed_once,
            ],
        }
    };
    (@tests $backend:ident $kind:ty; $($group:ident: [$($law:ident,)+],)+) => {
        mod $backend {
            $(mod $group {
                $(
                    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                    async fn $law() {
                        use crate::store::backend::Backend;
                        crate::store::$group::$law(&mut <$kind>::fresh().await).await;
                    }
                )+
            })+
        }
    };
}

laws! {
    laws_of_sqlite = crate::store::sqlite::SqliteBackend;
    laws_of_postgres = crate::store::postgres::PostgresBackend;
}
