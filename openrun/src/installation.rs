//! Whether this process belongs to the installation that its database names: same keys, same public address.
//!
//! A process that does not is not ready: what it signs would be refused elsewhere, and its links would lead elsewhere. It
//! looks again all the time, so it is ready as soon as the others are gone or somebody has run `openrun installation adopt`.

use std::{sync::Arc, time::Duration};

use anyhow::Context as _;
use arc_swap::ArcSwapOption;
use sale::Keys;
use serde_json::{Value, json};
use stores::{
    database::{
        Database,
        installation::{self, Fit, Identity, KeyMark},
    },
    periodic::Periodic,
};

use crate::{config::Config, lifecycle::Lifecycle, services::Services};

/// How often a process says that it is alive; a fifth of the time that it then counts as alive.
const CHECK_IN_AFTER: Duration = Duration::from_secs(3);

/// Why this process is not ready, while it is not.
#[derive(Clone, Debug, Default)]
pub struct Membership(Arc<ArcSwapOption<String>>);

impl Membership {
    /// A sentence for whoever asks whether the process is ready.
    pub fn obstacle(&self) -> Option<Arc<String>> {
        self.0.load_full()
    }

    fn note(&self, fit: &Fit, identity: &Identity) {
        let obstacle = obstacle(fit, identity);
        if let Fit::ReplacedUrl(before) = fit {
            tracing::warn!("the public address is {} now; it was {before}", identity.public_url);
        }
        if let Some(obstacle) = &obstacle
            && self.0.load().as_deref() != Some(obstacle)
        {
            tracing::error!("not ready: {obstacle}");
        }
        self.0.store(obstacle.map(Arc::new));
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
