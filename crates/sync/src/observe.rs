//! Observes both sides, looks up what the planner asks for, and makes the plan.
//!
//! This module writes nothing. It reads values only for paths whose stamp or revision changed. Start reading
//! at [`Session::plan`].

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::{BoxFuture, join, join3};
use tokio_util::sync::CancellationToken;
use vaultterm_reconcile::{
    Accepted, AcceptedContents, BaseEntry, Beyond, Content, HaltKind, Input, Inquiries, LocalSnapshot, Plan, RecordId,
    RemoteHead, RemoteSight, RemoteSnapshot, RemoteStamp, Revision, RunMark, SecretPath, asks_for_the_mount, foresee,
    inquiries, plan,
};

use crate::{
    Clock, Connection, Journal, Remote, Stage, Surroundings,
    brake::Stopped,
    meanwhile::Meanwhile,
    pool::Pool,
    problem::StepError,
    retry::CallError,
    session::{Session, replaced},
};

/// The maximum number of futures that wait for the database while all requests are in flight: a batch that is recorded, one
/// that gathers (`record.rs`), and as many again.
const WAITING_MAX: usize = 160;
/// The maximum number of revisions that are read at once from the database.
const LOCAL_READS_MAX: usize = 64;
/// The maximum number of times that the planner may ask for absences. It needs one round.
const ROUNDS_MAX: usize = 4;

/// The stamps of both sides, and the bases.
pub(crate) struct Observation {
    pub(crate) base: BTreeMap<SecretPath, BaseEntry>,
    pub(crate) local: LocalSnapshot,
    pub(crate) remote: RemoteSnapshot,
    /// What was not looked at.
    pub(crate) beyond: Beyond,
    /// The paths that were looked at, if nobody looked at the others.
    pub(crate) looked_at: Option<BTreeSet<SecretPath>>,
    /// Where reads may be stale: the paths with a base that were found gone, each with the version on which
    /// both sides agreed. They are stored for the next run.
    pub(crate) suspicions: Option<BTreeMap<SecretPath, RemoteStamp>>,
}

/// The contents of the changed paths.
pub(crate) struct Contents {
    pub(crate) accepted: BTreeMap<SecretPath, AcceptedContents>,
    pub(crate) base: BTreeMap<SecretPath, Content>,
    pub(crate) local: BTreeMap<SecretPath, Content>,
    pub(crate) remote: BTreeMap<SecretPath, Result<Content, String>>,
}

impl<J: Journal, R: Remote, K: Clock> Session<'_, J, R, K> {
    /// Makes a plan from what both sides show now: everywhere, or if paths are named, at those only, without a request
    /// for any other. `begins` learns which part of the work begins, after the observation.
    pub(crate) async fn plan(
        &self,
        named: &BTreeSet<SecretPath>,
        acknowledged: &BTreeSet<HaltKind>,
        begins: impl Fn(Stage) + Send + Sync,
    ) -> Result<(Plan, Observation), CallError> {
        self.plan_beside(named, acknowledged, begins, &()).await
    }

    /// Does the same. While a look at everything goes on, other work is done beside it, which may make a plan of its own.
    /// Therefore the future is on the heap: two plans would not fit on the stack of a thread in a debug build.
    pub(crate) fn plan_beside<'f>(
        &'f self,
        named: &'f BTreeSet<SecretPath>,
        acknowledged: &'f BTreeSet<HaltKind>,
        begins: impl Fn(Stage) + Send + Sync + 'f,
        meanwhile: &'f impl Meanwhile,
    ) -> BoxFuture<'f, Result<(Plan, Observation), CallError>> {
        Box::pin(self.planned(named, acknowledged, begins, meanwhile))
    }

    async fn planned(
        &self,
        named: &BTreeSet<SecretPath>,
        acknowledged: &BTreeSet<HaltKind>,
        begins: impl Fn(Stage) + Send + Sync,
        meanwhile: &impl Meanwhile,
    ) -> Result<(Plan, Observation), CallError> {
        let mut observation = self.observing(named, meanwhile).await?;
        begins(Stage::Inquire);
        let mut asked = self.prove_absences(&mut observation).await?;
        if !self.calls.consistent() {
            self.suspect(&mut observation).await?;
            asked = self.inquiries(&observation);
        }
        let newest_run = self.newest_run().await?;
        let mut contents = self.look_up(&asked, &observation).await?;
        if forget_what_is_lost(&mut observation, &asked, &contents) {
            contents = self.look_up(&self.inquiries(&observation), &observation).await?;
        }
        if !self.base_set_aside() {
            self.recognise(&mut observation, &mut contents).await?;
        }
        begins(Stage::Plan);
        let mut plan = plan(&Input {
            base: &observation.base,
            local: &observation.local,
            remote: &observation.remote,
            options: &self.connection.options,
            accepted_contents: &contents.accepted,
            base_contents: &contents.base,
            local_contents: &contents.local,
            remote_contents: &contents.remote,
            scope_changed: self.connection.scope_changed,
            guarded: self.connection.guarded.as_deref(),
            remote_replaced: self.replaced(),
            newest_run,
            beyond: observation.beyond,
            acknowledged,
        });
        let Observation { base, remote, .. } = &observation;
        let versions_max = if asks_for_the_mount(&plan, base, remote) { self.versions_max().await? } else { None };
        foresee(&mut plan, base, remote, versions_max);
        self.show_what_was_accepted(&mut plan).await?;
        self.name_writers(&mut plan).await?;
        Ok((plan, observation))
    }

    fn observing<'f>(
        &'f self,
        named: &'f BTreeSet<SecretPath>,
        meanwhile: &'f impl Meanwhile,
    ) -> BoxFuture<'f, Result<Observation, CallError>> {
        Box::pin(self.observe(named, meanwhile))
    }

    /// Reads the base before the local side, and before the answer of Vault too unless this session has the lease. So an event
    /// in between shows as a change, and never as a state older than the base. With the lease, nobody else changes a base
    /// after a change in Vault, and the base is read while Vault answers.
    async fn observe(
        &self,
        named: &BTreeSet<SecretPath>,
        meanwhile: &impl Meanwhile,
    ) -> Result<Observation, CallError> {
        let deleted = self.journal.deleted_in_part(self.connection.id).await;
        let deleted = deleted.map_err(|error| self.brake.journal_failed(error))?;
        if named.is_empty() {
            let early = if self.has_lease { None } else { Some(self.base().await?) };
            let expected = match &early {
                // Bases of another scope say nothing about this one.
                _ if self.base_set_aside() => 0,
                Some(base) => base.len() as u64,
                None => self.based().await?,
            };
            let here = async {
                let base = match early {
                    Some(base) => base,
                    None => self.base().await?,
                };
                Ok::<_, Stopped>((base, self.local().await?))
            };
            let over = CancellationToken::new();
            let look = async {
                let found = join(here, self.brake.unless_stopped(self.calls.observe(expected))).await;
                over.cancel();
                found
            };
            let ((here, remote), touched) = join(look, meanwhile.until(&over)).await;
            let ((mut base, mut local), mut remote) = (here?, remote??);
            if !touched.is_empty() {
                // The base and the local side come first, as above. Those of before go first, because each may be large.
                drop((base, local));
                (base, local) = (self.base().await?, self.local().await?);
                let touched: Vec<_> = touched.into_iter().collect();
                self.look_at_each(&touched, &mut remote).await?;
                let may_be_old = !self.calls.consistent();
                if may_be_old {
                    pass_over_older(&touched, &base, &mut remote);
                }
            }
            let beyond = Beyond { based: 0, deleted };
            return Ok(Observation { base, local, remote, beyond, looked_at: None, suspicions: None });
        }
        let (paths, Surroundings { base, local, based }) = self.around(named).await?;
        let beyond = Beyond { based: based.saturating_sub(base.len() as u64), deleted };
        let mut remote = RemoteSnapshot::default();
        let each: Vec<_> = paths.iter().cloned().collect();
        self.look_at_each(&each, &mut remote).await?;
        Ok(Observation { base, local, remote, beyond, looked_at: Some(paths), suspicions: None })
    }

    /// Looks at some paths by name, and puts what is found in the place of what was known.
    async fn look_at_each(&self, paths: &[SecretPath], remote: &mut RemoteSnapshot) -> Result<(), Stopped> {
        self.brake.unless_stopped(self.look_for_all(paths, remote)).await?;
        if self.brake.is_pulled() { Err(Stopped) } else { Ok(()) }
    }

    /// Returns how the server differs from the one that answered before, or `None` if it is the same.
    fn replaced(&self) -> Option<String> {
        self.connection.identity.as_ref().and_then(|recorded| replaced(recorded, self.identity))
    }

    /// Returns whether the bases no longer count.
    pub(crate) fn base_set_aside(&self) -> bool {
        self.connection.scope_changed || self.replaced().is_some()
    }

    /// Asks the planner which lookups it needs. Bases that no longer count are left out.
    fn inquiries(&self, observation: &Observation) -> Inquiries {
        let Observation { base, local, remote, .. } = observation;
        let nothing = BTreeMap::new();
        inquiries(if self.base_set_aside() { &nothing } else { base }, local, remote, &self.connection.options)
    }

    pub(crate) async fn base(&self) -> Result<BTreeMap<SecretPath, BaseEntry>, Stopped> {
        self.journal.base(self.connection.id).await.map_err(|error| self.brake.journal_failed(error))
    }

    /// Returns the run that wrote to Vault last, as far as the database knows.
    pub(crate) async fn newest_run(&self) -> Result<RunMark, Stopped> {
        let Connection { id, .. } = self.connection;
        let number = self.journal.newest_run(*id).await.map_err(|error| self.brake.journal_failed(error))?;
        Ok(RunMark { connection: id.0, number })
    }

    pub(crate) async fn local(&self) -> Result<LocalSnapshot, Stopped> {
        let snapshot = self.journal.local_snapshot(self.connection.collection_id).await;
        snapshot.map_err(|error| self.brake.journal_failed(error))
    }

    /// Looks by name at every path that has a base and is missing from the listing. If a look fails, the path
    /// is unreadable and never absent.
    async fn prove_absences(&self, observation: &mut Observation) -> Result<Inquiries, CallError> {
        let mut answered = BTreeSet::new();
        for _ in 0..ROUNDS_MAX {
            let asked = self.inquiries(observation);
            let open: Vec<_> = asked.absences.difference(&answered).cloned().collect();
            if open.is_empty() {
                return Ok(asked);
            }
            self.brake.unless_stopped(self.look_for_all(&open, &mut observation.remote)).await?;
            answered.extend(open);
        }
        Ok(self.inquiries(observation))
    }

    /// Handles paths that look gone where reads may be stale, because they may only be missing from an old
    /// answer. A path counts as gone if the previous run of the whole connection saw the same, and is left alone until
    /// then.
    async fn suspect(&self, observation: &mut Observation) -> Result<(), CallError> {
        let before = self.journal.suspicions(self.connection.id).await;
        let before = before.map_err(|error| self.brake.journal_failed(error))?;
        let Observation { base, remote, .. } = &mut *observation;
        let mut gone = BTreeMap::new();
        for (path, agreed) in base {
            let Some(sight) = remote.sights.get_mut(path) else { continue };
            if live_stamp(sight).is_some() || matches!(sight, RemoteSight::Unreadable(_)) {
                continue;
            }
            gone.insert(path.clone(), agreed.stamp);
            // The previous run must have missed exactly the same version.
            if before.get(path) != Some(&agreed.stamp) {
                let why = "missing, to be confirmed by the next run: this server's answers may be stale";
                *sight = RemoteSight::Unreadable(why.to_owned());
            }
        }
        // The next run compares with what a run of the whole connection missed, not with what was missing at some paths.
        observation.suspicions = observation.looked_at.is_none().then_some(gone);
        Ok(())
    }

    /// Adds to the plan who accepted that a path is left out.
    pub(crate) async fn show_what_was_accepted(&self, plan: &mut Plan) -> Result<(), Stopped> {
        if plan.skips.is_empty() {
            return Ok(());
        }
        let accepted = self.journal.ignored(self.connection.id).await;
        let accepted = accepted.map_err(|error| self.brake.journal_failed(error))?;
        for skip in &mut plan.skips {
            skip.accepted_by = accepted.get(&skip.path).cloned();
        }
        Ok(())
    }

    async fn look_for_all(&self, paths: &[SecretPath], remote: &mut RemoteSnapshot) {
        let mut pool = Pool::new(self.in_flight());
        for path in paths {
            let ended = pool.add(self.look_for(path)).await;
            remote.sights.extend(ended.flatten());
        }
        while let Some(ended) = pool.next().await {
            remote.sights.extend(ended);
        }
    }

    /// Looks at one path. Returns `None` if the run was stopped.
    async fn look_for(&self, path: &SecretPath) -> Option<(SecretPath, RemoteSight)> {
        match self.calls.look(path).await {
            Ok(sight) => {
                self.forget_fault(path);
                Some((path.clone(), sight))
            }
            Err(CallError::Fault(fault)) => {
                self.note(path, &fault);
                Some((path.clone(), RemoteSight::Unreadable(fault.message)))
            }
            Err(CallError::Stopped) => None,
        }
    }

    /// Reads the contents that the planner wants to compare.
    async fn look_up(&self, asked: &Inquiries, observation: &Observation) -> Result<Contents, CallError> {
        let Observation { base, local, remote, .. } = observation;
        let (mut base_revisions, mut local_revisions, mut heads) = (Vec::new(), Vec::new(), Vec::new());
        for path in &asked.base_contents {
            base_revisions.extend(base.get(path).map(|entry| (path, entry.record_id, entry.revision)));
        }
        for path in &asked.local_contents {
            local_revisions.extend(local.live.get(path).map(|entry| (path, entry.record_id, entry.revision)));
        }
        for path in &asked.remote_contents {
            heads.extend(remote.sights.get(path).and_then(live_stamp).map(|stamp| (path, stamp)));
        }
        let accepted = self.brake.unless_stopped(self.read_accepted(asked, base)).await?;
        let reading = join3(self.read_local(base_revisions), self.read_local(local_revisions), self.read_remote(heads));
        let (base, local, remote) = self.brake.unless_stopped(reading).await?;
        if self.brake.is_pulled() { Err(CallError::Stopped) } else { Ok(Contents { accepted, base, local, remote }) }
    }

    /// Reads the contents of accepted differences. A difference whose contents cannot be read completely is
    /// left out.
    async fn read_accepted(
        &self,
        asked: &Inquiries,
        base: &BTreeMap<SecretPath, BaseEntry>,
    ) -> BTreeMap<SecretPath, AcceptedContents> {
        let wanted = || asked.accepted_contents.iter().filter_map(|path| Some((path, base.get(path)?)));
        let of = |revision: fn(&Accepted) -> Revision| {
            let known = wanted().filter_map(|(path, entry)| Some((path, entry.record_id, entry.accepted.as_ref()?)));
            known.map(|(path, record_id, accepted)| (path, record_id, revision(accepted))).collect::<Vec<_>>()
        };
        let (here, there) = (of(|accepted| accepted.local), of(|accepted| accepted.remote));
        let (here, mut there) = join(self.read_local(here), self.read_local(there)).await;
        let pair = |(path, local): (SecretPath, Content)| {
            let remote = there.remove(&path)?;
            Some((path, AcceptedContents { local, remote }))
        };
        here.into_iter().filter_map(pair).collect()
    }

    /// Reads revisions. A revision that cannot be read is left out, and the planner then leaves its path
    /// alone. If the database fails, the run is stopped.
    async fn read_local(&self, revisions: Vec<(&SecretPath, RecordId, Revision)>) -> BTreeMap<SecretPath, Content> {
        let key = self.journal.digest_key();
        let mut contents = BTreeMap::new();
        for part in revisions.chunks(LOCAL_READS_MAX) {
            let wanted: Vec<_> = part.iter().map(|(_, record_id, revision)| (*record_id, *revision)).collect();
            let found = match self.journal.fields_of(&wanted).await {
                Ok(found) => found,
                Err(error) => {
                    self.brake.journal_failed(error);
                    return contents;
                }
            };
            for (path, record_id, revision) in part {
                let stored = found.get(&(*record_id, *revision));
                contents.extend(stored.map(|stored| ((*path).clone(), stored.fields.content(key))));
            }
        }
        contents
    }

    async fn read_remote(
        &self,
        heads: Vec<(&SecretPath, RemoteStamp)>,
    ) -> BTreeMap<SecretPath, Result<Content, String>> {
        let mut contents = BTreeMap::new();
        let mut pool = Pool::new(self.in_flight());
        for (path, stamp) in heads {
            let ended = pool.add(self.read_head(path, stamp)).await;
            contents.extend(ended.flatten());
        }
        while let Some(ended) = pool.next().await {
            contents.extend(ended);
        }
        contents
    }

    /// Reads and keeps one remote value. Returns `None` if the run was stopped.
    async fn read_head(&self, path: &SecretPath, stamp: RemoteStamp) -> Option<(SecretPath, Result<Content, String>)> {
        let content = match self.remote_fields(path, &stamp).await {
            Ok(read) => {
                let content = read.fields.content(self.journal.digest_key());
                self.values.keep(path.clone(), stamp, read, &content);
                Ok(content)
            }
            Err(StepError::Stale(reason) | StepError::Unreadable(reason) | StepError::Waits(reason)) => Err(reason),
            Err(StepError::Fault(fault)) => {
                self.note(path, &fault);
                Err(fault.message)
            }
            Err(StepError::Limits(error)) => Err(error.to_string()),
            Err(StepError::Stopped) => return None,
        };
        Some((path.clone(), content))
    }

    /// Returns the number of concurrent futures. It is higher than the number of requests, so that a request never waits
    /// while the database delivers its values, and while one batch of outcomes is recorded and the next one gathers.
    pub(crate) fn in_flight(&self) -> usize {
        usize::try_from(self.connection.concurrency_max).unwrap_or(usize::MAX).saturating_add(WAITING_MAX)
    }
}

/// Handles paths whose agreed revision can no longer be read, for example because its row was damaged. Such a
/// path counts as one that was never in step. Then a difference is a conflict, and a person can resolve it.
/// Returns whether there was such a path.
fn forget_what_is_lost(observation: &mut Observation, asked: &Inquiries, contents: &Contents) -> bool {
    let lost = asked.base_contents.iter().filter(|path| !contents.base.contains_key(*path));
    let accepted = asked.accepted_contents.iter().filter(|path| !contents.accepted.contains_key(*path));
    let lost: BTreeSet<_> = lost.chain(accepted).collect();
    for path in &lost {
        tracing::warn!(%path, "the revision that both sides agreed on cannot be read: the path counts as never in step");
        observation.base.remove(*path);
    }
    !lost.is_empty()
}

/// Leaves paths alone at which a server shows an older version than the base that was recorded a moment ago. Where answers may be
/// old, that is a replica that lags, and no secret that went back in time. If it is one, the next run finds it.
fn pass_over_older(paths: &[SecretPath], base: &BTreeMap<SecretPath, BaseEntry>, remote: &mut RemoteSnapshot) {
    for path in paths {
        let (Some(base), Some(sight)) = (base.get(path), remote.sights.get_mut(path)) else { continue };
        let RemoteSight::Seen(entry) = &*sight else { continue };
        let (RemoteHead::Live { stamp, .. } | RemoteHead::Deleted { stamp, .. }) = &entry.head else { continue };
        if stamp.key_created == base.stamp.key_created && stamp.version < base.stamp.version {
            *sight =
                RemoteSight::Unreadable("an older version was shown: this server's answers may be stale".to_owned());
        }
    }
}

/// Returns the stamp of the readable version, if there is one.
pub(crate) fn live_stamp(sight: &RemoteSight) -> Option<RemoteStamp> {
    match sight {
        RemoteSight::Seen(entry) => match entry.head {
            RemoteHead::Live { stamp, .. } => Some(stamp),
            RemoteHead::Empty { .. } | RemoteHead::Deleted { .. } => None,
        },
        RemoteSight::Unreadable(_) | RemoteSight::ProvenAbsent => None,
    }
}
