//! The formats of files, by name, with what each is called and in which directions it goes.

use vaultterm_names::names;

names!(
    /// A format of files that hold credentials.
    Format, "format" {
        /// Bitwarden's JSON, plain or protected by a password.
        BitwardenJson = "bitwarden-json",
        /// Bitwarden's CSV: logins and notes only.
        BitwardenCsv = "bitwarden-csv",
        /// 1Password's archive (`.1pux`).
        OnePasswordArchive = "1pux",
        /// 1Password's CSV.
        OnePasswordCsv = "1password-csv",
        /// A KeePass database, version 3.1, 4 or 4.1.
        Kdbx = "kdbx",
        /// KeePassXC's CSV.
        KeepassxcCsv = "keepassxc-csv",
        /// LastPass's CSV.
        LastpassCsv = "lastpass-csv",
        /// The CSV of Chrome, Edge, Brave and other browsers of that family.
        ChromeCsv = "chrome-csv",
        /// Firefox's CSV.
        FirefoxCsv = "firefox-csv",
        /// NordPass's CSV.
        NordpassCsv = "nordpass-csv",
        /// Lines of `NAME=VALUE`.
        Env = "env",
        /// The answer of `vault kv get -format=json` or `bao kv get -format=json`.
        VaultKv = "vault-kv",
        /// What `medusa export` writes, as YAML or JSON.
        Medusa = "medusa",
        /// What `vkv export` writes, as YAML or JSON.
        Vkv = "vkv",
        /// What `safe export` writes: version 1, or version 2 with every version.
        Safe = "safe",
        /// The Credential Exchange Format (CXF 1.0) of the FIDO Alliance, as JSON or zip.
        Cxf = "cxf",
        /// VaultTerm's own archive, without loss.
        Vaultterm = "vaultterm",
    }
);

/// The formats that VaultTerm writes.
pub const WRITTEN: [Format; 5] =
    [Format::Vaultterm, Format::BitwardenJson, Format::BitwardenCsv, Format::Env, Format::Cxf];

impl Format {
    /// Returns what people call the format.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::BitwardenJson => "Bitwarden (JSON)",
            Self::BitwardenCsv => "Bitwarden (CSV)",
            Self::OnePasswordArchive => "1Password (1PUX)",
            Self::OnePasswordCsv => "1Password (CSV)",
            Self::Kdbx => "KeePass (KDBX)",
            Self::KeepassxcCsv => "KeePassXC (CSV)",
            Self::LastpassCsv => "LastPass (CSV)",
            Self::ChromeCsv => "Chrome, Edge or Brave (CSV)",
            Self::FirefoxCsv => "Firefox (CSV)",
            Self::NordpassCsv => "NordPass (CSV)",
            Self::Env => "Environment variables (.env)",
            Self::VaultKv => "Vault or OpenBao (kv get, JSON)",
            Self::Medusa => "medusa (YAML or JSON)",
            Self::Vkv => "vkv (YAML or JSON)",
            Self::Safe => "safe (JSON)",
            Self::Cxf => "Credential Exchange Format (CXF)",
            Self::Vaultterm => "VaultTerm archive",
        }
    }

    /// Says whether the files of this format give each item an id of its own, which stays when the item is renamed or moved. A
    /// path is no id: two Vaults may have a secret at the same path.
    #[must_use]
    pub const fn has_ids(self) -> bool {
        match self {
            Self::BitwardenJson
            | Self::OnePasswordArchive
            | Self::Kdbx
            | Self::FirefoxCsv
            | Self::Cxf
            | Self::Vaultterm => true,
            Self::BitwardenCsv
            | Self::OnePasswordCsv
            | Self::KeepassxcCsv
            | Self::LastpassCsv
            | Self::ChromeCsv
            | Self::NordpassCsv
            | Self::Env
            | Self::VaultKv
            | Self::Medusa
            | Self::Vkv
            | Self::Safe => false,
        }
    }

    /// Returns the ending of a file of this format, without a dot.
    #[must_use]
    pub const fn extension(self) -> &'static str {
        match self {
            Self::BitwardenJson | Self::VaultKv | Self::Safe | Self::Cxf => "json",
            Self::Medusa | Self::Vkv => "yaml",
            Self::OnePasswordArchive | Self::Kdbx | Self::Env | Self::Vaultterm => self.as_str(),
            Self::BitwardenCsv
            | Self::OnePasswordCsv
            | Self::KeepassxcCsv
            | Self::LastpassCsv
            | Self::ChromeCsv
            | Self::FirefoxCsv
            | Self::NordpassCsv => "csv",
        }
    }
}
