//! A stored position, whatever it holds: people can reach it (delivery rule 2).

use std::time::Duration;

use logweir_okta::checkpoint::Checkpoint;
use logweir_okta::reader::{Now, Reader};
use logweir_plugin::types::{Start, Window};

use crate::is_for_the_log;

/// What is read is written and read again as the same, and a reader that goes on from it asks its own org for the log.
pub fn checkpoint(text: &[u8]) {
    let Ok(text) = std::str::from_utf8(text) else {
        return;
    };
    if let Ok(read) = Checkpoint::read(text) {
        let written = read.write().unwrap();
        let again = Checkpoint::read(&written).unwrap_or_else(|error| panic!("{error}: {written}"));
        assert_eq!(again, read);
        assert_eq!(again.write().unwrap(), written);
    }
    let window = Window {
        since: 0,
        until: u64::MAX,
        checkpoint: Some(text.to_owned()),
    };
    for start in [Start::Checkpoint(text.to_owned()), Start::Window(window)] {
        go_on(start);
    }
}

fn go_on(start: Start) {
    let config = r#"{"domain":"acme.okta.com"}"#;
    let Ok(mut reader) = Reader::open(config, start) else {
        return;
    };
    let now = Now {
        wall: 1_769_904_000_000_000_000,
        steady: Duration::ZERO,
    };
    if reader.ended().is_none() {
        let url = reader.request(now).url;
        assert!(is_for_the_log(&url), "{url}");
    }
}
