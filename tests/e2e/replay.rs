//! Events as they are: every sample, every edge case, and what only looks like an event.

use std::fs;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use okta_sim::OrgConfig;
use serde_json::Value;

use crate::house::House;
use crate::org::Org;
use crate::proof::{counted, delivered_once};

/// The lines of every file of sample events.
fn samples() -> Vec<Bytes> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/data/okta-events");
    let mut files: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.retain(|path| {
        path.extension()
            .is_some_and(|extension| extension == "ndjson")
    });
    files.sort();
    let lines = files.iter().flat_map(|path| {
        let text = Bytes::from(fs::read(path).unwrap());
        let lines: Vec<_> = text
            .split(|byte| *byte == b'\n')
            .map(|line| text.slice_ref(line))
            .collect();
        lines.into_iter().filter(|line| !line.is_empty())
    });
    lines.collect()
}

/// An org that has these events among a few made-up ones, and a house that reads it in small pages.
fn served(replay: &[Bytes]) -> (Org, House) {
    let org = Org::new(OrgConfig {
        events: 30,
        replay: replay.to_vec(),
        ..OrgConfig::default()
    });
    let house = House::new();
    house.configure(
        &[("acme", &org.url)],
        &[("archive", "out.ndjson")],
        "      limit: 7\n",
    );
    house.run_ok(&["run", "--once"]);
    assert_eq!(org.report().violations, []);
    (org, house)
}

/// What the dead letter has: the bytes as they came, and why.
fn dead(house: &House) -> Vec<(Vec<u8>, String)> {
    let lines = house.lines(".logweir/dead-letter.ndjson");
    let records = lines.iter().map(|line| {
        let line: Value = serde_json::from_slice(line).unwrap();
        assert_eq!(
            (&line["source"], &line["stage"]),
            (&"acme".into(), &"source".into())
        );
        let bytes = match line["base64"].as_str() {
            Some(text) => STANDARD.decode(text).unwrap(),
            None => line["text"].as_str().unwrap().as_bytes().to_vec(),
        };
        (bytes, line["reason"].as_str().unwrap().to_owned())
    });
    records.collect()
}

#[test]
fn trap_24_trap_26_every_sample_event_arrives_as_it_was_sent() {
    let samples = samples();
    assert_eq!(samples.len(), 109, "all files were found");
    let (org, house) = served(&samples);

    let arrived = counted(house.lines("out.ndjson"));
    for (sample, times) in counted(&samples) {
        let found = arrived.get(&sample).copied().unwrap_or(0);
        assert_eq!(found, times, "{}", String::from_utf8_lossy(&sample));
    }
    assert_eq!(delivered_once(&house, "out.ndjson", &org), Ok(()));
    assert_eq!(dead(&house), []);
}

#[test]
fn one_uuid_on_several_lines_is_several_events() {
    let uuid = |line: &Bytes| {
        let event: Value = serde_json::from_slice(line).unwrap();
        event["uuid"].as_str().map(str::to_owned)
    };
    let samples = samples();
    let uuids = counted(samples.iter().filter_map(uuid));
    let repeated: Vec<_> = samples
        .into_iter()
        .filter(|line| uuid(line).is_some_and(|uuid| uuids[uuid.as_bytes()] > 1))
        .collect();
    assert!(
        counted(&repeated).len() > 40,
        "the samples repeat ids on lines that differ"
    );
    let (org, house) = served(&repeated);
    assert_eq!(delivered_once(&house, "out.ndjson", &org), Ok(()));
}

#[test]
fn delivery_03_delivery_20_an_event_that_is_no_json_goes_alone_to_the_dead_letter() {
    let broken: [&[u8]; 10] = [
        br#"{"uuid":"bad-1","broken":nul}"#,
        br#"{"uuid":"bad-2","number":01}"#,
        b"{\"uuid\":\"bad-3\",\"text\":\"\xff\xfe\"}",
        b"{\"uuid\":\"bad-4\",\"text\":\"a\x01b\"}",
        br#"{"uuid":"bad-5","text":"\x"}"#,
        br#"{"uuid":"bad-6" "comma":"missing"}"#,
        br#"{"uuid":"bad-7","trailing":1,}"#,
        br#"{'uuid':'bad-8'}"#,
        b"{\"uuid\":\"bad-9\",\"overlong\":\"\xc0\xaf\"}",
        b"not json at all",
    ];
    let mut replay = Vec::new();
    for (number, broken) in broken.iter().enumerate() {
        replay.push(Bytes::from(format!(
            r#"{{"uuid":"good-{number}","published":"2026-03-01T10:00:00.000Z"}}"#
        )));
        replay.push(Bytes::from_static(broken));
    }
    let (org, house) = served(&replay);

    let (mut bytes, reasons): (Vec<_>, Vec<_>) = dead(&house).into_iter().unzip();
    let mut expected = broken.map(<[u8]>::to_vec);
    bytes.sort();
    expected.sort();
    assert_eq!(bytes, expected, "each once, byte for byte");
    assert!(
        reasons.iter().all(|reason| reason.len() > 10),
        "each says why: {reasons:?}"
    );
    let good: Vec<_> = org
        .persisted()
        .into_iter()
        .filter(|line| !broken.contains(&line.as_slice()))
        .collect();
    assert_eq!(good.len(), 40);
    assert!(
        house.lines("out.ndjson") == good,
        "everything else goes on, in order"
    );

    house.run_ok(&["run", "--once"]);
    assert_eq!(
        dead(&house).len(),
        broken.len(),
        "a second run brings none of them again"
    );
}

#[test]
fn delivery_06_an_event_of_several_lines_becomes_one_and_odd_ones_stay_as_they_are() {
    let deep = format!(
        r#"{{"uuid":"deep","nested":{}1{}}}"#,
        "[".repeat(300),
        "]".repeat(300)
    );
    let odd = [
        "{\n  \"uuid\": \"pretty\",\r\n\t\"eventType\": \"user.session.start\"\n}",
        "{\"published\":\"4000-01-01T00:00:00.000Z\",\"severity\":\"ODD\"}",
        "{ \"uuid\" : \"a\\u0000b\\ud800\" , \"published\" : \"soon\" }",
        "{\"uuid\":7,\"eventType\":null,\"published\":1e400,\"uuid\":\"twice\"}",
        "{}",
        deep.as_str(),
        "{\"big\":123456789012345678901234567890.000,\"uuid\":\"\u{2028}\u{9b}é\"}",
    ];
    let replay: Vec<_> = odd
        .iter()
        .map(|event| Bytes::from((*event).to_owned()))
        .collect();
    let (_, house) = served(&replay);

    let arrived = counted(house.lines("out.ndjson"));
    assert_eq!(dead(&house), []);
    for event in odd {
        let line = event.replace(['\r', '\n'], " ");
        assert_eq!(arrived.get(line.as_bytes()), Some(&1), "{line}");
    }
}
