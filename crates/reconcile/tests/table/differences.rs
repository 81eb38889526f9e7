//! The rows of the table about differences that a person accepted.

section! { accepted, "Accepted differences", "pull",
    "*Keep local* in a pull and *keep remote* in a push: the two sides stay different because a person decided so. \
     Only a real change of content on either side, another mode or a person ends that; then a person decides again \
     with what both sides hold now, unless `on_drift` or `initial` says which side wins.",

    still_different                     []  "a=1 (accepted in pull: a=2 there a=1) | same | same | differs, accepted";
    still_different_in_a_push           ["push"] "a=1 (accepted in push: a=1 there a=2) | same | same | differs, accepted";
    written_again_there                 []  "a=1 (accepted in pull: a=2 there a=3) | same | a=3  | keep_accepted";
    saved_again_here                    []  "a=1 (accepted in pull: a=2 there a=3) | a=2  | same | keep_accepted";
    made_anew_there_with_the_same       []  "a=1 (accepted in pull: a=2 there a=3) | same | made anew a=3 | keep_accepted";
    an_end_was_set_there                []  "a=1 (accepted in pull: a=2 there a=3) | same | same (expires) | keep_accepted";
    the_mark_was_removed_in_a_push      ["push"] "a=1 (accepted in push: a=1 there a=2) | same | same (unmarked) | keep_accepted, mark";
    typed_there                         []  "a=1 (accepted in pull: a=2 there a=3) | same | same (marked API_KEY) | differs, accepted";
    changed_there                       []  "a=1 (accepted in pull: a=2 there a=1) | same | a=3  | conflict drift a";
    changed_here                        []  "a=1 (accepted in pull: a=2 there a=1) | a=4  | same | conflict drift a";
    another_field_changed_there         []  "a=1 b=1 (accepted in pull: a=2 b=1 there a=1 b=1) | same | a=1 b=2 | conflict drift a b";
    another_field_changed_here          []  "a=1 b=1 (accepted in pull: a=2 b=1 there a=1 b=1) | a=2 b=2 | same | conflict drift a b";
    another_record_with_the_same        []  "a=1 (accepted in pull: a=2 there a=3) | another record a=2 | same | conflict drift a";
    changed_there_and_overwritten       ["on_drift=overwrite"] "a=1 (accepted in pull: a=2 there a=1) | same | a=3 | update_local";
    not_changed_and_not_overwritten     ["on_drift=overwrite"] "a=1 (accepted in pull: a=2 there a=1) | same | same | differs, accepted";
    changed_here_in_a_push              ["push"] "a=1 (accepted in push: a=1 there a=2) | a=3 | same | conflict drift a";
    changed_here_in_a_push_overwritten  ["push on_drift=overwrite"] "a=1 (accepted in push: a=1 there a=2) | a=3 | same | update_remote cas=2, v2 kept";
    became_equal_there                  []  "a=1 (accepted in pull: a=2 there a=1) | same | a=2  | adopt";
    became_equal_here                   []  "a=1 (accepted in pull: a=2 there a=1) | a=1  | same | adopt";
    never_in_step                       []  "- (accepted in pull: a=2 there a=3) | same | same | differs, accepted";
    never_in_step_and_changed_there     []  "- (accepted in pull: a=2 there a=3) | same | a=4 | conflict no_base a";
    never_in_step_and_remote_preferred  ["initial=prefer_remote"] "- (accepted in pull: a=2 there a=3) | same | a=4 | update_local";
    the_mode_changed                    ["bidirectional"] "a=1 (accepted in pull: a=2 there a=1) | same | same | conflict both_changed a";
    the_mode_changed_to_push            ["push"] "a=1 (accepted in pull: a=2 there a=1) | same | same | conflict drift a";
    the_mode_changed_to_push_overwriting ["push on_drift=overwrite"] "a=1 (accepted in pull: a=2 there a=1) | same | same | conflict drift a";
    the_mode_changed_though_never_in_step ["bidirectional initial=prefer_local"] "- (accepted in pull: a=2 there a=3) | same | same | conflict no_base a";
    the_mode_changed_and_another_field_there ["bidirectional merge=field"] "a=1 b=1 (accepted in pull: a=2 b=1 there a=1 b=1) | same | a=1 b=2 | conflict both_changed a b";
    reopened                            []  "a=1 (accepted in pull, reopened: a=2 there a=1) | same | same | conflict drift a";
    reopened_in_a_push                  ["push"] "a=1 (accepted in push, reopened: a=1 there a=2) | same | same | conflict drift a";
    reopened_though_never_in_step       []  "- (accepted in pull, reopened: a=2 there a=3) | same | same | conflict no_base a";
    reopened_is_asked_and_not_overwritten ["on_drift=overwrite"] "a=1 (accepted in pull, reopened: a=2 there a=1) | same | same | conflict drift a";
    reopened_and_equal_since            []  "a=1 (accepted in pull, reopened: a=2 there a=1) | same | a=2 | adopt";
    deleted_there                       []  "a=1 (accepted in pull: a=2 there a=1) | same | deleted | unlink";
    deleted_there_propagated            ["deletions=propagate"] "a=1 (accepted in pull: a=2 there a=1) | same | deleted | conflict remote_deleted";
    deleted_here_though_kept            []  "a=1 (accepted in pull: a=2 there a=1) | trash | same | conflict local_deleted";
    deleted_here_in_a_push              ["push"] "a=1 (accepted in push: a=1 there a=2) | trash | same | unlink";
    deleted_here_in_a_push_propagated   ["push deletions=propagate"] "a=1 (accepted in push: a=1 there a=2) | trash | same | conflict local_deleted";
    deleted_there_in_a_push             ["push"] "a=1 (accepted in push: a=1 there a=2) | same | deleted | conflict remote_deleted";
    deleted_on_both_sides               []  "a=1 (accepted in pull: a=2 there a=1) | trash | deleted | forget";
    cannot_be_read                      []  "a=1 (accepted in pull: a=2 there a=1) | same | denied | skip: denied";
    went_backwards                      ["acknowledge=rewound"] "a=1 (accepted in pull: a=2 there a=1) | same | v1 a=3 | conflict rewound a";
    renamed_in_a_push                   ["push"]
        "p | a=1 (accepted in push: a=1 there a=2) | renamed to q | same | unlink"
        "q | -   | p's record | - | create_remote cas=0, mark";
}
