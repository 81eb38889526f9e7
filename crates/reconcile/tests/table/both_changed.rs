//! The rows of the table in which both sides changed.

section! { merging, "Field merge", "bidirectional",
    "Both sides changed, in different fields. By default (`merge=descriptive`) they are merged only when on one side \
     every changed field is descriptive, so that the credential is exactly one side's. `merge=field` joins any \
     fields; those that only make sense together are one group: who touches one, touches all.",

    described_here_and_rotated_there            []  "username=1 password=1 note=1 | username=1 password=1 note=2 | username=2 password=2 note=1 | merge cas=3 note:local password:remote username:remote";
    rotated_here_and_described_there            []  "username=1 password=1 note=1 | username=2 password=2 note=1 | username=1 password=1 note=2 | merge cas=3 note:remote password:local username:local";
    described_on_both_sides                     []  "a=1 note=1 owner=1 | a=1 note=2 owner=1 | a=1 note=1 owner=2 | merge cas=3 a:local note:local owner:remote";
    described_differently_on_both_sides         []  "a=1 note=1  | a=1 note=2 | a=1 note=3 | conflict both_changed note";
    rotated_and_described_here_and_described_there [] "a=1 note=1 owner=1 | a=2 note=2 owner=1 | a=1 note=1 owner=2 | merge cas=3 a:local note:local owner:remote";
    rotated_and_described_on_both_sides         []  "a=1 b=1 note=1 owner=1 | a=2 b=1 note=2 owner=1 | a=1 b=2 note=1 owner=2 | conflict both_changed a b note owner";
    rotated_alike_and_described_apart           []  "a=1 note=1 b=1 | a=2 note=2 b=1 | a=2 note=1 b=2 | conflict both_changed b note";
    a_note_added_here_and_rotated_there         []  "a=1         | a=1 note=1 | a=2      | merge cas=3 a:remote note:local";
    a_note_removed_there_and_rotated_here       []  "a=1 note=1  | a=2 note=1 | a=1      | merge cas=3 a:local";
    a_field_added_here_and_another_changed_there []  "a=1         | a=1 b=1   | a=2       | conflict both_changed a b";
    a_field_removed_here_and_another_changed_there [] "a=1 b=1    | a=1       | a=2 b=1   | conflict both_changed a b";
    a_field_removed_there_and_another_changed_here [] "a=1 b=1    | a=2 b=1   | a=1       | conflict both_changed a b";
    names_are_compared_without_case_dash_and_underscore [] "a=1 Rotate-By=1 | a=1 Rotate-By=2 | a=2 Rotate-By=1 | merge cas=3 Rotate-By:local a:remote";
    an_address_is_not_descriptive               []  "url=1 password=1 | url=2 password=1 | url=1 password=2 | conflict both_changed password url";
    the_halves_of_a_cloud_key                   []  "AWS_ACCESS_KEY_ID=1 AWS_SECRET_ACCESS_KEY=1 | AWS_ACCESS_KEY_ID=2 AWS_SECRET_ACCESS_KEY=1 | AWS_ACCESS_KEY_ID=1 AWS_SECRET_ACCESS_KEY=2 | conflict both_changed AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY";
    the_halves_of_a_database_login              []  "DB_USER=1 DB_PASSWORD=1 | DB_USER=2 DB_PASSWORD=1 | DB_USER=1 DB_PASSWORD=2 | conflict both_changed DB_PASSWORD DB_USER";
    the_halves_of_a_login                       []  "user=1 password=1 | user=1 password=2 | user=2 password=1 | conflict both_changed password user";
    the_halves_of_an_oauth_client               []  "client_id=1 client_secret=1 | client_id=2 client_secret=1 | client_id=1 client_secret=2 | conflict both_changed client_id client_secret";
    the_halves_of_a_storage_key                 []  "access_key=1 secret_key=1 | access_key=2 secret_key=1 | access_key=1 secret_key=2 | conflict both_changed access_key secret_key";
    a_certificate_and_its_key                   []  "tls.crt=1 tls.key=1 | tls.crt=2 tls.key=1 | tls.crt=1 tls.key=2 | conflict both_changed tls.crt tls.key";
    all_of_a_payment_card_is_one                []  "PAYMENT_CARD card_number=1 note=1 | card_number=2 note=1 | card_number=1 note=2 | conflict both_changed card_number note";

    added_on_both_sides_with_the_same_value     []  "a=1         | a=2 b=1   | a=1 b=1   | update_remote cas=3, v3 kept";
    added_on_both_sides_with_different_values   []  "a=1         | a=1 b=1   | a=1 b=2   | conflict both_changed b";
    removed_here_and_the_same_changed_there     []  "a=1 b=1     | a=1       | a=1 b=2   | conflict both_changed b";
    removed_on_both_sides                       []  "a=1 b=1     | a=2       | a=1       | update_remote cas=3, v3 kept";
    local_did_all_that_remote_did               []  "a=1 b=1     | a=2 b=2   | a=2 b=1   | update_remote cas=3, v3 kept";
    remote_did_all_that_local_did               []  "a=1 b=1     | a=2 b=1   | a=2 b=2   | update_local";

    any_fields                  ["merge=field"]     "a=1 b=1     | a=2 b=1   | a=1 b=2   | merge cas=3 a:local b:remote";
    added_on_both_sides_under_different_names ["merge=field"] "a=1   | a=1 b=1   | a=1 c=1   | merge cas=3 a:local b:local c:remote";
    removed_here_and_another_changed_there ["merge=field"] "a=1 b=1  | a=1       | a=2 b=1   | merge cas=3 a:remote";
    removed_here_and_added_there ["merge=field"]    "a=1 b=1 c=1 | a=1 b=1   | a=1 b=1 c=1 d=1 | merge cas=3 a:local b:local d:remote";
    a_field_in_conflict_holds_the_others_back ["merge=field"] "a=1 b=1 c=1 | a=2 b=2 c=1 | a=3 b=1 c=2 | conflict both_changed a b c";
    user_name_and_password_are_one ["merge=field"]  "PASSWORD username=1 password=1 | username=2 password=1 | username=1 password=2 | conflict both_changed password username";
    a_note_beside_a_password_is_on_its_own ["merge=field"] "PASSWORD username=1 password=1 note=1 | username=1 password=2 note=1 | username=1 password=1 note=2 | merge cas=3 note:remote password:local username:local";
    key_id_and_key_are_one      ["merge=field"]     "API_KEY key_id=1 key=1 | key_id=2 key=1 | key_id=1 key=2 | conflict both_changed key key_id";
    a_key_pair_and_its_passphrase_are_one ["merge=field"] "SSH_KEY private_key=1 public_key=1 | private_key=2 public_key=2 | private_key=1 public_key=1 passphrase=1 | conflict both_changed passphrase private_key public_key";
    all_of_a_one_time_code_is_one ["merge=field"]   "TOTP secret=1 digits=1 | secret=2 digits=1 | secret=1 digits=2 | conflict both_changed digits secret";
    all_of_a_payment_card_is_one_where_any_fields_are_merged ["merge=field"] "PAYMENT_CARD card_number=1 note=1 | card_number=2 note=1 | card_number=1 note=2 | conflict both_changed card_number note";
    fields_without_a_type_are_on_their_own ["merge=field"] "username=1 password=1 | username=2 password=1 | username=1 password=2 | merge cas=3 password:remote username:local";

    merge_turned_off        ["merge=secret"]        "a=1 note=1  | a=2 note=1 | a=1 note=2 | conflict both_changed a note";
    merge_turned_off_and_changed_alike ["merge=secret"] "a=1     | a=2       | a=2       | adopt";
    merge_turned_off_and_one_side_did_all ["merge=secret"] "a=1 b=1 | a=2 b=2 | a=2 b=1  | conflict both_changed b";
}
