//! What a person at a terminal sees and types.

use super::*;
use crate::proof::wait_until;

/// The program on a terminal of its own.
pub(crate) struct Terminal {
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
    pub(crate) fn start(house: &House, arguments: &[&str]) -> Self {
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
    pub(crate) fn wait_for(&mut self, text: &str) {
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

    pub(crate) fn type_in(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).unwrap();
        self.keys.flush().unwrap();
    }

    /// Closes the window.
    fn close(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Waits for the end; gives the exit code and everything that was shown.
    pub(crate) fn end(mut self) -> (i32, String) {
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
    terminal.wait_for("(with `--credential oauth`: ");
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

#[test]
fn what_was_started_on_a_terminal_stops_when_that_is_closed() {
    for output in ["archive", "screen"] {
        let org = Org::with_events(300);
        let house = House::with_one_source(&org.url);
        if output == "screen" {
            let text = fs::read_to_string(house.path("logweir.yaml")).unwrap();
            let screen = "  screen: { type: console, inputs: [acme] }\n";
            house.write("logweir.yaml", &format!("{text}{screen}"));
        }
        house.run_ok(&["run", "--once"]);
        let socket = house.path(".logweir/control.sock");
        let terminal = Terminal::start(&house, &["run"]);
        wait_until("it runs", || socket.exists());
        terminal.close();
        // Nobody takes it away from a process that was aborted.
        wait_until("it has ended in order", || !socket.exists());
        house.run_ok(&["run", "--once"]);
        assert_eq!(house.lines("out.ndjson"), org.persisted());
    }
}
