//! A secret as an item: its path as folders and a name, its data as fields.

use vaultterm_reconcile::RecordType;
use vaultterm_sealing::SecretFields;

use crate::{
    collect::Collector,
    item::{Item, Past},
    limits::LimitMet,
    loss::{Loss, Lost},
    node::Map,
    place::Place,
    refused::Refused,
};

/// Splits a path at its slashes.
pub(super) fn split(path: &str) -> Vec<String> {
    path.split('/').filter(|segment| !segment.is_empty()).map(str::to_owned).collect()
}

/// The data of a secret, and what of it changes on the way.
pub(super) fn fields(data: &Map) -> (SecretFields, Vec<Loss>) {
    let (mut fields, mut losses) = (SecretFields::new(), Vec::new());
    for (name, node) in data {
        let (value, changed) = node.value();
        if changed {
            losses.push(Loss::named(Lost::Kind, name));
        }
        fields.insert(name.clone(), value);
    }
    (fields, losses)
}

/// A secret with its path, the outermost folder first.
pub(super) struct Secret {
    pub(super) path: Vec<String>,
    pub(super) fields: SecretFields,
    pub(super) losses: Vec<Loss>,
    pub(super) history: Vec<Past>,
    pub(super) is_trashed: bool,
}

impl Secret {
    /// A secret without earlier states.
    pub(super) fn of(path: Vec<String>, data: &Map) -> Self {
        let (fields, losses) = fields(data);
        Self { path, fields, losses, history: Vec::new(), is_trashed: false }
    }

    /// Adds it to what was found, or refuses it if it has no name or no data.
    pub(super) fn collect(mut self, found: &mut Collector) -> Result<(), LimitMet> {
        let place = next(found);
        let Some(name) = self.path.pop() else {
            return found.refuse(Refused::new(place, None, "its path is empty"));
        };
        if self.fields.expose().is_empty() {
            self.path.push(name);
            return refuse(found, &self.path, "it holds no data");
        }
        let record_type = RecordType::infer(self.fields.names());
        let mut item = Item::new(place, name, record_type);
        item.folder = self.path;
        item.fields = self.fields;
        item.losses = self.losses;
        item.history = self.history;
        item.is_trashed = self.is_trashed;
        found.item(item)
    }
}

/// The place of the next secret.
pub(super) fn next(found: &Collector) -> Place {
    Place::entry(found.count() + 1)
}

/// Refuses a secret.
pub(super) fn refuse(found: &mut Collector, path: &[String], why: &str) -> Result<(), LimitMet> {
    let place = next(found);
    found.refuse(Refused::new(place, Some(&path.join("/")), why))
}
