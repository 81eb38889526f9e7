//! Forms that came when their session had ended. They are kept in memory for ten minutes, for the person whose session
//! it was and for nobody else, and are forgotten with the process.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use uuid::Uuid;
use zeroize::Zeroizing;

/// The largest form that is kept, in bytes.
pub(crate) const BODY_MAX: usize = 2 * 1024 * 1024;
/// How long a form is kept, in microseconds.
const KEPT_US: i64 = 10 * 60 * 1_000_000;
/// Forms that are kept of one person, and of all.
const OF_ONE_MAX: usize = 3;
const OF_ALL_MAX: usize = 100;

/// A form that was not carried out.
pub(crate) struct Draft {
    user_id: Uuid,
    pub(crate) email: String,
    /// Where it was sent.
    pub(crate) address: String,
    /// What was typed.
    pub(crate) body: Zeroizing<Vec<u8>>,
    kept_us: i64,
}

impl Draft {
    /// Makes a draft of a person's form.
    pub(crate) fn new(user_id: Uuid, email: String, address: String, body: Vec<u8>) -> Self {
        Self { user_id, email, address, body: Zeroizing::new(body), kept_us: 0 }
    }
}

/// The forms that are kept.
#[derive(Default)]
pub(crate) struct Drafts(Mutex<HashMap<Uuid, Draft>>);

impl Drafts {
    /// Keeps a form and returns what it is called. The oldest one makes room.
    pub(crate) fn keep(&self, draft: Draft, now_us: i64) -> Uuid {
        let mut drafts = self.lock();
        drafts.retain(|_, kept| now_us - kept.kept_us < KEPT_US);
        let oldest = |drafts: &HashMap<Uuid, Draft>, of: Option<Uuid>| {
            let kept = drafts.iter().filter(|(_, kept)| of.is_none_or(|user| kept.user_id == user));
            kept.min_by_key(|(id, kept)| (kept.kept_us, **id)).map(|(id, _)| *id)
        };
        let of_one = drafts.values().filter(|kept| kept.user_id == draft.user_id).count();
        let goes = match (of_one >= OF_ONE_MAX, drafts.len() >= OF_ALL_MAX) {
            (true, _) => oldest(&drafts, Some(draft.user_id)),
            (false, true) => oldest(&drafts, None),
            (false, false) => None,
        };
        if let Some(id) = goes {
            drafts.remove(&id);
        }
        let id = vaultterm_sync::new_id();
        drafts.insert(id, Draft { kept_us: now_us, ..draft });
        id
    }

    /// Tells whose form it is, by e-mail address.
    pub(crate) fn owner(&self, id: Uuid, now_us: i64) -> Option<String> {
        self.lock().get(&id).filter(|kept| now_us - kept.kept_us < KEPT_US).map(|kept| kept.email.clone())
    }

    /// Says whether a form is kept for a person.
    pub(crate) fn is_kept(&self, id: Uuid, user_id: Uuid, now_us: i64) -> bool {
        self.lock().get(&id).is_some_and(|kept| kept.user_id == user_id && now_us - kept.kept_us < KEPT_US)
    }

    /// Hands out a form, once, to the person whose it is.
    pub(crate) fn take(&self, id: Uuid, user_id: Uuid, now_us: i64) -> Option<Draft> {
        if !self.is_kept(id, user_id, now_us) {
            return None;
        }
        self.lock().remove(&id)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Uuid, Draft>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draft(user: u128, body: &str) -> Draft {
        Draft::new(Uuid::from_u128(user), "ann@example.com".to_owned(), "/records/new".to_owned(), body.into())
    }

    #[test]
    fn a_form_is_kept_for_its_person_for_ten_minutes_and_handed_out_once() {
        let drafts = Drafts::default();
        let id = drafts.keep(draft(1, "a=b"), 0);
        assert!(drafts.take(id, Uuid::from_u128(2), 1).is_none(), "somebody else");
        assert_eq!(drafts.owner(id, 1).as_deref(), Some("ann@example.com"));
        assert!(!drafts.is_kept(id, Uuid::from_u128(1), KEPT_US));
        let taken = drafts.take(id, Uuid::from_u128(1), KEPT_US - 1).unwrap();
        assert_eq!(taken.body.as_slice(), b"a=b");
        assert!(drafts.take(id, Uuid::from_u128(1), 1).is_none(), "once");
    }

    #[test]
    fn what_is_kept_has_a_bound_for_one_person_and_for_all() {
        let drafts = Drafts::default();
        let ids: Vec<_> = (0..4).map(|n| drafts.keep(draft(1, "x"), n)).collect();
        assert!(!drafts.is_kept(ids[0], Uuid::from_u128(1), 5) && drafts.is_kept(ids[3], Uuid::from_u128(1), 5));
        for n in 0..2 * OF_ALL_MAX as u128 {
            drafts.keep(draft(n + 10, "x"), 5);
        }
        assert_eq!(drafts.lock().len(), OF_ALL_MAX);
    }
}
