//! Who wrote the two sides of a conflict, and when.

use askama::{Template, filters::HtmlSafe};
use vaultterm_reconcile::{Conflict, ConflictKind, RemoteExpect};
use vaultterm_store::RevisionWriter;

use crate::{
    view::makers_of,
    web::{parts, words::Moment},
};

/// Who wrote a side, and when: `by ann, 3 h ago`.
#[derive(Debug, PartialEq, Eq, Template)]
#[template(ext = "html", source = "{% if let Some(who) = who %}by {{ who }}, {% endif %}{{ parts::when(when) }}")]
pub(crate) struct By {
    /// Nobody where it is not known.
    pub(crate) who: Option<String>,
    pub(crate) when: Moment,
}

impl HtmlSafe for By {}

/// Words who made the revision of the record.
pub(crate) fn by_local(writer: &RevisionWriter, now_us: i64) -> By {
    By { who: Some(makers_of(writer).named()), when: Moment::seen(writer.at_us, now_us) }
}

/// Words who wrote or deleted the secret. Nothing for a secret that is gone altogether.
pub(crate) fn by_remote(conflict: &Conflict, now_us: i64) -> Option<By> {
    let (RemoteExpect::Live { stamp, .. } | RemoteExpect::Deleted { stamp }) = conflict.expect.remote else {
        return None;
    };
    // Where both sides never agreed, and after a snapshot of Vault was restored, VaultTerm may have written it long ago.
    let unclear = matches!(conflict.kind, ConflictKind::NoBase | ConflictKind::Rewound);
    let outside = (!unclear).then(|| "somebody outside VaultTerm".to_owned());
    let who = conflict.remote_writer.clone().or(outside);
    Some(By { who, when: Moment::seen(stamp.version_created.0.div_euclid(1_000), now_us) })
}
