//! The settings `LICENSE_…`: the place of the license, and the vendors whose licenses are accepted.

use std::{ffi::OsString, path::Path};

use vaultterm_license::TrustedKeys;
use vaultterm_server::LicenseSettings;

use super::sources::{LICENSE_PATH, LICENSE_PUBLIC_KEY, LICENSE_STATE_PATH, Sources};
use crate::failure::Failure;

/// The vendor's key, if the build of this binary named one.
const BUILT_IN: Option<&str> = option_env!("VAULTTERM_LICENSE_PUBLIC_KEY");

/// Combines the settings. A configured key comes before the built-in one.
pub(super) fn load(
    sources: &Sources<impl Fn(&str) -> Option<OsString>>,
    data_dir: &Path,
) -> Result<LicenseSettings, Failure> {
    let configured = sources.secret(LICENSE_PUBLIC_KEY)?;
    let text = configured.as_ref().map(|text| text.as_str()).or(BUILT_IN).unwrap_or_default();
    let trusted = TrustedKeys::parse(text).map_err(|error| {
        Failure::local("LICENSE_PUBLIC_KEY cannot be used")
            .because(&error)
            .hint("copy the vendor's public key as it stands; `vaultterm license keygen` writes one to license.pub")
    })?;
    Ok(LicenseSettings {
        path: sources.path(LICENSE_PATH).unwrap_or_else(|| data_dir.join("license.vtlic")),
        state_path: sources.path(LICENSE_STATE_PATH).unwrap_or_else(|| data_dir.join("license.state")),
        trusted,
    })
}
