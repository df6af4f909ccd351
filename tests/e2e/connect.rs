//! From nothing to a running configuration: what `connect` asks, tests and writes, and what it never leaves behind.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use crate::cli::{code, left_behind, said};
use crate::house::{House, TOKEN, text};
use crate::org::Org;

/// Longer than anything takes; a test that waits in vain ends.
const PATIENCE: Duration = Duration::from_secs(60);

/// What `connect` needs to know to ask nothing.
fn unattended<'a>(setting: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let first = [
        "connect",
        "--set",
        setting,
        "--token-file",
        "token",
        "--yes",
    ];
    [&first[..], more].concat()
}

fn url_of(org: &Org) -> String {
    format!("url={}", org.url)
}

/// Files below a folder that hold this text.
fn files_with(folder: &Path, needle: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if fs::read(&path)
                .unwrap()
                .windows(needle.len())
                .any(|bytes| bytes == needle.as_bytes())
            {
                found.push(path.file_name().unwrap().to_str().unwrap().to_owned());
            }
        }
    }
    found.sort();
    found
}

fn mode(house: &House, name: &str) -> u32 {
    fs::metadata(house.path(name)).unwrap().permissions().mode() & 0o777
}

#[test]
fn from_nothing_to_all_events() {
    let org = Org::with_events(2_500);
    let house = House::new();
    let said = said(&house, &unattended(&url_of(&org), &["--name", "acme"]));
    let (_, wrote) = said.split_once("\n\n").unwrap();
    insta::assert_snapshot!(wrote, @r"
    wrote logweir.yaml  reads `acme` into logs/acme.ndjson, and shows them on the screen
    wrote acme.token    the credential; only you can read it

    The first run reads the last 60 days, then follows what is new.
    next: logweir run
    exit code 0
    ");
    insta::assert_snapshot!(fs::read_to_string(house.path("logweir.yaml")).unwrap().replace(&org.url, "URL"), @r#"
    # `logweir validate` checks this file, `logweir check` tries what it says, `logweir run` runs it.
    # More sources go into files of their own in the folder logweir.d: `logweir connect` writes them.
    sources:
      acme:                                 # the name in logs, metrics and file names
        plugin: okta
        config:
          url: "URL"
        credentials:                        # the plugin never sees these
          api_token: ${file:acme.token}
    outputs:
      archive:                              # every record as it came, exactly once
        type: file
        inputs: [acme]
        path: "logs/{source}.ndjson"
      screen:                               # what comes in, while you watch
        type: console
        inputs: [acme]
    "#);
    assert_eq!(mode(&house, "acme.token"), 0o600, "trust 19");
    assert_eq!(fs::read_to_string(house.path("acme.token")).unwrap(), TOKEN);
    assert_eq!(
        org.report().violations,
        [],
        "trust 4: the first request carries no token"
    );

    house.run_ok(&["validate"]);
    house.run_ok(&["check"]);
    house.run_ok(&["run", "--once"]);
    assert_eq!(house.lines("logs/acme.ndjson"), org.persisted());
}

#[test]
fn a_further_source_goes_into_a_file_of_its_own() {
    let (one, two) = (Org::with_events(10), Org::seeded(20, 7));
    let house = House::new();
    house.run_ok(&unattended(&url_of(&one), &[]));
    let main = fs::read_to_string(house.path("logweir.yaml")).unwrap();
    let again = said(&house, &unattended(&url_of(&one), &[]));
    assert!(
        again.contains("`okta` reads this already") && again.ends_with("exit code 2"),
        "{again}"
    );

    house.run_ok(&unattended(&url_of(&two), &["--set", "limit=500"]));
    assert_eq!(
        fs::read_to_string(house.path("logweir.yaml")).unwrap(),
        main,
        "nobody's file is edited"
    );
    assert_eq!(left_behind(&house), ["logweir.d", "okta.token"]);
    assert!(
        house.path("logweir.d/okta-2.token").exists(),
        "trust 18: beside the file that names it"
    );
    house.run_ok(&["run", "--once"]);
    assert_eq!(house.lines("logs/okta.ndjson").len(), 10);
    assert_eq!(house.lines("logs/okta-2.ndjson").len(), 20);
}

#[test]
fn after_a_failed_test_nothing_is_left() {
    let org = Org::with_events(10);
    let house = House::new();
    house.write("token", "00WRONG");
    let refused = said(&house, &unattended(&url_of(&org), &[]));
    assert!(refused.contains("failed   credential"), "{refused}");
    assert!(
        refused.ends_with("the test failed: nothing was written\nexit code 1"),
        "{refused}"
    );
    assert_eq!(left_behind(&house), [""; 0]);
    assert!(!house.path("logweir.yaml").exists());

    let unreachable = said(&house, &unattended("url=http://127.0.0.1:9", &[]));
    assert!(unreachable.contains("failed   address"), "{unreachable}");
    assert_eq!(left_behind(&house), [""; 0]);
}

#[test]
fn a_file_that_is_there_is_not_overwritten() {
    let org = Org::with_events(10);
    let house = House::new();
    house.write("okta.token", "of an earlier try");
    insta::assert_snapshot!(said(&house, &unattended(&url_of(&org), &[])), @r"
    error: okta.token is there already, and is not overwritten: move it away, or choose another --name
    exit code 2
    ");
    assert_eq!(
        fs::read_to_string(house.path("okta.token")).unwrap(),
        "of an earlier try"
    );
    assert!(!house.path("logweir.yaml").exists());
    assert_eq!(org.report().requests, 0);
}

#[test]
fn an_invalid_configuration_is_told_before_anything_is_asked() {
    let house = House::new();
    house.write("logweir.yaml", "source: {}\n");
    insta::assert_snapshot!(said(&house, &["connect"]), @r"
    There is a configuration to add to, and it has to be put right first.

      × unknown key `source`
       ╭─[logweir.yaml:1:1]
     1 │ source: {}
       · ───┬──
       ·    ╰── not a key here
       ╰────
      help: did you mean `sources`?

    1 error in logweir.yaml
    exit code 2
    ");
}

#[test]
fn trust_04_a_stranger_gets_a_token_only_after_a_yes() {
    let org = Org::with_events(10);
    let house = House::new();
    let stranger = said(
        &house,
        &["connect", "--set", &url_of(&org), "--token-file", "token"],
    );
    insta::assert_snapshot!(stranger, @r"
    error: 127.0.0.1 is not a domain of Okta's: say --yes if it is your organisation's own
    exit code 2
    ");
    assert_eq!(org.report().requests, 0);
}

#[test]
fn a_wrong_setting_comes_back_at_once_with_what_to_write() {
    let house = House::new();
    let wrong = [
        &["--domain", "https://acme.okta.com/"][..],
        &["--domain", "acme-admin.okta.com"],
        &["--domain", "acme"],
        &["--set", "domian=acme.okta.com"],
        &["--domain", "acme.okta.com", "--set", "limit=5000"],
        &["--domain", "acme.okta.com", "--name", "Acme"],
        &["--domain", "acme.okta.com", "--token-file", "nowhere"],
        &["--domain", "acme.okta.com"],
        &[],
    ];
    let all = wrong.map(|arguments| said(&house, &[&["connect"], arguments].concat()));
    insta::assert_snapshot!(all.join("\n"), @r"
    error: `domain`: is an address; write its host name alone: `acme.okta.com`
    exit code 2
    error: `domain`: is the address of the Admin Console; write `acme.okta.com`
    exit code 2
    error: `domain`: is not complete; write all of it, like `acme.okta.com`
    exit code 2
    error: unknown key `domian`; did you mean `domain`?
    `domain` is missing: say which organisation with --domain acme.okta.com
    exit code 2
    error: `limit`: must be at most 1000
    exit code 2
    error: `Acme` can't be the name of a source: use lower-case letters, digits, `-` and `_`, a letter or digit first, at most 50 characters
    exit code 2
    error: can't read the secret file nowhere: No such file or directory (os error 2)
    exit code 2
    error: the api_token is missing: give a file that holds it with --token-file
    exit code 2
    error: `domain` is missing: say which organisation with --domain acme.okta.com
    exit code 2
    ");
    assert_eq!(code(&house, &["connect", "--set", "domain"]), 2);
    assert_eq!(left_behind(&house), [""; 0]);
}

/// The program on a terminal of its own.
struct Terminal {
    child: Child,
    keys: ChildStdin,
    shown: Receiver<Vec<u8>>,
    seen: String,
    /// Up to where somebody waited for something.
    read: usize,
    device: String,
}

impl Terminal {
    /// Starts the program in a pseudo-terminal, which `script` (util-linux) makes.
    fn start(house: &House, arguments: &[&str]) -> Self {
        let quoted: Vec<_> = arguments
            .iter()
            .map(|argument| format!("'{argument}'"))
            .collect();
        let line = format!(
            "tty; exec {} {}",
            env!("CARGO_BIN_EXE_logweir"),
            quoted.join(" ")
        );
        let mut command = Command::new("script");
        command
            .args(["-qec", &line, "/dev/null"])
            .current_dir(house.root())
            .env("SHELL", "/bin/sh");
        command
            .env("NO_COLOR", "1")
            .env_remove("LOGWEIR_CONFIG")
            .env_remove("STATE_DIRECTORY");
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut screen = child.stdout.take().unwrap();
        let (sender, shown) = channel();
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(count @ 1..) = screen.read(&mut bytes) {
                if sender.send(bytes[..count].to_vec()).is_err() {
                    return;
                }
            }
        });
        let keys = child.stdin.take().unwrap();
        let mut terminal = Self {
            child,
            keys,
            shown,
            seen: String::new(),
            read: 0,
            device: String::new(),
        };
        terminal.wait_for("\n");
        terminal.device = terminal.seen.lines().next().unwrap().trim().to_owned();
        terminal
    }

    /// Waits until this is shown, after what was waited for before.
    fn wait_for(&mut self, text: &str) {
        let begin = Instant::now();
        loop {
            if let Some(at) = self.seen[self.read..].find(text) {
                self.read += at + text.len();
                return;
            }
            let left = PATIENCE.checked_sub(begin.elapsed()).unwrap_or_default();
            match self.shown.recv_timeout(left) {
                Ok(bytes) => self.seen += &String::from_utf8_lossy(&bytes),
                Err(why) => panic!("{why}: no {text:?} in\n{}", self.seen),
            }
        }
    }

    /// Waits until what is typed is not shown.
    fn wait_for_no_echo(&self) {
        let begin = Instant::now();
        loop {
            let modes = Command::new("stty")
                .args(["-a", "-F", &self.device])
                .output()
                .unwrap();
            if text(&modes).split_whitespace().any(|mode| mode == "-echo") {
                return;
            }
            assert!(
                begin.elapsed() < PATIENCE,
                "the terminal shows what is typed: {}",
                text(&modes)
            );
            std::thread::yield_now();
        }
    }

    fn type_in(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).unwrap();
        self.keys.flush().unwrap();
    }

    /// Waits for the end; gives the exit code and everything that was shown.
    fn end(mut self) -> (i32, String) {
        while let Ok(bytes) = self.shown.recv_timeout(PATIENCE) {
            self.seen += &String::from_utf8_lossy(&bytes);
        }
        let status = self.child.wait().unwrap();
        (status.code().unwrap(), std::mem::take(&mut self.seen))
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// A house without the token's file, so that the token is where the program puts it and nowhere else.
fn without_token() -> House {
    let house = House::new();
    fs::remove_file(house.path("token")).unwrap();
    house
}

#[test]
fn trust_19_a_token_that_was_typed_is_in_its_file_and_nowhere_else() {
    let org = Org::with_events(10);
    let house = without_token();
    let mut terminal = Terminal::start(&house, &["connect", "--set", &url_of(&org)]);
    terminal.wait_for("may it get the token? [y/N]");
    terminal.type_in("y\n");
    terminal.wait_for("api_token (not shown)");
    terminal.wait_for_no_echo();
    terminal.type_in("00WRONG\n");
    terminal.wait_for("Try again with another credential? [y/N]");
    terminal.type_in("y\n");
    terminal.wait_for("api_token (not shown)");
    terminal.wait_for_no_echo();
    terminal.type_in(&format!("{TOKEN}\n"));
    terminal.wait_for("Start now? Ctrl-C stops it, and nothing is lost. [y/N]");
    terminal.type_in("n\n");
    let (code, shown) = terminal.end();
    assert_eq!(code, 0, "{shown}");
    assert!(shown.contains("next: logweir run"), "{shown}");
    assert!(
        !shown.contains(TOKEN) && !shown.contains("00WRONG"),
        "{shown}"
    );
    assert_eq!(files_with(house.root(), TOKEN), ["okta.token"]);
    assert_eq!(mode(&house, "okta.token"), 0o600);

    house.run_ok(&["run", "--once"]);
    assert_eq!(files_with(house.root(), TOKEN), ["okta.token"]);
}

#[test]
fn connect_goes_on_to_run() {
    let org = Org::with_events(10);
    let house = without_token();
    let mut terminal = Terminal::start(
        &house,
        &["connect", "--set", &url_of(&org), "--name", "acme"],
    );
    terminal.wait_for("[y/N]");
    terminal.type_in("y\n");
    terminal.wait_for("api_token (not shown)");
    terminal.wait_for_no_echo();
    terminal.type_in(&format!("{TOKEN}\n"));
    terminal.wait_for("[y/N]");
    terminal.type_in("y\n");
    let begin = Instant::now();
    while house.lines_so_far("logs/acme.ndjson") < 10 {
        assert!(begin.elapsed() < PATIENCE, "{}", terminal.seen);
        std::thread::sleep(Duration::from_millis(20));
    }
    terminal.type_in("\u{3}");
    let (code, shown) = terminal.end();
    assert_eq!(code, 0, "{shown}");
    assert_eq!(house.lines("logs/acme.ndjson"), org.persisted());
}

#[test]
fn a_wrong_domain_is_asked_for_again_and_giving_up_leaves_nothing() {
    let house = without_token();
    let mut terminal = Terminal::start(&house, &["connect"]);
    terminal.wait_for("domain (like acme.okta.com): ");
    terminal.type_in("https://acme-admin.okta.com/admin\n");
    terminal.wait_for("write its host name alone: `acme.okta.com`");
    terminal.wait_for("domain: ");
    terminal.type_in("acme.okta.com\n");
    terminal.wait_for("api_token (not shown)");
    terminal.wait_for_no_echo();
    terminal.type_in("\u{3}");
    let (code, shown) = terminal.end();
    assert_ne!(code, 0, "{shown}");
    assert_eq!(left_behind(&house), [""; 0]);
    assert!(!house.path("logweir.yaml").exists());
}
