//! Files that are sealed with `age`: how ours leave, and how they come back.
//!
//! The format is that of `age-encryption.org/v1`, so people open such a file with the tool `age`, too.

use std::io::{Read as _, Write as _};

use age::{Decryptor, Encryptor, Identity, Recipient, secrecy::SecretString};
use zeroize::Zeroizing;

use crate::{
    limits::{Limit, LimitMet, UNFOLDED_BYTES_MAX},
    options::Options,
    refused::FileError,
};

/// What every such file begins with.
const MAGIC: &[u8] = b"age-encryption.org/v1";
/// What such a file in text form begins with.
const ARMOR: &[u8] = b"-----BEGIN AGE ENCRYPTED FILE-----";
/// The power of two that a passphrase may cost at most: some seconds, and 256 MiB.
const WORK_FACTOR_MAX: u8 = 18;
/// The characters that a passphrase has at least.
pub const PASSPHRASE_CHARS_MIN: usize = 12;

/// Why a file cannot be sealed so. Never holds a passphrase.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// The list is empty.
    #[error("name at least one recipient, as `age1…`")]
    NoRecipient,
    /// A recipient is none.
    #[error("recipient {number} is no public key of age: it begins with `age1`, and `age-keygen` prints it")]
    Recipient {
        /// Which of them, from 1.
        number: usize,
    },
    /// The passphrase is short.
    #[error("a passphrase has at least {PASSPHRASE_CHARS_MIN} characters: take several words")]
    ShortPassphrase,
    /// The sealing failed.
    #[error("the file could not be sealed")]
    Failed,
}

/// Seals files.
pub struct Sealer(Encryptor);

impl Sealer {
    /// Seals for the holders of some keys.
    ///
    /// # Errors
    /// [`SealError`], for a text that is no recipient.
    pub fn recipients(recipients: &[String]) -> Result<Self, SealError> {
        let parsed = recipients.iter().enumerate().map(|(at, text)| {
            text.trim().parse::<age::x25519::Recipient>().map_err(|_| SealError::Recipient { number: at + 1 })
        });
        let parsed = parsed.collect::<Result<Vec<_>, _>>()?;
        let encryptor = Encryptor::with_recipients(parsed.iter().map(|one| one as &dyn Recipient));
        encryptor.map(Self).map_err(|_| SealError::NoRecipient)
    }

    /// Seals under a passphrase.
    ///
    /// # Errors
    /// [`SealError::ShortPassphrase`].
    pub fn passphrase(passphrase: &str) -> Result<Self, SealError> {
        if passphrase.chars().count() < PASSPHRASE_CHARS_MIN {
            return Err(SealError::ShortPassphrase);
        }
        let mut recipient = age::scrypt::Recipient::new(SecretString::from(passphrase));
        recipient.set_work_factor(WORK_FACTOR_MAX);
        Encryptor::with_recipients([&recipient as &dyn Recipient].into_iter()).map(Self).map_err(|_| SealError::Failed)
    }

    /// Seals a file.
    ///
    /// # Errors
    /// [`SealError::Failed`].
    pub fn seal(self, bytes: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealError> {
        let mut sealed = Vec::with_capacity(bytes.len() + bytes.len() / 1024 + 1024);
        let mut out = self.0.wrap_output(&mut sealed).map_err(|_| SealError::Failed)?;
        out.write_all(bytes).map_err(|_| SealError::Failed)?;
        out.finish().map_err(|_| SealError::Failed)?;
        Ok(Zeroizing::new(sealed))
    }
}

/// Says whether a file is sealed with `age`.
pub(crate) fn is_sealed(bytes: &[u8]) -> bool {
    bytes.starts_with(MAGIC) || bytes.starts_with(ARMOR)
}

/// Opens a sealed file with the password, or with the identities (`AGE-SECRET-KEY-1…`) of a key file.
///
/// # Errors
/// [`FileError::NeedsPassword`], [`FileError::NeedsKeyFile`] and [`FileError::WrongPassword`]; [`FileError::Limit`] for a file that asks for too much work.
pub(crate) fn open(bytes: &[u8], options: &Options) -> Result<Zeroizing<Vec<u8>>, FileError> {
    if bytes.starts_with(ARMOR) {
        let detail = "it is an age file in text form: open it with `age -d` first, or seal it without `--armor`";
        return Err(FileError::damaged(None, detail));
    }
    let decryptor =
        Decryptor::new(bytes).map_err(|_| FileError::damaged(None, "its head is no head of an age file"))?;
    let identities = identities(&decryptor, options)?;
    let reader = decryptor.decrypt(identities.iter().map(|one| &**one as &dyn Identity));
    let reader = reader.map_err(|error| match error {
        age::DecryptError::ExcessiveWork { required, .. } => {
            let max = 1_u64 << WORK_FACTOR_MAX;
            let found = 1_u64.checked_shl(required.into());
            FileError::from(LimitMet { limit: Limit::KdfIterations, found, max })
        }
        _ => FileError::WrongPassword,
    })?;
    let mut opened = Zeroizing::new(Vec::with_capacity(bytes.len()));
    let read = reader.take(UNFOLDED_BYTES_MAX + 1).read_to_end(&mut opened);
    read.map_err(|_| FileError::damaged(None, "its end is missing, or it was changed"))?;
    LimitMet::check(Limit::UnfoldedBytes, opened.len() as u64, UNFOLDED_BYTES_MAX)?;
    Ok(opened)
}

fn identities(decryptor: &Decryptor<&[u8]>, options: &Options) -> Result<Vec<Box<dyn Identity>>, FileError> {
    if decryptor.is_scrypt() {
        let password = options.password.as_ref().ok_or(FileError::NeedsPassword)?;
        let mut identity = age::scrypt::Identity::new(SecretString::from(password.as_str()));
        identity.set_max_work_factor(WORK_FACTOR_MAX);
        return Ok(vec![Box::new(identity)]);
    }
    let text = options.key_file.as_ref().ok_or(FileError::NeedsKeyFile)?;
    let text = std::str::from_utf8(text).map_err(|_| FileError::WrongPassword)?;
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let parsed = lines.map(|line| line.parse::<age::x25519::Identity>().map(|one| Box::new(one) as Box<dyn Identity>));
    parsed.collect::<Result<Vec<_>, _>>().map_err(|_| FileError::WrongPassword)
}

#[cfg(test)]
mod tests {
    use age::secrecy::ExposeSecret as _;

    use super::*;

    fn with_password(password: &str) -> Options {
        Options { password: Some(Zeroizing::new(password.to_owned())), ..Options::default() }
    }

    #[test]
    fn a_file_that_is_sealed_for_a_key_opens_with_it_and_with_no_other() {
        let (mine, other) = (age::x25519::Identity::generate(), age::x25519::Identity::generate());
        let sealed = Sealer::recipients(&[mine.to_public().to_string()]).unwrap().seal(b"records").unwrap();
        assert!(is_sealed(&sealed));
        let key = |identity: &age::x25519::Identity| {
            let text = format!("# created: today\n{}\n", identity.to_string().expose_secret());
            Options { key_file: Some(Zeroizing::new(text.into_bytes())), ..Options::default() }
        };
        assert_eq!(*open(&sealed, &key(&mine)).unwrap(), b"records");
        assert_eq!(open(&sealed, &key(&other)).unwrap_err(), FileError::WrongPassword);
        assert_eq!(open(&sealed, &Options::default()).unwrap_err(), FileError::NeedsKeyFile);
        assert_eq!(open(&sealed, &with_password("x")).unwrap_err(), FileError::NeedsKeyFile);
        for end in 0..sealed.len() {
            assert!(open(&sealed[..end], &key(&mine)).is_err(), "cut at {end}");
        }
    }

    #[test]
    fn a_text_that_is_no_recipient_is_named_by_its_number() {
        let mine = age::x25519::Identity::generate().to_public().to_string();
        let refused = |list: &[&str]| {
            let list: Vec<_> = list.iter().map(|text| (*text).to_owned()).collect();
            Sealer::recipients(&list).err().unwrap()
        };
        assert_eq!(refused(&[&mine, "AGE-SECRET-KEY-1"]), SealError::Recipient { number: 2 });
        assert_eq!(refused(&[]), SealError::NoRecipient);
        assert_eq!(Sealer::passphrase("short").err(), Some(SealError::ShortPassphrase));
    }

    #[test]
    fn a_passphrase_that_costs_too_much_work_is_refused_before_the_work() {
        let mut recipient = age::scrypt::Recipient::new(SecretString::from("correct horse"));
        recipient.set_work_factor(1);
        let encryptor = Encryptor::with_recipients([&recipient as &dyn Recipient].into_iter()).unwrap();
        let sealed = Sealer(encryptor).seal(b"records").unwrap();
        assert_eq!(*open(&sealed, &with_password("correct horse")).unwrap(), b"records");
        assert_eq!(open(&sealed, &with_password("wrong")).unwrap_err(), FileError::WrongPassword);
        let text = String::from_utf8_lossy(&sealed).into_owned();
        let line = text.lines().find(|line| line.starts_with("-> scrypt")).unwrap();
        let costly = line.strip_suffix(" 1").unwrap().to_owned() + " 40";
        let at = sealed.windows(line.len()).position(|bytes| bytes == line.as_bytes()).unwrap();
        let bent = [&sealed[..at], costly.as_bytes(), &sealed[at + line.len()..]].concat();
        let error = open(&bent, &with_password("correct horse")).unwrap_err();
        assert!(matches!(error, FileError::Limit { .. }), "{error}");
    }
}
