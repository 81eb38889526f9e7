//! The rules of synchronization as named cases, with one row each. They are a specification that people can
//! read and tests check. The same rows are printed into `docs/reference/sync-table.md`.
//!
//! A row gives the agreed state, the current state, and the plan. `exhaustive.rs` shows that there is no gap
//! between the rows, and `properties.rs` shows what follows from them over time. The page explains the
//! notation, and `table/notation.rs` reads it.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[path = "table/notation.rs"]
mod notation;
#[path = "table/page.rs"]
mod page;
mod world;

use notation::Row;
use vaultterm_reconcile::Inquiries;

/// Rows with a common heading, and the options of all these rows.
#[derive(Debug)]
pub(crate) struct Section {
    pub(crate) title: &'static str,
    pub(crate) text: &'static str,
    pub(crate) rows: &'static [Row],
}

/// Makes a section, with a test for each row.
macro_rules! section {
    ($module:ident, $title:literal, $shared:literal, $text:literal,
     $($name:ident [$($options:literal)?] $($line:literal)+;)+) => {
        pub(crate) mod $module {
            use crate::{Section, notation::Row};

            pub(crate) const SECTION: Section = Section {
                title: $title,
                text: $text,
                rows: &[$(Row { name: stringify!($name), options: concat!($($options)?), lines: &[$($line),+] }),+],
            };

            $(#[test]
            fn $name() {
                let row = SECTION.rows.iter().find(|row| row.name == stringify!($name));
                row.expect("the macro made both").check($shared);
            })+
        }
    };
}

#[path = "table/both_changed.rs"]
mod both_changed;

section! { both_directions, "Both directions", "bidirectional",
    "Mode `bidirectional`. Either side may be edited; what only one side did, travels.",

    nothing_changed                             []  "a=1         | same      | same      | in step";
    changed_here                                []  "a=1         | a=2       | same      | update_remote cas=2";
    changed_there                               []  "a=1         | same      | a=2       | update_local";
    changed_alike_on_both_sides                 []  "a=1         | a=2       | a=2       | adopt";
    changed_apart_in_different_fields           []  "a=1 b=1     | a=2 b=1   | a=1 b=2   | conflict both_changed a b";
    changed_here_and_described_there            []  "a=1 note=1  | a=2 note=1 | a=1 note=2 | merge cas=3 a:local note:remote";
    changed_apart_in_the_same_field             []  "a=1 b=1     | a=2 b=1   | a=3 b=1   | conflict both_changed a";
    deleted_here                                []  "a=1         | trash     | same      | delete_remote v2";
    deleted_there                               []  "a=1         | same      | deleted   | delete_local";
    deleted_on_both_sides                       []  "a=1         | trash     | deleted   | forget";
    deleted_here_and_changed_there              []  "a=1         | trash     | a=2       | conflict local_deleted";
    changed_here_and_deleted_there              []  "a=1         | a=2       | deleted   | conflict remote_deleted";
    new_here                                    []  "-           | a=1       | -         | create_remote cas=0, mark";
    new_here_over_a_deleted_head                []  "-           | a=1       | deleted   | create_remote cas=1, mark";
    new_here_over_metadata_without_a_version    []  "-           | a=1       | no version | create_remote cas=0, mark";
    new_there                                   []  "-           | -         | a=1       | create_local, mark";
    new_there_where_a_record_was_trashed        []  "-           | trash a=1 | a=2       | create_local from the trash, mark";
    only_a_deleted_head_there                   []  "-           | -         | deleted   | nothing";
    cannot_be_read                              []  "a=1         | same      | denied    | skip: denied";
    cannot_be_read_though_changed_here          []  "a=1         | a=2       | denied    | skip: denied";
    cannot_be_read_though_new_here              []  "-           | a=1       | denied    | skip: denied";
    cannot_be_read_and_nobody_asked             []  "-           | -         | denied    | skip: denied";
    an_edit_that_was_taken_back_is_none         []  "a=1         | a=2 → a=1 | same      | adopt";
    an_edit_that_was_taken_back_yields_to_one_there []  "a=1     | a=2 → a=1 | a=3       | update_local";
    an_edit_that_was_taken_back_yields_to_a_deletion [] "a=1     | a=2 → a=1 | deleted   | delete_local";
    a_change_of_type_does_not_yield_to_a_deletion []    "a=1     | API_KEY a=1 | deleted | conflict remote_deleted";
    an_identical_write_there_yields_to_a_deletion []    "a=1     | trash     | a=1       | delete_remote v3";
    an_identical_write_there_is_no_edit         []  "a=1         | same      | a=1       | adopt";
    made_anew_there_with_the_same_content       []  "a=1         | same      | made anew a=1 | adopt";
    made_anew_there_with_other_content          []  "a=1         | same      | made anew a=2 | update_local";
    another_record_took_the_path                []  "a=1         | another record a=2 | same | update_remote cas=2, mark";
}

section! { first_sync, "First sync of a path", "any",
    "Both sides hold the path and were never in step. `initial` decides where they differ; a pull never writes \
     to Vault, whatever is preferred.",

    equal                                       ["annotate=false"]                      "- | a=1 | a=1 | adopt";
    equal_and_marked                            ["push"]                                "- | a=1 | a=1 | adopt, mark";
    different                                   []                                      "- | a=1 b=1 | a=2 b=1 | conflict no_base a";
    local_preferred_by_a_push                   ["push initial=prefer_local"]           "- | a=1 | a=2 | update_remote cas=1, v1 kept, mark";
    local_preferred_in_both_directions          ["bidirectional initial=prefer_local"]  "- | a=1 | a=2 | update_remote cas=1, v1 kept, mark";
    local_preferred_by_a_pull                   ["pull initial=prefer_local"]           "- | a=1 | a=2 | conflict no_base a";
    remote_preferred                            ["annotate=false initial=prefer_remote"] "- | a=1 | a=2 | update_local";
    only_here_push                              ["push"]                                "- | a=1 | -   | create_remote cas=0, mark";
    only_here_pull                              ["pull"]                                "- | a=1 | -   | nothing";
    only_there_push                             ["push"]                                "- | -   | a=1 | nothing";
    only_there_pull                             ["pull"]                                "- | -   | a=1 | create_local";
    only_there_with_a_known_mark                ["pull"]                                "- | -   | a=1 (marked API_KEY) | create_local as API_KEY";
    a_trashed_record_comes_back                 ["pull"]                                "- | trash a=1 | a=2 | create_local from the trash";
    equal_needs_no_preference                   ["bidirectional initial=prefer_local"] "- | a=1 | a=1 | adopt, mark";
}

section! { push, "Push", "push",
    "VaultTerm is authoritative. What changes in Vault since the base is drift. A secret that exists without a \
     base is nobody's business until a record takes its path; then `initial` counts.",

    nothing_changed                             []                          "a=1 | same  | same    | in step";
    changed_here                                []                          "a=1 | a=2   | same    | update_remote cas=2";
    changed_there                               []                          "a=1 | same  | a=2     | conflict drift a";
    changed_there_overwritten                   ["on_drift=overwrite"]      "a=1 | same  | a=2     | update_remote cas=3, v3 kept";
    changed_on_both_sides                       []                          "a=1 b=1 | a=2 b=1 | a=1 b=2 | conflict drift a b";
    changed_on_both_sides_overwritten           ["on_drift=overwrite"]      "a=1 | a=2   | a=3     | update_remote cas=3, v3 kept";
    changed_alike                               []                          "a=1 | a=2   | a=2     | adopt";
    written_again_unchanged_there               []                          "a=1 | same  | a=1     | adopt";
    deleted_there                               []                          "a=1 | same  | deleted | conflict remote_deleted";
    deleted_there_overwritten                   ["on_drift=overwrite"]      "a=1 | same  | deleted | create_remote cas=2, mark";
    gone_there_overwritten                      ["on_drift=overwrite"]      "a=1 | a=2   | gone    | create_remote cas=0, mark";
    deleted_here                                []                          "a=1 | trash | same    | unlink";
    deleted_here_propagated                     ["deletions=propagate"]     "a=1 | trash | same    | delete_remote v2";
    deleted_here_changed_there                  []                          "a=1 | trash | a=2     | unlink";
    deleted_here_changed_there_propagated       ["deletions=propagate"]     "a=1 | trash | a=2     | conflict local_deleted";
    deleted_on_both_sides                       []                          "a=1 | trash | deleted | forget";
    ignores_what_only_vault_holds               ["initial=prefer_remote"]   "-   | -     | a=1     | nothing";
    never_takes_over_an_existing_secret         []                          "-   | a=1   | a=2     | conflict no_base a";
}

section! { pull, "Pull", "pull",
    "Vault is authoritative, and nothing is ever written there. What changes in VaultTerm since the base is drift.",

    nothing_changed                             []                          "a=1 | same  | same    | in step";
    changed_there                               []                          "a=1 | same  | a=2     | update_local";
    changed_here                                []                          "a=1 | a=2   | same    | conflict drift a";
    changed_here_overwritten                    ["on_drift=overwrite"]      "a=1 | a=2   | same    | update_local";
    changed_on_both_sides                       []                          "a=1 b=1 | a=2 b=1 | a=1 b=2 | conflict drift a b";
    changed_on_both_sides_overwritten           ["on_drift=overwrite"]      "a=1 | a=2   | a=3     | update_local";
    changed_alike                               []                          "a=1 | a=2   | a=2     | adopt";
    edit_taken_back                             []                          "a=1 | a=2 → a=1 | same | adopt";
    edit_taken_back_and_changed_there           []                          "a=1 | a=2 → a=1 | a=3  | update_local";
    deleted_here                                []                          "a=1 | trash | same    | conflict local_deleted";
    deleted_here_overwritten                    ["on_drift=overwrite"]      "a=1 | trash | same    | create_local from the trash";
    deleted_there                               []                          "a=1 | same  | deleted | unlink";
    deleted_there_propagated                    ["deletions=propagate"]     "a=1 | same  | deleted | delete_local";
    deleted_there_changed_here                  []                          "a=1 | a=2   | deleted | unlink";
    deleted_there_changed_here_propagated       ["deletions=propagate"]     "a=1 | a=2   | deleted | conflict remote_deleted";
    deleted_on_both_sides                       []                          "a=1 | trash | gone    | forget";
    ignores_what_only_vaultterm_holds           []                          "-   | a=1   | -       | nothing";
    cares_for_nobodys_mark                      []                          "a=1 | same  | a=2 (marked elsewhere) | update_local";
}

section! { deletion, "Deletion", "bidirectional",
    "Absence is proven: only metadata that say so, or an answer about this very path, count as deleted. Deleted \
     is what was seen, and only that.",

    deleted_by_its_metadata                     []                          "a=1 | same  | deleted   | delete_local";
    destroyed_there                             []                          "a=1 | same  | destroyed | delete_local";
    its_metadata_deleted                        []                          "a=1 | same  | gone      | delete_local";
    its_metadata_deleted_and_made_again         []                          "a=1 | same  | emptied   | delete_local";
    written_once_more_and_deleted               []                          "a=1 | same  | a=2, deleted | delete_local";
    missing_from_the_listing_is_a_suspicion     ["any"]                     "a=1 | same  | unlisted  | skip: not listed, and its absence is not proven: it does not count as deleted";
    missing_from_the_listing_though_changed_here ["any"]                    "a=1 | a=2   | unlisted  | skip: not listed, and its absence is not proven: it does not count as deleted";
    denied_is_not_deleted                       ["any"]                     "a=1 | same  | denied    | skip: denied";
    retained_here                               ["deletions=retain"]        "a=1 | same  | deleted   | unlink";
    retained_there                              ["deletions=retain"]        "a=1 | trash | same      | unlink";
    retained_though_changed_here                ["deletions=retain"]        "a=1 | a=2   | deleted   | unlink";
    retained_though_changed_there               ["deletions=retain"]        "a=1 | trash | a=2       | unlink";
    a_retained_secret_is_not_imported_again     ["any"]                     "a=1 (record gone) | trash | same    | nothing";
    a_retained_secret_may_change                ["any"]                     "a=1 (record gone) | trash | a=2     | nothing";
    a_retained_secret_goes_too                  ["any"]                     "a=1 (record gone) | trash | deleted | forget";
    a_retained_secret_that_is_not_listed        ["any"]                     "a=1 (record gone) | trash | unlisted | skip: not listed, and its absence is not proven: it does not count as deleted";
    a_retained_secret_that_cannot_be_read       ["any"]                     "a=1 (record gone) | trash | denied  | nothing";
    a_retained_record_whose_secret_cannot_be_read ["any"]                   "a=1 (secret gone) | same  | denied  | skip: denied";
    a_retained_secret_and_the_record_restored   []                          "a=1 (record gone) | same  | same    | adopt";
    a_retained_secret_and_another_record        []                          "a=1 (record gone) | another record a=2 | same | conflict no_base a";
    a_retained_record_is_not_written_again      ["any"]                     "a=1 (secret gone) | same  | deleted | nothing";
    a_retained_record_may_change                ["any"]                     "a=1 (secret gone) | a=2   | gone    | nothing";
    a_retained_record_goes_too                  ["any"]                     "a=1 (secret gone) | trash | gone    | forget";
    a_retained_record_and_the_secret_undeleted  []                          "a=1 (secret gone) | same  | same    | adopt";
    a_retained_record_and_another_secret        []                          "a=1 (secret gone) | same  | made anew a=2 | conflict no_base a";
    a_retained_secret_gone_and_the_record_back  []                          "a=1 (record gone) | same  | deleted | create_remote cas=2, mark";
    a_retained_secret_gone_and_the_record_back_in_a_pull ["pull"]          "a=1 (record gone) | same  | deleted | nothing";
    a_retained_record_gone_and_the_secret_back  []                          "a=1 (secret gone) | trash | made anew a=1 | create_local from the trash as KEY_VALUE";
    a_retained_record_gone_and_the_secret_back_in_a_push ["push"]          "a=1 (secret gone) | trash | made anew a=1 | nothing";
    an_undelete_is_a_change                     []                          "-   | trash a=1 | a=1   | create_local from the trash, mark";
    a_restored_record_is_new                    []                          "-   | a=1       | deleted | create_remote cas=1, mark";
}

section! { expiry, "Expiry", "bidirectional",
    "A `deletion_time` in the future is live. When it passes, nobody deleted anything: `expired` decides.",

    to_expire_is_live                           ["any"]                     "a=1 (expires) | same  | same (expires) | in step";
    expired_and_ignored                         ["any"]                     "a=1 (expires) | same  | expired        | in step";
    expired_and_propagated                      ["expired=propagate"]       "a=1 (expires) | same  | expired        | delete_local";
    expired_propagated_and_retained             ["expired=propagate deletions=retain"] "a=1 (expires) | same | expired | unlink";
    expired_and_changed_here                    []                          "a=1 (expires) | a=2   | expired        | create_remote cas=2, mark";
    expired_and_changed_here_in_a_pull          ["pull"]                    "a=1 (expires) | a=2   | expired        | in step";
    expired_propagated_and_changed_here         ["expired=propagate"]       "a=1 (expires) | a=2   | expired        | conflict remote_deleted";
    expired_and_deleted_here                    ["any"]                     "a=1 (expires) | trash | expired        | forget";
    deleted_by_hand_before_it_expired           []                          "a=1 (expires) | same  | deleted        | delete_local";
    run_out_before_any_run_saw_it               ["any"]                     "a=1           | same  | a=2, run out   | in step";
    run_out_unseen_and_propagated               ["expired=propagate"]       "a=1           | same  | a=2, run out   | delete_local";
    run_out_unseen_and_changed_here             []                          "a=1           | a=3   | a=2, run out   | create_remote cas=3, mark";
    run_out_unseen_and_deleted_here             ["any"]                     "a=1           | trash | a=2, run out   | forget";
    a_new_expiry_on_the_same_version            ["any"]                     "a=1           | same  | same (expires) | adopt";
    an_expiry_that_was_taken_off                ["any"]                     "a=1 (expires) | same  | same           | adopt";
    drift_by_expiry_in_a_push                   ["push expired=propagate"]  "a=1 (expires) | same  | expired        | conflict remote_deleted";
}

section! { moves, "Moves", "bidirectional",
    "A record whose path changed is one step: the new path is written, then the old version deleted. `retain` does \
     not forbid it, and it does not count as a deletion.",

    renamed                                     []
        "p | a=1 | renamed to q | same | moved to q"
        "q | -   | p's record   | -    | move_remote cas=0 from p v2, mark";
    renamed_in_a_push                           ["push"]
        "p | a=1 | renamed to q | same | moved to q"
        "q | -   | p's record   | -    | move_remote cas=0 from p v2, mark";
    renamed_onto_a_deleted_head                 []
        "p | a=1 | renamed to q | same | moved to q"
        "q | -   | p's record   | deleted | move_remote cas=1 from p v2, mark";
    renamed_without_marks                       ["annotate=false"]
        "p | a=1 | renamed to q | same | moved to q"
        "q | -   | p's record   | -    | move_remote cas=0 from p v2";
    renamed_from_what_another_installation_took []
        "p | a=1 | renamed to q | same (marked elsewhere) | conflict foreign_owner"
        "q | -   | p's record   | -    | create_remote cas=0, mark";
    renamed_to_what_another_installation_holds  []
        "p | a=1 | renamed to q | same | delete_remote v2"
        "q | -   | p's record   | a=1 (marked elsewhere) | conflict foreign_owner";
    renamed_in_a_pull_is_drift                  ["pull"]
        "p | a=1 | renamed to q | same | conflict local_deleted"
        "q | -   | p's record   | -    | nothing";
    renamed_and_the_secret_changed              []
        "p | a=1 | renamed to q | a=2  | conflict local_deleted"
        "q | -   | p's record   | -    | create_remote cas=0, mark";
    renamed_and_the_secret_deleted              []
        "p | a=1 | renamed to q | deleted | forget"
        "q | -   | p's record   | -    | create_remote cas=0, mark";
    renamed_to_where_vault_holds_the_same       []
        "p | a=1 | renamed to q | same | skip: renamed to `q`, where Vault already holds a secret: the old secret stays until both sides agree about the new path"
        "q | -   | p's record   | a=1  | adopt, mark";
    renamed_to_where_vault_holds_something_else []
        "p | a=1 | renamed to q | same | skip: renamed to `q`, where Vault already holds a secret: the old secret stays until both sides agree about the new path"
        "q | -   | p's record   | a=2  | conflict no_base a";
    renamed_from_where_nothing_can_be_read      []
        "p | a=1 | renamed to q | denied | skip: denied"
        "q | -   | p's record   | -    | skip: renamed from `p`, which cannot be read in Vault";
    renamed_from_what_is_not_listed             []
        "p | a=1 | renamed to q | unlisted | skip: not listed, and its absence is not proven: it does not count as deleted"
        "q | -   | p's record   | -    | skip: renamed from `p`, which cannot be read in Vault";
    renamed_to_where_nothing_can_be_read        []
        "p | a=1 | renamed to q | same | skip: renamed to `q`: denied"
        "q | -   | p's record   | denied | skip: denied";
    renamed_over_a_trashed_record               []
        "p | a=1 | renamed to q | same | delete_remote v2"
        "q | a=2 | trash        | same | update_remote cas=2, mark";
}

section! { ownership, "Ownership and types", "bidirectional",
    "With `annotate` a secret that is created or adopted is marked as managed by this installation, and the mark \
     carries the record's type. A secret that another installation marked is a conflict wherever this one would write.",

    a_foreign_secret_on_our_path                []                      "-   | a=1  | a=1 (marked elsewhere)  | conflict foreign_owner";
    a_foreign_secret_on_our_path_in_a_push      ["push"]                "-   | a=1  | a=1 (marked elsewhere)  | conflict foreign_owner";
    a_foreign_secret_whose_record_is_deleted    ["push"]                "a=1 | trash | same (marked elsewhere) | conflict foreign_owner";
    a_foreign_secret_that_was_left_alone        []                      "a=1 (record gone) | trash | same (marked elsewhere) | nothing";
    a_foreign_secret_and_a_record_left_alone    []                      "a=1 (secret gone) | trash | made anew a=1 (marked elsewhere) | conflict foreign_owner";
    a_foreign_secret_in_our_scope               []                      "-   | -    | a=1 (marked elsewhere)  | conflict foreign_owner";
    a_foreign_secret_that_only_vault_holds      ["push"]                "-   | -    | a=1 (marked elsewhere)  | nothing";
    a_foreign_secret_may_be_pulled              ["pull"]                "-   | -    | a=1 (marked elsewhere)  | create_local as KEY_VALUE";
    taken_over_by_another_installation          []                      "a=1 | same | same (marked elsewhere) | conflict foreign_owner";
    taken_over_and_changed                      ["push"]                "a=1 | same | a=2 (marked elsewhere)  | conflict foreign_owner a";
    the_mark_was_removed                        []                      "a=1 | same | same (unmarked)         | adopt, mark";
    the_mark_was_removed_and_changed_here       []                      "a=1 | a=2  | same (unmarked)         | update_remote cas=2, mark";
    no_marks_wanted                             ["annotate=false"]      "-   | a=1  | -                       | create_remote cas=0";
    typed_here                                  []                      "a=1 | API_KEY a=1 | same             | adopt, mark";
    typed_there                                 []                      "a=1 | same | a=1 (marked API_KEY)    | adopt as API_KEY";
    typed_there_with_a_change                   []                      "a=1 | same | a=2 (marked API_KEY)    | update_local as API_KEY";
    typed_there_in_a_push                       ["push"]                "a=1 | same | a=1 (marked API_KEY)    | adopt, mark";
    typed_here_in_a_pull                        ["pull annotate=false"] "a=1 | API_KEY a=1 | same             | adopt";
    typed_there_long_ago_in_a_pull              ["pull"]                "a=1 | API_KEY a=1 | same (marked KEY_VALUE) | adopt as KEY_VALUE";
    typed_here_though_the_mark_is_old           []                      "a=1 | API_KEY a=2 | same (marked KEY_VALUE) | update_remote cas=2, mark";
    typed_alike_on_both_sides                   []                      "a=1 | API_KEY a=2 | a=3 (marked API_KEY) | conflict both_changed a";
    typed_apart_on_both_sides                   []                      "a=1 | IDENTITY a=2 | a=1 (marked API_KEY) | conflict type_changed a";
}

section! { halts, "Halts", "bidirectional",
    "What no single path shows. While a halt is not acknowledged nothing at all is written; acknowledged, the plan \
     is what it says.",

    a_few_deletions_are_carried_out             []
        "p×10 | a=1 | trash | same    | delete_remote v2"
        "q×10 | a=1 | same  | same    | in step";
    too_many_deletions_there                    []
        "p×11 | a=1 | trash | same    | delete_remote v2"
        "q×30 | a=1 | same  | same    | in step"
        "halt | mass_deletion";
    too_many_deletions_here                     []
        "p×11 | a=1 | same  | deleted | delete_local"
        "q×30 | a=1 | same  | same    | in step"
        "halt | mass_deletion";
    many_deletions_that_are_a_small_share       []
        "p×11 | a=1 | same  | gone    | delete_local"
        "q×33 | a=1 | same  | same    | in step";
    other_limits                                ["max_delete_percent=0 max_delete_count=1"]
        "p×2  | a=1 | trash | same    | delete_remote v2"
        "q×9  | a=1 | same  | same    | in step"
        "halt | mass_deletion";
    too_many_deletions_acknowledged             ["acknowledge=mass_deletion"]
        "p×11 | a=1 | trash | same    | delete_remote v2"
        "q×30 | a=1 | same  | same    | in step";
    retained_deletions_lose_nothing             ["deletions=retain"]
        "p×11 | a=1 | trash | same    | unlink"
        "q×1  | a=1 | same  | same    | in step";
    vault_shows_nothing                         []
        "p×2  | a=1 | same  | gone    | delete_local"
        "halt | side_emptied";
    vault_lists_nothing                         []
        "p×2  | a=1 | same  | unlisted | skip: not listed, and its absence is not proven: it does not count as deleted"
        "halt | side_emptied";
    the_collection_shows_nothing                []
        "p×2  | a=1 | trash | same    | delete_remote v2"
        "halt | side_emptied";
    nothing_shown_and_acknowledged              ["acknowledge=side_emptied"]
        "p×2  | a=1 | same  | gone    | delete_local";
    one_path_may_empty                          []
        "p    | a=1 | same  | gone    | delete_local";
    nothing_can_be_read_is_no_empty_side        []
        "p×2  | a=1 | same  | denied  | skip: denied";
    a_version_went_backwards                    []
        "p    | a=1 | same  | v1 a=2  | conflict rewound a"
        "q    | a=1 | a=2   | same    | update_remote cas=2"
        "halt | rewound";
    a_version_was_made_again                    []
        "p    | a=1 | same  | v2 again a=2 | conflict rewound a"
        "halt | rewound";
    a_version_went_backwards_acknowledged       ["acknowledge=rewound"]
        "p    | a=1 | same  | v1 a=2  | conflict rewound a";
    a_version_went_backwards_to_equal_content   ["acknowledge=rewound"]
        "p    | a=1 | same  | v1 a=1  | adopt";
    a_database_older_than_the_marks             ["knows_run=4 marks_run=5"]
        "p    | a=1 | same  | a=2     | update_local"
        "q    | a=1 | same  | same    | in step"
        "halt | rewound";
    a_database_older_than_the_marks_in_a_push   ["push on_drift=overwrite knows_run=4 marks_run=5"]
        "p    | a=1 | same  | a=2     | update_remote cas=3, v3 kept"
        "halt | rewound";
    a_database_older_than_the_marks_acknowledged ["knows_run=4 marks_run=5 acknowledge=rewound"]
        "p    | a=1 | same  | a=2     | update_local";
    a_database_that_made_the_marks              ["knows_run=5 marks_run=5"]
        "p    | a=1 | same  | a=2     | update_local";
    a_database_newer_than_the_marks             ["knows_run=6 marks_run=5"]
        "p    | a=1 | same  | a=2     | update_local";
    marks_of_another_connection                 ["knows_run=4 marks_run_of_another_connection=5"]
        "p    | a=1 | same  | a=2     | update_local";
    marks_of_another_instance                   ["knows_run=4 marks_run=5"]
        "p    | a=1 | same  | a=2 (marked elsewhere) | conflict foreign_owner a";
    a_pull_leaves_no_marks_and_asks_for_none    ["pull knows_run=4 marks_run=5"]
        "p    | a=1 | same  | a=2 (marked KEY_VALUE) | update_local";
    the_database_was_restored                   ["restored"]
        "p    | a=1 | same  | a=2     | update_local"
        "q    | a=1 | a=2   | same    | update_remote cas=2"
        "r    | -   | -     | a=1     | create_local, mark"
        "halt | rewound";
    the_database_was_restored_and_nothing_moved ["restored any"]
        "p    | a=1 | same  | same    | in step"
        "halt | rewound";
    the_database_was_restored_acknowledged      ["restored acknowledge=rewound"]
        "p    | a=1 | same  | a=2     | update_local"
        "q    | a=1 | a=2   | same    | update_remote cas=2";
    a_restored_push_that_would_overwrite        ["restored push on_drift=overwrite"]
        "p    | a=1 | same  | a=2     | update_remote cas=3, v3 kept"
        "halt | rewound";
    another_server_answers                      ["other_server"]
        "p    | a=1 | same  | a=2     | conflict no_base a"
        "q    | a=1 | same  | gone    | create_remote cas=0, mark"
        "halt | remote_replaced";
    another_server_acknowledged                 ["other_server acknowledge=remote_replaced"]
        "p    | a=1 | same  | a=1     | adopt"
        "q    | a=1 | trash | a=1     | create_local from the trash as KEY_VALUE";
    the_scope_was_edited                        ["edited_scope"]
        "p    | a=1 | same  | a=2     | conflict no_base a"
        "halt | scope_changed";
    the_scope_was_edited_acknowledged           ["edited_scope acknowledge=scope_changed"]
        "p    | a=1 | trash | gone    | nothing";
}

section! { names, "Names that look alike", "bidirectional",
    "Paths are compared byte by byte, so two that people cannot tell apart are both left alone.",

    equal_after_normalization                   []
        "e\u{301}      | -   | a=1 | -   | skip: looks the same as `\u{e9}` (Unicode normalization): rename one of them"
        "\u{e9}        | -   | -   | a=1 | skip: looks the same as `e\u{301}` (Unicode normalization): rename one of them";
    an_ascii_name_and_what_folds_to_it          []
        "K             | -   | a=1 | -   | skip: looks the same as `\u{212a}` (Unicode normalization): rename one of them"
        "\u{212a}      | -   | -   | a=1 | skip: looks the same as `K` (Unicode normalization): rename one of them";
    names_of_other_letters                      []
        "\u{e9}        | -   | a=1 | -   | create_remote cas=0, mark"
        "\u{fc}        | -   | -   | a=1 | create_local, mark";
    a_name_whose_double_is_gone                 []
        "e\u{301}      | a=1 | trash | deleted | forget"
        "\u{e9}        | -   | a=1 | -   | create_remote cas=0, mark";
    a_name_that_only_folds_to_what_is_gone      []
        "K             | a=1 | trash | deleted | forget"
        "\u{212a}      | -   | -   | a=1 | create_local, mark";
    a_secret_and_a_folder_of_one_name           []
        "foo           | -   | a=1 | -   | create_remote cas=0, mark"
        "foo/bar       | -   | -   | a=1 | create_local, mark";
}

#[path = "table/differences.rs"]
mod differences;

const SECTIONS: [&Section; 12] = [
    &both_directions::SECTION,
    &both_changed::merging::SECTION,
    &first_sync::SECTION,
    &push::SECTION,
    &pull::SECTION,
    &differences::accepted::SECTION,
    &deletion::SECTION,
    &expiry::SECTION,
    &moves::SECTION,
    &ownership::SECTION,
    &halts::SECTION,
    &names::SECTION,
];

/// Values are read only for paths that changed, and not even for those if only one side has the path.
#[test]
fn what_neither_side_touched_and_what_only_one_side_has_is_planned_without_a_look() {
    let mut found = 0;
    for (section, shared) in [
        (&both_directions::SECTION, "bidirectional"),
        (&push::SECTION, "push"),
        (&pull::SECTION, "pull"),
        (&deletion::SECTION, "bidirectional"),
        (&expiry::SECTION, "bidirectional"),
        (&ownership::SECTION, "bidirectional"),
    ] {
        let untouched =
            |line: &notation::Line| (line.local, line.remote) == ("same", "same") && line.planned == "in step";
        let one_sided = |line: &notation::Line| {
            line.base == "-" && (line.local == "-" || line.remote == "-") && !line.planned.starts_with("conflict")
        };
        let left_alone = |line: &notation::Line| line.base.ends_with(" gone)") && line.planned == "nothing";
        let is_free = |line: &notation::Line| untouched(line) || one_sided(line) || left_alone(line);
        let free = section.rows.iter().filter(|row| row.lines().iter().all(is_free));
        for row in free {
            for asked in row.asked(shared) {
                assert_eq!(asked, Inquiries::default(), "{}", row.name);
                found += 1;
            }
        }
    }
    assert!(found >= 20, "{found} such rows");
}

#[test]
fn the_page_of_the_documentation_shows_this_table() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/sync-table.md");
    let page = page::page(&SECTIONS);
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, &page).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(found == page, "UPDATE_DOCS=1 cargo test -p vaultterm-reconcile --test table rewrites the page");
}
