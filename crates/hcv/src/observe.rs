//! Lists the stamps of a whole scope in as few requests as the server and the role allow.
//!
//! Three ways give the same snapshot: a single `SCAN detailed-metadata` (OpenBao), `LIST detailed-metadata`
//! folder by folder in pages (OpenBao), and `LIST metadata` with a metadata request per key (every server).
//! `SCAN` has no pages and costs the server memory, so it is used for small scopes. If its answer is larger
//! than [`SCAN_BYTES_MAX`], the client drops it, remembers that, and lists the scope folder by folder from
//! then on.
//!
//! For a scope that may be so large, the server would work for up to [`SCAN_WITHIN`] on an answer that the client does not take.
//! So a scope of unknown size, or of more than [`SCANNED_MAX`] secrets, is first listed folder by folder. This is a trial: if its
//! folders are small, or one of them may not be listed, the scope is scanned all the same.
//!
//! A partial view of a scope is never returned: every error except a transient one ends the observation.
//! Transient errors are waited out here a few times, because a repetition of thousands of requests after each
//! rate limit would never end.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::atomic::Ordering,
    time::Duration,
};

use backon::{ExponentialBuilder, Retryable};
use futures_util::{StreamExt, TryStreamExt, stream, stream::FuturesUnordered};
use reqwest::StatusCode;
use serde::Deserialize;
use vaultterm_reconcile::{RemoteSight, RemoteSnapshot, SecretPath};
use vaultterm_sync::{FaultClass, RemoteFault};

use crate::{
    Listing,
    fault::{self, Absence},
    http::{Answer, Request},
    kv2::{KeyMetadata, Seen},
    pages::{Pages, SECRETS_MAX},
    remote::VaultRemote,
    session::RequestError,
    transport::TransportError,
    wire::{self, Envelope, Text},
};

/// The maximum number of bytes of the answer to a `SCAN`, which is about 19,000 secrets with one version
/// each.
const SCAN_BYTES_MAX: usize = 8 << 20;
/// The maximum number of secrets of a scope that is scanned without a trial. Secrets with more than one version take more room.
const SCANNED_MAX: u64 = 15_000;
/// A trial goes on if this many folders that hold secrets hold this many each. With smaller folders, a `SCAN` takes far fewer
/// requests.
const HOLDERS_TRIED: usize = 100;
const SECRETS_PER_HOLDER: usize = 8;
/// The number of folders after which the trial is judged at the latest, if most of them hold only folders.
const FOLDERS_TRIED: usize = 1_000;
/// The time limit of a `SCAN` if the folders can be listed instead.
const SCAN_WITHIN: Duration = Duration::from_secs(10);
/// The maximum number of bytes of a page or folder.
const LIST_BYTES_MAX: usize = 64 << 20;

/// The answer to a listing, with or without the metadata of the keys.
#[derive(Debug, Default, Deserialize)]
struct Listed<'a> {
    #[serde(borrow, default)]
    keys: Vec<Text<'a>>,
    #[serde(borrow, default)]
    key_info: BTreeMap<Text<'a>, KeyMetadata<'a>>,
}

/// Why a way of listing gave no snapshot.
enum Obstacle {
    /// Another way may work.
    Way(RemoteFault),
    /// No other way can work.
    Fault(RemoteFault),
}

impl From<RemoteFault> for Obstacle {
    fn from(fault: RemoteFault) -> Self {
        Self::Fault(fault)
    }
}

/// Whether listing folder by folder is a trial.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Walk {
    /// The scope may be scanned instead, if that takes far fewer requests.
    Trial,
    /// There is no better way.
    Whole,
}

/// The content of a folder.
#[derive(Default)]
struct Folder {
    /// The folders below it, as prefixes that end with `/`.
    folders: Vec<String>,
    snapshot: RemoteSnapshot,
    /// Whether the policy may hide names of this folder.
    may_hide: bool,
}

impl VaultRemote {
    /// Observes the scope with the first open way that works.
    pub(crate) async fn observe_scope(&self) -> Result<RemoteSnapshot, RemoteFault> {
        let mut obstacle = None;
        let ways = &self.ways.0;
        let is_large = self.known.is_large(&self.scope_key);
        let may_be_large = self.expected.get().is_some_and(|secrets| *secrets == 0 || *secrets > SCANNED_MAX);
        let has_both = ways.contains(&Listing::Scan) && ways.contains(&Listing::DetailedList);
        let trial = (may_be_large && !is_large && has_both).then_some((Listing::DetailedList, Walk::Trial));
        for (way, walk) in trial.into_iter().chain(ways.iter().map(|way| (*way, Walk::Whole))) {
            let result = match way {
                Listing::Scan if is_large && ways.len() > 1 => continue,
                Listing::Auto | Listing::Scan => self.scan().await,
                Listing::DetailedList => self.walk(true, walk).await,
                Listing::PerKey => self.walk(false, walk).await,
            };
            match result {
                Ok(snapshot) => {
                    if snapshot.sights.is_empty() && snapshot.refused.is_empty() {
                        // A mount of another kind also gives an empty answer.
                        self.prove_mount().await?;
                    }
                    return Ok(snapshot);
                }
                Err(Obstacle::Fault(fault)) => return Err(fault),
                Err(Obstacle::Way(fault)) => {
                    tracing::debug!(?way, %fault, "this way of listing is closed");
                    obstacle = Some(fault);
                }
            }
        }
        Err(obstacle.unwrap_or_else(|| {
            fault::new(FaultClass::Denied, format!("the role may not list {}", self.scope.glob("metadata")))
        }))
    }

    /// Lists everything in a single answer.
    async fn scan(&self) -> Result<RemoteSnapshot, Obstacle> {
        let route = self.scope.folder("detailed-metadata", "");
        let mut request = Request::get(route, "scanning", &["scan"]).query("scan=true".to_owned());
        if self.ways.0.len() > 1 {
            request.bytes_max = SCAN_BYTES_MAX;
            request.timeout = Some(self.request_timeout.min(SCAN_WITHIN));
        } else {
            request.bytes_max = LIST_BYTES_MAX;
        }
        let answer = match self.patient(&request).await {
            Ok(answer) => answer,
            Err(RequestError::Transport(
                error @ (TransportError::TooLarge { .. } | TransportError::Timeout { connecting: false }),
            )) => {
                self.known.note_large(&self.scope_key);
                return Err(Obstacle::Way(error.fault(&request)));
            }
            Err(error) => return Err(way_or_fault(error.fault(&request))),
        };
        let Some(listed) = self.listed(&request, &answer)? else { return Ok(RemoteSnapshot::default()) };
        let found = self.sort("", listed, &answer, true).await?;
        // A scan enters every folder by itself and names none of them.
        if let Some(folder) = found.folders.first() {
            let message = format!(
                "{}: the answer lists the folder `{}`, which an answer to a scan never does",
                request.doing,
                wire::printable(folder)
            );
            return Err(fault::new(FaultClass::Protocol, message).into());
        }
        Ok(found.snapshot)
    }

    /// Lists folder by folder, with several requests at a time.
    async fn walk(&self, detailed: bool, walk: Walk) -> Result<RemoteSnapshot, Obstacle> {
        let mut snapshot = RemoteSnapshot::default();
        let (mut folders, mut holders, mut is_trial) = (0, 0, walk == Walk::Trial);
        let listing_key = format!("{}\n{detailed}", self.scope_key);
        let (proves_ends, mut may_hide) = (self.known.must_prove_ends(&listing_key), false);
        let mut waiting = VecDeque::from([String::new()]);
        let mut listing = FuturesUnordered::new();
        let given_up = loop {
            while listing.len() < self.listing_concurrency
                && let Some(folder) = waiting.pop_front()
            {
                listing.push(self.list_folder(folder, detailed, proves_ends));
            }
            let Some(folder) = listing.next().await else {
                if proves_ends && !may_hide {
                    self.known.note_hid_nothing(&listing_key);
                }
                return Ok(snapshot);
            };
            let folder = match folder {
                Ok(folder) => folder,
                // A role may be allowed to scan a scope, and not to list each of its folders.
                Err(Obstacle::Fault(fault)) if walk == Walk::Trial && fault.class == FaultClass::Denied => break fault,
                Err(obstacle) => return Err(obstacle),
            };
            folders += 1;
            may_hide |= folder.may_hide;
            holders += usize::from(!folder.snapshot.sights.is_empty());
            waiting.extend(folder.folders);
            snapshot.sights.extend(folder.snapshot.sights);
            snapshot.refused.extend(folder.snapshot.refused);
            if snapshot.sights.len() + waiting.len() > SECRETS_MAX {
                let message = format!("the scope holds more than {SECRETS_MAX} secrets and folders");
                return Err(fault::hinted(FaultClass::Invalid, message, "give the connection a narrower path").into());
            }
            if is_trial && (holders >= HOLDERS_TRIED || folders >= FOLDERS_TRIED) && !waiting.is_empty() {
                if snapshot.sights.len() < holders.max(HOLDERS_TRIED) * SECRETS_PER_HOLDER {
                    break fault::new(FaultClass::Invalid, format!("the first {folders} folders are small"));
                }
                is_trial = false;
            }
        };
        // A request in flight may have begun a login, whose token is revoked at the end of the session.
        while listing.next().await.is_some() {}
        Err(Obstacle::Way(given_up))
    }

    /// Lists all pages of a folder. With `proves_end`, also proves that no name follows a page that is not full.
    async fn list_folder(&self, folder: String, detailed: bool, proves_end: bool) -> Result<Folder, Obstacle> {
        let api = if detailed { "detailed-metadata" } else { "metadata" };
        let mut pages = match self.page_size {
            Some(size) => Pages::of(size, proves_end, self.pages_are_limited.load(Ordering::Relaxed)),
            None => Pages::single(),
        };
        let mut whole = Folder::default();
        let mut refusal = None;
        loop {
            let mut request = Request::get(self.scope.folder(api, &folder), "listing", &["list"]).query(pages.query());
            request.bytes_max = LIST_BYTES_MAX;
            let answer = match self.patient(&request).await {
                Ok(answer) => answer,
                Err(RequestError::Transport(TransportError::TooLarge { .. })) if pages.too_large() => continue,
                Err(error) => {
                    let fault = error.fault(&request);
                    let is_first = pages.is_first();
                    if is_refusal(&fault) && pages.refused() {
                        refusal = Some(fault);
                        continue;
                    }
                    let fault = refusal.filter(|_| is_refusal(&fault)).unwrap_or(fault);
                    // A denial closes the way only at the first folder. After that the way works, and a denied
                    // folder is a part of the scope that cannot be seen.
                    return Err(if folder.is_empty() && is_first { way_or_fault(fault) } else { fault.into() });
                }
            };
            let listed = self.listed(&request, &answer)?.unwrap_or_default();
            if !pages.after().is_empty() && listed.keys.iter().any(|key| **key <= *pages.after()) {
                let message =
                    format!("{}: the next page goes back before `{}`", request.doing, wire::printable(pages.after()));
                return Err(fault::new(FaultClass::Protocol, message).into());
            }
            let goes_on = pages.shown(listed.keys.len(), listed.keys.last().map(|key| &**key));
            let page = self.sort(&folder, listed, &answer, detailed).await?;
            whole.folders.extend(page.folders);
            whole.snapshot.sights.extend(page.snapshot.sights);
            whole.snapshot.refused.extend(page.snapshot.refused);
            if !goes_on {
                self.pages_are_limited.store(pages.are_limited(), Ordering::Relaxed);
                whole.may_hide = pages.may_hide();
                return Ok(whole);
            }
        }
    }

    /// Reads a listing. Returns `None` when there is nothing to list.
    fn listed<'a>(&self, request: &Request, answer: &'a Answer) -> Result<Option<Listed<'a>>, Obstacle> {
        if answer.status != StatusCode::NOT_FOUND {
            return Ok(Some(answer.parse::<Envelope<Listed<'a>>>(&request.doing)?.data));
        }
        match fault::absence(answer) {
            Absence::Nothing => Ok(None),
            Absence::NoSuchApi => Err(Obstacle::Way(fault::not_found(request, answer, self.scope.mount()))),
            _ => Err(fault::not_found(request, answer, self.scope.mount()).into()),
        }
    }

    /// Sorts the names of a listed folder into folders, sights, and names that cannot be used.
    async fn sort(
        &self,
        folder: &str,
        listed: Listed<'_>,
        answer: &Answer,
        detailed: bool,
    ) -> Result<Folder, RemoteFault> {
        let mut sorted = Folder::default();
        let mut unsettled = Vec::new();
        for key in &listed.keys {
            let full = format!("{folder}{}", &**key);
            if let Some(name) = full.strip_suffix('/') {
                if is_safe(name) {
                    sorted.folders.push(full);
                } else {
                    sorted.snapshot.refused.push((full, "the folder's name cannot stand in a URL".to_owned()));
                }
                continue;
            }
            match (SecretPath::new(full.as_str()), listed.key_info.get(key)) {
                (Err(reason), _) => sorted.snapshot.refused.push((full, reason.to_string())),
                (Ok(path), Some(metadata)) if detailed => match metadata.seen(answer.server_time) {
                    Seen { sight, doubtful: None, .. } => drop(sorted.snapshot.sights.insert(path, sight)),
                    doubtful => unsettled.push((path, Some(doubtful))),
                },
                (Ok(path), _) => unsettled.push((path, None)),
            }
        }
        let looks = stream::iter(unsettled)
            .map(|(path, seen)| async move {
                let sight = self.look_patiently(&path, seen.as_ref()).await?;
                Ok::<_, RemoteFault>((path, sight))
            })
            .buffer_unordered(self.listing_concurrency);
        let looked: Vec<_> = looks.try_collect().await?;
        // A key that was deleted between listing and look counts as absent.
        let there = looked.into_iter().filter(|(_, sight)| *sight != RemoteSight::ProvenAbsent);
        sorted.snapshot.sights.extend(there);
        Ok(sorted)
    }

    /// Looks at a key. If its metadata came with the listing, only resolves what they left open.
    async fn look_patiently(&self, path: &SecretPath, seen: Option<&Seen>) -> Result<RemoteSight, RemoteFault> {
        let look = || async {
            match seen {
                Some(seen) => self.settle(path, seen).await,
                None => self.look_at(path, false).await,
            }
        };
        look.retry(patience()).when(passes).adjust(as_asked).await
    }

    /// Sends a request that changes nothing, and waits out transient faults.
    async fn patient(&self, request: &Request) -> Result<Answer, RequestError> {
        // A timeout is not waited out, because the next way may be lighter for the server.
        let passes = |error: &RequestError| match error {
            RequestError::Transport(TransportError::TooLarge { .. } | TransportError::Timeout { .. }) => false,
            RequestError::Transport(error) => passes(&error.fault(request)),
            RequestError::Refused(fault) => passes(fault),
        };
        let as_asked = |error: &RequestError, delay| match error {
            RequestError::Transport(_) => delay,
            RequestError::Refused(fault) => as_asked(fault, delay),
        };
        (|| self.session.try_call(request)).retry(patience()).when(passes).adjust(as_asked).await
    }
}

/// Returns whether a listed folder can be requested. A `..` would lead to another place. Folders whose names
/// are not valid in a record path are followed, so that each secret below is refused with its own name.
fn is_safe(folder: &str) -> bool {
    const BYTES_MAX: usize = 4096;
    folder.len() <= BYTES_MAX && folder.split('/').all(|segment| !matches!(segment, "" | "." | ".."))
}

/// Returns whether a server may have refused the limit of a listing. OpenBao answers HTTP 403 to a limit that
/// the policy does not allow, and HTTP 400 to `max` if the policy sets no limit.
fn is_refusal(fault: &RemoteFault) -> bool {
    matches!(fault.class, FaultClass::Denied | FaultClass::Invalid)
}

/// Decides whether another way can help. A denial or a missing API closes only this way; every other fault
/// would occur on all ways.
fn way_or_fault(fault: RemoteFault) -> Obstacle {
    if is_refusal(&fault) { Obstacle::Way(fault) } else { Obstacle::Fault(fault) }
}

/// Returns delays of at least three seconds in total, because the window of a rate limit is usually one
/// second.
fn patience() -> ExponentialBuilder {
    ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(100))
        .with_max_delay(Duration::from_secs(5))
        .with_max_times(5)
        .with_jitter()
}

fn passes(fault: &RemoteFault) -> bool {
    matches!(fault.class, FaultClass::Unavailable | FaultClass::StaleReplica | FaultClass::RateLimited)
}

fn as_asked(fault: &RemoteFault, delay: Option<Duration>) -> Option<Duration> {
    // `None` means that no attempts are left.
    delay.map(|delay| fault.retry_after.map_or(delay, |asked| asked.max(delay)))
}
