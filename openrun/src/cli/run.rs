//! What each command does.

use std::{
    fs,
    future::Future,
    io::{Read as _, Write},
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use anyhow::Context as _;
use sale::{Clock, Keys, token};
use serde_json::Value;
use stores::failpoint;

use super::{
    Api, Cli, Command, CommandError, ConfigCommand, InstallationCommand, KeysCommand, SaleCommand, SellerCommand,
    Terminal,
};
use crate::{
    admin_commands,
    client::{Client, ClientError},
    config::{self, Config, ConfigErrors, Role, Sources},
    demo, keys, serve,
    services::OutdatedSchema,
    telemetry,
};

/// How long blocking threads may delay the end of the process.
const BLOCKING_THREADS_TIMEOUT: Duration = Duration::from_secs(1);

pub(super) fn run(cli: Cli, terminal: &mut Terminal<'_>) -> Result<ExitCode, CommandError> {
    let file = cli.config;
    let load = |roles: Vec<Role>| Config::load(&sources(file.clone(), roles));
    let Some(command) = cli.command else {
        return demo(file);
    };
    match command {
        Command::Serve { roles, migrate } => return serve(load(roles)?, migrate),
        Command::Migrate => {
            block_on(admin_commands::migrate(&load(Vec::new())?))??;
            print(terminal.stderr, "the database is up to date")?;
        }
        Command::Config(ConfigCommand::Check { roles }) => check_config(&load(roles)?, terminal)?,
        Command::Config(ConfigCommand::Print) => print(terminal.stdout, load(Vec::new())?.to_toml().trim_end())?,
        Command::Keys(command) => change_keys(&command, &load(Vec::new())?, terminal)?,
        Command::Token { role, ttl } => {
            let keys = keys::load(&load(Vec::new())?.keys_file).map_err(anyhow::Error::from)?;
            let expires_at = Clock::system().now().plus_seconds(ttl.seconds);
            print(terminal.stdout, &token::sign(&keys.tokens, role.into(), expires_at))?;
            print(terminal.stderr, &format!("valid until {expires_at}"))?;
        }
        Command::Seller { api, command } => {
            let SellerCommand::Add { email } = command;
            let link = client(&api, &load(Vec::new())?)?.add_seller(&email).map_err(anyhow::Error::from)?;
            print(terminal.stdout, &link.sign_in_url)?;
            print(terminal.stderr, &format!("valid once, until {}", link.expires_at))?;
        }
        Command::Sale { api, command } => {
            let answer = ask_sales(&client(&api, &load(Vec::new())?)?, command)?;
            print(terminal.stdout, &pretty(&answer)?)?;
        }
        Command::Installation(command) => {
            let config = load(Vec::new())?;
            let keys = keys::load(&config.keys_file).map_err(anyhow::Error::from)?;
            let answer = block_on(async {
                match command {
                    InstallationCommand::Show => admin_commands::show_installation(&config).await,
                    InstallationCommand::Adopt => admin_commands::adopt_installation(&config, &keys).await,
                }
            })??;
            print(terminal.stdout, &pretty(&answer)?)?;
        }
        Command::Verify { api, json } => verify(&api, json, &load(Vec::new())?, terminal)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn sources(file: Option<PathBuf>, roles: Vec<Role>) -> Sources {
    Sources { file, environment: config::environment(), roles, demo: false }
}

fn demo(file: Option<PathBuf>) -> Result<ExitCode, CommandError> {
    let sources = Sources { demo: true, ..sources(file, Vec::new()) };
    if let Some(obstacle) = config::demo_obstacle(&sources) {
        return Err(ConfigErrors(vec![obstacle]).into());
    }
    let config = Config::load(&sources)?;
    // The demo prints its addresses to the terminal: a log line for every request of its buyers would hide them.
    let keys = prepare(&config, &format!("access=off,{}", config.log))?;
    Ok(block_on(demo::run(config, keys))??)
}

fn serve(config: Config, migrate: bool) -> Result<ExitCode, CommandError> {
    let keys = prepare(&config, &config.log)?;
    let outdated = if migrate { OutdatedSchema::Migrate } else { OutdatedSchema::Refuse };
    Ok(block_on(serve::run(config, keys, outdated))??)
}

/// Starts the log and reads the keys of a server.
fn prepare(config: &Config, log: &str) -> Result<Keys, CommandError> {
    telemetry::start(log);
    for warning in config::warnings(config) {
        tracing::warn!("{warning}");
    }
    if let Some(plan) = config::fail_point() {
        failpoint::arm(&plan).map_err(anyhow::Error::from)?;
    }
    let keys = keys::load_or_make(config).map_err(anyhow::Error::from)?;
    if let Some(warning) = keys::exposure(&config.keys_file) {
        tracing::warn!("{warning}");
    }
    Ok(keys)
}

fn block_on<T>(task: impl Future<Output = T>) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start the threads of this process")?;
    let answer = runtime.block_on(Box::pin(task));
    runtime.shutdown_timeout(BLOCKING_THREADS_TIMEOUT);
    Ok(answer)
}

fn check_config(config: &Config, terminal: &mut Terminal<'_>) -> Result<(), CommandError> {
    let warnings = config::warnings(config);
    for warning in &warnings {
        print(terminal.stderr, &format!("warning: {warning}"))?;
    }
    if let Some(warning) = keys::exposure(&config.keys_file) {
        print(terminal.stderr, &format!("warning: {warning}"))?;
    }
    Ok(print(terminal.stderr, "the configuration is good")?)
}

fn change_keys(command: &KeysCommand, config: &Config, terminal: &mut Terminal<'_>) -> Result<(), CommandError> {
    let path = &config.keys_file;
    let (done, what_next) = match command {
        KeysCommand::Init => (keys::init(path), "made; give the same file to every process of the installation"),
        KeysCommand::Rotate => (keys::rotate(path), "has new keys; restart every process of the installation"),
    };
    done.map_err(anyhow::Error::from)?;
    Ok(print(terminal.stderr, &format!("{} {what_next}", path.display()))?)
}

fn client(api: &Api, config: &Config) -> anyhow::Result<Client> {
    let keys = keys::load(&config.keys_file)?;
    let server = api.server.clone().unwrap_or_else(|| config.public_url.clone());
    Ok(Client::new(server, &keys.tokens, Clock::system().now()))
}

fn ask_sales(client: &Client, command: SaleCommand) -> anyhow::Result<Value> {
    Ok(match command {
        SaleCommand::Create { file } => client.create_sale(&read_json(&file)?)?,
        SaleCommand::List => client.sales()?,
        SaleCommand::Show { sale } => client.sale(sale.as_str())?,
    })
}

fn read_json(file: &Path) -> anyhow::Result<Value> {
    let mut text = String::new();
    if file == Path::new("-") {
        std::io::stdin().read_to_string(&mut text).context("cannot read stdin")?;
    } else {
        text = fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    }
    serde_json::from_str(&text).with_context(|| format!("{} is no JSON", file.display()))
}

fn verify(api: &Api, json: bool, config: &Config, terminal: &mut Terminal<'_>) -> Result<(), CommandError> {
    let document = match client(api, config)?.verify() {
        // A server that was named has to answer; without one the stores themselves can be read.
        Err(ClientError::Unreachable { .. }) if api.server.is_none() => {
            print(terminal.stderr, &format!("no server answers at {}; reading the stores", config.public_url))?;
            block_on(admin_commands::verify_stores(
                config,
                keys::load(&config.keys_file).map_err(anyhow::Error::from)?,
            ))??
        }
        answer => answer.map_err(anyhow::Error::from)?,
    };
    let differences = differences(&document)?;
    if json {
        print(terminal.stdout, &pretty(&document)?)?;
    } else {
        print_differences(&document, terminal.stdout)?;
        for (sale, part) in document["sales"].as_object().into_iter().flatten() {
            print(terminal.stdout, &format!("{sale}: {} differences", self::differences(part)?))?;
            print_differences(part, terminal.stdout)?;
        }
        print(terminal.stdout, &format!("{differences} differences"))?;
    }
    if differences == 0 { Ok(()) } else { Err(CommandError::Differences(differences)) }
}

/// A line for each difference.
fn print_differences(report: &Value, out: &mut dyn Write) -> anyhow::Result<()> {
    let found = report["found"].as_array().into_iter().flatten();
    for found in found {
        let [what, id, detail] = ["what", "id", "detail"].map(|part| found[part].as_str().unwrap_or("?"));
        print(out, &format!("  {what} {id}: {detail}"))?;
    }
    Ok(())
}

/// The number of differences; a document without it is an error, not a success.
fn differences(document: &Value) -> anyhow::Result<u64> {
    document["differences"].as_u64().context("the answer does not count differences; is the server of another version?")
}

fn pretty(document: &Value) -> anyhow::Result<String> {
    serde_json::to_string_pretty(document).context("cannot write JSON")
}

fn print(to: &mut dyn Write, line: &str) -> anyhow::Result<()> {
    writeln!(to, "{line}").context("cannot write the answer")
}
