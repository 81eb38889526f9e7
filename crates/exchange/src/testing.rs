//! What the tests of all readers use: an outline of what was found, and files that were damaged in every place.

pub(crate) mod records;

use crate::{
    item::Found,
    options::Options,
    pipe::{from_pipe, to_pipe},
    refused::FileError,
};

/// Returns one line per item: its marks, its type, its path and its fields, then its earlier states and its losses.
pub(crate) fn outline(found: &Found) -> Vec<String> {
    let fields = |fields: &vaultterm_sealing::SecretFields| -> String {
        fields.expose().iter().map(|(name, value)| format!(" {name}={value}")).collect()
    };
    let mut lines = Vec::new();
    for item in &found.items {
        let path: String = item.folder.iter().flat_map(|folder| [folder.as_str(), "/"]).collect();
        let trash = if item.is_trashed { "(trash) " } else { "" };
        let tags: String = item.tags.iter().map(|tag| format!(" #{tag}")).collect();
        lines.push(format!("{trash}{} {path}{}{}{tags}", item.record_type, item.name, fields(&item.fields)));
        lines.extend(item.history.iter().map(|past| {
            let at = past.at_us.map(|us| format!(" {us}")).unwrap_or_default();
            format!("  was{at}{}", fields(&past.fields))
        }));
        lines.extend(item.losses.iter().map(|loss| format!("  lost {loss}")));
    }
    lines
}

/// Smaller files are bent at every byte.
const SMALL: usize = 4096;
/// The places at which a larger file is bent.
const PLACES: usize = 500;
/// What is done to a byte: one bit, the case of a letter, the highest bit, all bits.
const FLIPS: [u8; 4] = [1, 0x20, 0x80, 0xFF];

/// Cuts a file at every length and bends every byte; a file of 4 KiB or more at places that a fixed seed chooses. The reader
/// may return anything, but must return, and what it found must fit through the pipe.
pub(crate) fn shake(sample: &[u8], options: &Options, read: impl Fn(&[u8], &Options) -> Result<Found, FileError>) {
    if sample.len() < SMALL {
        shake_at(sample, options, 0..sample.len(), read);
    } else {
        shake_some(sample, options, PLACES, read);
    }
}

/// Does the same at so many places, for files of which each reading takes long.
pub(crate) fn shake_some(
    sample: &[u8],
    options: &Options,
    places: usize,
    read: impl Fn(&[u8], &Options) -> Result<Found, FileError>,
) {
    // A generator of Marsaglia, so that the places are the same each time and everywhere.
    let mut state = 0x2545_F491_4F6C_DD1D_u64;
    let chosen = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % sample.len() as u64).expect("a place within the sample")
    });
    shake_at(sample, options, chosen.take(places), read);
}

/// Cuts and bends what has no items, at every byte.
pub(crate) fn shake_head(sample: &[u8], read: impl Fn(&[u8])) {
    for at in 0..sample.len() {
        bent(sample, at).for_each(|bent| read(&bent));
    }
}

fn shake_at(
    sample: &[u8],
    options: &Options,
    places: impl Iterator<Item = usize>,
    read: impl Fn(&[u8], &Options) -> Result<Found, FileError>,
) {
    assert!(through_the_pipe(read(sample, options)), "the sample is read");
    for at in places {
        for bent in bent(sample, at) {
            through_the_pipe(read(&bent, options));
        }
    }
}

/// The file cut at a byte, and with that byte bent in each way.
fn bent(sample: &[u8], at: usize) -> impl Iterator<Item = Vec<u8>> {
    let flipped = FLIPS.into_iter().map(move |flip| {
        let mut bent = sample.to_vec();
        bent[at] ^= flip;
        bent
    });
    std::iter::once(sample[..at].to_vec()).chain(flipped)
}

/// Says whether something was found. What a bent file holds meets the same limits as what a whole one does.
fn through_the_pipe(found: Result<Found, FileError>) -> bool {
    let is_found = found.is_ok();
    let mut sent = Vec::new();
    to_pipe(found, &mut sent).expect("a vector takes everything");
    assert_eq!(from_pipe(&sent).is_ok(), is_found, "it does not come over the pipe");
    is_found
}
