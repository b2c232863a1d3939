//! The command line: its arguments and exit codes.

mod run;
mod ttl;

use std::{io::Write, path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand, ValueEnum};
use sale::token::Authority;
use server::error_chain::error_chain;

use self::ttl::Ttl;
use crate::config::{ConfigErrors, PublicUrl, Role};

const EXIT_CODES: &str = "\
Without a command: the demo, everything embedded, with its data in ./data/demo.

Data goes to stdout, words to stderr.

Exit codes:
  0   done; for verify: 0 differences
  1   failed; stderr says why
  2   the command line is not understood
  3   verify found differences
  64  the configuration is bad; stderr names every fault";

/// A waiting room and a checkout that sells limited stock exactly once.
#[derive(Debug, Parser)]
#[command(name = "openrun", version, after_help = EXIT_CODES)]
pub struct Cli {
    /// Read the configuration from FILE instead of openrun.toml in the working directory.
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve, with all roles or those named.
    Serve {
        /// A role of this process; repeat it for several.
        #[arg(long = "role", value_name = "ROLE")]
        roles: Vec<Role>,
        /// Bring a PostgreSQL database up to date first; SQLite always is.
        #[arg(long)]
        migrate: bool,
    },
    /// Bring the database up to date.
    Migrate,
    /// Look at the configuration.
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Make or change the keys file.
    #[command(subcommand)]
    Keys(KeysCommand),
    /// Print a bearer token for the API.
    Token {
        #[arg(long)]
        role: TokenRole,
        /// How long it is good: a number with s, m, h or d, up to 365d.
        #[arg(long, default_value = "1h")]
        ttl: Ttl,
    },
    /// Who may use the console.
    Seller {
        #[command(flatten)]
        api: Api,
        #[command(subcommand)]
        command: SellerCommand,
    },
    /// Sales of a running server.
    Sale {
        #[command(flatten)]
        api: Api,
        #[command(subcommand)]
        command: SaleCommand,
    },
    /// The keys' fingerprint and the public address that the database belongs to.
    #[command(subcommand)]
    Installation(InstallationCommand),
    /// Compare queue, stock, database, event log and payments.
    Verify {
        #[command(flatten)]
        api: Api,
        /// The whole document instead of a line for each sale.
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Tell every fault at once.
    Check {
        /// As for `serve`: a process with these roles only.
        #[arg(long = "role", value_name = "ROLE")]
        roles: Vec<Role>,
    },
    /// Print the configuration in force, as a file, with secrets hidden.
    Print,
}

#[derive(Debug, Subcommand)]
enum KeysCommand {
    /// Make the keys file; an existing one is kept.
    Init,
    /// Add new keys that sign from now on; the old ones stay to verify.
    Rotate,
}

#[derive(Clone, Copy, Debug, Subcommand)]
enum InstallationCommand {
    /// Print them.
    Show,
    /// Make those of this configuration the database's; processes with others are not ready from then on.
    Adopt,
}

#[derive(Debug, Subcommand)]
enum SellerCommand {
    /// Print a one-time sign-in link for the console.
    Add { email: String },
}

#[derive(Debug, Subcommand)]
enum SaleCommand {
    /// Create the sale that FILE describes (- is stdin).
    Create {
        #[arg(value_name = "FILE.json")]
        file: PathBuf,
    },
    /// All sales.
    List,
    /// One sale.
    Show { sale: sale::SaleId },
}

/// Which server to call.
#[derive(Debug, clap::Args)]
struct Api {
    /// The server to call; without it, that of the configuration's public URL.
    #[arg(long, global = true, value_name = "URL")]
    server: Option<PublicUrl>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum TokenRole {
    Seller,
    Operator,
}

impl From<TokenRole> for Authority {
    fn from(role: TokenRole) -> Self {
        match role {
            TokenRole::Seller => Self::Seller,
            TokenRole::Operator => Self::Operator,
        }
    }
}

/// Where a command writes.
pub struct Terminal<'a> {
    /// Data.
    pub stdout: &'a mut dyn Write,
    /// Words.
    pub stderr: &'a mut dyn Write,
}

/// Why a command ends without its result.
#[derive(Debug, thiserror::Error)]
enum CommandError {
    #[error(transparent)]
    Configuration(#[from] ConfigErrors),
    #[error("{0} differences")]
    Differences(u64),
    #[error("{}", error_chain(.0))]
    Failed(#[from] anyhow::Error),
}

impl CommandError {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::Failed(_) => ExitCode::FAILURE,
            Self::Differences(_) => ExitCode::from(3),
            Self::Configuration(_) => ExitCode::from(64),
        }
    }
}

impl Cli {
    /// Runs the command.
    pub fn run(self, terminal: &mut Terminal<'_>) -> ExitCode {
        run::run(self, terminal).unwrap_or_else(|error| {
            // When even stderr is closed, the exit code is all that is left.
            drop(writeln!(terminal.stderr, "{error}"));
            error.exit_code()
        })
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_server_may_stand_on_either_side() {
        for line in ["openrun sale --server http://a list", "openrun sale list --server http://a"] {
            let cli = Cli::try_parse_from(line.split(' ')).unwrap();
            let Some(Command::Sale { api, .. }) = cli.command else { panic!("{line}") };
            assert_eq!(api.server.unwrap().origin(), "http://a");
        }
    }

    #[test]
    fn roles_are_named_as_in_the_documentation() {
        let line = "openrun serve --role waiting-room --role checkout --role admission --role relay --role payments \
                    --role stock --role mail";
        let cli = Cli::try_parse_from(line.split_whitespace()).unwrap();
        let Some(Command::Serve { roles, migrate: false }) = cli.command else { panic!("{cli:?}") };
        assert_eq!(roles, Role::ALL);
    }
}
