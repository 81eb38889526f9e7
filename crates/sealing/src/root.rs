//! The root key: 32 bytes that wrap the keyring.
//!
//! It is stored in a key file, or sealed by an external service. The sealed form names the
//! installation that owns the key.

use std::{
    fs::{File, OpenOptions},
    io::{Read as _, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Salt};
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::{InstanceId, SecretBytes, exposure::exposed, locked::LockedKey};

/// The root key, on a locked page. Wiped on drop. `Debug` prints only the type name.
pub struct RootKey(LockedKey);

/// The id of a root key. It is derived from the key and reveals nothing about the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RootKeyId(pub Uuid);

/// Why a root key could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum RootKeyError {
    /// The key file cannot be read or written.
    #[error("cannot access the master key file {path}")]
    File {
        /// The path of the key file.
        path: PathBuf,
        /// The error of the operating system.
        source: std::io::Error,
    },
    /// Users other than the owner may read the key file.
    #[error("the master key file {path} can be read by other users (mode {mode:o}). Run: chmod 600 {path}")]
    Permissions {
        /// The path of the key file.
        path: PathBuf,
        /// The permission bits of the key file.
        mode: u32,
    },
    /// The text is not 64 hexadecimal digits.
    #[error("a master key is 64 hexadecimal digits, but {origin} holds something else")]
    Malformed {
        /// The file or variable that holds the text.
        origin: String,
    },
    /// The unsealed bytes are not the root key of this installation.
    #[error("the unsealed bytes are not the root key of this installation: {0}")]
    Foreign(&'static str),
}

/// The first bytes of a root key's sealed form.
const SEALED_MAGIC: &[u8; 8] = b"VTROOT\x00\x01";

impl RootKey {
    /// Draws a new root key.
    ///
    /// # Panics
    /// When the operating system provides no randomness. No key can be drawn safely then.
    #[must_use]
    pub fn generate() -> Self {
        let drawn = LockedKey::new(|key| aws_lc_rs::rand::fill(key));
        Self(drawn.expect("the system provides randomness"))
    }

    /// Parses 64 hexadecimal digits. Errors name `origin`, the file or variable that holds the text.
    ///
    /// # Errors
    /// [`RootKeyError::Malformed`].
    pub fn from_hex(text: &str, origin: &str) -> Result<Self, RootKeyError> {
        let mut bytes = Zeroizing::new([0; 32]);
        hex::decode_to_slice(text.trim(), bytes.as_mut_slice())
            .map_err(|_| RootKeyError::Malformed { origin: origin.to_owned() })?;
        Ok(Self(LockedKey::of(&bytes)))
    }

    /// Returns the id of the key.
    ///
    /// # Panics
    /// Never: HKDF can always derive 16 bytes.
    #[must_use]
    pub fn id(&self) -> RootKeyId {
        struct Length;
        impl KeyType for Length {
            fn len(&self) -> usize {
                16
            }
        }
        let mut id = [0; 16];
        Salt::new(HKDF_SHA256, &[])
            .extract(self.expose())
            .expand(&[b"vaultterm root key id v1"], Length)
            .and_then(|okm| okm.fill(&mut id))
            .expect("HKDF gives 16 bytes");
        RootKeyId(Uuid::from_bytes(id))
    }

    /// Returns the form of the key that an external service seals: magic ‖ key id ‖ instance ‖ key.
    /// [`Self::from_sealed_form`] uses the first three parts to check the key after unsealing.
    #[must_use]
    pub fn to_sealed_form(&self, instance: InstanceId) -> SecretBytes {
        let mut form = Vec::with_capacity(SEALED_MAGIC.len() + 16 + 16 + 32);
        form.extend(SEALED_MAGIC);
        form.extend(self.id().0.as_bytes());
        form.extend(instance.0.as_bytes());
        form.extend(self.expose());
        SecretBytes::new(form)
    }

    /// Reads the form that an external service unsealed.
    ///
    /// # Errors
    /// [`RootKeyError::Foreign`] when the bytes are not the root key of this installation.
    pub fn from_sealed_form(form: &SecretBytes, instance: InstanceId) -> Result<Self, RootKeyError> {
        let rest = form.expose().strip_prefix(SEALED_MAGIC).ok_or(RootKeyError::Foreign("they are not a root key"))?;
        let cut = RootKeyError::Foreign("their length is wrong");
        let Some((id, rest)) = rest.split_first_chunk::<16>() else { return Err(cut) };
        let Some((of, rest)) = rest.split_first_chunk::<16>() else { return Err(cut) };
        let Ok(key) = <&[u8; 32]>::try_from(rest) else { return Err(cut) };
        if of != instance.0.as_bytes() {
            return Err(RootKeyError::Foreign("they belong to another installation"));
        }
        let root = Self(LockedKey::of(key));
        if root.id().0.as_bytes() != id {
            return Err(RootKeyError::Foreign("the key does not have the id that stands beside it"));
        }
        Ok(root)
    }

    /// Returns the bytes to which a sealed root key is bound. The external service takes them as context
    /// or associated data.
    #[must_use]
    pub fn sealing_context(instance: InstanceId, id: RootKeyId) -> Vec<u8> {
        let mut context = b"vaultterm root key v1".to_vec();
        context.extend(instance.0.as_bytes());
        context.extend(id.0.as_bytes());
        context
    }

    /// Reads a key file. Refuses a file that other users may read.
    ///
    /// # Errors
    /// [`RootKeyError`].
    pub fn read(path: &Path) -> Result<Self, RootKeyError> {
        let failed = |source| RootKeyError::File { path: path.to_owned(), source };
        let mut file = File::open(path).map_err(failed)?;
        if let Some(mode) = exposed(&file).map_err(failed)? {
            return Err(RootKeyError::Permissions { path: path.to_owned(), mode });
        }
        let mut text = Zeroizing::new(String::new());
        (&mut file).take(Self::FILE_BYTES_MAX).read_to_string(&mut text).map_err(failed)?;
        Self::from_hex(&text, &path.display().to_string())
    }

    /// Writes a new key file with mode 0600. Never overwrites an existing file.
    ///
    /// # Errors
    /// [`RootKeyError::File`].
    pub fn write_new(&self, path: &Path) -> Result<(), RootKeyError> {
        let failed = |source| RootKeyError::File { path: path.to_owned(), source };
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(failed)?;
        let mut text = Zeroizing::new(hex::encode(self.expose()));
        text.push('\n');
        file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(failed)
    }

    /// Copies the key. The name makes copies visible in code, since there is no `Clone`.
    #[must_use]
    pub fn duplicate(&self) -> Self {
        Self(LockedKey::of(self.expose()))
    }

    /// Returns the key bytes.
    #[must_use]
    pub fn expose(&self) -> &[u8; 32] {
        self.0.expose()
    }

    /// The maximum number of bytes that are read from a key file. A larger file is not a key file.
    const FILE_BYTES_MAX: u64 = 256;
}

impl std::fmt::Debug for RootKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RootKey")
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt};

    use uuid::Uuid;

    use super::{RootKey, RootKeyError};
    use crate::{InstanceId, SecretBytes};

    #[test]
    fn a_written_key_is_read_back_and_never_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("master.key");
        let key = RootKey::generate();
        key.write_new(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(RootKey::read(&path).unwrap().expose(), key.expose());
        assert!(matches!(RootKey::generate().write_new(&path), Err(RootKeyError::File { .. })));
        assert_eq!(RootKey::read(&path).unwrap().expose(), key.expose());
    }

    #[test]
    fn a_key_file_that_other_users_may_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("master.key");
        RootKey::generate().write_new(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(RootKey::read(&path), Err(RootKeyError::Permissions { mode: 0o640, .. })));
    }

    #[test]
    fn anything_but_64_hexadecimal_digits_is_refused_without_being_shown() {
        for text in ["", "abc", &"g".repeat(64), &"0".repeat(65)] {
            let error = RootKey::from_hex(text, "DEV_MASTER_KEY").unwrap_err();
            assert_eq!(
                error.to_string(),
                "a master key is 64 hexadecimal digits, but DEV_MASTER_KEY holds something else"
            );
        }
    }

    #[test]
    fn a_sealed_form_opens_for_its_own_installation_only() {
        let (root, instance) = (RootKey::generate(), InstanceId(Uuid::from_u128(7)));
        let form = root.to_sealed_form(instance);
        assert_eq!(RootKey::from_sealed_form(&form, instance).unwrap().expose(), root.expose());
        let other = InstanceId(Uuid::from_u128(8));
        assert!(matches!(RootKey::from_sealed_form(&form, other), Err(RootKeyError::Foreign(_))));
        for at in 0..form.expose().len() {
            let mut bent = form.expose().to_vec();
            bent[at] ^= 1;
            let bent = RootKey::from_sealed_form(&SecretBytes::new(bent), instance);
            assert!(matches!(bent, Err(RootKeyError::Foreign(_))), "byte {at}");
        }
        let cut = SecretBytes::new(form.expose()[..form.expose().len() - 1].to_vec());
        assert!(matches!(RootKey::from_sealed_form(&cut, instance), Err(RootKeyError::Foreign(_))));
    }

    #[test]
    fn equal_keys_have_equal_ids_and_other_keys_other_ids() {
        let key = RootKey::from_hex(&"ab".repeat(32), "a test").unwrap();
        assert_eq!(key.id(), RootKey::from_hex(&"ab".repeat(32), "a test").unwrap().id());
        assert_ne!(key.id(), RootKey::generate().id());
    }
}
