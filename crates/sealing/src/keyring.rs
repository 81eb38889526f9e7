//! The keyring: the keys that the root key wraps, and the sealing with these keys.

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard},
};

use uuid::Uuid;
use vaultterm_reconcile::names;
use zeroize::Zeroizing;

use crate::{
    DigestKey, InstanceId, KeyPurpose, Place, RootKey, Sealed, SealingError, SecretBytes, Signer,
    envelope::{SUITE, data_key_aad, decrypt, encrypt, unwrap, wrap},
    locked::LockedKey,
    new_id,
    signer::verify,
};

names!(
    /// Whether a key still seals new messages.
    KeyState, "key state" {
        /// The key seals and opens messages.
        Active = "active",
        /// The key only opens messages that were sealed before a rotation.
        DecryptOnly = "decrypt_only",
    }
);

/// A key of the keyring as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyringRow {
    /// The id of the key.
    pub id: Uuid,
    /// The purpose of the key.
    pub purpose: KeyPurpose,
    /// The number of the key among those of its purpose, counted from 1.
    pub generation: u32,
    /// Whether the key still seals.
    pub state: KeyState,
    /// The key bytes, wrapped under the root key.
    pub wrapped: Vec<u8>,
}

/// The opened keyring. It can adopt newer keys while other threads use it.
pub struct Keyring {
    instance: InstanceId,
    /// The root key that wraps the stored keyring, to open what another server added to it.
    root: RwLock<RootKey>,
    records: RwLock<RecordKeys>,
    signer: RwLock<Arc<Signer>>,
    digest: DigestKey,
    token: DigestKey,
}

/// The record keys by id: the active key, and older keys that only open messages.
struct RecordKeys {
    keys: BTreeMap<Uuid, Arc<LockedKey>>,
    active: Uuid,
}

impl Keyring {
    /// Draws the keys of a new installation and returns them opened and as rows to store.
    ///
    /// # Errors
    /// [`SealingError::NoRandomness`].
    pub fn create(root: &RootKey, instance: InstanceId) -> Result<(Self, Vec<KeyringRow>), SealingError> {
        let rows = KeyPurpose::ALL.iter().map(|purpose| KeyringRow::draw(root, instance, *purpose, 1));
        let rows = rows.into_iter().collect::<Result<Vec<_>, _>>()?;
        Ok((Self::open(root, instance, &rows)?, rows))
    }

    /// Opens a stored keyring.
    ///
    /// # Errors
    /// [`SealingError::WrongRootKey`] when another root key wraps the keyring.
    /// [`SealingError::NoActiveKey`] when a purpose has no active key.
    pub fn open(root: &RootKey, instance: InstanceId, rows: &[KeyringRow]) -> Result<Self, SealingError> {
        let mut record_keys = BTreeMap::new();
        let mut active = BTreeMap::new();
        for row in rows {
            let key = row.open(root, instance)?;
            if row.purpose == KeyPurpose::Record {
                record_keys.insert(row.id, Arc::new(LockedKey::of(&key)));
            }
            if row.state == KeyState::Active {
                active.insert(row.purpose.as_str(), (row.id, key));
            }
        }
        let key = |purpose: KeyPurpose| active.get(purpose.as_str()).ok_or(SealingError::NoActiveKey(purpose));
        Ok(Self {
            instance,
            root: RwLock::new(root.duplicate()),
            digest: DigestKey::new(&key(KeyPurpose::Digest)?.1),
            token: DigestKey::new(&key(KeyPurpose::Token)?.1),
            signer: RwLock::new(Arc::new(signer(key(KeyPurpose::Audit)?)?)),
            records: RwLock::new(RecordKeys { active: key(KeyPurpose::Record)?.0, keys: record_keys }),
        })
    }

    /// Returns the id of the installation that owns this keyring.
    #[must_use]
    pub fn instance(&self) -> InstanceId {
        self.instance
    }

    /// Seals a message for one place under a fresh data key.
    ///
    /// # Errors
    /// [`SealingError::NoActiveKey`], [`SealingError::NoRandomness`].
    pub fn seal(&self, place: &Place, plaintext: &[u8]) -> Result<Sealed, SealingError> {
        let active = self.records().active;
        self.seal_under(active, place, plaintext)
    }

    /// Seals one message for one place under a fresh data key, and wraps the data key under the named record
    /// key. The caller names the key that is active in the transaction that stores the message.
    ///
    /// # Errors
    /// [`SealingError::UnknownKey`], [`SealingError::NoRandomness`].
    pub fn seal_under(&self, key_id: Uuid, place: &Place, plaintext: &[u8]) -> Result<Sealed, SealingError> {
        let mut data_key = Zeroizing::new([0; 32]);
        aws_lc_rs::rand::fill(data_key.as_mut_slice()).map_err(|_| SealingError::NoRandomness)?;
        let wrapped_key = self.wrap(key_id, &data_key)?;
        Ok(Sealed { key_id, wrapped_key, ciphertext: encrypt(&data_key, &place.aad(self.instance), plaintext)? })
    }

    /// Opens a message that was sealed for this place.
    ///
    /// # Errors
    /// [`SealingError::DoesNotOpen`] when it was sealed for another place.
    /// [`SealingError::UnknownKey`] when the keyring lacks the key that wraps its data key.
    pub fn unseal(&self, place: &Place, sealed: &Sealed) -> Result<SecretBytes, SealingError> {
        let data_key = self.unwrap(sealed.key_id, &sealed.wrapped_key)?;
        decrypt(&data_key, &place.aad(self.instance), &sealed.ciphertext)
    }

    /// Wraps a stored data key under another record key and returns the wrapped key. The ciphertext does not
    /// change.
    ///
    /// # Errors
    /// As [`Self::unseal`].
    pub fn rewrap(&self, from: Uuid, to: Uuid, wrapped_key: &[u8]) -> Result<Vec<u8>, SealingError> {
        let data_key = self.unwrap(from, wrapped_key)?;
        self.wrap(to, &data_key)
    }

    /// Learns the record keys of a newer state of the same keyring before it is committed. The active key stays
    /// the same: a rotation that fails changes nothing. After the commit every transaction can seal with the new
    /// key at once.
    pub fn learn(&self, newer: &Self) {
        let keys = newer.records().keys.clone();
        self.records.write().unwrap_or_else(PoisonError::into_inner).keys.extend(keys);
    }

    /// Adopts the keys of a newer state of the same keyring. From now on its active keys seal and sign.
    /// Record keys that the newer state lacks stay in memory, because they may still have to open
    /// messages that were read from the database before.
    pub fn adopt(&self, newer: Self) {
        let signer = newer.signer.into_inner().unwrap_or_else(PoisonError::into_inner);
        *self.signer.write().unwrap_or_else(PoisonError::into_inner) = signer;
        let newer = newer.records.into_inner().unwrap_or_else(PoisonError::into_inner);
        let mut records = self.records.write().unwrap_or_else(PoisonError::into_inner);
        records.keys.extend(newer.keys);
        records.active = newer.active;
    }

    /// Returns whether the keyring has a record key.
    #[must_use]
    pub fn has_record_key(&self, id: Uuid) -> bool {
        self.records().keys.contains_key(&id)
    }

    /// Adopts the stored keyring, to which another server may have added keys.
    ///
    /// # Errors
    /// [`SealingError::WrongRootKey`] when another root key wraps it by now. Nothing changes in that case.
    pub fn renew(&self, rows: &[KeyringRow]) -> Result<(), SealingError> {
        let newer = Self::open(&self.root.read().unwrap_or_else(PoisonError::into_inner), self.instance, rows)?;
        self.adopt(newer);
        Ok(())
    }

    /// Takes the root key that wraps the stored keyring from now on.
    pub fn take_root(&self, root: &RootKey) {
        *self.root.write().unwrap_or_else(PoisonError::into_inner) = root.duplicate();
    }

    fn records(&self) -> RwLockReadGuard<'_, RecordKeys> {
        self.records.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wraps a data key under a record key.
    fn wrap(&self, key_id: Uuid, data_key: &[u8; 32]) -> Result<Vec<u8>, SealingError> {
        let wrapping = self.records().keys.get(&key_id).cloned().ok_or(SealingError::UnknownKey(key_id))?;
        wrap(wrapping.expose(), &data_key_aad(self.instance, key_id), data_key)
    }

    fn unwrap(&self, key_id: Uuid, wrapped_key: &[u8]) -> Result<Zeroizing<[u8; 32]>, SealingError> {
        let wrapping = self.records().keys.get(&key_id).cloned().ok_or(SealingError::UnknownKey(key_id))?;
        unwrap(wrapping.expose(), &data_key_aad(self.instance, key_id), wrapped_key)
    }

    /// Returns the signer of the active audit key.
    #[must_use]
    pub fn signer(&self) -> Arc<Signer> {
        Arc::clone(&self.signer.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Checks a signature by the active audit key.
    ///
    /// # Errors
    /// [`SealingError::UnknownKey`] when `key_id` is not the active audit key,
    /// [`SealingError::BadSignature`].
    pub fn verify(&self, key_id: Uuid, domain: &str, bytes: &[u8], signature: &[u8]) -> Result<(), SealingError> {
        let signer = self.signer();
        if signer.key_id() != key_id {
            return Err(SealingError::UnknownKey(key_id));
        }
        verify(&signer.public_key(), domain, bytes, signature)
    }

    /// Returns the key of the digests that compare values.
    #[must_use]
    pub fn digest_key(&self) -> &DigestKey {
        &self.digest
    }

    /// Returns the digest of a token. The database stores this digest instead of the token.
    #[must_use]
    pub fn token_digest(&self, token: &str) -> [u8; 32] {
        self.token.digest(token.as_bytes())
    }
}

fn signer((id, seed): &(Uuid, Zeroizing<[u8; 32]>)) -> Result<Signer, SealingError> {
    Signer::from_seed(*id, seed)
}

impl KeyringRow {
    /// Opens an audit key and returns its signer.
    ///
    /// # Errors
    /// [`SealingError::WrongRootKey`]; [`SealingError::NoActiveKey`] for a key of another purpose.
    pub fn signer(&self, root: &RootKey, instance: InstanceId) -> Result<Signer, SealingError> {
        if self.purpose != KeyPurpose::Audit {
            return Err(SealingError::NoActiveKey(KeyPurpose::Audit));
        }
        signer(&(self.id, self.open(root, instance)?))
    }

    /// Draws a new, active key.
    ///
    /// # Errors
    /// [`SealingError::NoRandomness`].
    pub fn draw(
        root: &RootKey,
        instance: InstanceId,
        purpose: KeyPurpose,
        generation: u32,
    ) -> Result<Self, SealingError> {
        let mut key = Zeroizing::new([0; 32]);
        aws_lc_rs::rand::fill(key.as_mut_slice()).map_err(|_| SealingError::NoRandomness)?;
        let row = Self { id: new_id(), purpose, generation, state: KeyState::Active, wrapped: Vec::new() };
        row.wrapped_under(root, instance, &key)
    }

    /// Wraps the key under another root key.
    ///
    /// # Errors
    /// [`SealingError::WrongRootKey`] when `old` does not open it.
    pub fn rewrap(self, old: &RootKey, new: &RootKey, instance: InstanceId) -> Result<Self, SealingError> {
        let key = self.open(old, instance)?;
        self.wrapped_under(new, instance, &key)
    }

    fn wrapped_under(self, root: &RootKey, instance: InstanceId, key: &[u8; 32]) -> Result<Self, SealingError> {
        let wrapped = wrap(root.expose(), &self.aad(instance), key)?;
        Ok(Self { wrapped, ..self })
    }

    fn open(&self, root: &RootKey, instance: InstanceId) -> Result<Zeroizing<[u8; 32]>, SealingError> {
        unwrap(root.expose(), &self.aad(instance), &self.wrapped).map_err(|error| match error {
            SealingError::DoesNotOpen => SealingError::WrongRootKey,
            other => other,
        })
    }

    /// Encodes the AAD of a wrapped key. It leaves out the state, because a rotation changes the state
    /// without wrapping the key again.
    fn aad(&self, instance: InstanceId) -> Vec<u8> {
        let mut aad = vec![SUITE, 0];
        aad.extend(instance.0.as_bytes());
        aad.extend(self.id.as_bytes());
        aad.push(u8::try_from(self.purpose.as_str().len()).expect("a purpose's name is short"));
        aad.extend(self.purpose.as_str().as_bytes());
        aad.extend(self.generation.to_be_bytes());
        aad
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::{KeyState, Keyring, KeyringRow};
    use crate::{InstanceId, KeyPurpose, Place, Purpose, RootKey, SealingError};

    const INSTANCE: InstanceId = InstanceId(Uuid::from_u128(7));

    fn place() -> Place {
        Place {
            purpose: Purpose::RecordFields,
            collection: Uuid::from_u128(1),
            object: Uuid::from_u128(2),
            revision: 3,
        }
    }

    #[test]
    fn what_is_sealed_opens_at_its_own_place_only() {
        let (keyring, _) = Keyring::create(&RootKey::generate(), INSTANCE).unwrap();
        let sealed = keyring.seal(&place(), b"s3cret").unwrap();
        assert_eq!(keyring.unseal(&place(), &sealed).unwrap().expose(), b"s3cret");
        let elsewhere = [
            Place { purpose: Purpose::ConflictCopy, ..place() },
            Place { collection: Uuid::from_u128(9), ..place() },
            Place { object: Uuid::from_u128(9), ..place() },
            Place { revision: 4, ..place() },
        ];
        for other in elsewhere {
            assert!(matches!(keyring.unseal(&other, &sealed), Err(SealingError::DoesNotOpen)), "{other:?}");
        }
    }

    #[test]
    fn a_data_key_of_one_message_does_not_open_another() {
        let (keyring, _) = Keyring::create(&RootKey::generate(), INSTANCE).unwrap();
        let (mut one, two) = (keyring.seal(&place(), b"one").unwrap(), keyring.seal(&place(), b"two").unwrap());
        assert_ne!(one.ciphertext[12..], two.ciphertext[12..]);
        one.wrapped_key = two.wrapped_key;
        assert!(matches!(keyring.unseal(&place(), &one), Err(SealingError::DoesNotOpen)));
    }

    #[test]
    fn every_flipped_bit_is_found() {
        let (keyring, _) = Keyring::create(&RootKey::generate(), INSTANCE).unwrap();
        let sealed = keyring.seal(&place(), b"s3cret").unwrap();
        for at in 0..sealed.wrapped_key.len() * 8 {
            let mut bent = sealed.clone();
            bent.wrapped_key[at / 8] ^= 1 << (at % 8);
            assert!(keyring.unseal(&place(), &bent).is_err(), "bit {at} of the wrapped key");
        }
        for at in 0..sealed.ciphertext.len() * 8 {
            let mut bent = sealed.clone();
            bent.ciphertext[at / 8] ^= 1 << (at % 8);
            assert!(keyring.unseal(&place(), &bent).is_err(), "bit {at} of the ciphertext");
        }
    }

    #[test]
    fn a_keyring_opens_with_its_own_root_key_and_instance_only() {
        let root = RootKey::generate();
        let (keyring, rows) = Keyring::create(&root, INSTANCE).unwrap();
        let sealed = keyring.seal(&place(), b"s3cret").unwrap();
        let again = Keyring::open(&root, INSTANCE, &rows).unwrap();
        assert_eq!(again.unseal(&place(), &sealed).unwrap().expose(), b"s3cret");
        assert_eq!(again.token_digest("t"), keyring.token_digest("t"));
        assert!(matches!(Keyring::open(&RootKey::generate(), INSTANCE, &rows), Err(SealingError::WrongRootKey)));
        assert!(matches!(Keyring::open(&root, InstanceId(Uuid::from_u128(8)), &rows), Err(SealingError::WrongRootKey)));
    }

    #[test]
    fn a_new_root_key_opens_what_the_old_one_did() {
        let (old, new) = (RootKey::generate(), RootKey::generate());
        let (keyring, rows) = Keyring::create(&old, INSTANCE).unwrap();
        let sealed = keyring.seal(&place(), b"s3cret").unwrap();
        let rows: Vec<_> = rows.into_iter().map(|row| row.rewrap(&old, &new, INSTANCE).unwrap()).collect();
        assert_eq!(
            Keyring::open(&new, INSTANCE, &rows).unwrap().unseal(&place(), &sealed).unwrap().expose(),
            b"s3cret"
        );
        assert!(matches!(Keyring::open(&old, INSTANCE, &rows), Err(SealingError::WrongRootKey)));
        let again = rows[0].clone().rewrap(&old, &new, INSTANCE);
        assert!(matches!(again, Err(SealingError::WrongRootKey)));
    }

    #[test]
    fn data_keys_move_to_a_new_record_key_one_by_one() {
        let root = RootKey::generate();
        let (keyring, mut rows) = Keyring::create(&root, INSTANCE).unwrap();
        let sealed = keyring.seal(&place(), b"s3cret").unwrap();
        let before = rows.clone();
        let retired = rows.iter_mut().find(|row| row.purpose == KeyPurpose::Record).unwrap();
        retired.state = KeyState::DecryptOnly;
        let retired = retired.id;
        rows.push(KeyringRow::draw(&root, INSTANCE, KeyPurpose::Record, 2).unwrap());
        let both = Keyring::open(&root, INSTANCE, &rows).unwrap();
        assert_eq!(both.unseal(&place(), &sealed).unwrap().expose(), b"s3cret");
        let key_id = both.seal(&place(), b"x").unwrap().key_id;
        let wrapped_key = both.rewrap(sealed.key_id, key_id, &sealed.wrapped_key).unwrap();
        let moved = crate::Sealed { key_id, wrapped_key, ciphertext: sealed.ciphertext.clone() };
        rows.retain(|row| row.id != retired);
        let new = Keyring::open(&root, INSTANCE, &rows).unwrap();
        assert_eq!(new.unseal(&place(), &moved).unwrap().expose(), b"s3cret");
        assert!(matches!(new.unseal(&place(), &sealed), Err(SealingError::UnknownKey(id)) if id == retired));
        // A keyring in use adopts the new key and still opens messages that were read before.
        let in_use = Keyring::open(&root, INSTANCE, &before).unwrap();
        in_use.adopt(new);
        assert_eq!(in_use.seal(&place(), b"x").unwrap().key_id, key_id);
        assert_eq!(in_use.unseal(&place(), &sealed).unwrap().expose(), b"s3cret");
        // A data key that the old key wrapped does not open under the id of the new key.
        let renamed = crate::Sealed { key_id, ..sealed };
        assert!(matches!(both.unseal(&place(), &renamed), Err(SealingError::DoesNotOpen)));
    }

    #[test]
    fn the_audit_key_signs_until_a_keyring_in_use_adopts_a_new_key() {
        let root = RootKey::generate();
        let (keyring, mut rows) = Keyring::create(&root, INSTANCE).unwrap();
        let signer = keyring.signer();
        let signature = signer.sign("a\n", b"bytes");
        keyring.verify(signer.key_id(), "a\n", b"bytes", &signature).unwrap();
        let other = keyring.verify(signer.key_id(), "a\n", b"others", &signature);
        assert!(matches!(other, Err(SealingError::BadSignature)));
        rows.retain(|row| row.purpose != KeyPurpose::Audit);
        rows.push(KeyringRow::draw(&root, INSTANCE, KeyPurpose::Audit, 2).unwrap());
        keyring.adopt(Keyring::open(&root, INSTANCE, &rows).unwrap());
        assert_ne!(keyring.signer().key_id(), signer.key_id());
        let old = keyring.verify(signer.key_id(), "a\n", b"bytes", &signature);
        assert!(matches!(old, Err(SealingError::UnknownKey(id)) if id == signer.key_id()));
        let record = rows.iter().find(|row| row.purpose == KeyPurpose::Record).unwrap();
        assert!(matches!(record.signer(&root, INSTANCE), Err(SealingError::NoActiveKey(KeyPurpose::Audit))));
    }

    #[test]
    fn keys_of_the_keyring_cannot_trade_places() {
        let root = RootKey::generate();
        let (_, mut rows) = Keyring::create(&root, INSTANCE).unwrap();
        let (first, rest) = rows.split_first_mut().unwrap();
        std::mem::swap(&mut first.wrapped, &mut rest[0].wrapped);
        assert!(matches!(Keyring::open(&root, INSTANCE, &rows), Err(SealingError::WrongRootKey)));
    }

    #[test]
    fn a_keyring_without_an_active_key_is_refused() {
        let root = RootKey::generate();
        let (_, rows) = Keyring::create(&root, INSTANCE).unwrap();
        let without: Vec<_> = rows.into_iter().filter(|row| row.purpose != KeyPurpose::Digest).collect();
        assert!(matches!(Keyring::open(&root, INSTANCE, &without), Err(SealingError::NoActiveKey(KeyPurpose::Digest))));
    }
}
