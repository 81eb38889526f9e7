//! The settings for the keeper of the root key: `KEY_PROVIDER`, `MASTER_KEY_…` and `KEY_HCV_…`.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
};

use vaultterm_hcv::{ConnectorOptions, Transit, TransitAuth, TransitSettings};
use vaultterm_sealing::{RootKey, SecretText};
use vaultterm_server::RootKeeper;
use zeroize::Zeroizing;

use super::sources::{
    DEV_MASTER_KEY, KEY_HCV_ADDR, KEY_HCV_AUTH, KEY_HCV_AUTH_MOUNT, KEY_HCV_CACERT, KEY_HCV_NAMESPACE, KEY_HCV_ROLE_ID,
    KEY_HCV_SECRET_ID, KEY_HCV_TOKEN, KEY_HCV_TRANSIT_KEY, KEY_HCV_TRANSIT_MOUNT, KEY_PROVIDER, MASTER_KEY_CIPHERTEXT,
    MASTER_KEY_FILE, Sources, Variable, unusable,
};
use crate::failure::Failure;

/// The place of the local root key.
pub(crate) enum MasterKey {
    /// A file, which may not exist yet.
    File(PathBuf),
    /// The environment, for tests.
    Given(Zeroizing<String>),
}

/// The keeper of the root key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Provider {
    /// A file or the environment.
    Local,
    /// A Transit key.
    Transit,
}

/// All settings about the root key.
pub(crate) struct KeyConfig {
    pub(crate) provider: Provider,
    pub(crate) master_key: MasterKey,
    /// The root key as Transit sealed it, if the configuration contains it.
    ciphertext: Option<String>,
    /// The Transit key, if one is named. It can be named while the key is still local, so that the key can be
    /// sealed.
    transit: Option<Transit>,
}

impl KeyConfig {
    pub(super) fn load(
        sources: &Sources<impl Fn(&str) -> Option<OsString>>,
        data_dir: &Path,
        options: ConnectorOptions,
    ) -> Result<Self, Failure> {
        let provider = match sources.text(KEY_PROVIDER)?.as_deref() {
            None | Some("local") => Provider::Local,
            Some("hcv-transit") => Provider::Transit,
            Some(other) => return Err(unusable(KEY_PROVIDER, other, "local or hcv-transit")),
        };
        let master_key = match sources.text(DEV_MASTER_KEY)? {
            Some(text) => MasterKey::Given(Zeroizing::new(text)),
            None => {
                let file = sources.path(MASTER_KEY_FILE).or_else(|| sources.credential("MASTER_KEY"));
                MasterKey::File(file.unwrap_or_else(|| data_dir.join("master.key")))
            }
        };
        let ciphertext = sources.secret(MASTER_KEY_CIPHERTEXT)?.map(|text| text.trim().to_owned());
        let transit = transit(sources, options)?;
        let config = Self { provider, master_key, ciphertext, transit };
        if config.provider == Provider::Transit {
            config.transit()?;
        }
        Ok(config)
    }

    /// Returns the Transit key. It is an error if none is configured.
    pub(crate) fn transit(&self) -> Result<Transit, Failure> {
        self.transit.clone().ok_or_else(|| {
            Failure::local("the Transit key is not configured: KEY_HCV_ADDR is missing")
                .hint("set KEY_HCV_ADDR, and KEY_HCV_ROLE_ID with KEY_HCV_SECRET_ID_FILE (or KEY_HCV_AUTH=token)")
        })
    }

    /// Returns the keeper of the root key.
    pub(crate) fn keeper(&self) -> Result<RootKeeper, Failure> {
        Ok(match (self.provider, &self.master_key) {
            (Provider::Transit, _) => {
                RootKeeper::Transit { transit: self.transit()?.into(), configured: self.ciphertext.clone() }
            }
            (Provider::Local, MasterKey::File(path)) => RootKeeper::File(path.clone()),
            (Provider::Local, MasterKey::Given(text)) => {
                let key = RootKey::from_hex(text, DEV_MASTER_KEY.name);
                RootKeeper::Given(key.map_err(|error| Failure::local("the master key cannot be used").because(&error))?)
            }
        })
    }
}

fn transit(
    sources: &Sources<impl Fn(&str) -> Option<OsString>>,
    options: ConnectorOptions,
) -> Result<Option<Transit>, Failure> {
    let Some(address) = sources.text(KEY_HCV_ADDR)? else { return Ok(None) };
    let secret = |variable| -> Result<SecretText, Failure> {
        let text = sources.secret(variable)?.ok_or_else(|| missing(variable))?;
        Ok(SecretText::new(text.as_str().to_owned()))
    };
    let auth = match sources.text(KEY_HCV_AUTH)?.as_deref() {
        None | Some("approle") => TransitAuth::AppRole {
            mount: sources.text(KEY_HCV_AUTH_MOUNT)?.unwrap_or_else(|| "approle".to_owned()),
            role_id: sources.text(KEY_HCV_ROLE_ID)?.ok_or_else(|| missing(KEY_HCV_ROLE_ID))?,
            secret_id: secret(KEY_HCV_SECRET_ID)?,
        },
        Some("token") => TransitAuth::Token(secret(KEY_HCV_TOKEN)?),
        Some(other) => return Err(unusable(KEY_HCV_AUTH, other, "approle or token")),
    };
    let ca_pem = match sources.path(KEY_HCV_CACERT) {
        Some(path) => Some(std::fs::read_to_string(&path).map_err(|error| {
            Failure::local(format!("cannot read the CA certificate {}", path.display())).because(&error)
        })?),
        None => None,
    };
    let settings = TransitSettings {
        address,
        namespace: sources.text(KEY_HCV_NAMESPACE)?,
        ca_pem,
        auth,
        mount: sources.text(KEY_HCV_TRANSIT_MOUNT)?.unwrap_or_else(|| "transit".to_owned()),
        key: sources.text(KEY_HCV_TRANSIT_KEY)?.unwrap_or_else(|| "vaultterm-master".to_owned()),
    };
    Ok(Some(Transit::new(settings, options)))
}

fn missing(variable: &Variable) -> Failure {
    Failure::local(format!("{} is missing", variable.name))
        .hint("AppRole needs KEY_HCV_ROLE_ID and KEY_HCV_SECRET_ID(_FILE); a token KEY_HCV_AUTH=token and KEY_HCV_TOKEN(_FILE)")
}
