//! Many futures at once, but not too many.

use futures_util::{StreamExt, stream::FuturesUnordered};

/// Drives futures, at most `max` at once, and hands over what comes out of them as it comes.
/// The iterator is asked for the next one only when there is room.
pub(crate) async fn drive<F: Future>(
    futures: impl IntoIterator<Item = F>,
    max: usize,
    mut take: impl FnMut(F::Output),
) {
    let mut waiting = futures.into_iter();
    let mut going = FuturesUnordered::new();
    loop {
        while going.len() < max.max(1) {
            match waiting.next() {
                Some(future) => going.push(future),
                None => break,
            }
        }
        match going.next().await {
            Some(output) => take(output),
            None => return,
        }
    }
}
