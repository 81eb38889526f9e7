//! The Vault server of the story: the HashiCorp Vault that `VAULTTERM_VAULT` names, an OpenBao, or an OpenBao
//! behind the stand-in for HashiCorp Vault. The demo asks the server which of the two products it is.

use std::{
    ffi::OsStr,
    io::{Read as _, Write as _},
    net::TcpStream,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::servers::{self, Running};
use crate::tools;

/// The product that a server reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Product {
    Vault,
    OpenBao,
}

impl Product {
    /// Returns the name of the product.
    pub(super) const fn title(self) -> &'static str {
        match self {
            Self::Vault => "HashiCorp Vault",
            Self::OpenBao => "OpenBao",
        }
    }

    /// Returns the name of the product's command line.
    pub(super) const fn command(self) -> &'static str {
        match self {
            Self::Vault => "vault",
            Self::OpenBao => "bao",
        }
    }

    /// Returns the variable in which the command line finds the server's address.
    pub(super) const fn address_variable(self) -> &'static str {
        match self {
            Self::Vault => "VAULT_ADDR",
            Self::OpenBao => "BAO_ADDR",
        }
    }

    /// Returns the flavor of the product on the command line of VaultTerm.
    pub(super) const fn flavor(self) -> &'static str {
        match self {
            Self::Vault => "vault",
            Self::OpenBao => "openbao",
        }
    }
}

/// The binaries that the server is started from.
#[derive(Debug)]
pub(super) struct Binaries {
    /// The server. The same binary is the command line.
    pub(super) server: PathBuf,
    /// The stand-in in front of the server.
    stand_in: Option<PathBuf>,
}

impl Binaries {
    /// Finds the binaries that `VAULTTERM_VAULT` names, or installs OpenBao.
    pub(super) fn find(root: &Path) -> Result<Self> {
        let own = std::env::var_os("VAULTTERM_VAULT").filter(|name| !name.is_empty());
        let (server, stand_in) = match own {
            Some(name) if name == "stand-in" => {
                let [stand_in] = servers::build(root, [("vaultterm-testkit", "vault-like")], "dev")?;
                (tools::OPENBAO.install(root)?, Some(stand_in))
            }
            Some(path) => (path.into(), None),
            None => (tools::OPENBAO.install(root)?, None),
        };
        // The path may be relative to the folder in which the demo was called.
        let server = server.canonicalize().with_context(|| format!("there is no server at {}", server.display()))?;
        Ok(Self { server, stand_in })
    }
}

/// The running server. Its parts are dropped in this order.
#[derive(Debug)]
pub(super) struct Remote {
    stand_in: Option<Running>,
    server: Running,
    pub(super) product: Product,
    /// The folder with the command line, under the name that people type.
    pub(super) tools: PathBuf,
}

impl Remote {
    /// Starts the server in its development mode and asks it for its product.
    pub(super) fn start(binaries: &Binaries, folder: &Path, home: &Path) -> Result<Self> {
        let server = servers::start_in_development_mode(&binaries.server, folder, home)?;
        let stand_in = match &binaries.stand_in {
            Some(binary) => Some(stand_in(binary, &server.address, folder, home)?),
            None => None,
        };
        let address = &stand_in.as_ref().unwrap_or(&server).address;
        let product = ask(address)?;
        let tools = folder.join("tools");
        std::fs::create_dir_all(&tools).context("the folder can be written to")?;
        symlink(&binaries.server, tools.join(product.command())).context("the command line cannot be linked")?;
        Ok(Self { stand_in, server, product, tools })
    }

    /// Returns the address of the server.
    pub(super) fn address(&self) -> &str {
        &self.stand_in.as_ref().unwrap_or(&self.server).address
    }

    /// Returns a description of the server for the beginning of a sentence.
    pub(super) fn description(&self) -> String {
        let title = self.product.title();
        if self.stand_in.is_some() {
            format!("A stand-in for {title} (OpenBao behind it)")
        } else {
            format!("A real {title}")
        }
    }

    /// Returns the last lines of the server's log.
    pub(super) fn last_words(&self) -> String {
        self.server.last_words()
    }
}

fn stand_in(binary: &Path, behind: &str, folder: &Path, home: &Path) -> Result<Running> {
    let port = behind.rsplit(':').next().context("an address has a port")?;
    let token = home.join(".vault-token");
    let program = [binary.as_os_str(), OsStr::new(port), token.as_os_str()];
    servers::start_that_prints_its_address(folder, "vault-like", &program, &[])
}

/// Asks a server for its product by its health. Only HashiCorp Vault reports there whether it is Enterprise.
fn ask(address: &str) -> Result<Product> {
    let host = address.strip_prefix("http://").context("plain http on loopback")?;
    let mut server = TcpStream::connect(host).with_context(|| format!("cannot connect to {address}"))?;
    server.write_all(format!("GET /v1/sys/health HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").as_bytes())?;
    let mut answer = String::new();
    server.read_to_string(&mut answer).with_context(|| format!("{address} does not answer"))?;
    let body = answer.split_once("\r\n\r\n").map(|(_, body)| body).unwrap_or_default();
    let health: Value = serde_json::from_str(body).with_context(|| format!("{address} is no Vault: {answer}"))?;
    ensure!(health["initialized"] == true, "{address} is not initialized: {health}");
    Ok(if health["enterprise"].is_boolean() { Product::Vault } else { Product::OpenBao })
}
