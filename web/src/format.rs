//! How values are written in a language: amounts and times.

mod money;
mod time;
mod waiting_time;

pub use self::{
    money::amount,
    time::{from_korean_input, korean_input},
};
pub(crate) use self::{
    time::{Precision, clock_element, countdown, seconds_until, time_element, utc},
    waiting_time::waiting_time,
};
