//! What every backend must do: the one suite, run against each of them.
//!
//! Each check takes a store that nobody else writes and that has nothing in it yet, and panics when it is not as it should be.
//! [`each_conformance_check`](crate::each_conformance_check) hands the names of all of them to a macro of the caller.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    reason = "a check that does not hold panics"
)]

mod audit;
mod clock;
mod entries;
mod nodes;
mod objects;
mod once;
mod support;
mod together;
mod tokens;

pub use audit::*;
pub use clock::*;
pub use entries::*;
pub use nodes::*;
pub use objects::*;
pub use once::*;
pub use together::*;
pub use tokens::*;

/// Calls the given macro with the name of every check, separated by commas.
#[macro_export]
macro_rules! each_conformance_check {
    ($with:ident) => {
        $with! {
            a_key_is_used_once,
            only_one_of_two_racing_uses_wins,
            a_join_token_is_consumed_once,
            only_one_of_two_racing_consumers_gets_the_join_token,
            rejects_a_join_token_that_has_expired,
            join_tokens_are_listed_and_deleted,
            an_entry_is_created_read_updated_and_deleted,
            rejects_an_entry_that_is_similar_to_another,
            rejects_an_entry_of_a_name_that_is_taken,
            rejects_an_update_of_an_entry_that_has_changed,
            a_deleted_entry_makes_room,
            entries_come_in_pages,
            changes_come_in_the_order_of_revisions_with_tombstones,
            pruned_tombstones_are_not_passed_over_in_silence,
            an_object_is_put_as_expected,
            what_is_said_of_a_store_once_is_said_by_the_first,
            a_key_row_is_kept_whole,
            rejects_a_key_row_that_has_changed,
            a_node_is_kept_whole,
            a_node_is_inserted_once,
            rejects_a_node_that_has_changed,
            a_token_is_used_as_often_as_it_may_be,
            only_one_of_two_racing_uses_takes_the_last,
            a_token_without_limit_can_be_used_on_and_on,
            rejects_a_token_that_has_expired,
            rejects_a_token_that_was_revoked,
            rejects_a_successor_of_a_token_that_was_revoked,
            only_one_of_two_racing_successors_takes_the_place,
            tokens_are_listed_by_what_they_are_and_how_they_stand,
            tokens_come_in_pages,
            a_conflict_undoes_what_came_before_it,
            further_rows_of_a_commit_stand_before_its_own,
            a_commit_without_a_refusal_leaves_no_trace_of_a_conflict,
            each_effect_sees_those_before_it,
            the_audit_chain_holds_and_ends_in_the_head,
            audit_rows_are_filtered,
            audit_rows_come_newest_first_if_wanted,
            audit_rows_keep_what_is_hard_to_keep,
            the_audit_log_is_exported_line_by_line,
            rejects_what_cannot_be_stored,
            a_bad_commit_does_not_harm_its_neighbours,
            commits_that_come_together_share_a_transaction,
            changes_are_told,
            pruning_forgets_what_is_dead_alone,
            a_key_that_was_forgotten_is_not_used_again,
            a_clock_that_jumps_ahead_deletes_nothing_that_is_good,
            a_store_that_began_with_an_early_clock_forgets_once_it_is_told_the_time,
            a_clock_that_is_believed_ends_the_refusals_of_one_that_was_ahead,
            a_clock_that_is_believed_makes_no_key_good_twice,
            pruning_takes_as_many_transactions_as_it_needs,
            the_store_says_whether_it_can_write,
            a_closed_store_says_so
        }
    };
}
