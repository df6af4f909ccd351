use super::*;

const SINCE: &str = "2026-02-01T00:00:00.000Z";

#[test]
fn what_is_written_is_read() {
    let mut checkpoint = Checkpoint::new(SINCE.to_owned(), 1000, "sha256:1".to_owned());
    let past = checkpoint.past.as_mut().unwrap();
    past.go_on(
        "/api/v1/logs?after=1&limit=50".to_owned(),
        "sha256:2".to_owned(),
    );
    past.newest = Some("2026-02-01T00:00:01.000Z".to_owned());
    past.backlog = true;
    checkpoint.live = Some(Cursor::new(SINCE.to_owned()));
    checkpoint.live_since = Some(SINCE.to_owned());
    checkpoint.seam = Some(Seam {
        ids: Ids::new([id_digest(b"abc")].into_iter()),
        behind: None,
    });
    let text = checkpoint.write().unwrap();
    assert_eq!(
        text,
        r#"{"v":2,"limit":1000,"query":"sha256:1","live_since":"2026-02-01T00:00:00.000Z","past":{"next":"/api/v1/logs?after=1&limit=50","since":"2026-02-01T00:00:00.000Z","newest":"2026-02-01T00:00:01.000Z","backlog":true,"named_by":"sha256:2"},"live":{"since":"2026-02-01T00:00:00.000Z"},"seam":{"ids":"ungWv48Bz-pBQUDe"}}"#
    );
    assert_eq!(Checkpoint::read(&text), Ok(checkpoint));
}

#[test]
fn what_is_no_checkpoint_is_refused() {
    assert_eq!(
        Checkpoint::read(r#"{"v":3,"what":"ever"}"#),
        Err(CheckpointError::Version(3))
    );
    let unreadable = [
        "",
        "{}",
        "null",
        r#"{"v":1}"#,
        r#"{"v":1,"since":"x","limit":1,"query":""}"#,
        r#"{"v":1,"since":"2026-02-01T00:00:00Z","limit":1,"query":"","next":"/api/v1/users"}"#,
        r#"{"v":1,"since":"2026-02-01T00:00:00Z","limit":1,"query":"","more":1}"#,
        r#"{"v":2,"limit":1,"query":""}"#,
        r#"{"v":2,"limit":1,"query":"","live":{"since":"x"}}"#,
        r#"{"v":2,"limit":1,"query":"","live":{"since":"2026-02-01T00:00:00Z","next":"/api/v1/users"}}"#,
        r#"{"v":2,"limit":1,"query":"","live":{"since":"2026-02-01T00:00:00Z","more":1}}"#,
        r#"{"v":2,"limit":1,"query":"","live":{"since":"2026-02-01T00:00:00Z"},"live_since":"x"}"#,
        r#"{"v":2,"limit":1,"query":"","live":{"since":"2026-02-01T00:00:00Z"},"seam":{"ids":"x"}}"#,
        r#"{"v":2,"limit":1,"query":"","live":{"since":"2026-02-01T00:00:00Z"},"window":{"since":"2026-02-01T00:00:00Z","until":"2026-02-01T00:00:00Z"}}"#,
    ];
    for text in unreadable {
        assert!(
            matches!(Checkpoint::read(text), Err(CheckpointError::Unreadable(_))),
            "{text}"
        );
    }
}

#[test]
fn the_longest_checkpoint_fits() {
    let long = format!("/api/v1/logs?after={}", "\"".repeat(8_100));
    let mut cursor = Cursor::new(SINCE.to_owned());
    cursor.go_on(long, "sha256:ba7816bf8f01cfea414140de5dae2223".to_owned());
    let checkpoint = Checkpoint {
        past: Some(cursor.clone()),
        live: Some(cursor),
        seam: Some(Seam {
            ids: Ids::new((0..2000_u32).map(|number| id_digest(&number.to_le_bytes()))),
            behind: None,
        }),
        foreign_host: Some("\"".repeat(100)),
        ..Checkpoint::new(SINCE.to_owned(), 1000, "sha256:1".to_owned())
    };
    let length = checkpoint.write().unwrap().len();
    assert!((48_000..60_000).contains(&length), "{length}");
}
