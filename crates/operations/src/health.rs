//! Whether the server is ready, and how its parts are.

use vaultterm_store::Node;

use crate::{
    anchors,
    caller::Caller,
    refusal::{Refusal, RefusalKind},
    root_key::RootKeeper,
    services::Services,
};

/// Says whether the database answers and the server is not shutting down.
///
/// # Errors
/// `Unavailable`.
pub async fn ready(services: &Services) -> Result<(), Refusal> {
    if services.closing.is_cancelled() {
        return Err(Refusal::closing());
    }
    services.store.ping().await.map_err(|error| {
        tracing::error!(%error, "the database does not answer");
        Refusal::new(RefusalKind::Unavailable, "the database does not answer")
    })
}

/// A machine whose clock differs by more from the database's should be looked after. VaultTerm goes by the database's clock,
/// but its log lines and its TLS certificates do not.
const SKEW_MAX_US: i64 = 2_000_000;

/// How a part of the server is.
#[derive(Clone, Debug)]
pub struct Component {
    /// `database`, `keys`, `scheduler`, and `anchor:file`, `anchor:syslog`, `anchor:vault` where the audit log
    /// is anchored there.
    pub name: String,
    /// Whether it does what it should.
    pub ok: bool,
    /// What there is to say about it.
    pub detail: Option<String>,
}

/// Tells how the parts are. Every caller may know.
pub async fn components(services: &Services, _: &Caller) -> Vec<Component> {
    let database = services.store.ping().await;
    let component = |name: &str, ok, detail| Component { name: name.to_owned(), ok, detail };
    let mut components = vec![
        component("database", database.is_ok(), database.err().map(|error| error.to_string())),
        keys(services).await,
        component("scheduler", !services.closing.is_cancelled(), None),
    ];
    components.extend(neighbours(services).await);
    for anchor in anchors::health(services).await {
        components.push(component(&format!("anchor:{}", anchor.name), anchor.ok, Some(anchor.detail)));
    }
    components
}

/// Tells which servers work with the database, where several may.
async fn neighbours(services: &Services) -> Vec<Component> {
    if !services.is_shared {
        return Vec::new();
    }
    let Ok(nodes) = services.store.nodes().await else { return Vec::new() };
    let own = services.store.node();
    let component = |node: Node| {
        let (ok, mut detail) = server(&node);
        if node.id == own {
            detail.push_str(", this server");
        }
        Component { name: format!("server:{}", node.name), ok, detail: Some(detail) }
    };
    nodes.into_iter().map(component).collect()
}

/// Tells whether a server on the database does what it should, and what there is to say about it.
#[must_use]
pub fn server(node: &Node) -> (bool, String) {
    let mut detail = format!("version {}", node.version);
    if node.keyring_generation.is_none() {
        detail.push_str(", its root key is sealed");
    }
    if node.is_gone() {
        let seconds = node.silent_for.as_secs();
        detail.push_str(&format!(", silent for {seconds} s: it did not report that it ended"));
    }
    let is_askew = node.ahead_us.abs() > SKEW_MAX_US;
    if is_askew {
        let (seconds, way) = (node.ahead_us.abs() / 1_000_000, if node.ahead_us > 0 { "ahead of" } else { "behind" });
        detail.push_str(&format!(", the clock of its machine is {seconds} s {way} the database's"));
    }
    (!node.is_gone() && !is_askew, detail)
}

/// Tells how the root key is kept, and whether the running server can still have it opened.
async fn keys(services: &Services) -> Component {
    let keeper = &services.keys.keeper;
    let (ok, detail) = match keeper {
        RootKeeper::Transit { transit, .. } => match transit.check().await {
            Ok(()) => (true, keeper.provider().to_string()),
            Err(why) => (false, format!("{}: the next start could not open the root key: {why}", keeper.provider())),
        },
        RootKeeper::File(_) | RootKeeper::Given(_) => (true, keeper.provider().to_string()),
    };
    Component { name: "keys".to_owned(), ok, detail: Some(detail) }
}
