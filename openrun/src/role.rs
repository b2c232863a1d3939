//! The one place that knows which role does what.

use std::sync::Arc;

use admission::lead;

use crate::{config::Role, lifecycle::Lifecycle, serve::Stores};

/// Starts the loops of this process's roles. The waiting room and the checkout answer requests; they have none.
pub fn start(stores: &Stores, lifecycle: &Lifecycle) {
    for role in &stores.config.roles {
        match role {
            Role::WaitingRoom | Role::Checkout => {}
            Role::Admission => admission(stores, lifecycle),
            Role::Relay | Role::Payments | Role::Stock | Role::Mail => {}
        }
    }
}

fn admission(stores: &Stores, lifecycle: &Lifecycle) {
    let loops =
        lead::Stores { database: stores.database.clone(), line: Arc::clone(&stores.line), leader: process_name() };
    let (tracker, stop) = (lifecycle.tracker.clone(), lifecycle.soft.clone());
    lifecycle.spawn("admission", async move {
        ::admission::role::run(loops, &tracker, stop).await;
        anyhow::Ok(())
    });
}

/// This process among all that run the same role.
pub fn process_name() -> String {
    sale::SessionId::random().buyer().to_string()
}
