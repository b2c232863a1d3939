//! Whether this process belongs to the installation that its database names: same keys, same public address.
//!
//! A process that does not is not ready, answers no request and runs none of its roles: what it signs would be refused
//! elsewhere, its links would lead elsewhere, and what others have sealed it cannot open. It looks again all the time, so it
//! begins as soon as the others are gone or somebody has run `openrun installation adopt`.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use anyhow::Context as _;
use arc_swap::ArcSwapOption;
use sale::Keys;
use serde_json::{Value, json};
use server::Lifecycle;
use stores::{
    database::{
        Database,
        installation::{self, Fit, Identity, KeyMark},
    },
    periodic::Periodic,
};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::{config::Config, services::Services};

/// How often a process says that it is alive; a fifth of the time that it then counts as alive.
const CHECK_IN_AFTER: Duration = Duration::from_secs(3);

/// Why this process is not ready, while it is not.
#[derive(Clone, Debug, Default)]
pub struct Membership(Arc<State>);

#[derive(Debug, Default)]
struct State {
    obstacle: ArcSwapOption<String>,
    takes_requests: Arc<AtomicBool>,
    changed: Notify,
}

impl Membership {
    /// Why the process is not ready, in a sentence.
    pub fn obstacle(&self) -> Option<Arc<String>> {
        self.0.obstacle.load_full()
    }

    /// Whether the process belongs to its installation.
    pub fn fits(&self) -> bool {
        self.0.takes_requests.load(Ordering::Relaxed)
    }

    /// The same, to be looked at for each request.
    pub fn takes_requests(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.0.takes_requests)
    }

    /// Runs what `start` starts while the process belongs to its installation, until `stop`: each time that it begins to
    /// belong there, `start` is called with a token that is cancelled when it does no longer.
    pub async fn run_while_it_fits(&self, stop: CancellationToken, mut start: impl FnMut(CancellationToken)) {
        while self.until(true, &stop).await {
            let running = stop.child_token();
            start(running.clone());
            self.until(false, &stop).await;
            running.cancel();
        }
    }

    /// Waits until the process fits, or does not; `false` when it stops before.
    async fn until(&self, fits: bool, stop: &CancellationToken) -> bool {
        loop {
            let changed = self.0.changed.notified();
            if stop.is_cancelled() || self.fits() == fits {
                return !stop.is_cancelled();
            }
            tokio::select! {
                () = changed => {}
                () = stop.cancelled() => {}
            }
        }
    }

    fn set(&self, obstacle: Option<String>) {
        self.0.takes_requests.store(obstacle.is_none(), Ordering::Relaxed);
        self.0.obstacle.store(obstacle.map(Arc::new));
        self.0.changed.notify_waiters();
    }

    fn note(&self, fit: &Fit, identity: &Identity) {
        let obstacle = obstacle(fit, identity);
        if let Fit::ReplacedUrl(before) = fit {
            tracing::warn!("the public address is {} now; it was {before}", identity.public_url);
        }
        if let Some(obstacle) = &obstacle
            && self.obstacle().as_deref() != Some(obstacle)
        {
            tracing::error!("not ready: {obstacle}");
        }
        self.set(obstacle);
    }
}

fn obstacle(fit: &Fit, identity: &Identity) -> Option<String> {
    const ADOPT: &str = "if this process is right, run `openrun installation adopt` with its configuration";
    match fit {
        Fit::Fits | Fit::ReplacedUrl(_) => None,
        Fit::OtherKeys => {
            Some(format!("the database belongs to an installation with other keys; use its keys file, or {ADOPT}"))
        }
        Fit::OldKeys => {
            Some("the keys file lacks the key that the installation signs with; use its newest keys file".to_owned())
        }
        Fit::OtherUrl(url) => Some(format!(
            "other processes serve this installation as {url} and this one as {}; stop them, or {ADOPT}",
            identity.public_url
        )),
    }
}

/// What this process has in common with the others of its installation.
pub fn identity(config: &Config, keys: &Keys) -> Identity {
    let mark = |key: &sale::keys::Key| KeyMark { id: key.id, mark: key.secret.fingerprint() };
    Identity {
        keys_fingerprint: keys.fingerprint(),
        public_url: config.public_url.origin(),
        signing_key: mark(keys.tickets.current()),
        known_keys: keys.tickets.iter().map(mark).collect(),
    }
}

/// Compares this process with its installation, and goes on doing so until it stops.
pub async fn join(services: &Services, lifecycle: &Lifecycle) -> anyhow::Result<Membership> {
    let (membership, identity) = (Membership::default(), identity(&services.config, &services.keys));
    let (database, process) = (services.database.clone(), format!("{:032x}", rand::random::<u128>()));
    let fit = installation::check_in(&database, &process, &identity, database.now()).await;
    membership.note(&fit.context("cannot compare this process with its installation")?, &identity);
    let kept = membership.clone();
    let mut periodic = Periodic::every(CHECK_IN_AFTER, "the check-in of this process", &lifecycle.soft).later();
    lifecycle.spawn("installation", async move {
        while periodic.is_due().await {
            let checked = installation::check_in(&database, &process, &identity, database.now()).await;
            periodic.record(checked.map(|fit| kept.note(&fit, &identity)));
        }
        if let Err(trouble) = installation::check_out(&database, &process).await {
            tracing::debug!(%trouble, "this process counts as alive a little longer");
        }
        anyhow::Ok(())
    });
    Ok(membership)
}

/// What `openrun installation show` prints.
pub async fn show(database: &Database) -> anyhow::Result<Value> {
    let installation = installation::read(database).await?;
    let installation = installation.context("no process has served this database yet")?;
    Ok(json!({
        "keys_fingerprint": installation.keys_fingerprint,
        "public_url": installation.public_url,
        "created_at": installation.created_at,
    }))
}

/// Makes this configuration's keys and public address those of the installation.
pub async fn adopt(database: &Database, config: &Config, keys: &Keys) -> anyhow::Result<Value> {
    installation::adopt(database, &identity(config, keys), database.now()).await?;
    show(database).await
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use tokio_util::task::TaskTracker;

    use super::*;

    #[tokio::test]
    async fn nothing_runs_while_there_is_an_obstacle() {
        let (membership, stop) = (Membership::default(), CancellationToken::new());
        let (started, runs) = mpsc::channel();
        let start = move |running| started.send(running).unwrap();
        let obstacle = || Some("other keys".to_owned());
        membership.set(obstacle());
        let (member, stopped) = (membership.clone(), stop.clone());
        let work = TaskTracker::new().spawn(async move { member.run_while_it_fits(stopped, start).await });
        let next = async || {
            tokio::task::yield_now().await;
            runs.try_recv().ok()
        };
        assert!(next().await.is_none(), "not before it fits");
        membership.set(obstacle());
        assert!(next().await.is_none(), "another look changes nothing");
        for _ in 0..2 {
            membership.set(None);
            let running: CancellationToken = next().await.unwrap();
            membership.set(None);
            assert!(next().await.is_none() && !running.is_cancelled(), "what runs goes on");
            membership.set(obstacle());
            running.cancelled().await;
        }
        stop.cancel();
        work.await.unwrap();
        membership.set(None);
        assert!(next().await.is_none(), "a process that stops starts nothing");
    }
}
