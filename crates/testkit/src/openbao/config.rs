//! Writes the configuration file of a test server. Vault and OpenBao read the same language, and [`Product`]
//! decides about their differences.

use std::{fs, net::TcpListener, path::Path};

use super::{product::Product, setup::Setup};

/// The maximum number of JSON strings that OpenBao accepts in a request behind the stand-in. Vault has no
/// such limit.
const STRINGS_UNLIMITED: u32 = 10_000_000;

/// Returns the configuration of a server on a port of loopback. `reached_at` is the port for clients.
pub(super) fn text(setup: &Setup, folder: &Path, audit_log: &Path, [port, reached_at]: [u16; 2]) -> String {
    let product = setup.product();
    // A standby logs only at this level that it now answers by itself.
    let level = if setup.raft { "info" } else { "warn" };
    let scheme = if setup.tls.is_some() { "https" } else { "http" };
    let api = format!("api_addr = \"{scheme}://127.0.0.1:{reached_at}\"\n");
    let (storage, cluster) = storage(setup, folder, port);
    let (tls, limits) = (tls(setup, folder), limits(setup));
    let own = match product {
        Product::OpenBao => format!(
            "audit \"file\" \"audit\" {{\n  options = {{\n    file_path = \"{}\"\n  }}\n}}\n",
            audit_log.display()
        ),
        // The audit log is enabled over the API, as with Vault.
        Product::StandIn => "unsafe_allow_api_audit_creation = true\n".to_owned(),
        Product::Vault => "disable_mlock = true\n".to_owned(),
    };
    format!(
        "{storage}{api}listener \"tcp\" {{\n  address = \"127.0.0.1:{port}\"{cluster}\n  {tls}{limits}\n}}\n\
         {own}log_level = \"{level}\"\n"
    )
}

fn storage(setup: &Setup, folder: &Path, port: u16) -> (String, String) {
    if !setup.raft {
        return ("storage \"inmem\" {}\n".to_owned(), String::new());
    }
    let raft = folder.join("raft");
    fs::create_dir_all(&raft).expect("the folder can be written to");
    let cluster = format!("127.0.0.1:{}", free_port());
    let storage = format!(
        "storage \"raft\" {{\n  path = \"{}\"\n  node_id = \"{port}\"\n  performance_multiplier = 1\n}}\n\
         cluster_addr = \"https://{cluster}\"\n",
        raft.display()
    );
    (storage, format!("\n  cluster_address = \"{cluster}\""))
}

fn tls(setup: &Setup, folder: &Path) -> String {
    let Some(leaf) = &setup.tls else { return "tls_disable = true".to_owned() };
    let folder = folder.display();
    let write = |name: &str, text: &str| {
        fs::write(format!("{folder}/{name}"), text).expect("the folder can be written to");
    };
    write("certificate.pem", &leaf.certificate_pem);
    write("key.pem", &leaf.key_pem);
    let mut tls = format!("tls_cert_file = \"{folder}/certificate.pem\"\n  tls_key_file = \"{folder}/key.pem\"");
    if let Some(ca) = &setup.client_ca {
        write("client-ca.pem", ca);
        tls.push_str(&format!(
            "\n  tls_require_and_verify_client_cert = true\n  tls_client_ca_file = \"{folder}/client-ca.pem\""
        ));
    }
    tls
}

fn limits(setup: &Setup) -> String {
    let limit = |name: &str, max: Option<u32>| max.map_or_else(String::new, |max| format!("\n  {name} = {max}"));
    let strings = match setup.product() {
        Product::StandIn => Some(STRINGS_UNLIMITED),
        Product::OpenBao | Product::Vault => setup.request_strings_max,
    };
    limit("max_request_size", setup.request_bytes_max) + &limit("max_request_json_strings", strings)
}

/// Finds a free port of loopback. Another process may take it before it is used.
pub(super) fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    listener.local_addr().expect("a bound listener has an address").port()
}
