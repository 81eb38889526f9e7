//! Who may do what: the one place. Every handler asks here before it does anything.
//!
//! A token's scopes say what a program may do, roles what its person may: both must allow it.
//! What a caller may not see does not exist for them (404); what they see but may not do is 403.
//! Every denial is audited, many of one caller as one entry with a count (`denials.rs`). An instance role gives no access to what collections hold.

use std::collections::BTreeMap;

use uuid::Uuid;
use vaultterm_ledger::{Action, ObjectKind, ObjectRef, Outcome};
use vaultterm_reconcile::RecordId;
use vaultterm_store::{
    Collection, CollectionRole, ConnectionSummary, Context, InstanceRole, Record, Scope, StoreError,
};
use vaultterm_sync::{CollectionId, ConflictId, ConnectionId, Run, RunId, StoredConflict};

use crate::{
    app::App,
    caller::Caller,
    denials::Summary,
    problem::{Kind, Problem},
};

impl App {
    /// Requires a scope of the token.
    pub(crate) async fn need_scope(&self, caller: &Caller, scope: Scope) -> Result<(), Problem> {
        self.need_any_scope(caller, &[scope]).await
    }

    /// Requires one of several scopes.
    pub(crate) async fn need_any_scope(&self, caller: &Caller, scopes: &[Scope]) -> Result<(), Problem> {
        if scopes.iter().any(|scope| caller.token.scopes.contains(scope)) {
            return Ok(());
        }
        let names: Vec<_> = scopes.iter().map(|scope| scope.as_str()).collect();
        let needs = format!("scope {}", names.join(" or "));
        self.denied(caller, None, &needs).await?;
        let why = format!("the token lacks the {needs}");
        Err(Problem::new(Kind::Forbidden, why).hint("create a token with this scope: `vaultterm token create`"))
    }

    /// Requires a role on the installation.
    pub(crate) async fn need_instance(&self, caller: &Caller, role: InstanceRole) -> Result<(), Problem> {
        if caller.user.role >= role {
            return Ok(());
        }
        self.denied(caller, None, &format!("instance role {}", role.as_str())).await?;
        let why = format!("this needs the instance role `{}`; yours is `{}`", role.as_str(), caller.user.role.as_str());
        Err(Problem::new(Kind::Forbidden, why).hint("ask an owner of this installation"))
    }

    /// Finds a collection that the caller has a role on.
    pub(crate) async fn collection_for(
        &self,
        caller: &Caller,
        id: Uuid,
        role: CollectionRole,
    ) -> Result<Collection, Problem> {
        let id = CollectionId(id);
        let found = self.store.collection(id).await?.ok_or_else(|| Problem::not_found("collection"))?;
        self.need_role(caller, id, role, "collection").await?;
        Ok(found)
    }

    /// Finds a record whose collection the caller has a role on.
    pub(crate) async fn record_for(&self, caller: &Caller, id: Uuid, role: CollectionRole) -> Result<Record, Problem> {
        let found = self.store.record(RecordId(id)).await?.ok_or_else(|| Problem::not_found("record"))?;
        self.need_role(caller, found.collection_id, role, "record").await?;
        Ok(found)
    }

    /// Finds a connection whose collection the caller has a role on.
    pub(crate) async fn connection_for(
        &self,
        caller: &Caller,
        id: Uuid,
        role: CollectionRole,
    ) -> Result<ConnectionSummary, Problem> {
        let found = self.store.connection_summary(ConnectionId(id)).await?;
        let found = found.ok_or_else(|| Problem::not_found("connection"))?;
        self.need_role(caller, found.connection.collection_id, role, "connection").await?;
        Ok(found)
    }

    /// Finds a run of a connection that the caller has a role on.
    pub(crate) async fn run_for(&self, caller: &Caller, id: Uuid, role: CollectionRole) -> Result<Run, Problem> {
        let run = self.store.run(RunId(id)).await?.ok_or_else(|| Problem::not_found("run"))?;
        self.owner_of(caller, run.connection_id, role, "run").await?;
        Ok(run)
    }

    /// Finds a conflict of a connection that the caller has a role on.
    pub(crate) async fn conflict_for(
        &self,
        caller: &Caller,
        id: Uuid,
        role: CollectionRole,
    ) -> Result<StoredConflict, Problem> {
        let found = self.store.stored_conflict(ConflictId(id)).await?;
        let found = found.ok_or_else(|| Problem::not_found("conflict"))?;
        self.owner_of(caller, found.connection_id, role, "conflict").await?;
        Ok(found)
    }

    /// Requires a role on the collection of a connection.
    pub(crate) async fn owner_of(
        &self,
        caller: &Caller,
        id: ConnectionId,
        role: CollectionRole,
        what: &'static str,
    ) -> Result<(), Problem> {
        let found = self.store.connection_summary(id).await?.ok_or_else(|| Problem::not_found(what))?;
        self.need_role(caller, found.connection.collection_id, role, what).await
    }

    /// The one comparison of roles on a collection.
    async fn need_role(
        &self,
        caller: &Caller,
        id: CollectionId,
        role: CollectionRole,
        what: &'static str,
    ) -> Result<(), Problem> {
        let held = self.store.collection_role(id, caller.user.id).await?;
        if held.is_some_and(|held| held >= role) {
            return Ok(());
        }
        self.denied(caller, Some(id), &format!("collection role {}", role.as_str())).await?;
        let Some(held) = held else { return Err(Problem::not_found(what)) };
        let why = format!("this needs the role `{}` on the collection; yours is `{}`", role.as_str(), held.as_str());
        Err(Problem::new(Kind::Forbidden, why).hint("ask an admin of the collection"))
    }

    /// Passes on values that the store took out to be shown. That a record is for programs only is a denial,
    /// audited like every other one.
    pub(crate) async fn shown<T>(&self, caller: &Caller, taken: Result<T, StoreError>) -> Result<T, Problem> {
        if let Err(StoreError::InjectOnly { collection }) = &taken {
            self.denied(caller, Some(*collection), "a record that may be seen").await?;
        }
        Ok(taken?)
    }

    /// Records a denial (`ACCESS_DENIED`): the first ones of a caller in a minute one by one, the rest as one entry with a count.
    pub(crate) async fn denied(
        &self,
        caller: &Caller,
        collection: Option<CollectionId>,
        needs: &str,
    ) -> Result<(), Problem> {
        let context = caller.context(self);
        if !self.denials.count(&context.actor, context.source_ip.as_deref(), needs, context.now_us) {
            return Ok(());
        }
        let object = collection.map(|id| ObjectRef { kind: ObjectKind::Collection, id: id.0, name: None });
        let detail = BTreeMap::from([("needs".to_owned(), needs.to_owned())]);
        let objects = object.into_iter().collect();
        self.store.audit(&context, Action::AccessDenied, objects, Outcome::Denied, detail).await?;
        Ok(())
    }

    /// Writes what was not written one by one of the denials: of the minutes that are over, or of all (`ACCESS_DENIED`).
    pub(crate) async fn sum_up_denials(&self, all: bool) -> Result<(), StoreError> {
        let now_us = self.now_us();
        for summary in self.denials.due(now_us, all) {
            let Summary { actor, source_ip, count, needs } = summary;
            let context = Context { actor, source_ip, request_id: None, now_us };
            let detail = BTreeMap::from([("count".to_owned(), count.to_string()), ("needs".to_owned(), needs)]);
            self.store.audit(&context, Action::AccessDenied, Vec::new(), Outcome::Denied, detail).await?;
        }
        Ok(())
    }
}
