use proptest::prelude::*;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use super::*;

/// Every sample event, as it is.
fn samples() -> Vec<String> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/data/okta-events");
    let mut lines = Vec::new();
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        if path.extension().is_some_and(|name| name == "ndjson") {
            let text = std::fs::read_to_string(path).unwrap();
            lines.extend(text.lines().map(str::to_owned));
        }
    }
    lines
}

fn page_of(events: &[String]) -> Vec<u8> {
    format!("[{}]", events.join(",")).into_bytes()
}

fn slice(page: &[u8], span: Span) -> &[u8] {
    let start = span.offset as usize;
    &page[start..start + span.length as usize]
}

fn texts<'a>(page: &'a [u8], scan: &Scan) -> Vec<&'a str> {
    let text = |event: &Event| std::str::from_utf8(slice(page, event.text)).unwrap();
    scan.events.iter().map(text).collect()
}

fn said(page: &[u8], text: Option<Text>) -> Option<String> {
    text.and_then(|text| unescape(slice(page, text.span)))
}

/// The scanner and `serde_json` agree about a page: about whether it is one, and where its events are.
fn agree(page: &[u8]) {
    let is_page = serde_json::from_slice::<Vec<IgnoredAny>>(page).is_ok();
    let scanned = scan(page);
    let whole = scanned.as_ref().is_ok_and(|scan| scan.broken.is_empty());
    assert_eq!(whole, is_page, "{:?}", String::from_utf8_lossy(page));
    let Ok(scan) = scanned else { return };
    for event in &scan.events {
        let text = slice(page, event.text);
        assert!(serde_json::from_slice::<IgnoredAny>(text).is_ok());
    }
    if let (true, Ok(text)) = (whole, std::str::from_utf8(page)) {
        let split: Vec<&RawValue> = serde_json::from_str(text).unwrap();
        let split: Vec<_> = split.iter().map(|raw| raw.get()).collect();
        assert_eq!(texts(page, &scan), split);
    }
}

/// The scanner and a tree agree about what an event says.
fn say_the_same(page: &[u8]) {
    let tree: Vec<serde_json::Value> = serde_json::from_slice(page).unwrap();
    let scan = scan(page).unwrap();
    assert_eq!(scan.events.len(), tree.len());
    for (event, tree) in scan.events.iter().zip(&tree) {
        let member = |name: &str| tree.get(name).and_then(|it| it.as_str()).map(str::to_owned);
        assert_eq!(said(page, event.id), member("uuid"));
        assert_eq!(said(page, event.published), member("published"));
        assert_eq!(said(page, event.kind), member("eventType"));
        assert_eq!(said(page, event.severity), member("severity"));
    }
}

#[test]
fn trap_24_every_sample_event_is_found_as_it_was_sent() {
    let events = samples();
    assert!(events.len() >= 100, "only {} samples", events.len());
    let page = page_of(&events);
    assert_eq!(texts(&page, &scan(&page).unwrap()), events);
    say_the_same(&page);
}

#[test]
fn spaces_order_and_escapes_do_not_matter() {
    let page = br#" [ { "x" : [ { "uuid" : "inner" } ] , "severity":"WARN",
        "\u0065ventType" : "a\/b" , "uu\u0069d" : "1\u00e9" , "published":null } ,
        {"uuid":"first","uuid":"last"},{"uuid":7},{},[1],"text",-0.5e+3 ] "#;
    let scan = scan(page).unwrap();
    let ids: Vec<_> = scan
        .events
        .iter()
        .map(|event| said(page, event.id))
        .collect();
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(
        ids,
        [some("1é"), some("last"), None, None, None, None, None]
    );
    let first = scan.events[0];
    assert_eq!(said(page, first.kind), some("a/b"));
    assert_eq!(said(page, first.severity), some("WARN"));
    assert_eq!(first.published, None);
    assert!(first.id.unwrap().escaped);
    agree(page);
}

#[test]
fn nesting_costs_no_stack() {
    let deep = 1_000_000;
    let page = format!(
        "[{{\"a\":{}1{},\"uuid\":\"x\"}}]",
        "[".repeat(deep),
        "]".repeat(deep)
    );
    let scan = scan(page.as_bytes()).unwrap();
    assert_eq!(said(page.as_bytes(), scan.events[0].id).unwrap(), "x");
}

#[test]
fn corners_of_json_are_those_of_serde_json() {
    let corners = [
        "01",
        "-",
        "-01",
        "1.",
        ".1",
        "1e",
        "1e+",
        "1E5",
        "0e0",
        "1.0e-0",
        "+1",
        "NaN",
        "1 2",
        "tru",
        "true",
        "nulll",
        "\"\\u12\"",
        "\"\\u123g\"",
        "\"\\ud800\"",
        "\"\\x\"",
        "\"\t\"",
        "\"\u{7f}\"",
        "\"a",
        "{\"a\":1,}",
        "{,}",
        "{\"a\"}",
        "{\"a\" 1}",
        "{a:1}",
        "[1,]",
        "[,]",
        "[",
        "{",
        "}",
        "]",
        "",
        " ",
        "{} {}",
        "{}x",
        "1,2",
        "'a'",
        "1e999999",
        "123456789012345678901234567890",
        "\"\\\"",
        "\u{feff}{}",
        "{\"a\":{}}",
        "[[]]",
        "{\"\":[{}]}",
    ];
    for corner in corners {
        agree(format!("[{corner}]").as_bytes());
        agree(format!("[{{}},{corner},{{}}]").as_bytes());
        agree(format!("[{{\"a\":{corner}}}]").as_bytes());
    }
    for byte in 0..=255 {
        agree(&[b'[', byte, b']']);
        agree(&[b'[', b'"', byte, b'"', b']']);
        agree(&[b'[', b'"', b'\\', byte, b'"', b']']);
        agree(&[
            b'[', b'"', b'1', b'2', b'3', b'4', b'5', b'6', b'7', byte, b'"', b']',
        ]);
        agree(&[b'[', b'1', byte, b']', byte]);
    }
}

#[test]
fn delivery_03_one_broken_event_is_refused_alone() {
    let page =
        br#"[{"uuid":"1"}, {"uuid":"2",} , {"uuid":"3","a":tru},{"uuid":"4"},,{"uuid":"5"}]"#;
    let scan = scan(page).unwrap();
    let ids: Vec<_> = scan
        .events
        .iter()
        .map(|event| said(page, event.id))
        .collect();
    assert_eq!(ids, ["1", "4", "5"].map(|id| Some(id.to_owned())));
    let broken: Vec<_> = scan
        .broken
        .iter()
        .map(|broken| (slice(page, broken.text), broken.reason.as_str()))
        .collect();
    assert_eq!(
        broken,
        [
            (&br#"{"uuid":"2",}"#[..], "no JSON: no key at byte 12"),
            (br#"{"uuid":"3","a":tru}"#, "no JSON: no value at byte 16"),
            (b"", "no JSON: nothing at byte 0"),
        ]
    );
}

#[test]
fn delivery_03_a_page_that_is_cut_or_no_array_is_none() {
    let page = page_of(&samples());
    for cut in 1..page.len() {
        assert_eq!(scan(&page[..cut]), Err(PageFault::Cut), "cut at {cut}");
    }
    for other in [
        "",
        " ",
        "<html>]",
        "{\"errorCode\":\"E0000011\"}",
        "null",
        "]",
        "\u{feff}[]",
    ] {
        assert_eq!(scan(other.as_bytes()), Err(PageFault::NoArray), "{other}");
    }
    assert_eq!(scan(b"[{}]<!-- proxy -->"), Err(PageFault::Cut));
    assert_eq!(scan(b"["), Err(PageFault::Cut));
}

#[test]
fn delivery_03_what_frames_around_the_trouble_is_salvaged() {
    let troubles = [
        r#"{"a":"x}"#,
        r#"{"a":{"b":1}"#,
        r#"{"t":[{"id":1},{"id":2},"b":"x"}"#,
        r#"{"t":{"id":1},{"id":2}],"b":"x"}"#,
        r#"{"a":"x, "t":[{"id":1},{"id":2}], "b":{"c":1}}"#,
    ];
    for trouble in troubles {
        let page =
            format!(r#"[{{"uuid":"1"}},{trouble},{{"uuid":"2","t":[{{}},{{}}]}},{{"uuid":"3"}}]"#);
        let page = page.as_bytes();
        let at = scan(page).unwrap_err();
        assert_eq!(at, PageFault::Unframeable { at: 14 }, "{trouble}");
        let saved = salvage(page).unwrap();
        let ids: Vec<_> = saved
            .events
            .iter()
            .map(|event| said(page, event.id))
            .collect();
        assert_eq!(
            ids,
            ["1", "2", "3"].map(|id| Some(id.to_owned())),
            "{trouble}"
        );
        assert_eq!(slice(page, saved.broken[0].text), trouble.as_bytes());
        assert_eq!(saved.broken.len(), 1);
    }
}

#[test]
fn delivery_03_trouble_at_the_end_is_lost_to_the_end() {
    let page = br#"[{"uuid":"1"},{"uuid":"2","a":"x,"b":"y"}]"#;
    let saved = salvage(page).unwrap();
    assert_eq!(saved.events.len(), 1);
    assert_eq!(
        slice(page, saved.broken[0].text),
        br#"{"uuid":"2","a":"x,"b":"y"}"#
    );
    let whole = br#"[{"uuid":"1"}]"#;
    assert_eq!(salvage(whole), scan(whole));
    assert_eq!(salvage(br#"[{"uuid":"1"},{"t":[1]"#), Err(PageFault::Cut));
}

fn json() -> impl Strategy<Value = serde_json::Value> {
    let key = prop_oneof![
        Just("uuid".to_owned()),
        Just("eventType".to_owned()),
        Just("published".to_owned()),
        Just("severity".to_owned()),
        any::<String>(),
    ];
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<f64>().prop_map(Into::into),
        any::<String>().prop_map(Into::into),
    ];
    leaf.prop_recursive(5, 40, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(serde_json::Value::from),
            prop::collection::vec((key.clone(), inner), 0..6)
                .prop_map(|members| serde_json::Value::Object(members.into_iter().collect())),
        ]
    })
}

/// Text from the bytes that matter, so that much of it nearly is JSON.
fn nearly_json() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop::sample::select(b"[]{}\",:\\ue1-.0 tn\n\x01\xff".to_vec());
    prop::collection::vec(byte, 0..24)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn valid_pages_are_read_like_a_tree(events in prop::collection::vec(json(), 0..5), pretty: bool) {
        let page = match pretty {
            true => serde_json::to_vec_pretty(&events).unwrap(),
            false => serde_json::to_vec(&events).unwrap(),
        };
        agree(&page);
        say_the_same(&page);
    }

    #[test]
    fn changed_pages_are_judged_like_serde_json(
        events in prop::collection::vec(json(), 1..4),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..3u8), 1..4),
    ) {
        let mut page = serde_json::to_vec(&events).unwrap();
        for (place, byte, how) in changes {
            let at = place.index(page.len());
            match how {
                0 => page[at] = byte,
                1 => page.insert(at, byte),
                _ => drop(page.remove(at)),
            }
            if page.is_empty() {
                break;
            }
        }
        agree(&page);
    }

    #[test]
    fn any_bytes_are_judged_like_serde_json(inside in nearly_json(), around: bool) {
        let page = match around {
            true => [b"[", inside.as_slice(), b"]"].concat(),
            false => inside,
        };
        agree(&page);
    }

    #[test]
    fn salvaging_loses_no_byte_of_an_event(inside in nearly_json()) {
        let page = [b"[{},", inside.as_slice(), b",{\"uuid\":\"z\"}]"].concat();
        if let Ok(saved) = salvage(&page) {
            let mut spans: Vec<_> = saved.events.iter().map(|event| event.text).collect();
            spans.extend(saved.broken.iter().map(|broken| broken.text));
            spans.sort_by_key(|span| span.offset);
            let mut from = 1;
            for span in spans {
                let between = &page[from..span.offset as usize];
                prop_assert!(between.iter().all(|byte| b", \n\t\r".contains(byte)));
                from = span.end() as usize;
            }
            prop_assert!(page[from..].iter().all(|byte| b"] \n\t\r".contains(byte)));
        }
    }
}
