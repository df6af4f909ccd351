//! Who may ask, and where: addresses, the socket, and what is there when nothing runs.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::process::Command;

use super::*;

#[test]
fn trust_21_the_control_socket_is_for_its_own_user_alone() {
    let org = Org::with_events(5);
    let host = Host::start(served(&org.url, ""));
    let socket = host.house.path(".logweir/control.sock");
    let mode = |path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(socket.clone()), 0o600);
    assert_eq!(mode(host.house.path(".logweir")), 0o700);
    if fs::metadata(host.house.root())
        .unwrap()
        .permissions()
        .mode()
        & 0o777
        == 0o700
        && is_root()
    {
        // Doors that keep others out are opened, so that the host itself has to.
        let open =
            |path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        open(host.house.root().to_owned(), 0o755);
        open(host.house.path(".logweir"), 0o755);
        open(socket.clone(), 0o666);
        let mut command = Command::new("setpriv");
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]);
        // Where it was built may be closed to others.
        let program = host.house.path("logweir");
        fs::copy(env!("CARGO_BIN_EXE_logweir"), &program).unwrap();
        command.arg(program).arg("status");
        let output = command.current_dir(host.house.root()).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{}", text(&output));
        assert!(
            text(&output).contains("belongs to another user"),
            "{}",
            text(&output)
        );
        wait_until("it is in the log", || host.log().contains("uid=65534"));
    }
    let mut stranger = UnixStream::connect(&socket).unwrap();
    stranger.write_all(b"GET /metrics HTTP/1.1\r\n").unwrap();
    let mut said = [0; 200];
    let length = stranger.read(&mut said).unwrap();
    let said = String::from_utf8_lossy(&said[..length]).into_owned();
    assert!(said.contains("one line of JSON"), "{said}");
    let house = host.stop();
    assert!(!house.path(".logweir/control.sock").exists());
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output().unwrap();
    id.stdout == b"0\n"
}

#[test]
fn trust_21_a_foreign_host_is_refused_and_who_says_nothing_keeps_nobody_out() {
    let org = Org::with_events(5);
    let host = Host::start(served(&org.url, ""));
    let port = host.address.rsplit(':').next().unwrap();
    for fine in [
        format!("127.0.0.1:{port}"),
        "localhost".to_owned(),
        "[::1]".to_owned(),
    ] {
        assert_eq!(host.get_as(&fine, "/metrics").0, 200, "{fine}");
    }
    for foreign in ["rebound.example", "127.0.0.1.rebound.example", ""] {
        let (status, body) = host.get_as(foreign, "/metrics");
        assert_eq!(status, 421, "{foreign}");
        assert!(!body.contains("logweir_"), "{body}");
    }
    assert_eq!(host.get("/status").0, 404);
    let silent: Vec<_> = (0..64).map(|_| TcpStream::connect(&host.address)).collect();
    assert_eq!(host.get("/livez").0, 200);
    drop(silent);
    host.stop();
}

#[test]
fn status_without_a_run_says_what_is_stored_and_a_killed_run_leaves_nothing_in_the_way() {
    let org = Org::with_events(7);
    let house = served(&org.url, "");
    let nothing = house.run(&["status"]);
    assert_eq!(nothing.status.code(), Some(1));
    assert!(
        text(&nothing).contains("no Logweir runs"),
        "{}",
        text(&nothing)
    );
    assert!(!house.path(".logweir").exists(), "looking makes nothing");
    let mut host = Host::start(house);
    wait_until("it is settled", || host.source()["settled"] == 7);
    host.running.signal("-KILL");
    host.running.wait();
    let house = host.house;
    assert!(
        house.path(".logweir/control.sock").exists(),
        "it stays behind"
    );
    let dead = house.run(&["status"]);
    assert_eq!(dead.status.code(), Some(1));
    assert!(text(&dead).contains("7 records settled"), "{}", text(&dead));
    let unknown = house.run(&["status", "acmee"]);
    assert_eq!(unknown.status.code(), Some(2));
    assert!(
        text(&unknown).contains("did you mean `acme`"),
        "{}",
        text(&unknown)
    );
    Host::start(house).stop();
}

#[test]
fn an_address_that_is_taken_is_said_before_anything_is_read() {
    let org = Org::with_events(5);
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let house = served(&org.url, "");
    let config = fs::read_to_string(house.path("logweir.yaml")).unwrap();
    let address = taken.local_addr().unwrap().to_string();
    house.write(
        "logweir.yaml",
        &config.replace("listen: 0", &format!("listen: {address}")),
    );
    let output = house.run(&["run", "--once"]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    assert!(text(&output).contains(&address), "{}", text(&output));
    assert_eq!(org.report().requests, 0);
}
