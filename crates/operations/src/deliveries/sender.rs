//! One attempt: a request to a receiver, and the meaning of its answer. The body of the answer is neither
//! kept nor logged, and no error holds the URL, because the URL may hold a token of the receiver.

use std::{
    error::Error,
    sync::OnceLock,
    time::{Duration, SystemTime},
};

use reqwest::{
    Client, Response, StatusCode,
    header::{HeaderMap, RETRY_AFTER},
};
use rustls::RootCertStore;
use vaultterm_outbound::{Address, AddressError, ClientError, Limits, Resolver, system_roots, trusting};
use vaultterm_sync::system_time;

use super::message::Message;

const LIMITS: Limits = Limits { connect_timeout: Duration::from_secs(5), request_timeout: Duration::from_secs(20) };
/// How much of an answer is read, and for how long, to have the connection for the next message.
const ANSWER_BYTES_MAX: usize = 64 << 10;
const ANSWER_WITHIN: Duration = Duration::from_secs(1);
/// Characters of a cause that a message holds at most.
const CAUSE_CHARS_MAX: usize = 200;

/// The result of an attempt.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum DeliveryOutcome {
    /// 2xx.
    Taken { status: u16 },
    /// HTTP 410: the receiver is gone for good.
    Gone,
    /// Any other answer, or none.
    Failed { status: Option<u16>, why: String, retry_after: Option<Duration> },
}

/// The way to receivers. Made when it is first needed: a server without webhooks reads no CAs.
#[derive(Debug, Default)]
pub struct Sender {
    https: OnceLock<Client>,
    loopback: OnceLock<Client>,
}

impl Sender {
    /// Makes one attempt.
    pub(crate) async fn send(&self, url: &str, message: &Message, headers: HeaderMap) -> DeliveryOutcome {
        let address = match Address::parse(url, false) {
            Ok(address) => address,
            Err(error) => return failed(error.to_string()),
        };
        let client = match self.client(&address) {
            Ok(client) => client,
            Err(error) => return failed(error.to_string()),
        };
        let request = client.post(address.url().clone()).headers(headers).body(message.body.clone());
        match request.send().await {
            Ok(response) => answered(response).await,
            Err(error) => failed(reason(&error.without_url())),
        }
    }

    fn client(&self, address: &Address) -> Result<&Client, ClientError> {
        let plain = address.is_plaintext();
        let kept = if plain { &self.loopback } else { &self.https };
        if let Some(client) = kept.get() {
            return Ok(client);
        }
        // Plain http on loopback must work on a machine without CA certificates.
        let roots = if plain { RootCertStore::empty() } else { system_roots()? };
        let client =
            vaultterm_outbound::client(trusting(roots)?.with_no_client_auth(), Resolver::of_names(plain), LIMITS)?;
        Ok(kept.get_or_init(|| client))
    }
}

fn failed(why: String) -> DeliveryOutcome {
    DeliveryOutcome::Failed { status: None, why, retry_after: None }
}

async fn answered(response: Response) -> DeliveryOutcome {
    let status = response.status();
    let outcome = judge(status, response.headers(), now());
    let _ = tokio::time::timeout(ANSWER_WITHIN, drain(response)).await;
    outcome
}

fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_nanos(u64::try_from(system_time().0).unwrap_or_default())
}

fn judge(status: StatusCode, headers: &HeaderMap, now: SystemTime) -> DeliveryOutcome {
    let code = status.as_u16();
    if status.is_success() {
        return DeliveryOutcome::Taken { status: code };
    }
    if status == StatusCode::GONE {
        return DeliveryOutcome::Gone;
    }
    let why = match code {
        300..=399 => format!("HTTP {code}: the receiver redirects, which is never followed: give its new address"),
        _ => format!("HTTP {code}"),
    };
    DeliveryOutcome::Failed { status: Some(code), why, retry_after: retry_after(headers, now) }
}

/// Reads `Retry-After`: seconds, or a moment (RFC 9110 §10.2.3).
fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let moment = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text).ok()?;
    SystemTime::from(moment).duration_since(now).ok()
}

async fn drain(mut response: Response) {
    let mut read = 0;
    while let Ok(Some(chunk)) = response.chunk().await {
        read += chunk.len();
        if read > ANSWER_BYTES_MAX {
            return;
        }
    }
}

/// Says why no answer came, in words without the URL.
fn reason(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return format!("no answer within {} seconds", LIMITS.request_timeout.as_secs());
    }
    let mut root: &dyn Error = error;
    loop {
        if let Some(refused) = root.downcast_ref::<AddressError>() {
            return refused.to_string();
        }
        match root.source() {
            Some(source) => root = source,
            None => break,
        }
    }
    let cause: String = root.to_string().chars().filter(|c| !c.is_control()).take(CAUSE_CHARS_MAX).collect();
    let what = if error.is_connect() { "the connection cannot be opened" } else { "the request broke off" };
    format!("{what}: {cause}")
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderValue;

    use super::*;

    fn judged(code: u16, retry_after: Option<&str>) -> DeliveryOutcome {
        let mut headers = HeaderMap::new();
        headers.extend(retry_after.map(|text| (RETRY_AFTER, HeaderValue::from_str(text).expect("a header"))));
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_461_600);
        judge(StatusCode::from_u16(code).expect("a status"), &headers, now)
    }

    #[test]
    fn only_a_success_counts_as_taken_and_only_410_as_gone() {
        for code in [200, 201, 202, 204] {
            assert_eq!(judged(code, None), DeliveryOutcome::Taken { status: code });
        }
        assert_eq!(judged(410, Some("5")), DeliveryOutcome::Gone);
        for code in [301, 307, 400, 401, 403, 404, 409, 429, 500, 503] {
            let DeliveryOutcome::Failed { status, why, retry_after } = judged(code, None) else { panic!("{code}") };
            assert_eq!((status, retry_after), (Some(code), None));
            assert!(why.starts_with(&format!("HTTP {code}")), "{why}");
        }
    }

    #[test]
    fn a_receiver_says_in_seconds_or_as_a_moment_when_to_come_again() {
        for (text, wanted) in [
            ("120", Some(120)),
            ("Mon, 23 Nov 2026 19:20:16 GMT", Some(16)),
            ("Mon, 23 Nov 2026 19:19:16 GMT", None),
            ("soon", None),
            ("-1", None),
        ] {
            let DeliveryOutcome::Failed { retry_after, .. } = judged(503, Some(text)) else { panic!("{text}") };
            assert_eq!(retry_after, wanted.map(Duration::from_secs), "{text}");
        }
    }

    #[tokio::test]
    async fn what_may_not_be_spoken_to_is_not_and_the_reason_holds_no_url() {
        let sender = Sender::default();
        let message = Message { id: "msg_1".to_owned(), body: Vec::new() };
        for url in [
            "http://example.com/hunter2",
            "http://169.254.169.254/hunter2",
            "https://[fd00:ec2::254]/?t=hunter2",
            "http://127.0.0.1:1/hunter2",
        ] {
            let DeliveryOutcome::Failed { why, status: None, .. } = sender.send(url, &message, HeaderMap::new()).await
            else {
                panic!("{url}")
            };
            assert!(!why.contains("hunter2"), "{why}");
        }
    }
}
