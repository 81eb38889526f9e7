//! The server refuses the request.

use vaultterm_testkit::openbao::Meddling;

use super::{LISTING, WRITE_ONE};
use crate::faults::row::{Also, Deed, Edits, FINE, Fault, Row, Section, Sees, failed, partial, row};

pub(super) const REFUSED: Section = Section {
    title: "The server refuses",
    text: "Asking again would change nothing. One path is left for the next run, and the others go on.",
    rows: &[
        Row {
            also: Also::OneMoreVersion,
            ..row(
                "400, check-and-set: somebody wrote at the same moment",
                Fault::During(WRITE_ONE, Deed::WriteOne),
                partial("stale", "one", "the secret was written since it was listed", "the next run looks again"),
            )
        },
        row(
            "400, anything else",
            Fault::Lasting(WRITE_ONE, answer!("400 Bad Request", "", "{\"errors\":[\"error parsing JSON\"]}")),
            partial("invalid", "one", "writing kv/data/team/app/one: HTTP 400: error parsing JSON", ""),
        ),
        row(
            "more strings than the server takes",
            Fault::Before(Deed::Multiply),
            partial(
                "invalid",
                "one",
                "writing kv/data/team/app/one: HTTP 400: refused JSON input due to high complexity: exceeded maximum number of strings",
                "divide the record, or raise the server's max_request_json_strings",
            ),
        ),
        row(
            "413: more bytes than the server takes",
            Fault::Before(Deed::Grow),
            partial(
                "invalid",
                "one",
                "writing kv/data/team/app/one: HTTP 413: http: request body too large",
                "make the record smaller, or raise the limit (max_request_size of the server, or that of a proxy)",
            ),
        ),
        row(
            "413, by something in between",
            Fault::Lasting(
                WRITE_ONE,
                answer!("413 Too Large", "Content-Type: text/html\r\n", "<html>Too large</html>"),
            ),
            partial(
                "invalid",
                "one",
                "writing kv/data/team/app/one: HTTP 413",
                "make the record smaller, or raise the limit (max_request_size of the server, or that of a proxy)",
            ),
        ),
        row(
            "403: the policy lacks a capability",
            Fault::Before(Deed::DenyUpdates),
            failed(
                "denied",
                "auth_failed",
                "the role lacks `update` on kv/data/team/app/*",
                "add it to the role's policy: `vaultterm connection policy` prints all that is needed",
            ),
        ),
        row(
            "403: the policy denies one path",
            Fault::Before(Deed::DenyOne),
            partial(
                "denied",
                "one",
                "writing kv/data/team/app/one: the role lacks `update` on kv/data/team/app/one",
                "add it to the role's policy (`vaultterm connection policy` prints what is needed)",
            ),
        ),
    ],
};

pub(super) const LOGINS: Section = Section {
    title: "The token or the login is not valid any more",
    text: "Vault answers 403 to a token that ended and to a missing capability alike; which of the two it is gets \
           asked for.\nA token that ended is replaced once.",
    rows: &[
        Row {
            also: Also::LogsInTwice,
            ..row("the token is revoked while secrets are listed", Fault::During(LISTING, Deed::RevokeToken), FINE)
        },
        Row {
            also: Also::LogsInTwice,
            ..row("the token is revoked while a secret is written", Fault::During(WRITE_ONE, Deed::RevokeToken), FINE)
        },
        row(
            "token and SecretID are revoked while a secret is written",
            Fault::During(WRITE_ONE, Deed::RevokeAll),
            Sees {
                run: "partial",
                ..failed(
                    "login_refused",
                    "auth_failed",
                    "login refused: the RoleID is unknown, or the SecretID is wrong, expired, used up or not valid from this address (the server does not say which)",
                    "check the RoleID; issue a new SecretID and store it (`vaultterm connection rotate-secret-id`)",
                )
            },
        ),
        row(
            "the SecretID is not valid",
            Fault::Before(Deed::DestroySecretId),
            failed(
                "login_refused",
                "auth_failed",
                "login refused: the RoleID is unknown, or the SecretID is wrong, expired, used up or not valid from this address (the server does not say which)",
                "check the RoleID; issue a new SecretID and store it (`vaultterm connection rotate-secret-id`)",
            ),
        ),
    ],
};

pub(super) const GONE: Section = Section {
    title: "404: something is not there",
    text: "Five different things, of which none is taken for a deletion without proof.",
    rows: &[
        row(
            "the mount is gone",
            Fault::Before(Deed::MoveMount),
            failed(
                "wrong_mount",
                "failed",
                "there is no secrets engine at `kv/`",
                "check mount and namespace of the connection",
            ),
        ),
        row(
            "the mount goes while secrets are listed",
            Fault::During(LISTING, Deed::MoveMount),
            failed(
                "wrong_mount",
                "failed",
                "scanning kv/detailed-metadata/team/app/: there is no secrets engine at `kv/` (any more)",
                "check mount and namespace of the connection",
            ),
        ),
        Row {
            edits: Edits::One,
            ..row(
                "the mount goes while a secret is written",
                Fault::During(WRITE_ONE, Deed::MoveMount),
                failed(
                    "wrong_mount",
                    "failed",
                    "writing kv/data/team/app/one: there is no secrets engine at `kv/` (any more)",
                    "check mount and namespace of the connection",
                ),
            )
        },
        row(
            "an empty listing, though there are secrets",
            Fault::Lasting(LISTING, answer!("404 Not Found", "", "{\"errors\":[]}")),
            FINE,
        ),
        row(
            "a page of something in between",
            Fault::Lasting(
                LISTING,
                answer!("404 Not Found", "Content-Type: text/html\r\n", "<html>Nothing here</html>"),
            ),
            failed(
                "protocol_error",
                "failed",
                "scanning kv/detailed-metadata/team/app/: HTTP 404 that does not come from a KV engine",
                "something in between answers: see whether it reaches the server",
            ),
        ),
        row(
            "every secret is deleted",
            Fault::Before(Deed::DeleteAll),
            Sees {
                run: "halted",
                class: "side_emptied",
                path: "",
                message: "Vault's path shows nothing, where 5 secrets were in step. Acknowledging accepts that they were deleted on purpose",
                hint: "",
                state: "halted",
            },
        ),
    ],
};
