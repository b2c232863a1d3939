//! The roles, with the names that `--role` takes.

use clap::ValueEnum;

/// A part of the work of an installation; a process has one or more.
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
