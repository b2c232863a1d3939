//! The program around the roles: command line, configuration, keys, telemetry, start and stop.
//!
//! A library only so that tests can use its parts; nothing else builds on it. The modules stand in the order of their
//! dependencies: each one uses only those below it.

pub mod cli;

pub mod admin_commands;
pub mod client;
pub mod demo;
pub mod serve;

pub mod role;
pub mod upkeep;

pub mod router;

pub mod openapi;
pub mod route;

pub mod health;
pub mod installation;

pub mod keys;
pub mod services;
pub mod telemetry;

pub mod config;
