//! What a running host says about itself, to machines and to people: over HTTP, over the control socket, in its log.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;

use serde_json::Value;

use crate::house::{House, Running, text};
use crate::org::Org;
use crate::proof::wait_until;

mod counters;
mod doors;
mod health;
mod secrecy;

/// A house with one source and `more` lines for it, which serves health and metrics at a free port.
fn served(url: &str, more: &str) -> House {
    let house = House::with_one_source(url);
    let config = fs::read_to_string(house.path("logweir.yaml")).unwrap();
    let config = config.replace("    credentials:", &format!("{more}    credentials:"));
    house.write("logweir.yaml", &format!("{config}listen: 0\n"));
    house
}

/// A running host that can be asked.
struct Host {
    house: House,
    running: Running,
    address: String,
}

impl Host {
    fn start(house: House) -> Self {
        Self::start_with(house, &["run"])
    }

    fn start_with(house: House, arguments: &[&str]) -> Self {
        let running = house.start(arguments);
        wait_until("the host can be asked", || {
            picture(&house)["running"] == true
        });
        let address = picture(&house)["host"]["process"]["listen"].clone();
        Self {
            house,
            running,
            address: address.as_str().unwrap().to_owned(),
        }
    }

    fn source(&self) -> Value {
        picture(&self.house)["host"]["sources"][0].clone()
    }

    fn output(&self) -> Value {
        picture(&self.house)["host"]["outputs"][0].clone()
    }

    fn get(&self, path: &str) -> (u16, String) {
        self.get_as(&self.address, path)
    }

    fn get_as(&self, host: &str, path: &str) -> (u16, String) {
        let mut socket = TcpStream::connect(&self.address).unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nhost: {host}\r\n\r\n");
        socket.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, body.to_owned())
    }

    /// The value of a series, exactly as it is named.
    fn metric(&self, series: &str) -> Option<f64> {
        let (status, page) = self.get("/metrics");
        assert_eq!(status, 200, "{page}");
        let mut lines = page.lines();
        let line = lines.find_map(|line| line.strip_prefix(&format!("{series} ")));
        line.map(|value| value.parse().unwrap())
    }

    fn counter(&self, name: &str) -> u64 {
        self.metric(&format!("logweir_{name}")).unwrap() as u64
    }

    /// Whether it is ready, and what is wrong if not, as `name state`.
    fn ready(&self) -> (bool, Vec<String>) {
        let (status, body) = self.get("/readyz");
        let readiness: Value = serde_json::from_str(&body).unwrap();
        let ready = readiness["ready"].as_bool().unwrap();
        assert_eq!(status, if ready { 200 } else { 503 }, "{body}");
        let problems = readiness["problems"].as_array().unwrap().iter();
        let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let told = problems
            .map(|problem| format!("{} {}", word(&problem["name"]), word(&problem["state"])));
        (ready, told.collect())
    }

    fn log(&self) -> String {
        fs::read_to_string(self.house.path("log")).unwrap_or_default()
    }

    fn stop(mut self) -> House {
        self.running.signal("-TERM");
        assert!(self.running.wait().success(), "{}", self.log());
        self.house
    }
}

/// What `status --json` prints, whether anything runs or not.
fn picture(house: &House) -> Value {
    let output = house.run(&["status", "--json"]);
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", text(&output)))
}
