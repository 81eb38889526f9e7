//! Completes a decision by field: decides which fields a person may leave out.
//!
//! The result of a decision is a credential. A field that the person did not name is taken from a side only
//! if that cannot join halves of two credentials.

use std::collections::BTreeMap;

use crate::{Conflict, Content, RecordType, Side, descriptive::is_descriptive, record_type::Group};

/// Completes the choices of a person, field by field.
///
/// A field that is equal on both sides needs no choice. Neither does a descriptive field outside of any
/// atomic group that only one side changed. It is taken from that side. Every other field that differs must
/// be named, whichever side changed it. Otherwise a password from here and a user name that was changed in
/// Vault would make a credential that no person wrote.
///
/// # Errors
/// The sorted names of the fields that must be named and are not.
pub(crate) fn complete(
    conflict: &Conflict,
    record_type: RecordType,
    chosen: &BTreeMap<String, Side>,
) -> Result<BTreeMap<String, Side>, Vec<String>> {
    let nothing = Content::new();
    let local = conflict.local.as_ref().unwrap_or(&nothing);
    let remote = conflict.remote.as_ref().unwrap_or(&nothing);
    let mut sides = chosen.clone();
    let mut missing = Vec::new();
    for name in local.keys().chain(remote.keys().filter(|name| !local.contains_key(*name))) {
        if chosen.contains_key(name) {
            continue;
        }
        let (here, there) = (local.get(name), remote.get(name));
        let before = conflict.base.as_ref().map(|base| base.get(name));
        let alone = is_descriptive(name) && record_type.group(name) == Group::Alone;
        if here == there || (alone && before == Some(there)) {
            sides.insert(name.clone(), Side::Local);
        } else if alone && before == Some(here) {
            sides.insert(name.clone(), Side::Remote);
        } else {
            missing.push(name.clone());
        }
    }
    missing.sort();
    if missing.is_empty() { Ok(sides) } else { Err(missing) }
}
