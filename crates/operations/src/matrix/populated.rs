//! A house with one object of every kind.

use std::time::Duration;

use uuid::Uuid;
use vaultterm_reconcile::{
    Conflict, ConflictKind, Counts, Expect, LocalExpect, Plan, RemoteExpect, RemoteStamp, UnixNanos, Version,
};
use vaultterm_store::InstanceRole;
use vaultterm_sync::{
    ConnectionId, Journal as _, Lease, OtherConflicts, PlanId, RemoteIdentity, Run, RunId, RunPart, RunState,
    StoredPlan, Trigger,
};

use super::{Ids, credential, part, text, wanted};
use crate::{Caller, Services, conflicts, connections, records, testing::House, webhooks};

/// A house with one of everything.
pub(super) async fn populated() -> (House, Ids) {
    let house = House::new().await;
    let (services, owner) = (&house.services, &house.owner);
    let collection = house.collection.0;
    let new = records::New {
        path: text("both"),
        record_type: None,
        fields: r#"{"x":1,"totp_secret":"GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"}"#,
        tags: Vec::new(),
        inject_only: false,
        ask_again: true,
    };
    let record = records::create(services, owner, collection, new).await.unwrap();
    let made = connections::create(services, owner, collection, wanted(), &credential()).await.unwrap();
    let connection = made.summary.connection.id;
    let plan = plan(services, connection).await;
    let (lease, run) = run(services, owner, connection).await;
    let stamp = RemoteStamp { key_created: UnixNanos(1), version: Version(8), version_created: UnixNanos(3) };
    let conflict = Conflict {
        path: record.path.clone(),
        kind: ConflictKind::BothChanged,
        expect: Expect {
            local: LocalExpect::Live { record_id: record.id, revision: record.revision },
            remote: RemoteExpect::Live { stamp, expires: None },
        },
        record_id: Some(record.id),
        base: None,
        local: None,
        remote: None,
        diverged: vec![text("x")],
        remote_writer: None,
    };
    let others = OtherConflicts::Converged { but: [].into() };
    services.store.record_conflicts(lease, run, &[conflict], &others).await.unwrap();
    let conflict = conflicts::list(services, owner, None, None, part()).await.unwrap().items[0].conflict.id.0;
    let other = house.person("other@example.com", InstanceRole::Member).await;
    let new = webhooks::New {
        name: text("siem"),
        url: text("http://127.0.0.1:9/in"),
        secret: None,
        actions: None,
        paused: true,
        from_seq: None,
    };
    let webhook = webhooks::create(services, owner, new).await.unwrap().webhook.id;
    let ids = Ids {
        collection,
        record: record.id.0,
        connection: connection.0,
        plan,
        run: run.0,
        conflict,
        user: other.user.id,
        token: other.credential.id,
        webhook,
    };
    (house, ids)
}

async fn plan(services: &Services, connection_id: ConnectionId) -> Uuid {
    let plan = StoredPlan {
        id: PlanId(Uuid::from_u128(1)),
        connection_id,
        connection_revision: 1,
        identity: RemoteIdentity::unknown(),
        plan: Plan::default(),
        decisions: Vec::new(),
        change_number: 0,
        created: UnixNanos(0),
        expires: UnixNanos(1),
    };
    services.store.store_plan(&plan).await.unwrap();
    plan.id.0
}

async fn run(services: &Services, owner: &Caller, connection_id: ConnectionId) -> (Lease, RunId) {
    let id = RunId(Uuid::from_u128(2));
    let lease = services.store.acquire_lease(connection_id, id.0, Duration::from_secs(600)).await.unwrap().unwrap();
    let run = Run {
        id,
        connection_id,
        plan_id: None,
        state: RunState::Running,
        trigger: Trigger::Manual,
        actor: owner.actor(),
        counts: Counts::default(),
        halts: Vec::new(),
        problems: Vec::new(),
        started: UnixNanos(0),
        finished: None,
        requests: 0,
        part: RunPart::default(),
    };
    services.store.begin_run(lease, &run).await.unwrap();
    (lease, id)
}
