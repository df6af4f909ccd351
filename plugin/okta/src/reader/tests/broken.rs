//! Delivery rule 3: a page that can not be framed is given time before it is salvaged.

use super::*;

const UNFRAMEABLE: &str = r#"[{"uuid":"1"},{"uuid":"2","a":"x},{"uuid":"3"}]"#;

fn again(reader: &mut Reader, body: &str, second: u64) -> Result<Page, Error> {
    reader.request(now());
    reader.on_head(200, headers("after=1&limit=2"));
    let steady = Duration::from_secs(second);
    match reader.on_end(body.as_bytes().to_vec(), Now { steady, ..now() })? {
        Outcome::Page(page) => Ok(*page),
        Outcome::AskAgain => panic!("asked again"),
    }
}

#[test]
fn delivery_03_what_can_not_be_framed_is_given_time() {
    let mut reader = reader();
    for second in [100, 300, 500, 699] {
        is_transient(
            again(&mut reader, UNFRAMEABLE, second),
            "can't be told apart",
        );
    }
    let page = again(&mut reader, UNFRAMEABLE, 700).unwrap();
    assert_eq!(page.batch.entries.len(), 2);
    assert_eq!(page.refused[0].bytes, br#"{"uuid":"2","a":"x}"#);
}

#[test]
fn delivery_03_five_times_within_ten_minutes_is_not_enough() {
    let mut reader = reader();
    for second in 0..599 {
        is_transient(
            again(&mut reader, UNFRAMEABLE, second),
            "can't be told apart",
        );
    }
    again(&mut reader, UNFRAMEABLE, 600).unwrap();
}

#[test]
fn delivery_03_other_bytes_begin_anew_and_a_cut_page_is_never_skipped() {
    let mut reader = reader();
    let other = UNFRAMEABLE.replace('3', "4");
    for (second, body) in [
        (0, UNFRAMEABLE),
        (200, UNFRAMEABLE),
        (400, UNFRAMEABLE),
        (600, UNFRAMEABLE),
    ] {
        is_transient(again(&mut reader, body, second), "can't be told apart");
    }
    is_transient(again(&mut reader, &other, 800), "can't be told apart");
    for second in 0..10_u64 {
        is_transient(
            again(&mut reader, r#"[{"uuid":"1"},{"uu"#, second * 600),
            "cut off",
        );
    }
}
