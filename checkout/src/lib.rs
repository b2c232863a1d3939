//! The checkout: the seller's sales, reserve, pay, and what follows an order until it is settled.

pub mod http;
pub mod new_sale;
pub mod relay;
