//! How each fault begins and ends.

use serde_json::json;
use vaultterm_testkit::openbao::{Authority, Leaf, Meddling};

use super::{
    lane::{Lane, MARK},
    row::{Deed, Fault, Shown},
};

/// A number of fields whose names and values exceed the limit of the strict server.
const FIELDS: usize = 100;
/// A number of bytes that exceeds the limit of the strict server.
const BYTES: usize = 40_000;
/// The number of requests that a quota allows per [`INTERVAL`]. A run makes more than twenty requests, so that it
/// exceeds the quota on a slow machine too.
const RATE: u32 = 4;
const INTERVAL: &str = "2s";

/// Lets a fault begin that exists before the run. `elsewhere` is the port of the other host of a redirect.
pub(crate) async fn begin(lane: &Lane, fault: &Fault, elsewhere: u16) {
    match fault {
        Fault::Lasting(at, meddling) => lane.between.meddle(lane.line(at), *meddling),
        Fault::Passing(times, at, meddling) => lane.between.meddle_times(*times, lane.line(at), *meddling),
        Fault::Redirected(at) => {
            let answer = format!(
                "HTTP/1.1 307 Temporary Redirect\r\nConnection: close\r\n\
                 Location: http://127.0.0.1:{elsewhere}/v1/elsewhere\r\n\r\n"
            );
            // `Instead` needs a static text. Only the few rows with a redirect leak one.
            lane.between.meddle(lane.line(at), Meddling::Instead(answer.leak()));
        }
        Fault::Closed => lane.between.close().await,
        Fault::Certificate(shown) => lane.between.show(certificate(lane, *shown)),
        Fault::Before(deed) => deed.happens(lane, "").await,
        Fault::During(..) => {}
    }
}

/// Ends a fault.
pub(crate) async fn end(lane: &Lane, fault: &Fault) {
    match fault {
        Fault::Lasting(..) | Fault::Passing(..) | Fault::Redirected(_) => lane.between.meddle("", Meddling::Pass),
        Fault::Closed => lane.between.reopen().await,
        Fault::Certificate(_) => lane.between.show(Some(lane.certificate("127.0.0.1"))),
        Fault::Before(deed) | Fault::During(_, deed) => deed.is_mended(lane).await,
    }
}

fn certificate(lane: &Lane, shown: Shown) -> Option<Leaf> {
    match shown {
        Shown::AnotherCas => Some(Authority::new("Another CA").server(&["127.0.0.1"])),
        Shown::AnotherNames => Some(lane.certificate("vault.example.com")),
        Shown::Expired => Some(lane.expired_certificate()),
        Shown::PlainHttp => None,
    }
}

impl Deed {
    /// Lets the event happen. `token` is the token of the request that is held meanwhile.
    pub(crate) async fn happens(self, lane: &Lane, token: &str) {
        match self {
            Self::Seal => lane.bao.seal().await,
            Self::LimitRate => {
                let quota = json!({"rate": RATE, "interval": INTERVAL, "path": lane.mount});
                lane.root().call("POST", &format!("sys/quotas/rate-limit/{}", lane.name), Some(quota)).await;
            }
            Self::MoveMount => lane.move_mount(&lane.mount, &format!("away-{}", lane.mount)).await,
            Self::DeleteAll => {
                for path in lane.remote().await.keys() {
                    lane.turn("delete", path).await;
                }
            }
            Self::RevokeToken => {
                lane.root().call("POST", "auth/token/revoke", Some(json!({"token": token}))).await;
            }
            Self::RevokeAll => {
                lane.destroy_secret_ids().await;
                lane.root().call("POST", "auth/token/revoke", Some(json!({"token": token}))).await;
            }
            Self::DestroySecretId => lane.destroy_secret_ids().await,
            Self::DenyUpdates => {
                const ALL: &str = r#"["create", "read", "update"]"#;
                let edit = |policy: String| {
                    assert!(policy.contains(ALL), "{policy}");
                    policy.replace(ALL, r#"["create", "read"]"#)
                };
                lane.edit_policy(edit).await;
            }
            Self::DenyOne => {
                let path = format!("{}/data/{}/one", lane.mount, crate::town::PREFIX);
                lane.edit_policy(|policy| format!("{policy}\npath \"{path}\" {{ capabilities = [\"deny\"] }}\n")).await;
            }
            Self::WriteOne => {
                let mut data = lane.value("one").await.expect("there is one");
                // The field is only a description, so the next run merges this change with the local one.
                data["notes"] = json!(format!("{MARK}-theirs"));
                lane.put("one", data).await;
            }
            Self::Grow => lane.change("one", json!({"long": format!("{MARK}{}", "x".repeat(BYTES))})).await,
            Self::Multiply => {
                let fields: serde_json::Map<_, _> = names().into_iter().map(|name| (name, json!(MARK))).collect();
                lane.change("one", json!(fields)).await;
            }
        }
    }

    /// Repairs the damage, as a person would.
    async fn is_mended(self, lane: &Lane) {
        match self {
            Self::Seal => lane.bao.unseal().await,
            Self::LimitRate => {
                lane.root().call("DELETE", &format!("sys/quotas/rate-limit/{}", lane.name), None).await;
            }
            Self::MoveMount => lane.move_mount(&format!("away-{}", lane.mount), &lane.mount).await,
            Self::DeleteAll => {
                // This undeletes all secrets except the one that was deleted before.
                for path in lane.heads().await.keys().filter(|path| *path != "left") {
                    lane.turn("undelete", path).await;
                }
            }
            Self::RevokeAll | Self::DestroySecretId => lane.rotate_secret_id().await,
            Self::DenyUpdates | Self::DenyOne => lane.edit_policy(|policy| policy).await,
            Self::Grow => lane.remove("one", &["long".to_owned()]).await,
            Self::Multiply => lane.remove("one", &names()).await,
            Self::RevokeToken | Self::WriteOne => {}
        }
    }
}

fn names() -> Vec<String> {
    (0..FIELDS).map(|number| format!("field-{number}")).collect()
}
