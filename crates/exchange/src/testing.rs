//! What the tests of all readers use: an outline of what was found, and files that were damaged in every place.

pub(crate) mod records;

use crate::{item::Found, options::Options, refused::FileError};

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

/// Cuts a file at every length and flips a bit of every byte. The reader may return anything, but must return.
pub(crate) fn shake(sample: &[u8], read: impl Fn(&[u8], &Options) -> Result<Found, FileError>) {
    shake_with(sample, &Options::default(), 1, read);
}

/// The same with options, at every `step`th byte.
pub(crate) fn shake_with(
    sample: &[u8],
    options: &Options,
    step: usize,
    read: impl Fn(&[u8], &Options) -> Result<Found, FileError>,
) {
    read(sample, options).expect("the sample is read");
    for at in (0..sample.len()).step_by(step) {
        let _ = read(&sample[..at], options);
        for flip in [1, 0x20, 0x80] {
            let mut damaged = sample.to_vec();
            damaged[at] ^= flip;
            let _ = read(&damaged, options);
        }
    }
}
