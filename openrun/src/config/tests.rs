use std::{fs, path::PathBuf};

use tempfile::TempDir;

use super::{declare::Section as _, *};

/// Loads `toml` as the file, with `variables`.
fn load(toml: &str, variables: &[(&str, &str)]) -> Result<Config, ConfigErrors> {
    load_for(toml, variables, &[])
}

fn load_for(toml: &str, variables: &[(&str, &str)], roles: &[Role]) -> Result<Config, ConfigErrors> {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("some.toml");
    fs::write(&file, toml).unwrap();
    let environment = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Config::load(&Sources { file: Some(file), environment, roles: roles.to_vec(), demo: false })
}

fn errors(toml: &str, variables: &[(&str, &str)]) -> Vec<String> {
    load(toml, variables).unwrap_err().0.iter().map(ToString::to_string).collect()
}

/// The variables of an installation of several processes.
const PRODUCTION: [(&str, &str); 6] = [
    ("OPENRUN_PUBLIC_URL", "https://line.example.com"),
    ("OPENRUN_DATABASE_URL", "postgres://me:geheim@db/openrun"),
    ("OPENRUN_QUEUE_URL", "redis://:geheim@queue:6379"),
    ("OPENRUN_EVENTS_URL", "kafka://one:9092,two:9092"),
    ("OPENRUN_MAIL_URL", "smtp://me:geheim@mail:587?from=shop@example.com"),
    ("OPENRUN_ALLOW_SANDBOX", "1"),
];

#[test]
fn the_defaults_are_the_embedded_mode() {
    let config = load("", &[]).unwrap();
    assert_eq!(config.database_url, "sqlite:./data/openrun.db");
    assert_eq!(config.keys_file, PathBuf::from("./data/keys.json"));
    assert_eq!((config.ops_listen, config.sandbox.seed), (None, None));
    assert!(config.runs_every_role() && config.owns_its_keys());
    assert!(warnings(&config).is_empty());
}

/// After its own heading, which ends with the first empty line.
#[test]
fn default_toml_says_what_the_keys_declare() {
    let file = include_str!("../../default.toml");
    let keys = &file[file.find("\n\n").unwrap() + 1..];
    let declared = Config::default_toml();
    assert_eq!(keys, declared, "openrun/default.toml should have, below its heading:\n{declared}");
    assert_eq!(load(file, &[]).unwrap(), load("", &[]).unwrap());
}

#[test]
fn the_readme_lists_keys_that_are_declared() {
    let readme = include_str!("../../../README.md");
    let rows = readme
        .lines()
        .skip_while(|line| !line.starts_with("| key |"))
        .skip(2)
        .map_while(|line| line.strip_prefix("| `"));
    let listed: Vec<&str> = rows.map(|row| row.split('`').next().unwrap()).collect();
    assert!(listed.len() > 5, "{listed:?}");
    for key in listed {
        assert!(Config::keys().iter().any(|declared| declared.name == key), "{key}");
    }
}

#[test]
fn what_is_printed_reads_back_without_secrets() {
    let mut variables = PRODUCTION.to_vec();
    variables.extend([
        ("OPENRUN_OPS_LISTEN", "0.0.0.0:9090"),
        ("OPENRUN_TRUSTED_PROXIES", "10.0.0.0/8, fd00::/8"),
        ("OPENRUN_SANDBOX_SEED", "7"),
        ("OPENRUN_SANDBOX_DECLINE_SHARE", "0.3"),
        ("OPENRUN_LOG", "info,stores=debug"),
    ]);
    let config = load("", &variables).unwrap();
    let printed = config.to_toml();
    assert!(!printed.contains("geheim") && !format!("{config:?}").contains("geheim"), "{printed}");
    let again = load(&printed, &[]).unwrap();
    assert_eq!(again.to_toml(), printed);
    assert_eq!(again.sandbox, config.sandbox);
    assert_eq!(again.trusted_proxies, config.trusted_proxies);
    assert_eq!(again.ops_listen, config.ops_listen);
}

#[test]
fn the_environment_stands_above_the_file_and_the_file_above_the_defaults() {
    let toml = "listen = '127.0.0.1:1000'\ndata_dir = '/from/file/'\n[sandbox]\nlatency_ms = 5\nseed = 6";
    let config = load(toml, &[("OPENRUN_LISTEN", "127.0.0.1:2000"), ("OPENRUN_SANDBOX_LATENCY_MS", "7")]).unwrap();
    assert_eq!(config.listen.port(), 2000);
    assert_eq!((config.sandbox.latency_ms, config.sandbox.seed), (7, Some(6)));
    assert_eq!(config.database_url, "sqlite:/from/file/openrun.db");
    assert_eq!(config.keys_file, PathBuf::from("/from/file/keys.json"));
    assert!(config.owns_its_keys());
    assert!(!load("keys_file = '/elsewhere/keys.json'", &[]).unwrap().owns_its_keys());
}

#[test]
fn a_variable_may_name_a_file() {
    let folder = TempDir::new().unwrap();
    let secret = folder.path().join("secret");
    fs::write(&secret, "redis://:geheim@queue:6379\n").unwrap();
    let secret = secret.to_str().unwrap();
    let config = load("", &[("OPENRUN_QUEUE_URL_FILE", secret), ("OPENRUN_KEYS_FILE", "/k.json")]).unwrap();
    assert_eq!(config.queue_url, "redis://:geheim@queue:6379");
    assert_eq!(config.keys_file, PathBuf::from("/k.json"));
    assert_eq!(
        errors("", &[("OPENRUN_QUEUE_URL_FILE", secret), ("OPENRUN_QUEUE_URL", "memory:")]),
        ["OPENRUN_QUEUE_URL_FILE and OPENRUN_QUEUE_URL are both set; keep one"]
    );
    let missing = errors("", &[("OPENRUN_LISTEN_FILE", "/no/such/file")]);
    assert!(missing[0].starts_with("OPENRUN_LISTEN_FILE names \"/no/such/file\", which cannot be read"), "{missing:?}");
}

#[test]
fn all_errors_are_reported_at_once() {
    let toml = "lisen = 1\ndata_dir = ''\n[sandbox]\nlatency_ms = 'slow'\ncolour = 1\n[line]\nrate = 1";
    let told = errors(
        toml,
        &[
            ("OPENRUN_LISTEN", "localhost"),
            ("OPENRUN_PUBLIC_URL", "https://line.example.com/shop"),
            ("OPENRUN_TRUSTED_PROXIES", "10.0.0.1"),
            ("OPENRUN_JOINS_PER_NETWORK_PER_MINUTE", "1000001"),
            ("OPENRUN_SANDBOX_SEED", "-1"),
            ("OPENRUN_DATABASE_URL", "mysql://me:geheim@db/openrun"),
            ("OPENRUN_PAYMENTS_URL", "stripe:"),
            ("OPENRUN_COLOUR", "red"),
            ("OPENRUN_TEST_ANYTHING", "is for the scripts"),
            ("OPENRUN_BIN", "is for the scripts"),
        ],
    );
    for beginning in [
        "lisen in ",
        "sandbox.colour in ",
        "line.rate in ",
        "data_dir in ",
        "sandbox.latency_ms in ",
        "OPENRUN_LISTEN is \"localhost\"; expected an IP address and a port from 1 to 65535",
        "OPENRUN_PUBLIC_URL is \"https://line.example.com/shop\"; expected",
        "OPENRUN_TRUSTED_PROXIES is \"10.0.0.1\"; expected networks like 10.0.0.0/8",
        "OPENRUN_JOINS_PER_NETWORK_PER_MINUTE is \"1000001\"; expected a whole number from 0",
        "OPENRUN_SANDBOX_SEED is \"-1\"",
        "OPENRUN_DATABASE_URL is \"mysql://me:***@db/openrun\"; expected sqlite:FILE",
        "OPENRUN_PAYMENTS_URL names stripe:, which is not supported yet",
        "OPENRUN_COLOUR is no variable of Openrun",
    ] {
        assert_eq!(told.iter().filter(|error| error.starts_with(beginning)).count(), 1, "{beginning}: {told:#?}");
    }
    assert_eq!(told.len(), 13, "{told:#?}");
    assert!(
        told.iter().any(|error| error.contains("(OPENRUN_SANDBOX_LATENCY_MS)") && error.contains("default \"300\""))
    );
}

#[test]
fn a_broken_file_is_told_by_its_line_without_what_stands_there() {
    let told = errors("# fine\ndatabase_url = 'postgres://me:geheim@db", &[]);
    assert!(told[0].contains("some.toml is no TOML: line 2"), "{told:?}");
    assert!(!told[0].contains("geheim"));
    let sources = Sources { file: Some("/no/such/openrun.toml".into()), ..Sources::default() };
    assert!(Config::load(&sources).unwrap_err().to_string().starts_with("/no/such/openrun.toml cannot be read"));
}

#[test]
fn a_variable_that_is_no_text_is_told() {
    let value = String::from_utf8_lossy(b"postgres://me:pw\xff@db/openrun");
    assert_eq!(errors("", &[("OPENRUN_DATABASE_URL", &value)]), ["OPENRUN_DATABASE_URL is no UTF-8"]);
}

#[test]
fn the_schemes_of_each_store_are_known() {
    for (variable, good, bad) in [
        (
            "OPENRUN_DATABASE_URL",
            &["sqlite:a.db", "sqlite:///var/a.db", "sqlite:/var/a.db"][..],
            &["", "sqlite:", "sqlite::memory:", "sqlite:a.db?mode=ro", "a.db", "mysql://a/b", "postgres://:no"][..],
        ),
        (
            "OPENRUN_QUEUE_URL",
            &["memory:", "redis://host", "redis://:pw@host:6379/1"],
            &["", "memory", "memory:x", "redis:", "redis://", "redis+cluster://a:1,b:2", "rediss://host"],
        ),
        (
            "OPENRUN_EVENTS_URL",
            &["local:", "kafka://a:9092", "kafka://a:9092,[::1]:9093", "kafka://a:9092/shop"],
            &["", "local", "kafka://", "kafka://a", "kafka://a:9092,", "kafka://a:9092/a/b"],
        ),
        ("OPENRUN_PAYMENTS_URL", &["sandbox:"], &["", "sandbox", "stripe:", "stripe:sk_test_1"]),
        (
            "OPENRUN_MAIL_URL",
            &["mailbox:", "smtp://mail:25", "smtps://me:pw@mail:465?from=shop@example.com"],
            &["", "mailbox", "smtp:", "smtp://", "smtp://mail?from=nobody"],
        ),
    ] {
        for url in good {
            assert!(load("", &[(variable, url)]).is_ok(), "{variable}={url}");
        }
        for url in bad {
            let told: Vec<String> =
                errors("", &[(variable, url)]).into_iter().filter(|error| error.starts_with(variable)).collect();
            assert!(told.len() == 1 && told[0].contains("expected"), "{url}: {told:?}");
        }
    }
    assert!(!errors("", &[("OPENRUN_PAYMENTS_URL", "stripe:sk_test_1")])[0].contains("sk_test"));
}

#[test]
fn what_is_impossible_together_is_told() {
    let good = load("", &PRODUCTION).unwrap();
    assert!(check(&good).is_empty() && warnings(&good).is_empty());
    let but = |change: fn(&mut Config)| {
        let mut config = good.clone();
        change(&mut config);
        check(&config).iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    };
    for (change, told) in [
        ((|c| c.allow_sandbox = false) as fn(&mut Config), "OPENRUN_ALLOW_SANDBOX=1"),
        (|c| c.events_url = "local:".to_owned(), "goes with sqlite: only"),
        (|c| c.ops_listen = Some(([0, 0, 0, 0], 8080).into()), "a port of its own"),
        (|c| (c.sandbox.decline_share, c.sandbox.leave_share) = (0.7, 0.4), "together; expected at most 1"),
    ] {
        let sentences = but(change);
        assert!(sentences.contains(told) && sentences.lines().count() == 1, "{told}: {sentences}");
    }
    assert_eq!(
        but(|c| (c.sandbox.decline_share, c.sandbox.leave_share, c.sandbox.timeout_share) = (0.7, 0.2, 0.1)),
        ""
    );
}

#[test]
fn stores_of_one_process_are_refused_where_roles_run_in_several() {
    let told = load_for("", &[], &[Role::WaitingRoom, Role::Mail]).unwrap_err();
    let about: Vec<&str> = told.0.iter().map(|error| error.about.as_str()).collect();
    assert_eq!(about, ["OPENRUN_DATABASE_URL", "OPENRUN_QUEUE_URL", "OPENRUN_EVENTS_URL"]);
    let config = load_for("", &PRODUCTION, &[Role::WaitingRoom]).unwrap();
    assert!(config.runs(Role::WaitingRoom) && !config.runs(Role::Checkout) && !config.runs_every_role());
    assert!(load_for("", &[], &Role::ALL).unwrap().runs_every_role());
}

#[test]
fn what_is_dangerous_is_a_warning() {
    for (variables, told) in [
        (&[("OPENRUN_PUBLIC_URL", "http://line.example.com")][..], "use https"),
        (&[("OPENRUN_TRUSTED_PROXIES", "0.0.0.0/0")], "trusts every address"),
        (
            &[("OPENRUN_DATABASE_URL", "postgres://db/openrun"), ("OPENRUN_EVENTS_URL", "kafka://a:9092")],
            "run one process only",
        ),
    ] {
        let warnings = warnings(&load("", variables).unwrap());
        assert!(warnings.len() == 1 && warnings[0].to_string().contains(told), "{warnings:?}");
    }
}

#[test]
fn the_demo_has_a_folder_of_its_own_and_stands_beside_nothing() {
    let sources = |variables: &[(&str, &str)]| Sources {
        environment: variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        demo: true,
        ..Sources::default()
    };
    let config = Config::load(&sources(&[])).unwrap();
    assert_eq!(config.database_url, "sqlite:./data/demo/openrun.db");
    for fine in ["OPENRUN_LISTEN", "OPENRUN_TEST_QUEUE_URL", "OPENRUN_KEYS_FILE"] {
        assert_eq!(demo_obstacle(&sources(&[(fine, "x")])), None, "{fine}");
    }
    for obstacle in ["OPENRUN_QUEUE_URL", "OPENRUN_DATABASE_URL_FILE", "OPENRUN_PUBLIC_URL"] {
        assert_eq!(demo_obstacle(&sources(&[(obstacle, "x")])).unwrap().about, obstacle);
    }
    assert!(demo_obstacle(&Sources { file: Some("a.toml".into()), ..Sources::default() }).is_some());
}
