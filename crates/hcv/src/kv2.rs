//! KV v2 requests for a single secret, and the shapes of their answers.
//!
//! Source: the API page "KV version 2" of Vault and of OpenBao. Questions that the pages leave open were
//! tried on OpenBao 2.7.2.

use std::{borrow::Cow, collections::BTreeMap};

use reqwest::{Method, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use vaultterm_reconcile::{
    OlderVersion, OlderVersions, RecordId, RemoteEntry, RemoteHead, RemoteSight, RemoteStamp, SecretPath, SeenMark,
    UnixNanos, Version,
};
use vaultterm_sealing::SecretFields;
use vaultterm_sync::{FaultClass, Mark, RemoteFault, SecretRead, WriteReceipt};
use zeroize::Zeroizing;

use crate::{
    fault::{self, Absence},
    http::{Answer, Repetition, Request},
    redaction::Secrets,
    route::{Route, Scope},
    wire::{self, Envelope, Text},
    writers::{Attribution, Told},
};

/// The metadata of a key, as `metadata/` and `detailed-metadata/` return it. Of the versions below the
/// newest, only the numbers and creation times of the readable ones are kept.
#[derive(Debug, Deserialize)]
pub(crate) struct KeyMetadata<'a> {
    // Both are missing for a folder, which a listing shows as `{}`. A key always has both.
    #[serde(borrow, default)]
    created_time: Option<Cow<'a, str>>,
    #[serde(default)]
    current_version: Option<u64>,
    #[serde(borrow, default)]
    custom_metadata: Option<BTreeMap<Text<'a>, Text<'a>>>,
    /// 0 means that the setting of the mount counts.
    #[serde(default)]
    max_versions: u64,
    #[serde(borrow, default)]
    versions: BTreeMap<u64, VersionMetadata<'a>>,
}

/// The metadata of a version.
#[derive(Debug, Deserialize)]
struct VersionMetadata<'a> {
    #[serde(borrow)]
    created_time: Cow<'a, str>,
    #[serde(borrow, default)]
    deletion_time: Cow<'a, str>,
    #[serde(default)]
    destroyed: bool,
    #[serde(borrow, default)]
    created_by: Option<Told<'a>>,
    #[serde(borrow, default)]
    deleted_by: Option<Told<'a>>,
}

/// What the metadata of a key show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    /// The state of the key, assuming that the clock of the answering node is right.
    pub(crate) sight: RemoteSight,
    /// The newest version, if `sight` claims that it is live and only a read can confirm that. A read is
    /// needed if its `deletion_time` lies in the future by the clock of the answering node, and is not the
    /// time that the version got at its creation. Then the version was either deleted while that clock lags,
    /// or undeleted for a limited time. The difference matters, because a deletion must not be taken for an
    /// expiry, which no person asked for. A clock that is ahead needs no such care, because a version that it
    /// declares expired too early is about to expire anyway.
    pub(crate) doubtful: Option<Version>,
    /// Who created the newest version, or deleted it, if the server tells.
    pub(crate) writer: Option<Attribution>,
}

impl Seen {
    /// Returns the sight for the case that reading showed the newest version to be deleted.
    pub(crate) fn deleted(&self) -> RemoteSight {
        let mut sight = self.sight.clone();
        if let RemoteSight::Seen(entry) = &mut sight
            && let RemoteHead::Live { stamp, expires } = entry.head
        {
            entry.head = RemoteHead::Deleted { stamp, deleted: expires, destroyed: false };
        }
        sight
    }
}

impl KeyMetadata<'_> {
    /// Returns the metadata in the terms of the planner. Metadata that make no sense become unreadable, with
    /// the reason, and never count as deleted.
    pub(crate) fn seen(&self, now: UnixNanos) -> Seen {
        let head = match self.head(now) {
            Ok(head) => head,
            Err(reason) => {
                let sight = RemoteSight::Unreadable(format!("its metadata makes no sense: {reason}"));
                return Seen { sight, doubtful: None, writer: None };
            }
        };
        let doubtful = match head {
            RemoteHead::Live { stamp, expires: Some(expires) } => {
                (!stamp.runs_out_at(expires)).then_some(stamp.version)
            }
            _ => None,
        };
        let mark = mark(self.custom_metadata.as_ref());
        Seen {
            sight: RemoteSight::Seen(RemoteEntry { head, mark, older: self.older(now) }),
            doubtful,
            writer: self.writer(),
        }
    }

    /// Returns who deleted the newest version, or else who created it.
    fn writer(&self) -> Option<Attribution> {
        let newest = self.versions.get(&self.current_version?)?;
        let told = |by: &Option<Told<'_>>| by.as_ref().and_then(Told::attribution);
        told(&newest.deleted_by).or_else(|| told(&newest.created_by))
    }

    /// Returns the readable versions below the newest. A version whose times make no sense counts as
    /// readable, because keeping a version too many does no harm.
    fn older(&self, now: UnixNanos) -> OlderVersions {
        let is_live = |version: &VersionMetadata<'_>| {
            !version.destroyed && wire::time(&version.deletion_time).map_or(true, |at| at.is_none_or(|at| at > now))
        };
        let below = self.versions.range(..self.current_version.unwrap_or(0)).filter(|(_, version)| is_live(version));
        let created = |text: &str| wire::time(text).ok().flatten().unwrap_or(UnixNanos(0));
        let live = below.map(|(number, version)| OlderVersion {
            version: Version(*number),
            created: created(&version.created_time),
        });
        OlderVersions { live: live.collect(), max: self.max_versions }
    }

    fn head(&self, now: UnixNanos) -> Result<RemoteHead, String> {
        let created = |text: &str| wire::time(text).map(|time| time.unwrap_or(UnixNanos(0)));
        let (Some(key_created), Some(current)) = (&self.created_time, self.current_version) else {
            return Err("it has no creation time, or no current version".to_owned());
        };
        let key_created = created(key_created)?;
        if current == 0 {
            return Ok(RemoteHead::Empty { key_created });
        }
        let Some(newest) = self.versions.get(&current) else {
            return Err(format!("version {current} is the newest, but is not there"));
        };
        let stamp =
            RemoteStamp { key_created, version: Version(current), version_created: created(&newest.created_time)? };
        let deletion = wire::time(&newest.deletion_time)?;
        if newest.destroyed {
            return Ok(RemoteHead::Deleted { stamp, deleted: deletion.filter(|time| *time <= now), destroyed: true });
        }
        Ok(match deletion {
            Some(time) if time <= now => RemoteHead::Deleted { stamp, deleted: Some(time), destroyed: false },
            expires => RemoteHead::Live { stamp, expires },
        })
    }
}

const MANAGED_BY: &str = "managed-by";
const OURS: &str = "vaultterm";
const INSTANCE: &str = "vaultterm-instance";
const RECORD: &str = "vaultterm-record";
const TYPE: &str = "vaultterm-type";
const RUN: &str = "vaultterm-run";

/// Reads the marks that name the manager of a secret.
fn mark(custom_metadata: Option<&BTreeMap<Text<'_>, Text<'_>>>) -> SeenMark {
    let told = |key: &str| custom_metadata.and_then(|metadata| metadata.get(key)).map(|text| &**text);
    if told(MANAGED_BY) != Some(OURS) {
        return SeenMark::default();
    }
    SeenMark {
        instance: told(INSTANCE).map(str::to_owned),
        record_id: told(RECORD).and_then(|id| id.parse().ok()).map(RecordId),
        record_type: told(TYPE).and_then(|name| name.parse().ok()),
        run: told(RUN).and_then(|mark| mark.parse().ok()),
    }
}

/// Returns the request for the metadata of a key.
pub(crate) fn look_request(scope: &Scope, path: &SecretPath) -> Request {
    Request::get(scope.secret("metadata", path), "looking at", &["read"])
}

/// Reads the metadata from a 200 answer.
pub(crate) fn read_look(request: &Request, answer: &Answer) -> Result<Seen, RemoteFault> {
    Ok(answer.parse::<Envelope<KeyMetadata<'_>>>(&request.doing)?.data.seen(answer.server_time))
}

/// Returns the path of the mount's configuration.
pub(crate) fn config_path(scope: &Scope) -> String {
    format!("{}/config", scope.mount())
}

/// Returns the request for the configuration of the mount.
pub(crate) fn config_request(scope: &Scope) -> Request {
    Request::get(Route::new(config_path(scope)), "reading the configuration at", &["read"])
}

/// Reads the number of versions that the mount keeps per secret. 0 means that it is not set.
pub(crate) fn read_config(request: &Request, answer: &Answer) -> Result<u64, RemoteFault> {
    #[derive(Deserialize)]
    struct Config {
        #[serde(default)]
        max_versions: u64,
    }
    Ok(answer.parse::<Envelope<Config>>(&request.doing)?.data.max_versions)
}

/// Returns the request for a version.
pub(crate) fn read_request(scope: &Scope, path: &SecretPath, version: Version) -> Request {
    Request::get(scope.secret("data", path), "reading", &["read"]).query(format!("version={}", version.0))
}

/// Reads a version from a 200 or 404 answer.
pub(crate) fn read_version(
    request: &Request,
    answer: &Answer,
    version: Version,
    mount: &str,
) -> Result<Option<SecretRead>, RemoteFault> {
    #[derive(Deserialize)]
    struct Secret<'a> {
        // A secret that was written with `"data": null` is returned with `null`.
        data: Option<BTreeMap<String, Value>>,
        #[serde(borrow)]
        metadata: Metadata<'a>,
    }
    #[derive(Deserialize)]
    struct Metadata<'a> {
        #[serde(borrow)]
        created_time: Cow<'a, str>,
        #[serde(borrow, default)]
        custom_metadata: Option<BTreeMap<Text<'a>, Text<'a>>>,
        version: u64,
    }
    if answer.status == StatusCode::NOT_FOUND {
        return match fault::absence(answer) {
            Absence::Nothing | Absence::Deleted => Ok(None),
            _ => Err(fault::not_found(request, answer, mount)),
        };
    }
    let secret = answer.parse::<Envelope<Secret<'_>>>(&request.doing)?.data;
    if secret.metadata.version != version.0 {
        let said = secret.metadata.version;
        let message = format!("{}: asked for version {}, got {said}", request.doing, version.0);
        return Err(fault::new(FaultClass::Protocol, message));
    }
    Ok(Some(SecretRead {
        fields: SecretFields::from_trusted(secret.data.unwrap_or_default()),
        version_created: created(request, &secret.metadata.created_time)?,
        mark: mark(secret.metadata.custom_metadata.as_ref()),
    }))
}

fn created(request: &Request, text: &str) -> Result<UnixNanos, RemoteFault> {
    match wire::time(text) {
        Ok(time) => Ok(time.unwrap_or(UnixNanos(0))),
        Err(reason) => Err(fault::new(FaultClass::Protocol, format!("{}: {reason}", request.doing))),
    }
}

/// Returns the request that writes a version with check-and-set.
pub(crate) fn write_request(scope: &Scope, path: &SecretPath, fields: &SecretFields, cas: Version) -> Request {
    let data = fields.to_json();
    let head = format!(r#"{{"options":{{"cas":{}}},"data":"#, cas.0);
    // The buffer has its full size from the start, because growing would leave copies of values behind.
    let mut json = Zeroizing::new(Vec::with_capacity(head.len() + data.expose().len() + 1));
    json.extend_from_slice(head.as_bytes());
    json.extend_from_slice(data.expose());
    json.push(b'}');
    // A key that never had a version needs `create`. Every other key needs `update`.
    let needs: &[&str] = if cas == Version::NONE { &["create"] } else { &["update"] };
    let request = Request::post(scope.secret("data", path), "writing", needs, Repetition::Once, json);
    Request { secrets: Secrets::Data, ..request }
}

/// Reads the answer to a successful write. Odd content counts as an unknown result, because the write may
/// have happened.
pub(crate) fn read_write(
    request: &Request,
    answer: &Answer,
    cas: Version,
    mount: &str,
) -> Result<WriteReceipt, RemoteFault> {
    #[derive(Deserialize)]
    struct Written<'a> {
        #[serde(borrow)]
        created_time: Cow<'a, str>,
        #[serde(borrow, default)]
        deletion_time: Cow<'a, str>,
        version: u64,
    }
    let unknown = |fault: RemoteFault| RemoteFault { class: FaultClass::Unknown, ..fault };
    match answer.status {
        StatusCode::NOT_FOUND => return Err(fault::not_found(request, answer, mount)),
        StatusCode::NO_CONTENT => {
            return Err(fault::hinted(
                FaultClass::WrongMount,
                format!("{}: answered as a KV version 1 engine does, which ignores check-and-set", request.doing),
                "the mount was replaced while the run went on: look at it before the next run",
            ));
        }
        _ => {}
    }
    let envelope: Envelope<Written<'_>> = answer.parse(&request.doing).map_err(unknown)?;
    let written = envelope.data;
    if written.version <= cas.0 {
        let message = format!("{}: made version {} on {}", request.doing, written.version, cas.0);
        return Err(fault::new(FaultClass::Unknown, message));
    }
    let expires = wire::time(&written.deletion_time)
        .map_err(|reason| fault::new(FaultClass::Unknown, format!("{}: {reason}", request.doing)))?;
    Ok(WriteReceipt {
        version: Version(written.version),
        version_created: created(request, &written.created_time).map_err(unknown)?,
        expires,
        request_id: envelope.request_id,
    })
}

/// Returns the request that marks a secret as managed by VaultTerm, or as touched by a run. Other keys of
/// `custom_metadata` stay as they are.
pub(crate) fn mark_request(scope: &Scope, path: &SecretPath, instance: &str, mark: &Mark) -> Request {
    #[derive(Serialize)]
    struct Patch<'a> {
        custom_metadata: BTreeMap<&'a str, &'a str>,
    }
    let run = mark.run.to_string();
    let record = mark.record.map(|(record_id, record_type)| (record_id.0.to_string(), record_type));
    let mut custom_metadata = BTreeMap::from([(RUN, run.as_str())]);
    if let Some((record_id, record_type)) = &record {
        custom_metadata.extend([
            (MANAGED_BY, OURS),
            (INSTANCE, instance),
            (RECORD, record_id),
            (TYPE, record_type.as_str()),
        ]);
    }
    let json = serde_json::to_vec(&Patch { custom_metadata }).expect("a map of texts always encodes");
    let route = scope.secret("metadata", path);
    // Setting the same marks twice has no further effect.
    let request = Request::post(route, "marking", &["patch"], Repetition::Repeatable, Zeroizing::new(json));
    let body = request.body.map(|(_, json)| ("application/merge-patch+json", json));
    Request { method: Method::PATCH, body, ..request }
}

/// Returns the request that soft-deletes exactly one version. A version that is written meanwhile stays
/// alive.
pub(crate) fn delete_request(scope: &Scope, path: &SecretPath, version: Version) -> Request {
    let json = Zeroizing::new(format!(r#"{{"versions":[{}]}}"#, version.0).into_bytes());
    // The deletion must not be repeated blindly, because an undelete may come in between.
    Request::post(scope.secret("delete", path), "deleting", &["update"], Repetition::Once, json)
}

/// Reads the success of a change that returns no data: 204, or 200 with warnings and an id. Any other success
/// was not sent by Vault, so the result of the change is unknown.
pub(crate) fn read_change(request: &Request, answer: &Answer) -> Result<Option<String>, RemoteFault> {
    #[derive(Deserialize)]
    struct Changed {
        #[serde(deserialize_with = "wire::request_id")]
        request_id: Option<String>,
    }
    if answer.status == StatusCode::NO_CONTENT {
        return Ok(None);
    }
    match answer.parse::<Changed>(&request.doing) {
        Ok(Changed { request_id }) => Ok(request_id),
        Err(fault) if request.repetition == Repetition::Once => {
            Err(RemoteFault { class: FaultClass::Unknown, ..fault })
        }
        Err(fault) => Err(fault),
    }
}

/// Returns the fault of a 404 for a change of a key that existed.
pub(crate) fn vanished(request: &Request, answer: &Answer, mount: &str) -> RemoteFault {
    match fault::absence(answer) {
        Absence::Nothing | Absence::Deleted => {
            fault::new(FaultClass::Stale, format!("{}: the key is not there any more", request.doing))
        }
        _ if answer.body.is_empty() => {
            fault::new(FaultClass::Stale, format!("{}: the key is not there any more", request.doing))
        }
        _ => fault::not_found(request, answer, mount),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CREATED: &str = "2026-11-23T19:20:16.5Z";

    fn seen(deletion_time: &str, now: &str) -> Seen {
        // The shape is recorded from OpenBao 2.7.2.
        let json = format!(
            r#"{{"cas_required":false,"created_time":"{CREATED}","current_version":1,"custom_metadata":null,
                "versions":{{"1":{{"created_time":"{CREATED}","deletion_time":"{deletion_time}","destroyed":false}}}}}}"#
        );
        let metadata: KeyMetadata<'_> = serde_json::from_str(&json).expect("metadata");
        metadata.seen(wire::time(now).expect("a time").expect("a moment"))
    }

    fn head(sight: &RemoteSight) -> RemoteHead {
        match sight {
            RemoteSight::Seen(entry) => entry.head,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn metadata_that_lack_what_every_key_has_are_unreadable_and_no_empty_key() {
        for json in ["{}", r#"{"current_version":0}"#, r#"{"created_time":"2026-11-23T19:20:16.5Z"}"#] {
            let metadata: KeyMetadata<'_> = serde_json::from_str(json).expect("metadata");
            let seen = metadata.seen(UnixNanos(0));
            assert!(matches!(seen.sight, RemoteSight::Unreadable(_)), "{json}: {seen:?}");
        }
    }

    #[test]
    fn a_deletion_time_that_has_passed_or_came_with_the_version_needs_no_reading() {
        for (deletion, now, live) in [
            ("", "2026-11-23T19:20:16Z", true),
            ("2026-11-23T19:20:16Z", "2026-11-23T19:20:16Z", false),
            ("2026-11-23T19:20:16.7Z", "2026-11-23T19:20:17Z", false),
            ("2026-11-23T19:20:17.5Z", "2026-11-23T19:20:17Z", true),
            ("2026-11-24T19:20:16.5Z", "2026-11-23T19:20:16Z", true),
        ] {
            let seen = seen(deletion, now);
            assert_eq!(seen.doubtful, None, "{deletion}");
            assert_eq!(matches!(head(&seen.sight), RemoteHead::Live { .. }), live, "{deletion}");
        }
    }

    #[test]
    fn any_other_deletion_time_to_come_must_be_settled_by_reading() {
        for deletion in ["2026-11-23T19:20:16.7Z", "2026-11-23T21:20:45Z"] {
            let seen = seen(deletion, "2026-11-23T19:20:16Z");
            assert_eq!(seen.doubtful, Some(Version(1)), "{deletion}");
            let at = wire::time(deletion).expect("a time");
            assert!(matches!(head(&seen.sight), RemoteHead::Live { expires, .. } if expires == at));
            assert!(
                matches!(head(&seen.deleted()), RemoteHead::Deleted { deleted, destroyed: false, .. } if deleted == at)
            );
        }
    }
}
