//! The roles, as `--role` names them.

use clap::ValueEnum;

/// What a process of an installation does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, ValueEnum)]
pub enum Role {
    WaitingRoom,
    Checkout,
    Admission,
    Relay,
    Payments,
    Stock,
    Mail,
}

impl Role {
    pub const ALL: [Self; 7] =
        [Self::WaitingRoom, Self::Checkout, Self::Admission, Self::Relay, Self::Payments, Self::Stock, Self::Mail];
}
