//! Whether the server is ready, and how its parts are.

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
    for anchor in anchors::health(services).await {
        components.push(component(&format!("anchor:{}", anchor.name), anchor.ok, Some(anchor.detail)));
    }
    components
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
