//! The rows: what goes wrong, and what is seen of it.

use vaultterm_testkit::openbao::Meddling;

/// A part of the table.
pub(crate) struct Section {
    pub(crate) title: &'static str,
    pub(crate) text: &'static str,
    pub(crate) rows: &'static [Row],
}

/// One fault.
pub(crate) struct Row {
    /// What goes wrong, for people.
    pub(crate) name: &'static str,
    pub(crate) fault: Fault,
    /// What people did before: what the run has to do.
    pub(crate) edits: Edits,
    pub(crate) sees: Sees,
    /// What else holds.
    pub(crate) also: Also,
}

/// How it is brought about. `{kv}` in a request's first line is the mount.
pub(crate) enum Fault {
    /// Whatever asks for this meets with that, until the fault ends.
    Lasting(&'static str, Meddling),
    /// So many requests do.
    Passing(u32, &'static str, Meddling),
    /// The same as `Lasting`, with a redirect to another host.
    Redirected(&'static str),
    /// Nothing listens.
    Closed,
    /// Another certificate is shown.
    Certificate(Shown),
    /// It is done before the run.
    Before(Deed),
    /// It is done when this is asked for, before the request gets through.
    During(&'static str, Deed),
}

impl Fault {
    /// Whether something answers in the server's place.
    pub(crate) const fn is_injected(&self) -> bool {
        matches!(
            self,
            Self::Lasting(_, Meddling::Instead(_)) | Self::Passing(_, _, Meddling::Instead(_)) | Self::Redirected(_)
        )
    }
}

/// What a server shows instead of its certificate.
#[derive(Clone, Copy)]
pub(crate) enum Shown {
    AnotherCas,
    AnotherNames,
    Expired,
    PlainHttp,
}

/// What is done to the real server, or on either side.
#[derive(Clone, Copy)]
pub(crate) enum Deed {
    /// It is sealed.
    Seal,
    /// It limits the rate.
    LimitRate,
    /// The mount is moved away.
    MoveMount,
    /// Every secret is deleted.
    DeleteAll,
    /// The token is revoked.
    RevokeToken,
    /// The token is revoked, and the `SecretID` destroyed.
    RevokeAll,
    /// The `SecretID` is destroyed.
    DestroySecretId,
    /// The policy does not let anything be updated.
    DenyUpdates,
    /// The policy denies one path.
    DenyOne,
    /// Somebody writes the same secret.
    WriteOne,
    /// The record grows beyond what the server takes.
    Grow,
    /// The record gets more strings than the server takes.
    Multiply,
}

/// What the run has to do.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Edits {
    /// Something of each kind: six changes.
    All,
    /// One record was changed.
    One,
    /// As `All`, with 40 more records.
    Many,
}

/// What a person sees of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sees {
    /// How the run ended.
    pub(crate) run: &'static str,
    /// Class, path and message of the problem, or kind of the halt; empty for none.
    pub(crate) class: &'static str,
    pub(crate) path: &'static str,
    pub(crate) message: &'static str,
    pub(crate) hint: &'static str,
    /// The connection's state.
    pub(crate) state: &'static str,
}

/// What else holds of a row.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Also {
    Nothing,
    /// The run logs in twice.
    LogsInTwice,
    /// The run has fewer requests under way afterwards.
    SlowsDown,
    /// Somebody else's version comes on top.
    OneMoreVersion,
}

/// All went well, whatever happened.
const FINE: Sees = Sees { run: "succeeded", class: "", path: "", message: "", hint: "", state: "ready" };

macro_rules! answer {
    ($status:literal, $headers:literal, $body:literal) => {
        Meddling::Instead(concat!("HTTP/1.1 ", $status, "\r\nConnection: close\r\n", $headers, "\r\n", $body))
    };
}

const fn row(name: &'static str, fault: Fault, sees: Sees) -> Row {
    Row { name, fault, edits: Edits::All, sees, also: Also::Nothing }
}

/// The whole run is stopped.
const fn failed(class: &'static str, state: &'static str, message: &'static str, hint: &'static str) -> Sees {
    Sees { run: "failed", class, path: "", message, hint, state }
}

/// One path is, and the others go on.
const fn partial(class: &'static str, path: &'static str, message: &'static str, hint: &'static str) -> Sees {
    Sees { run: "partial", class, path, message, hint, state: "partial" }
}

const HEALTH: &str = "/v1/sys/health";
const LOGIN: &str = "/v1/auth/approle/login";
const LISTING: &str = "{kv}/detailed-metadata/";
const READ_TWO: &str = "GET {kv}/data/team/app/two";
const WRITE_ONE: &str = "POST {kv}/data/team/app/one";
const DELETE: &str = "POST {kv}/delete/";
const HTML: Meddling = answer!("200 OK", "Content-Type: text/html\r\n", "<html>Please log in</html>");

pub(crate) const SECTIONS: &[&Section] =
    &[&NO_ANSWER, &NOT_TRUSTED, &REFUSED, &LOGINS, &GONE, &BUSY, &SEALED, &IN_DOUBT, &NOT_VAULTS];

const NO_ANSWER: Section = Section {
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
            FINE,
        ),
    ],
};

const NOT_TRUSTED: Section = Section {
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

const REFUSED: Section = Section {
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

const LOGINS: Section = Section {
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

const GONE: Section = Section {
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
                message: "Vault's path shows nothing, where 5 secrets were in step. Acknowledging takes that for deliberate",
                hint: "",
                state: "halted",
            },
        ),
    ],
};

const BUSY: Section = Section {
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
        Row {
            edits: Edits::Many,
            also: Also::SlowsDown,
            ..row("429: a quota limits the rate", Fault::Before(Deed::LimitRate), FINE)
        },
    ],
};

const SEALED: Section = Section {
    title: "The server is sealed or standing by",
    text: "",
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

const IN_DOUBT: Section = Section {
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

const NOT_VAULTS: Section = Section {
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
                "what answers at this address is no Vault (sys/health is not as it should be)",
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
