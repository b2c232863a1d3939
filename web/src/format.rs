//! How values are written in a language: amounts, times and numbers.

mod money;
mod number;
mod time;

pub use self::{
    money::amount,
    time::{from_korean_input, korean_input},
};
pub(crate) use self::{
    number::{grouped, waiting_time},
    time::{Precision, clock_element, countdown, seconds_until, time_element, utc},
};
