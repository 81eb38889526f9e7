//! An installation for tests: a database in a temporary folder, with one owner and one collection.

use tempfile::TempDir;
use uuid::Uuid;
use vaultterm_hcv::{ConnectorOptions, VaultConnector};
use vaultterm_sealing::RootKey;
use vaultterm_store::{CollectionRole, Database, InstanceRole, JudgedRoles, NewToken, NewUser, Scope, TokenKind};
use vaultterm_sync::CollectionId;

use crate::{
    anchors::AuditOptions,
    caller::{Caller, Origin, anonymous},
    imports::Parser,
    licensing::LicenseSettings,
    root_key::{RootKeeper, RootKeys},
    services::{Services, Settings},
};

/// An installation.
pub(crate) struct House {
    pub(crate) services: Services,
    /// The owner of the installation and of the collection, with every scope.
    pub(crate) owner: Caller,
    pub(crate) collection: CollectionId,
    _folder: TempDir,
}

impl House {
    pub(crate) async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = vaultterm_testkit::fresh_database(folder.path()).await.parse().unwrap();
        let database = Database::open(&url).await.unwrap();
        let root = RootKey::generate();
        let nobody = vaultterm_store::Context {
            actor: vaultterm_ledger::Actor::vaultterm(),
            source_ip: None,
            request_id: None,
            now_us: 1_800_000_000_000_000,
        };
        database.initialise(&nobody, &root, Some(person("ann@example.com", InstanceRole::Owner))).await.unwrap();
        let store = database.unlock(&root).await.unwrap();
        let connector = VaultConnector::new(ConnectorOptions::default());
        let settings = Settings { license: LicenseSettings::of_nobody(folder.path()), audit: AuditOptions::default() };
        let keys = RootKeys::new(RootKeeper::Given(root.duplicate()), root);
        let services = Services::new(store, keys, connector, settings).parsing(Parser::in_this_process());
        let ann = services.store.user_by_email("ann@example.com").await.unwrap().unwrap();
        let owner = logged_in(&services, ann.id).await;
        let context = owner.context(&services);
        let collection = services.store.create_collection(&context, "infra", ann.id).await.unwrap().id;
        Self { services, owner, collection, _folder: folder }
    }

    /// A second server on the same database.
    pub(crate) fn second_services(&self) -> Services {
        let Services { store, connector, settings, .. } = &self.services;
        let root = RootKey::generate();
        let keys = RootKeys::new(RootKeeper::Given(root.duplicate()), root);
        Services::new(store.clone(), keys, connector.clone(), Settings::clone(settings))
    }

    /// A person with a role on the installation and every scope.
    pub(crate) async fn person(&self, email: &str, role: InstanceRole) -> Caller {
        let context = self.owner.context(&self.services);
        let user = self.services.store.create_user(&context, person(email, role)).await.unwrap();
        logged_in(&self.services, user.id).await
    }

    /// A person with a role on the collection and every scope.
    pub(crate) async fn member(&self, email: &str, role: CollectionRole) -> Caller {
        let member = self.person(email, InstanceRole::Member).await;
        let judged = JudgedRoles { by: self.owner.user.id, by_role: Some(CollectionRole::Owner), member_role: None };
        let context = self.owner.context(&self.services);
        let (collection, user) = (self.collection, member.user.id);
        self.services.store.grant(&context, collection, user, role, &judged).await.unwrap();
        member
    }

    /// A caller's person with a token of these scopes.
    pub(crate) async fn with_scopes(&self, of: &Caller, scopes: &[Scope]) -> Caller {
        caller(&self.services, of.user.id, scopes).await
    }
}

fn person(email: &str, role: InstanceRole) -> NewUser {
    NewUser { email: email.to_owned(), name: email.to_owned(), role, password_hash: None }
}

/// A person who has just logged in.
async fn logged_in(services: &Services, user_id: Uuid) -> Caller {
    issued(services, user_id, TokenKind::Login, Scope::ALL).await
}

/// A program with a token of these scopes.
async fn caller(services: &Services, user_id: Uuid, scopes: &[Scope]) -> Caller {
    issued(services, user_id, TokenKind::Api, scopes).await
}

async fn issued(services: &Services, user_id: Uuid, kind: TokenKind, scopes: &[Scope]) -> Caller {
    let origin = Origin { request_id: "r".to_owned(), source_ip: None };
    let new = NewToken { user_id, kind, name: "t".to_owned(), scopes: scopes.to_vec(), expires_us: None };
    let (_, token) = services.store.issue_token(&anonymous(services, &origin), new).await.unwrap();
    crate::caller::authenticate(services, token.expose(), origin).await.unwrap()
}
