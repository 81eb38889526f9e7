//! The rows: every page, what it needs, and a form that changes nothing, because it names what is not there or a revision
//! that never was.

use super::{Need, Row};
use Need::{Admin, Editor, HouseAdmin, HouseOwner, Open, Session, Viewer};

const NONE: &str = "";
/// The id of nothing.
pub(super) const NIL: &str = "00000000-0000-0000-0000-000000000000";

const fn get(path: &'static str, need: Need) -> Row {
    Row { method: "GET", path, need, is_fresh: false, form: NONE }
}

const fn post(path: &'static str, need: Need, form: &'static str) -> Row {
    Row { method: "POST", path, need, is_fresh: false, form }
}

/// A form that needs a fresh proof that it is the person.
const fn fresh(path: &'static str, need: Need, form: &'static str) -> Row {
    Row { method: "POST", path, need, is_fresh: true, form }
}

/// What may be asked without a session.
const DOORS: &[Row] = &[
    get("/login", Open),
    post("/login", Open, "email=nobody@example.com&password=twelve letters"),
    get("/login/again", Open),
    post("/login/again", Open, "email=nobody@example.com&password=twelve letters"),
    post("/login/passkey", Open, NONE),
    post("/login/passkey/ask", Open, NONE),
    get("/login/code", Open),
    post("/login/code", Open, "code=none"),
    get("/setup", Open),
    post("/setup", Open, "token=none&email=x@example.com&name=x&password=twelve letters"),
    get("/invite", Open),
    post("/invite", Open, "token=none&password=twelve letters"),
    post("/invite/open", Open, "token=none"),
    get("/reset", Open),
    get("/static/{hash}/{name}", Open),
    get("/login/kept?kept={nil}", Session),
    post("/login/kept", Session, "kept={nil}"),
    get("/login/prove", Session),
    post("/login/prove", Session, "password=none&next=/records"),
    post("/logout", Session, NONE),
];

const RECORDS: &[Row] = &[
    get("/records", Session),
    get("/trash", Session),
    post("/collections", Session, "name=a/b"),
    get("/records/new", Session),
    post("/records/new", Editor, "collection={collection}&path=..&type=KEY_VALUE&step=save"),
    post("/generate", Session, NONE),
    get("/generated", Session),
    post("/generated/{nil}/reveal", Session, NONE),
    post("/records/many", Editor, "record={record}:999&act=tag&add=x&step=do"),
    fresh("/records/many", Viewer, "record={record}:999&act=reveal"),
    get("/records/{record}", Viewer),
    get("/records/{record}/history", Viewer),
    get("/records/{record}/move", Viewer),
    get("/records/{record}/move?to={collection}", Admin),
    post("/records/{record}/move", Admin, "to={collection}&revision=999"),
    post("/records/{record}/reveal", Viewer, "field=none"),
    post("/records/{record}/otp", Viewer, NONE),
    get("/records/{record}/edit", Editor),
    post("/records/{record}/edit", Editor, "revision=999&path=x&was-path=x&type=KEY_VALUE&was-type=KEY_VALUE"),
    post("/records/{record}/edit", Editor, "step=save&revision=999&path=x&type=KEY_VALUE&was-type=KEY_VALUE"),
    post("/records/{record}/restore", Editor, "revision=999"),
    get("/records/{record}/trash", Viewer),
    post("/records/{record}/trash", Admin, "revision=999"),
    get("/import", Session),
    // Without a file.
    post("/import", Editor, "in={collection}"),
    get("/imports/{nil}", Session),
    post("/imports/{nil}", Session, "plan=none"),
    post("/imports/{nil}/discard", Session, NONE),
    get("/imports/{nil}/undo", Session),
    post("/imports/{nil}/undo", Session, NONE),
    get("/export", Session),
    get("/export?in={collection}", Admin),
    // Nothing is below this path.
    fresh("/export", Admin, "in={collection}&prefix=none&format=env&sealing=plain&sure=on"),
];

const SYNC: &[Row] = &[
    get("/", Session),
    get("/connections/new", Session),
    post("/connections/new/reach", Admin, "collection={collection}&name=x&address=nowhere"),
    get("/connections/new/policy", Session),
    get("/connections/new/login", Session),
    fresh("/connections/new/login", Admin, "collection={collection}&name=x&address=nowhere&role_id=x&secret_id=x"),
    get("/connections/{connection}", Viewer),
    post("/connections/{connection}/plan", Editor, NONE),
    post("/connections/{connection}/pause", Editor, NONE),
    post("/connections/{connection}/resume", Editor, NONE),
    post("/connections/{connection}/test", Admin, NONE),
    get("/connections/{connection}/rights", Viewer),
    post("/connections/{connection}/rights", Admin, NONE),
    get("/connections/{connection}/options", Viewer),
    fresh("/connections/{connection}/options", Admin, "revision=999"),
    get("/connections/{connection}/edit", Viewer),
    fresh("/connections/{connection}/edit", Admin, "step=save&revision=999&name=x&address=nowhere"),
    get("/connections/{connection}/secret-id", Viewer),
    fresh("/connections/{connection}/secret-id", Admin, NONE),
    get("/connections/{connection}/delete", Viewer),
    fresh("/connections/{connection}/delete", Admin, "revision=999"),
    get("/plans/{plan}", Viewer),
    post("/plans/{plan}/ticks", Viewer, NONE),
    post("/plans/{plan}/apply", Editor, "counted={counted}"),
    post("/plans/{plan}/discard", Editor, NONE),
    get("/runs", Session),
    get("/runs/{run}", Viewer),
    get("/runs/{run}/events", Viewer),
    post("/runs/{run}/cancel", Editor, NONE),
    get("/conflicts", Session),
    get("/conflicts/{conflict}", Viewer),
    post("/conflicts/{conflict}", Editor, "whole=keep_local&local-revision=999"),
    post("/conflicts/{conflict}/reveal", Viewer, NONE),
    post("/conflicts/{conflict}/meaning", Viewer, NONE),
    post("/conflicts/{conflict}/alike", Editor, "resolution=none"),
];

const PEOPLE: &[Row] = &[
    get("/me", Session),
    post("/me", Session, "name=&revision=999"),
    post("/me/look", Session, NONE),
    post("/me/password", Session, "revision=999&password=x&current_password=x"),
    get("/me/factors", Session),
    fresh("/me/factors/otp", Session, NONE),
    fresh("/me/factors/otp/confirm", Session, "code=none"),
    fresh("/me/factors/otp/remove", Session, NONE),
    fresh("/me/passkeys", Session, NONE),
    fresh("/me/passkeys/ask", Session, NONE),
    fresh("/me/passkeys/remove", Session, "id={nil}"),
    fresh("/me/recovery-codes", Session, NONE),
    post("/me/recovery-codes/confirm", Session, "code=none"),
    get("/me/sessions", Session),
    post("/me/sessions/end", Session, "id={nil}"),
    post("/me/sessions/end-others", Session, NONE),
    get("/me/tokens", Session),
    fresh("/me/tokens", Session, "name="),
    post("/me/tokens/revoke", Session, "id={nil}"),
    get("/people", Session),
    fresh("/people", HouseAdmin, "email=no address"),
    get("/people/{person}", HouseAdmin),
    fresh("/people/{person}", HouseAdmin, "revision=999&disabled=yes"),
    fresh("/people/{person}/link", HouseAdmin, NONE),
    fresh("/people/{person}/link", HouseOwner, "purpose=reset"),
    post("/people/{person}/withdraw", HouseAdmin, "link={nil}"),
    get("/collections/{collection}/members", Viewer),
    fresh("/collections/{collection}/members", Admin, "email=person@example.com&role=none"),
    fresh("/collections/{collection}/members/remove", Admin, "user={person}"),
];

const HOUSE: &[Row] = &[
    get("/health", Session),
    get("/license", Session),
    post("/license", HouseOwner, "license=none"),
    post("/license/evaluate", HouseOwner, NONE),
    get("/keys", HouseAdmin),
    fresh("/keys/rotate", HouseOwner, "key=none"),
    get("/audit", HouseAdmin),
    get("/audit/1", HouseAdmin),
    post("/audit/verify", HouseAdmin, NONE),
    fresh("/audit/export", HouseAdmin, NONE),
    get("/webhooks", HouseAdmin),
    fresh("/webhooks", HouseAdmin, "name=x&url=nowhere"),
    post("/webhooks/{webhook}/test", HouseAdmin, NONE),
    fresh("/webhooks/{webhook}/pause", HouseAdmin, NONE),
    fresh("/webhooks/{webhook}/resume", HouseAdmin, NONE),
    post("/webhooks/{webhook}/delete", HouseAdmin, NONE),
];

/// Every row.
pub(super) fn rows() -> impl Iterator<Item = &'static Row> {
    [DOORS, RECORDS, SYNC, PEOPLE, HOUSE].into_iter().flatten()
}
