//! What a run does while it waits for the answer to its look at everything.

use std::collections::BTreeSet;

use futures_util::future::{BoxFuture, ready};
use tokio_util::sync::CancellationToken;
use vaultterm_reconcile::SecretPath;

/// Work beside a look at everything.
pub(crate) trait Meanwhile: Sync {
    /// Works until `over` is cancelled, and then ends what it has begun. Returns the paths at which it may have changed
    /// something: what the look found there may be older.
    fn until<'f>(&'f self, over: &'f CancellationToken) -> BoxFuture<'f, BTreeSet<SecretPath>>;
}

/// Nothing to do.
impl Meanwhile for () {
    fn until<'f>(&'f self, _: &'f CancellationToken) -> BoxFuture<'f, BTreeSet<SecretPath>> {
        Box::pin(ready(BTreeSet::new()))
    }
}
