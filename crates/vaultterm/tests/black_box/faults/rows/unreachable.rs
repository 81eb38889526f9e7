//! No answer comes, or the answer comes from the wrong server.

use vaultterm_testkit::openbao::Meddling;

use super::{HEALTH, LISTING, LOGIN, READ_TWO};
use crate::faults::row::{FINE, Fault, Section, Shown, failed, partial, row};

pub(super) const NO_ANSWER: Section = Section {
    title: "No answer comes",
    text: "A request that surely had no effect, or has the same effect twice, is sent again after a wait that\ndoubles: \
           a login three times in all, everything else eight times. `VAULTTERM_VAULT_TIMEOUT_SECONDS` bounds each.",
    rows: &[
        row(
            "nothing listens",
            Fault::Closed,
            failed(
                "unavailable",
                "unreachable",
                "asking sys/health: the connection cannot be opened: Connection refused (os error 111)",
                "check address and port, and that the server is up",
            ),
        ),
        row(
            "the first request is not answered",
            Fault::Lasting(HEALTH, Meddling::Swallowed),
            failed(
                "unavailable",
                "unreachable",
                "asking sys/health: no answer came in time",
                "see what the server is busy with, and what stands in between",
            ),
        ),
        row(
            "every connection is reset",
            Fault::Lasting("", Meddling::Reset),
            failed(
                "unavailable",
                "unreachable",
                "asking sys/health: the connection broke: Connection reset by peer (os error 104)",
                "see whether the server was stopped, and what stands in between",
            ),
        ),
        row("a login is answered in vain", Fault::Passing(1, LOGIN, Meddling::Lost), FINE),
        row("a listing is reset twice", Fault::Passing(2, LISTING, Meddling::Reset), FINE),
        row("a listing is not answered in time", Fault::Passing(1, LISTING, Meddling::Swallowed), FINE),
        row("a listing breaks off in the middle", Fault::Passing(1, LISTING, Meddling::Cut(60)), FINE),
        row("a read breaks off in the middle, twice", Fault::Passing(2, READ_TWO, Meddling::Cut(60)), FINE),
        row(
            "every read of one secret breaks off in the middle",
            Fault::Lasting(READ_TWO, Meddling::Cut(60)),
            failed(
                "unavailable",
                "unreachable",
                "reading kv/data/team/app/two: the connection broke: end of file before message length reached",
                "see whether the server was stopped, and what stands in between",
            ),
        ),
        row(
            "the revocation of the token is reset",
            Fault::Lasting("/v1/auth/token/revoke-self", Meddling::Reset),
            partial(
                "token_not_revoked",
                "",
                "the run's token could not be revoked and lives until it expires: revoking the token, auth/token/revoke-self: \
                 the connection broke: Connection reset by peer (os error 104)",
                "see whether the server was stopped, and what stands in between",
            ),
        ),
    ],
};

pub(super) const NOT_TRUSTED: Section = Section {
    title: "The server's certificate is not accepted",
    text: "Nothing is sent before the certificate was checked, and nothing is repeated.",
    rows: &[
        row(
            "another CA signed it",
            Fault::Certificate(Shown::AnotherCas),
            failed(
                "misconfigured",
                "unreachable",
                "asking sys/health: TLS: the server's certificate is not accepted: it is signed by a CA that is not trusted here",
                "give the connection the CA of the server (--ca-cert)",
            ),
        ),
        row(
            "it is for another name",
            Fault::Certificate(Shown::AnotherNames),
            failed(
                "misconfigured",
                "unreachable",
                "asking sys/health: TLS: the server's certificate is not accepted: it is for another name: expected 127.0.0.1, found vault.example.com",
                "use the name in the certificate as address, or give it as server name",
            ),
        ),
        row(
            "it has expired",
            Fault::Certificate(Shown::Expired),
            failed(
                "misconfigured",
                "unreachable",
                "asking sys/health: TLS: the server's certificate is not accepted: it has expired",
                "renew the server's certificate, or set this machine's clock",
            ),
        ),
        row(
            "the server speaks plain http",
            Fault::Certificate(Shown::PlainHttp),
            failed(
                "misconfigured",
                "unreachable",
                "asking sys/health: TLS: the server does not speak TLS on this port",
                "it may be a plain http port: check scheme and port of the address",
            ),
        ),
    ],
};
