//! The program around the roles: command line, configuration, keys, telemetry, life and death.
//!
//! A library only so that whole-program tests can start it in their own process; nothing else builds on it.

pub mod cli;
pub mod config;
pub mod error_chain;
pub mod keys;
pub mod lifecycle;
pub mod telemetry;

pub mod admin_commands;
pub mod client;

pub mod access;
pub mod demo;
pub mod health;
pub mod listener;
pub mod rest;
pub mod role;
pub mod serve;
