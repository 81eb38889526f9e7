//! The connection to a server: addresses, certificates, names. Each error says what is wrong and what to do,
//! and nothing is sent.

#[path = "openbao/world.rs"]
#[allow(dead_code, reason = "shared with the other tests")]
mod world;

use vaultterm_hcv::{Check, TestReport};
use vaultterm_reconcile::{Mode, Version};
use vaultterm_sealing::SecretText;
use vaultterm_sync::{ConnectionSecrets, FaultClass, Remote};
use vaultterm_testkit::openbao::{Authority, Leaf, OpenBao, Setup};
use world::{World, fields, path};

/// Returns a server with a certificate, and a connection that trusts no additional CA yet.
async fn served_with(leaf: Leaf) -> World {
    World::on(OpenBao::start_with(Setup { tls: Some(leaf), ..Setup::default() }).await, Mode::Push).await
}

/// Returns the last check, which is the failed one that ended the test.
async fn failed(world: &World) -> Check {
    let report: TestReport = world.connector().test(&world.connection, &world.secrets()).await;
    assert!(!report.ok, "{report:#?}");
    report.checks.into_iter().rfind(|check| !check.ok).expect("a check that failed")
}

/// Asserts the name, the detail and the hint of a check.
#[track_caller]
fn says(check: &Check, name: &str, detail: &str, hint: &str) {
    assert_eq!(check.name, name, "{check:?}");
    assert!(check.detail.contains(detail), "{check:?}");
    assert!(check.hint.as_ref().map(ToString::to_string).unwrap_or_default().contains(hint), "{check:?}");
}

async fn writes_and_reads(world: &World) {
    let remote = world.connect().await;
    remote.write(&path("a"), &fields("1"), Version::NONE).await.expect("written");
    assert!(remote.read(&path("a"), Version(1)).await.expect("read").is_some());
    remote.close().await.expect("revoked");
}

#[tokio::test]
async fn a_server_whose_ca_the_connection_names_is_trusted() {
    let authority = Authority::new("our CA");
    let mut world = served_with(authority.server(&["127.0.0.1"])).await;
    // A bundle may hold more than one certificate.
    world.connection.tls.ca_pem = Some(Authority::new("another CA").certificate_pem() + &authority.certificate_pem());
    writes_and_reads(&world).await;
    let report = world.connector().test(&world.connection, &world.secrets()).await;
    assert!(report.ok, "{report:#?}");
}

#[tokio::test]
async fn a_certificate_of_a_ca_that_is_not_trusted_is_refused_and_said_so() {
    let mut world = served_with(Authority::new("our CA").server(&["127.0.0.1"])).await;
    for (name, said) in [
        ("another CA", "signed by a CA that is not trusted here"),
        ("our CA", "its signature is not by the CA trusted here"),
    ] {
        world.connection.tls.ca_pem = Some(Authority::new(name).certificate_pem());
        says(&failed(&world).await, "tls", said, "the CA ");
        assert_eq!(world.refusal().await.class, FaultClass::Misconfigured);
    }
    assert!(world.server.audited().iter().all(|request| request.path != "auth/approle/login"), "no login was sent");
}

#[tokio::test]
async fn without_a_ca_of_its_own_a_connection_trusts_the_machines_and_not_this_one() {
    let world = served_with(Authority::new("our CA").server(&["127.0.0.1"])).await;
    let check = failed(&world).await;
    let no_ca_here = check.detail.contains("this machine has no CA certificates");
    assert!(no_ca_here || check.detail.contains("not trusted here"), "{check:?}");
    assert!(
        check.hint.as_ref().map(ToString::to_string).unwrap_or_default().contains("the CA of the server"),
        "{check:?}"
    );
}

#[tokio::test]
async fn a_certificate_for_another_name_is_refused_unless_that_name_is_expected() {
    let authority = Authority::new("our CA");
    let mut world = served_with(authority.server(&["vault.internal"])).await;
    world.connection.tls.ca_pem = Some(authority.certificate_pem());
    says(&failed(&world).await, "tls", "it is for another name", "server name");
    world.connection.tls.server_name = Some("vault.internal".to_owned());
    writes_and_reads(&world).await;
    world.connection.tls.server_name = Some("other.internal".to_owned());
    says(&failed(&world).await, "tls", "it is for another name", "server name");
}

#[tokio::test]
async fn a_server_name_that_is_an_address_or_no_name_is_refused() {
    let authority = Authority::new("our CA");
    let mut world = served_with(authority.server(&["127.0.0.1"])).await;
    world.connection.tls.ca_pem = Some(authority.certificate_pem());
    for name in ["127.0.0.1", "169.254.169.254", "not a name", "evil/path", ""] {
        world.connection.tls.server_name = Some(name.to_owned());
        says(&failed(&world).await, "tls", "is not a DNS name", "DNS name");
    }
}

#[tokio::test]
async fn an_expired_certificate_is_refused_and_said_so() {
    let authority = Authority::new("our CA");
    let mut world = served_with(authority.expired_server(&["127.0.0.1"])).await;
    world.connection.tls.ca_pem = Some(authority.certificate_pem());
    says(&failed(&world).await, "tls", "it has expired", "renew");
}

#[tokio::test]
async fn a_ca_that_is_no_certificate_is_refused_before_anything_is_sent() {
    let mut world = served_with(Authority::new("our CA").server(&["127.0.0.1"])).await;
    for pem in ["", "nonsense", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
        world.connection.tls.ca_pem = Some(pem.to_owned());
        says(&failed(&world).await, "tls", "the CA certificate cannot be read", "PEM");
    }
}

#[tokio::test]
async fn a_server_that_asks_for_client_certificates_takes_only_those_of_its_ca() {
    let (servers, clients) = (Authority::new("servers' CA"), Authority::new("clients' CA"));
    let leaf = servers.server(&["127.0.0.1"]).with_administrator(&clients.client("administrator"));
    let setup = Setup { tls: Some(leaf), client_ca: Some(clients.certificate_pem()), ..Setup::default() };
    let mut world = World::on(OpenBao::start_with(setup).await, Mode::Push).await;
    world.connection.tls.ca_pem = Some(servers.certificate_pem());
    says(&failed(&world).await, "tls", "asks for a client certificate", "client certificate and key");

    let show = async |world: &mut World, leaf: &Leaf, key: Option<&str>| {
        world.connection.tls.client_cert_pem = Some(leaf.certificate_pem.clone());
        let client_key_pem = key.map(|key| SecretText::new(key.to_owned()));
        let secrets = ConnectionSecrets { client_key_pem, ..world.secrets() };
        world.connector().test(&world.connection, &secrets).await
    };
    let ours = clients.client("vaultterm");
    let report = show(&mut world, &ours, Some(&ours.key_pem)).await;
    assert!(report.ok, "{report:#?}");

    let stranger = Authority::new("strangers' CA").client("vaultterm");
    let last = |report: TestReport| report.checks.last().cloned().expect("a check");
    let check = last(show(&mut world, &stranger, Some(&stranger.key_pem)).await);
    says(&check, "tls", "client certificate", "client certificate");
    let check = last(show(&mut world, &ours, Some(&stranger.key_pem)).await);
    says(&check, "tls", "does not belong to the certificate", "");
    let check = last(show(&mut world, &ours, None).await);
    says(&check, "tls", "must be given together", "");
}

#[tokio::test]
async fn the_wrong_scheme_for_a_port_is_said() {
    let authority = Authority::new("our CA");
    let mut world = served_with(authority.server(&["127.0.0.1"])).await;
    world.connection.address = format!("http://127.0.0.1:{}", world.server.port());
    let check = failed(&world).await;
    assert!(check.detail.contains("plain http was sent to an https port"), "{check:?}");

    let mut world = World::new(Mode::Push).await;
    world.connection.address = format!("https://127.0.0.1:{}", world.server.port());
    world.connection.tls.ca_pem = Some(authority.certificate_pem());
    says(&failed(&world).await, "tls", "does not speak TLS on this port", "check scheme and port");
}

#[tokio::test]
async fn a_closed_port_is_said_and_may_be_tried_again() {
    let mut server = OpenBao::start().await;
    server.kill();
    let mut connection = world::connection(&server, Mode::Push, "role");
    connection.address = server.address();
    let connector = vaultterm_hcv::VaultConnector::new(vaultterm_hcv::ConnectorOptions::default());
    let report = connector.test(&connection, &world::secrets("secret")).await;
    says(report.checks.last().expect("a check"), "address", "refused", "that the server is up");
    let fault = vaultterm_sync::Connector::connect(&connector, &connection, &world::secrets("secret")).await;
    assert_eq!(fault.err().map(|fault| fault.class), Some(FaultClass::Unavailable));
}

#[tokio::test]
async fn plain_http_off_the_machine_and_forbidden_addresses_are_refused_without_a_request() {
    let mut world = World::new(Mode::Push).await;
    for (address, said) in [
        ("http://192.0.2.1:8200", "plain http is only allowed to loopback"),
        ("http://vault.example.com", "plain http is only allowed to loopback"),
        ("https://169.254.169.254", "cloud metadata"),
        ("https://[::ffff:169.254.169.254]", "link-local"),
        ("https://0.0.0.0:8200", "unspecified"),
        ("vault.example.com:8200", "not an address"),
        ("https://127.0.0.1:8200/v1", "must end before `/v1`"),
        ("https://ada:pw@127.0.0.1:8200", "user name or password"),
    ] {
        world.connection.address = address.to_owned();
        let check = failed(&world).await;
        says(&check, "address", said, "https://host:8200");
        assert!(!check.detail.contains("pw"), "{check:?}");
        assert_eq!(world.refusal().await.class, FaultClass::Misconfigured, "{address}");
    }
}
