//! A state that holds the compiled plugin and nothing else, as every start but the first finds it: compiling takes a
//! second of the machine, for each of some hundred programs that tests start.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::sync::OnceLock;

use crate::house::House;

/// Puts a state with the compiled plugin where there is none.
pub(crate) fn prepare(state: &Path) {
    static WARM: OnceLock<House> = OnceLock::new();
    if !state.exists() {
        copy(&WARM.get_or_init(warm).path(".logweir"), state);
    }
}

/// A house in which the program was started and ended at its first request.
fn warm() -> House {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let house = House::new();
    house.configure(&[("warm-up", &url)], &[("warm-up", "out.ndjson")], "");
    let mut running = house.start_cold(&["run"]);
    drop(listener.accept().unwrap());
    running.kill();
    house
}

fn copy(from: &Path, to: &Path) {
    fs::DirBuilder::new().mode(0o700).create(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let (kind, to) = (entry.file_type().unwrap(), to.join(entry.file_name()));
        if kind.is_dir() {
            copy(&entry.path(), &to);
        } else if kind.is_file() {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}
