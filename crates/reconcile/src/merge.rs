//! Three-way merge of contents, field by field.

use std::collections::{BTreeMap, BTreeSet};

use crate::{Content, MergePolicy, RecordType, descriptive::is_descriptive, names, record_type::Group};

names!(
    /// The source of a field of a merge.
    Side, "side" {
        /// The record. Fields that are equal on both sides also come from here.
        Local = "local",
        /// The secret.
        Remote = "remote",
        /// Neither side. A person gave a new value while resolving a conflict.
        Given = "given",
    }
);

/// The three contents of a path that changed on both sides.
#[derive(Clone, Copy, Debug)]
pub struct Sides<'a> {
    /// The content on which both sides agreed last.
    pub base: &'a Content,
    /// The content of the record.
    pub local: &'a Content,
    /// The content of the secret.
    pub remote: &'a Content,
}

/// The result of merging two edits of one base.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Merged {
    /// The result is exactly the content of the record.
    Local,
    /// The result is exactly the content of the secret.
    Remote,
    /// The result is a new content, with the source of each field. A field that is not named is not part of
    /// it.
    Fields(BTreeMap<String, Side>),
}

/// Merges two edits of one base. `Err` has the sorted names of the fields in conflict.
///
/// The fields of an atomic group are one unit. A unit that only one side changed is taken from that side as a
/// whole, and a unit that both sides changed in the same way is taken as it is. A result that one side has
/// already is always allowed, because a person wrote it. With [`MergePolicy::Descriptive`] a new combination
/// is made only if every field that changed on one of the sides is descriptive ([`is_descriptive`]). The
/// credential is then exactly that of the other side, so the merge never combines the user name of one person
/// with the password of another. With [`MergePolicy::Secret`] two different edits are always in conflict.
///
/// # Errors
/// The names of the fields, if both sides changed the same unit differently, or if the policy forbids the
/// combination.
pub fn merge(sides: Sides<'_>, record_type: RecordType, policy: MergePolicy) -> Result<Merged, Vec<String>> {
    let diverged = || changed(sides.local, sides.remote).cloned().collect();
    if policy == MergePolicy::Secret && sides.local != sides.remote {
        return Err(diverged());
    }
    let fields = by_units(sides, record_type)?;
    if makes(&fields, sides, sides.local) {
        return Ok(Merged::Local);
    }
    if makes(&fields, sides, sides.remote) {
        return Ok(Merged::Remote);
    }
    let safe = describes(sides.base, sides.local) || describes(sides.base, sides.remote);
    if safe || policy == MergePolicy::Field { Ok(Merged::Fields(fields)) } else { Err(diverged()) }
}

/// Merges unit by unit.
fn by_units(sides: Sides<'_>, record_type: RecordType) -> Result<BTreeMap<String, Side>, Vec<String>> {
    let Sides { base, local, remote } = sides;
    let mut merged = BTreeMap::new();
    let mut diverged = Vec::new();
    for unit in units(base, local, remote, record_type) {
        let differs = |one: &Content, other: &Content| unit.iter().any(|name| one.get(*name) != other.get(*name));
        let (side, source) = if !differs(local, remote) || !differs(base, remote) {
            (Side::Local, local)
        } else if !differs(base, local) {
            (Side::Remote, remote)
        } else {
            diverged.extend(
                unit.iter().filter(|name| local.get(**name) != remote.get(**name)).map(|name| (*name).to_owned()),
            );
            continue;
        };
        merged.extend(unit.iter().filter(|name| source.contains_key(**name)).map(|name| ((*name).to_owned(), side)));
    }
    diverged.sort();
    if diverged.is_empty() { Ok(merged) } else { Err(diverged) }
}

/// Returns whether a choice of fields gives exactly this content.
fn makes(fields: &BTreeMap<String, Side>, sides: Sides<'_>, content: &Content) -> bool {
    fields.len() == content.len()
        && fields.iter().all(|(name, side)| {
            let source = if *side == Side::Remote { sides.remote } else { sides.local };
            source.get(name) == content.get(name)
        })
}

/// Returns whether all fields that differ between two contents are descriptive. Added and removed fields
/// count as different.
fn describes(from: &Content, to: &Content) -> bool {
    changed(from, to).all(|name| is_descriptive(name))
}

/// Returns the fields that differ between two contents, sorted.
fn changed<'a>(one: &'a Content, other: &'a Content) -> impl Iterator<Item = &'a String> {
    let names: BTreeSet<&String> = one.keys().chain(other.keys()).collect();
    names.into_iter().filter(move |name| one.get(*name) != other.get(*name))
}

/// Splits all fields into units. A unit is merged as a whole.
fn units<'a>(
    base: &'a Content,
    local: &'a Content,
    remote: &'a Content,
    record_type: RecordType,
) -> impl Iterator<Item = Vec<&'a str>> {
    let names: BTreeSet<&str> = base.keys().chain(local.keys()).chain(remote.keys()).map(String::as_str).collect();
    let mut units: BTreeMap<(Group, &str), Vec<&str>> = BTreeMap::new();
    for name in names {
        let group = record_type.group(name);
        let key = if group == Group::Alone { name } else { "" };
        units.entry((group, key)).or_default().push(name);
    }
    units.into_values()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::FieldDigest;

    fn content(fields: &[(&str, u8)]) -> Content {
        let field = |(name, value): &(&str, u8)| ((*name).to_owned(), FieldDigest { digest: [*value; 32], length: 1 });
        fields.iter().map(field).collect()
    }

    fn merged_under(policy: MergePolicy, fields: [&[(&str, u8)]; 3]) -> Result<Merged, Vec<String>> {
        let [base, local, remote] = fields.map(content);
        merge(Sides { base: &base, local: &local, remote: &remote }, RecordType::KeyValue, policy)
    }

    fn merged(base: &[(&str, u8)], local: &[(&str, u8)], remote: &[(&str, u8)]) -> Result<Merged, Vec<String>> {
        merged_under(MergePolicy::Field, [base, local, remote])
    }

    fn fields(named: &[(&str, Side)]) -> Result<Merged, Vec<String>> {
        Ok(Merged::Fields(named.iter().map(|(name, side)| ((*name).to_owned(), *side)).collect()))
    }

    #[test]
    fn a_field_that_one_side_removed_stays_removed_whatever_the_other_side_did_elsewhere() {
        let base = [("kept", 0), ("gone", 0)];
        let edited = [("kept", 1), ("gone", 0)];
        let removed = [("kept", 0)];
        assert_eq!(merged(&base, &edited, &removed), fields(&[("kept", Side::Local)]));
        assert_eq!(merged(&base, &removed, &edited), fields(&[("kept", Side::Remote)]));
    }

    #[test]
    fn a_field_that_one_side_removed_and_the_other_changed_is_a_conflict() {
        let base = [("x", 0), ("y", 0)];
        let diverged = Err(vec!["x".to_owned()]);
        assert_eq!(merged(&base, &[("x", 1), ("y", 0)], &[("y", 0)]), diverged);
        assert_eq!(merged(&base, &[("y", 0)], &[("x", 1), ("y", 0)]), diverged);
    }

    #[test]
    fn fields_added_on_either_side_are_all_kept() {
        let all = merged(&[], &[("a", 1)], &[("b", 2)]);
        assert_eq!(all, fields(&[("a", Side::Local), ("b", Side::Remote)]));
        assert_eq!(merged(&[], &[("a", 1)], &[("a", 2)]), Err(vec!["a".to_owned()]));
        assert_eq!(merged(&[], &[("a", 1)], &[("a", 1)]), Ok(Merged::Local));
    }

    #[test]
    fn a_result_that_one_side_holds_already_is_no_new_combination() {
        for policy in [MergePolicy::Descriptive, MergePolicy::Field] {
            let (base, more, less) = ([("a", 0), ("b", 0)], [("a", 1), ("b", 1)], [("a", 1), ("b", 0)]);
            assert_eq!(merged_under(policy, [&base, &more, &less]), Ok(Merged::Local), "{policy:?}");
            assert_eq!(merged_under(policy, [&base, &less, &more]), Ok(Merged::Remote), "{policy:?}");
        }
    }

    #[test]
    fn secrets_that_are_not_merged_are_in_conflict_unless_both_sides_are_equal() {
        let policy = MergePolicy::Secret;
        let both = Err(["a", "note"].map(str::to_owned).to_vec());
        assert_eq!(
            merged_under(policy, [&[("a", 0), ("note", 0)], &[("a", 1), ("note", 0)], &[("a", 0), ("note", 1)]]),
            both
        );
        assert_eq!(merged_under(policy, [&[("a", 0)], &[("a", 1), ("b", 1)], &[("a", 1)]]), Err(vec!["b".to_owned()]));
        assert_eq!(merged_under(policy, [&[("a", 0)], &[("a", 1)], &[("a", 1)]]), Ok(Merged::Local));
    }

    #[test]
    fn one_side_of_descriptive_changes_is_enough_whichever_it_is() {
        let base = [("note", 0), ("password", 0), ("username", 0)];
        let described = [("note", 1), ("password", 0), ("username", 0)];
        let rotated = [("note", 0), ("password", 1), ("username", 1)];
        let policy = MergePolicy::Descriptive;
        let taken = |note, rest| fields(&[("note", note), ("password", rest), ("username", rest)]);
        assert_eq!(merged_under(policy, [&base, &described, &rotated]), taken(Side::Local, Side::Remote));
        // A field that only the record changed is taken from it, and so is a field that neither side changed.
        assert_eq!(merged_under(policy, [&base, &rotated, &described]), taken(Side::Remote, Side::Local));
    }

    #[test]
    fn a_descriptive_change_beside_another_one_does_not_make_a_side_descriptive() {
        let base = [("note", 0), ("password", 0), ("username", 0)];
        let here = [("note", 1), ("password", 1), ("username", 0)];
        let there = [("note", 0), ("password", 0), ("username", 1)];
        let diverged = Err(["note", "password", "username"].map(str::to_owned).to_vec());
        assert_eq!(merged_under(MergePolicy::Descriptive, [&base, &here, &there]), diverged);
        assert!(merged(&base, &here, &there).is_ok(), "`field` merges them");
    }

    #[test]
    fn a_field_that_was_added_or_removed_changed() {
        let policy = MergePolicy::Descriptive;
        let refused = |fields: [&[(&str, u8)]; 3]| assert!(merged_under(policy, fields).is_err(), "{fields:?}");
        refused([&[("a", 0)], &[("a", 0), ("b", 1)], &[("a", 1)]]);
        refused([&[("a", 0), ("b", 0)], &[("a", 0)], &[("a", 1), ("b", 0)]]);
        assert!(merged_under(policy, [&[("a", 0), ("Notes", 0)], &[("a", 0)], &[("a", 1), ("Notes", 0)]]).is_ok());
        assert!(merged_under(policy, [&[("a", 0)], &[("a", 0), ("ROTATE-BY", 1)], &[("a", 1)]]).is_ok());
    }
}
