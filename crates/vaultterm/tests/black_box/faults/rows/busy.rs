//! The server cannot answer at the moment.

use vaultterm_testkit::openbao::Meddling;

use super::{LISTING, WRITE_ONE};
use crate::faults::row::{Also, Deed, Edits, FINE, Fault, Row, Section, failed, row};

pub(super) const BUSY: Section = Section {
    title: "The server is behind or has too much to do",
    text: "It is asked again, after the wait that it asks for, with half as many requests under way.",
    rows: &[
        row(
            "412: a standby is behind",
            Fault::Passing(
                2,
                "GET {kv}/",
                answer!("412 Precondition Failed", "", "{\"errors\":[\"required index state not present\"]}"),
            ),
            FINE,
        ),
        Row {
            edits: Edits::One,
            ..row(
                "412, and it stays behind",
                Fault::Lasting(
                    WRITE_ONE,
                    answer!("412 Precondition Failed", "", "{\"errors\":[\"required index state not present\"]}"),
                ),
                failed(
                    "stale_replica",
                    "failed",
                    "writing kv/data/team/app/one: HTTP 412: required index state not present",
                    "a standby does not catch up with the active node: see to its replication, or use the address of the active node",
                ),
            )
        },
        row(
            "429 with Retry-After and no errors: a standby is behind",
            Fault::Passing(1, LISTING, answer!("429 Too Many Requests", "Retry-After: 1\r\n", "{\"errors\":[]}")),
            FINE,
        ),
        Row { also: Also::AsksAgain, ..row("429: a quota limits the rate", Fault::Before(Deed::LimitRate), FINE) },
    ],
};

pub(super) const SEALED: Section = Section {
    title: "The server is sealed or standing by",
    text: "It is asked a few times more. The connection then shows what it waits for.",
    rows: &[
        row(
            "it is sealed",
            Fault::Before(Deed::Seal),
            failed("remote_sealed", "remote_sealed", "the server is sealed", "unseal the server"),
        ),
        Row {
            edits: Edits::One,
            ..row(
                "it is sealed while a secret is written",
                Fault::During(WRITE_ONE, Deed::Seal),
                failed(
                    "remote_sealed",
                    "remote_sealed",
                    "writing kv/data/team/app/one: HTTP 503: Vault is sealed",
                    "unseal the server",
                ),
            )
        },
        row(
            "472: a disaster-recovery standby",
            Fault::Lasting(
                "",
                answer!(
                    "472 Unknown",
                    "",
                    "{\"initialized\":true,\"sealed\":false,\"standby\":true,\"version\":\"1.21.0\"}"
                ),
            ),
            failed(
                "remote_sealed",
                "remote_sealed",
                "the server is a disaster-recovery standby",
                "use the address of the primary cluster",
            ),
        ),
        Row {
            edits: Edits::One,
            ..row(
                "473: a performance standby that does not forward",
                Fault::Lasting(WRITE_ONE, answer!("473 Unknown", "", "{\"errors\":[]}")),
                failed(
                    "remote_sealed",
                    "remote_sealed",
                    "writing kv/data/team/app/one: HTTP 473",
                    "use the address of the active node of the primary cluster",
                ),
            )
        },
        row(
            "501: not initialized",
            Fault::Lasting(
                "",
                answer!(
                    "501 Not Implemented",
                    "",
                    "{\"initialized\":false,\"sealed\":true,\"standby\":true,\"version\":\"2.7.2\"}"
                ),
            ),
            failed(
                "remote_sealed",
                "remote_sealed",
                "the server is not initialized",
                "initialize the server, then unseal it",
            ),
        ),
        row(
            "503 once, in the middle of the run",
            Fault::Passing(1, WRITE_ONE, answer!("503 Service Unavailable", "", "{\"errors\":[\"Vault is sealed\"]}")),
            FINE,
        ),
        row(
            "503, by something in between",
            Fault::Lasting(
                "",
                answer!("503 Service Unavailable", "Content-Type: text/html\r\n", "<html>No backend</html>"),
            ),
            failed(
                "unavailable",
                "unreachable",
                "asking sys/health: HTTP 503, not from Vault",
                "something in between answers: see whether it reaches the server",
            ),
        ),
    ],
};
