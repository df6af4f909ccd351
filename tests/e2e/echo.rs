//! A peer that says whatever a test wants, to the byte: for what no org says.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// A peer that answers each request with the next part of its script, then with empty pages; and knows what it was asked.
pub(crate) struct Echo {
    pub(crate) url: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Echo {
    pub(crate) fn new(script: Vec<String>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (heard, mut script) = (Arc::clone(&asked), script.into_iter());
        let idle = answer(
            "200 OK",
            &format!("link: <{url}/api/v1/logs?after=1>; rel=\"next\"\r\n"),
            "[]",
        );
        std::thread::spawn(move || {
            for socket in listener.incoming() {
                let mut socket = socket.unwrap();
                let request = request_on(&mut socket);
                let answer = script.next().unwrap_or_else(|| idle.clone());
                socket.write_all(answer.as_bytes()).unwrap();
                heard.lock().unwrap().push(request);
            }
        });
        Self { url, asked }
    }

    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

fn request_on(socket: &mut TcpStream) -> String {
    let mut request = Vec::new();
    let mut byte = [0];
    while !request.ends_with(b"\r\n\r\n") && socket.read(&mut byte).unwrap() > 0 {
        request.extend(byte);
    }
    let mut request = String::from_utf8(request).unwrap();
    let lines = request.lines().filter_map(|line| line.split_once(": "));
    let length = lines
        .filter(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .find_map(|(_, length)| length.parse().ok());
    // What was not read when the connection ends would take the answer along.
    let mut body = socket.take(length.unwrap_or(0));
    body.read_to_string(&mut request).unwrap();
    request
}

/// An answer after which the connection is closed.
pub(crate) fn answer(status: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "HTTP/1.1 {status}\r\n{headers}content-length: {length}\r\nconnection: close\r\n\r\n{body}"
    )
}
