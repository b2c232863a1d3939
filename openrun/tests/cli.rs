//! The command line as people and scripts meet it: the real binary in an empty folder.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends here")]

use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    net::TcpListener,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use harness::Program;
use openrun::config::{Config, Sources};
use sale::{
    Clock, Keys,
    token::{self, Authority},
};
use tempfile::TempDir;

struct Folder(TempDir);

/// What a run left behind.
struct Answer {
    code: i32,
    out: String,
    words: String,
}

impl Folder {
    fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    fn command(&self, line: &str, variables: &[(&str, &str)]) -> Command {
        let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let mut command = Program::at(env!("CARGO_BIN_EXE_openrun")).command(self.0.path(), &variables);
        command.args(line.split_whitespace());
        command
    }

    fn run_with(&self, line: &str, variables: &[(&str, &str)]) -> Answer {
        let Output { status, stdout, stderr } = self.command(line, variables).output().unwrap();
        let [out, words] = [stdout, stderr].map(|bytes| String::from_utf8(bytes).unwrap());
        Answer { code: status.code().unwrap(), out, words }
    }

    fn run(&self, line: &str) -> Answer {
        self.run_with(line, &[])
    }

    fn keys(&self) -> Keys {
        Keys::parse(&fs::read_to_string(self.path("data/keys.json")).unwrap()).unwrap()
    }
}

#[test]
fn help_lists_the_commands_and_the_exit_codes() {
    let answer = Folder::new().run("--help");
    assert_eq!((answer.code, answer.words.as_str()), (0, ""));
    for word in ["serve", "migrate", "config", "keys", "token", "seller", "sale", "verify", "Exit codes:", "  64  "] {
        assert!(answer.out.contains(word), "{word}");
    }
    assert_eq!(Folder::new().run("no-such-command").code, 2);
    assert_eq!(Folder::new().run("serve --role cook").code, 2);
}

#[test]
fn config_check_tells_every_fault_at_once() {
    let folder = Folder::new();
    folder.write("openrun.toml", "lisen = '0.0.0.0:8080'\n");
    let variables = [("OPENRUN_SANDBOX_LATENCY_MS", "-1"), ("OPENRUN_QEUE_URL", "memory:")];
    let answer = folder.run_with("config check --role mail", &variables);
    assert_eq!((answer.code, answer.out.as_str()), (64, ""));
    for part in
        ["lisen in openrun.toml", "OPENRUN_SANDBOX_LATENCY_MS is \"-1\"", "OPENRUN_QEUE_URL is no variable", "sqlite:"]
    {
        assert!(answer.words.contains(part), "{part}: {}", answer.words);
    }
    assert_eq!(folder.run_with("serve", &variables).code, 64);
    let good = Folder::new().run_with("config check", &[("OPENRUN_PUBLIC_URL", "http://line.example.com")]);
    assert_eq!((good.code, good.out.as_str()), (0, ""));
    assert!(good.words.contains("warning: OPENRUN_PUBLIC_URL"));
}

#[test]
fn config_print_hides_secrets_and_reads_back() {
    let folder = Folder::new();
    let queue = [("OPENRUN_QUEUE_URL", "redis://:geheim@queue:6379")];
    let printed = folder.run_with("config print", &queue);
    assert_eq!(printed.code, 0);
    assert!(printed.out.contains("redis://:***@queue:6379") && !printed.out.contains("geheim"));
    folder.write("printed.toml", &printed.out);
    assert_eq!(folder.run("config print --config printed.toml").out, printed.out);
    folder.write("openrun.toml", &printed.out);
    assert_eq!(folder.run("config print").out, printed.out);
}

#[test]
fn the_demo_does_not_start_beside_a_configuration() {
    let folder = Folder::new();
    let answer = folder.run_with("", &[("OPENRUN_QUEUE_URL", "memory:")]);
    assert_eq!(answer.code, 64);
    assert!(answer.words.starts_with("OPENRUN_QUEUE_URL is set, and the demo does not start beside"));
    assert_eq!(folder.run("--config other.toml").code, 64);
    folder.write("openrun.toml", "");
    let answer = folder.run("");
    assert_eq!(answer.code, 64);
    assert!(answer.words.starts_with("openrun.toml is here"));
    assert!(!folder.path("data").exists());
}

#[test]
fn keys_are_made_once_and_rotated() {
    let folder = Folder::new();
    assert_eq!(folder.run("token --role seller").code, 1);
    assert_eq!(folder.run("keys init").code, 0);
    let mode = || fs::metadata(folder.path("data/keys.json")).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(), 0o600);
    let made = folder.keys();
    let again = folder.run("keys init");
    assert_eq!((again.code, folder.keys().sessions), (1, made.sessions.clone()));
    assert!(again.words.contains("keys rotate"));

    let before = folder.run("token --role seller --ttl 5m");
    assert_eq!(folder.run("keys rotate").code, 0);
    let rotated = folder.keys();
    assert_eq!(mode(), 0o600);
    assert_ne!(rotated.tokens.current().id, made.tokens.current().id);
    assert_eq!(token::verify(&rotated.tokens, before.out.trim(), Clock::system().now()), Some(Authority::Seller));
}

#[test]
fn a_token_is_good_for_as_long_as_was_said() {
    let folder = Folder::new();
    folder.run("keys init");
    let answer = folder.run("token --role operator --ttl 2h");
    let (ring, now) = (folder.keys().tokens, Clock::system().now());
    let verify = |seconds: i64| token::verify(&ring, answer.out.trim(), now.plus_seconds(seconds));
    assert_eq!(answer.out.lines().count(), 1);
    assert_eq!(verify(7_100), Some(Authority::Operator));
    assert_eq!(verify(7_300), None);
    assert_eq!(folder.run("token --role buyer").code, 2);
    assert_eq!(folder.run("token --role seller --ttl 1y").code, 2);
}

#[test]
fn a_server_that_is_not_there_is_told_in_a_sentence() {
    let folder = Folder::new();
    folder.run("keys init");
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for command in ["sale list", "sale show shoes", "seller add a@example.com", "verify --json"] {
        let answer = folder.run(&format!("{command} --server http://{free}"));
        assert_eq!((answer.code, answer.out.as_str()), (1, ""), "{command}");
        assert!(answer.words.starts_with(&format!("no server answers at http://{free}")), "{}", answer.words);
        assert_eq!(answer.words.lines().count(), 1, "{}", answer.words);
    }
    assert_eq!(folder.run("sale create none.json").code, 1);
    assert_eq!(folder.run("sale show Shoes").code, 2);
}

#[test]
fn a_fail_point_that_is_none_keeps_the_server_from_starting() {
    let answer = Folder::new().run_with("serve", &[("OPENRUN_FAIL_POINT", "nowhere")]);
    assert_ne!(answer.code, 0);
    assert!(answer.words.contains("`nowhere` is not a fail point"), "{}", answer.words);
}

#[test]
fn a_server_makes_its_keys_and_stops_well_at_a_signal() {
    let folder = Folder::new();
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let address = free.to_string();
    let mut server = folder.command("serve", &[("OPENRUN_LISTEN", &address)]).stderr(Stdio::piped()).spawn().unwrap();
    let mut log = BufReader::new(server.stderr.take().unwrap()).lines().map(Result::unwrap);
    let listening = log.by_ref().find(|line| line.contains(&format!("listening on {address}")));
    assert!(listening.is_some_and(|line| line.starts_with('{')), "one object a line where stderr is no terminal");
    assert_eq!(fs::metadata(folder.path("data/keys.json")).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(Command::new("kill").args(["-TERM", &server.id().to_string()]).status().unwrap().success());
    let rest: Vec<String> = log.collect();
    assert!(server.wait().unwrap().success(), "{rest:#?}");
}

/// Answers one request for each of `answers` and hands the requests' first lines back.
fn serve(answers: Vec<(&'static str, &'static str)>) -> (String, std::thread::JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let requests = std::thread::spawn(move || {
        let answer = |(kind, body): (&str, &str)| {
            let mut reader = BufReader::new(listener.accept().unwrap().0);
            let mut lines = String::new();
            while reader.read_line(&mut lines).unwrap() > 2 {}
            let status = if kind == "application/problem+json" { "409 Conflict" } else { "200 OK" };
            let length = body.len();
            let head =
                format!("HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\nConnection: close");
            write!(reader.into_inner(), "{head}\r\n\r\n{body}").unwrap();
            lines.lines().next().unwrap().to_owned()
        };
        answers.into_iter().map(answer).collect()
    });
    (url, requests)
}

#[test]
fn verify_ends_well_only_without_differences() {
    let folder = Folder::new();
    folder.run("keys init");
    let list = ("application/json", r#"{"data":[{"id":"shoes"}],"next_cursor":null}"#);
    for (part, code) in [(r#"{"differences":0}"#, 0), (r#"{"differences":2}"#, 3), (r#"{"oh":"no"}"#, 1)] {
        let (url, requests) = serve(vec![list, ("application/json", part)]);
        let answer = folder.run(&format!("verify --json --server {url}"));
        assert_eq!(answer.code, code, "{}", answer.words);
        assert_eq!(answer.out.is_empty(), code == 1);
        assert_eq!(requests.join().unwrap()[1], "GET /v1/sales/shoes/verify HTTP/1.1");
    }
}

#[test]
fn verify_tells_what_does_not_fit() {
    let folder = Folder::new();
    folder.run("keys init");
    let part = r#"{"differences":1,"found":[{"what":"a hold without an order","id":"h1","detail":"2 units"}]}"#;
    let list = r#"{"data":[{"id":"shoes"}],"next_cursor":null}"#;
    let (url, _) = serve(vec![("application/json", list), ("application/json", part)]);
    let answer = folder.run(&format!("verify --server {url}"));
    assert_eq!(answer.out, "shoes: 1 differences\n  a hold without an order h1: 2 units\n1 differences\n");
    assert_eq!(answer.code, 3);
}

#[test]
fn answers_go_to_stdout_and_refusals_to_stderr() {
    let folder = Folder::new();
    folder.run("keys init");
    let (url, _) = serve(vec![("application/json", r#"{"id":"shoes"}"#)]);
    let answer = folder.run_with("sale show shoes", &[("OPENRUN_PUBLIC_URL", &url)]);
    assert_eq!((answer.code, answer.out.as_str()), (0, "{\n  \"id\": \"shoes\"\n}\n"));
    let problem = r#"{"title":"a sale with this id already exists","code":"sale_exists","trace_id":"t1"}"#;
    let (url, _) = serve(vec![("application/problem+json", problem)]);
    folder.write("sale.json", "{}");
    let answer = folder.run(&format!("sale create sale.json --server {url}"));
    assert_eq!((answer.code, answer.out.as_str()), (1, ""));
    assert_eq!(answer.words, "the server refused: a sale with this id already exists (409 sale_exists t1)\n");
}

/// The Markdown files of the repository.
fn documents(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() && !name.starts_with('.') && !["target", "node_modules", "data"].contains(&name.as_str()) {
            documents(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "md") {
            found.push(path);
        }
    }
}

fn load(toml: &str, variable: Option<&str>) -> String {
    let folder = Folder::new();
    folder.write("openrun.toml", toml);
    let environment = variable.map(|name| (name.to_owned(), String::new())).into_iter().collect();
    let sources = Sources { file: Some(folder.path("openrun.toml")), environment, ..Sources::default() };
    Config::load(&sources).map_or_else(|faults| faults.to_string(), |_| String::new())
}

/// Variables of the load tests, which are no settings.
const OF_LOAD_TESTS: [&str; 2] = ["OPENRUN_URL", "OPENRUN_TOKEN"];

#[test]
fn what_the_documents_say_of_the_configuration_is_so() {
    let mut paths = Vec::new();
    documents(&Path::new(env!("CARGO_MANIFEST_DIR")).join(".."), &mut paths);
    assert!(!paths.is_empty());
    for path in paths {
        let text = fs::read_to_string(&path).unwrap();
        for example in text.split("```toml\n").skip(1) {
            assert_eq!(load(example.split("```").next().unwrap(), None), "", "{}", path.display());
        }
        let names = text.split(|letter: char| !letter.is_ascii_uppercase() && letter != '_');
        // A name that ends in _ stands for several.
        let settings = names.filter(|name| name.starts_with("OPENRUN_") && !name.ends_with('_'));
        for name in settings.filter(|name| !OF_LOAD_TESTS.contains(name)) {
            assert!(!load("", Some(name)).contains("no variable"), "{name} in {}", path.display());
        }
    }
}
