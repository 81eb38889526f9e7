//! What surrounds a page: the places, the collections, what waits, and who is logged in.

use uuid::Uuid;
use vaultterm_operations::{Services, access::Roles, surroundings};
use vaultterm_store::{CollectionRole, InstanceRole};

use super::{
    link,
    look::Look,
    refused::Refused,
    visitor::Visitor,
    words::{Moment, counted},
};

/// How long a session tells of links that set the person's password, in microseconds.
const TOLD_US: i64 = 10 * 60 * 1_000_000;

/// Which place a page belongs to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Here {
    Overview,
    #[default]
    Records,
    Runs,
    Conflicts,
    Trash,
    Audit,
    Webhooks,
    Keys,
    License,
    Health,
    People,
    /// A page about the person, in no place of the frame.
    Me,
    /// The pages of the person's second factor.
    Factors,
}

/// What surrounds a page.
#[derive(Clone, Debug, Default)]
pub(crate) struct Frame {
    pub(crate) who: String,
    pub(crate) email: String,
    pub(crate) role: &'static str,
    /// What was searched for.
    pub(crate) query: String,
    pub(crate) collections: Vec<Shelf>,
    /// What the visitor may do in the collections.
    pub(crate) roles: Roles,
    pub(crate) here: Here,
    pub(crate) open_conflicts: u64,
    pub(crate) stopped: u64,
    pub(crate) running: u64,
    /// The visitor has recovery codes and never typed one of them back.
    pub(crate) codes_unconfirmed: bool,
    /// Whose links set the visitor's password since the last login, and when: for the first ten minutes of a session.
    pub(crate) resets: Vec<(String, Moment)>,
    /// The visitor looks after the installation.
    pub(crate) is_admin: bool,
    /// How the person wants the page.
    pub(crate) look: Look,
    /// In how many seconds the session ends if no further request comes.
    pub(crate) ends_seconds: i64,
}

/// A collection beside a page.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shelf {
    pub(crate) id: Uuid,
    pub(crate) name: String,
    pub(crate) href: String,
    pub(crate) records: u64,
    pub(crate) here: bool,
    /// The folders of the collection that the page is about.
    pub(crate) folders: Vec<Folder>,
}

/// A folder of a collection: what its records' paths begin with.
#[derive(Clone, Debug, Default)]
pub(crate) struct Folder {
    pub(crate) name: String,
    pub(crate) href: String,
    pub(crate) here: bool,
}

/// A place that a page may belong to.
pub(crate) struct Place {
    pub(crate) name: &'static str,
    pub(crate) icon: &'static str,
    pub(crate) href: &'static str,
    pub(crate) here: bool,
    pub(crate) count: u64,
}

/// Something that waits, in the head of every page.
pub(crate) struct Wait {
    pub(crate) words: String,
    pub(crate) icon: &'static str,
    pub(crate) href: &'static str,
    /// A person has to act.
    pub(crate) attention: bool,
}

impl Frame {
    /// Finds what surrounds a page for a visitor.
    pub(crate) async fn around(services: &Services, visitor: &Visitor, here: Here) -> Result<Self, Refused> {
        let found = surroundings::of(services, &visitor.caller).await?;
        let (user, now_us) = (&visitor.caller.user, services.now_us());
        let shelf = |collection: vaultterm_store::Collection| Shelf {
            id: collection.id.0,
            href: link::records_in(collection.id.0, ""),
            name: collection.name,
            records: collection.records,
            here: false,
            folders: Vec::new(),
        };
        Ok(Self {
            who: user.name.clone(),
            email: user.email.clone(),
            role: user.role.as_str(),
            query: String::new(),
            collections: found.collections.into_iter().map(shelf).collect(),
            roles: found.roles,
            here,
            open_conflicts: found.waiting.open_conflicts,
            stopped: found.waiting.stopped,
            running: found.waiting.running,
            resets: if now_us - visitor.visit.session.began_us < TOLD_US {
                let told = found.resets.iter().filter_map(|link| Some((link.made_by.clone(), link.used_us?)));
                told.map(|(by, us)| (by, Moment::seen(us, now_us))).collect()
            } else {
                Vec::new()
            },
            // The pages of the second factor say so themselves.
            codes_unconfirmed: found.codes_unconfirmed && here != Here::Factors,
            look: visitor.look,
            is_admin: user.role >= InstanceRole::Admin,
            ends_seconds: (visitor.visit.session.ends_idle_us() - now_us) / 1_000_000,
        })
    }

    /// Marks the collection that the page is about.
    pub(crate) fn in_collection(mut self, id: Uuid) -> Self {
        for shelf in &mut self.collections {
            shelf.here = shelf.id == id;
        }
        self
    }

    /// Lists the collections in which the visitor has at least this role.
    pub(crate) fn shelves_as(&self, role: CollectionRole) -> impl Iterator<Item = &Shelf> {
        self.collections.iter().filter(move |shelf| self.roles.on(shelf.id, role))
    }

    /// Lists the places.
    pub(crate) fn places(&self) -> Vec<Place> {
        vec![
            self.place(Here::Overview, "Overview", "gauge", "/", 0),
            self.place(Here::Records, "All records", "key-round", "/records", 0),
            self.place(Here::Runs, "Runs", "refresh-cw", "/runs", 0),
            self.place(Here::Conflicts, "Conflicts", "git-compare", "/conflicts", self.open_conflicts),
            self.place(Here::Trash, "Trash", "trash-2", "/trash", 0),
            self.place(Here::People, "People", "users", "/people", 0),
        ]
    }

    /// Lists the places that are about the installation itself: for each person those that they may see.
    pub(crate) fn house(&self) -> Vec<Place> {
        let mut places = Vec::new();
        if self.is_admin {
            places.push(self.place(Here::Audit, "Audit log", "scroll-text", "/audit", 0));
            places.push(self.place(Here::Webhooks, "Webhooks", "webhook", "/webhooks", 0));
            places.push(self.place(Here::Keys, "Keys", "key", "/keys", 0));
        }
        places.push(self.place(Here::License, "License", "shield", "/license", 0));
        places.push(self.place(Here::Health, "Health", "activity", "/health", 0));
        places
    }

    fn place(&self, here: Here, name: &'static str, icon: &'static str, href: &'static str, count: u64) -> Place {
        let here = self.here == here && !self.collections.iter().any(|shelf| shelf.here);
        Place { name, icon, href, here, count }
    }

    /// Lists what waits.
    pub(crate) fn waits(&self) -> Vec<Wait> {
        let mut waits = Vec::new();
        let mut add = |count: u64, words: String, icon, href, attention| {
            if count > 0 {
                waits.push(Wait { words, icon, href, attention });
            }
        };
        let (conflicts, stopped, running) = (self.open_conflicts, self.stopped, self.running);
        add(conflicts, counted(conflicts, "conflict", "conflicts"), "git-compare", "/conflicts", true);
        add(stopped, format!("{stopped} stopped"), "ban", "/", true);
        add(running, counted(running, "run", "runs"), "refresh-cw", "/runs", false);
        waits
    }
}
