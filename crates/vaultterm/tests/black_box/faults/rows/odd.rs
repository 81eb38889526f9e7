//! Writes with an unknown result, and answers that are not Vault's.

use vaultterm_testkit::openbao::Meddling;

use super::{DELETE, HTML, LISTING, LOGIN, READ_TWO, WRITE_ONE};
use crate::faults::row::{FINE, Fault, Section, failed, partial, row};

pub(super) const IN_DOUBT: Section = Section {
    title: "Nobody knows whether it happened",
    text: "A write may have been made although its answer did not come. It is never sent again blindly: the secret \
           is looked at first.",
    rows: &[
        row("a write arrives, its answer does not", Fault::Passing(1, WRITE_ONE, Meddling::Lost), FINE),
        row("a write arrives, its answer breaks off", Fault::Passing(1, WRITE_ONE, Meddling::Cut(10)), FINE),
        row(
            "a write arrives, its answer does not come in time",
            Fault::Passing(1, WRITE_ONE, Meddling::Withheld),
            FINE,
        ),
        row("a write does not arrive", Fault::Passing(1, WRITE_ONE, Meddling::Reset), FINE),
        row("a write is not answered, and did not arrive", Fault::Passing(1, WRITE_ONE, Meddling::Swallowed), FINE),
        row(
            "a write never arrives",
            Fault::Lasting(WRITE_ONE, Meddling::Reset),
            partial(
                "unknown_outcome",
                "one",
                "writing kv/data/team/app/one: the connection broke: Connection reset by peer (os error 104); it may or may not have happened",
                "the next run looks at the secret and goes on from what is there",
            ),
        ),
        row(
            "500 to a write",
            Fault::Lasting(WRITE_ONE, answer!("500 Internal Server Error", "", "{\"errors\":[\"internal error\"]}")),
            partial(
                "unknown_outcome",
                "one",
                "writing kv/data/team/app/one: HTTP 500: internal error; it may or may not have happened",
                "the next run looks at the secret and goes on from what is there",
            ),
        ),
        row(
            "502 to a write, by something in between",
            Fault::Passing(
                1,
                WRITE_ONE,
                answer!("502 Bad Gateway", "Content-Type: text/html\r\n", "<html>Bad gateway</html>"),
            ),
            FINE,
        ),
        row("a deletion arrives, its answer does not", Fault::Passing(1, DELETE, Meddling::Lost), FINE),
        row("a deletion does not arrive", Fault::Passing(1, DELETE, Meddling::Reset), FINE),
    ],
};

pub(super) const NOT_VAULTS: Section = Section {
    title: "The answer is not Vault's",
    text: "Something in between answers in its place. Nothing is recorded, and no redirect is followed: the token \
           would travel with it.",
    rows: &[
        row(
            "a page at the address",
            Fault::Lasting("", HTML),
            failed(
                "protocol_error",
                "failed",
                "the server at this address is not a Vault (its answer to sys/health has another form)",
                "check host and port of the address",
            ),
        ),
        row(
            "a page instead of a login",
            Fault::Lasting(LOGIN, HTML),
            failed(
                "protocol_error",
                "failed",
                "logging in at auth/approle/login: the answer (HTTP 200) is HTML, not JSON: something other than Vault answered",
                "check host and port of the address, and what stands in between (a proxy, a login page)",
            ),
        ),
        row(
            "a page instead of a listing",
            Fault::Lasting(LISTING, HTML),
            failed(
                "protocol_error",
                "failed",
                "scanning kv/detailed-metadata/team/app/: the answer (HTTP 200) is HTML, not JSON: something other than Vault answered",
                "check host and port of the address, and what stands in between (a proxy, a login page)",
            ),
        ),
        row(
            "a listing that lacks its end",
            Fault::Lasting(LISTING, Meddling::Short(200)),
            failed(
                "protocol_error",
                "failed",
                "scanning kv/detailed-metadata/team/app/: the answer (HTTP 200) lacks its end (after 200 bytes)",
                "something in between cut it, or the server was stopped: if it stays so, look there",
            ),
        ),
        row(
            "a secret that lacks its end",
            Fault::Lasting(READ_TWO, Meddling::Short(60)),
            partial(
                "protocol_error",
                "two",
                "reading kv/data/team/app/two: the answer (HTTP 200) lacks its end (after 60 bytes)",
                "something in between cut it, or the server was stopped: if it stays so, look there",
            ),
        ),
        row("a page instead of the answer to a write", Fault::Passing(1, WRITE_ONE, HTML), FINE),
        row("the answer to a write lacks its end", Fault::Passing(1, WRITE_ONE, Meddling::Short(20)), FINE),
        row(
            "a redirect to another host, at once",
            Fault::Redirected(""),
            failed(
                "redirected",
                "failed",
                "asking sys/health: HTTP 307, a redirect to http://elsewhere.example.com, which is not followed",
                "a standby that does not forward names the active node so: if that host is it, use its address; else something in between redirects",
            ),
        ),
        row(
            "a redirect of the login",
            Fault::Redirected(LOGIN),
            failed(
                "redirected",
                "failed",
                "logging in at auth/approle/login: HTTP 307, a redirect to http://elsewhere.example.com, which is not followed",
                "a standby that does not forward names the active node so: if that host is it, use its address; else something in between redirects",
            ),
        ),
        row(
            "a redirect of a listing",
            Fault::Redirected(LISTING),
            failed(
                "redirected",
                "failed",
                "scanning kv/detailed-metadata/team/app/: HTTP 307, a redirect to http://elsewhere.example.com, which is not followed",
                "a standby that does not forward names the active node so: if that host is it, use its address; else something in between redirects",
            ),
        ),
        row(
            "a redirect to another path",
            Fault::Lasting(LISTING, answer!("307 Temporary Redirect", "Location: /v1/elsewhere\r\n", "")),
            failed(
                "redirected",
                "failed",
                "scanning kv/detailed-metadata/team/app/: HTTP 307, a redirect to another path, which is not followed",
                "the path is malformed to the server, or something in between rewrites paths",
            ),
        ),
        row(
            "a redirect of a write",
            Fault::Redirected(WRITE_ONE),
            partial(
                "redirected",
                "one",
                "writing kv/data/team/app/one: HTTP 307, a redirect to http://elsewhere.example.com, which is not followed",
                "a standby that does not forward names the active node so: if that host is it, use its address; else something in between redirects",
            ),
        ),
    ],
};
