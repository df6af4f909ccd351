use std::fs;
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::*;
use crate::record::{Entry, Span};
use crate::stage::CheckStatus;

mod crashes;
mod disks;
mod places;
mod trouble;

/// A batch of these texts, in a page as an API would send it.
fn batch(source: &str, texts: &[impl AsRef<str>]) -> Batch {
    let mut body = String::from("[");
    let mut entries = Vec::new();
    for text in texts {
        let offset = u32::try_from(body.len()).unwrap();
        let length = u32::try_from(text.as_ref().len()).unwrap();
        entries.push(Entry {
            text: Span { offset, length },
            ..Entry::default()
        });
        body.push_str(text.as_ref());
        body.push(',');
    }
    Batch::new(source.into(), body, entries).unwrap()
}

fn template(folder: &TempDir, path: &str) -> PathTemplate {
    PathTemplate::parse(path, folder.path()).unwrap()
}

fn writer(folder: &TempDir, path: &str, position: Option<&str>) -> Writer {
    Writer::new(template(folder, path), position, Arc::new(SystemDisk)).unwrap()
}

/// The position that is stored before these batches are written.
fn begin(writer: &mut Writer, stored: &str, batches: &[Batch]) -> String {
    if writer.prepare(batches).unwrap() {
        return writer.begin(stored).unwrap();
    }
    stored.to_owned()
}

fn lines(folder: &TempDir, path: &str) -> Vec<String> {
    let text = fs::read_to_string(folder.path().join(path)).unwrap();
    assert!(text.is_empty() || text.ends_with('\n'), "torn: {text:?}");
    text.lines().map(str::to_owned).collect()
}

fn append(path: &Path, text: &str) {
    fs::OpenOptions::new()
        .append(true)
        .open(path)
        .unwrap()
        .write_all(text.as_bytes())
        .unwrap();
}

fn mode(path: PathBuf) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn delivery_06_one_record_is_one_line_and_nothing_else_changes() {
    let folder = tempfile::tempdir().unwrap();
    let mut writer = writer(&folder, "a.ndjson", None);
    let texts = [
        "{\"a\":1}",
        "{\r\n  \"b\": \"\\r\\n\u{9b}é\",\n\t\"c\":1e400\n}",
        "{\"d\":4}",
    ];
    writer
        .write(&[batch("acme", &texts[..1]), batch("acme", &texts[1..])])
        .unwrap();
    let expected = [
        "{\"a\":1}",
        "{    \"b\": \"\\r\\n\u{9b}é\", \t\"c\":1e400 }",
        "{\"d\":4}",
    ];
    assert_eq!(lines(&folder, "a.ndjson"), expected);
}

#[test]
fn delivery_16_a_replay_with_other_page_borders_writes_nothing_twice() {
    let folder = tempfile::tempdir().unwrap();
    let mut first = writer(&folder, "a.ndjson", None);
    let settled = first
        .write(&[batch("acme", &["{\"n\":1}", "{\"n\":2}"])])
        .unwrap();
    first
        .write(&[
            batch("acme", &["{\"n\":3}", "{\r\"n\":4}"]),
            batch("acme", &["{\"n\":5}"]),
        ])
        .unwrap();
    drop(first);

    let mut second = writer(&folder, "a.ndjson", Some(&settled));
    second.write(&[batch("acme", &["{\"n\":3}"])]).unwrap();
    let last = second
        .write(&[batch("acme", &["{\r\"n\":4}", "{\"n\":5}", "{\"n\":6}"])])
        .unwrap();
    let expected = [
        "{\"n\":1}",
        "{\"n\":2}",
        "{\"n\":3}",
        "{ \"n\":4}",
        "{\"n\":5}",
        "{\"n\":6}",
    ];
    assert_eq!(lines(&folder, "a.ndjson"), expected);
    assert!(!last.contains("unclaimed"), "{last}");
}

#[test]
fn delivery_16_a_first_run_that_was_killed_is_recognised() {
    let folder = tempfile::tempdir().unwrap();
    let mut first = writer(&folder, "logs/{source}", None);
    let call = [batch("acme", &["1", "2"]), batch("beta", &["3"])];
    let before = first.position().unwrap();
    let before = begin(&mut first, &before, &call);
    first.write(&call).unwrap();
    drop(first);
    append(&folder.path().join("logs/acme"), "{\"torn");

    let mut second = writer(&folder, "logs/{source}", Some(&before));
    second
        .write(&[batch("beta", &["3", "4"]), batch("acme", &["1", "2", "5"])])
        .unwrap();
    assert_eq!(lines(&folder, "logs/acme"), ["1", "2", "5"]);
    assert_eq!(lines(&folder, "logs/beta"), ["3", "4"]);
}

#[test]
fn delivery_16_what_was_there_before_the_first_run_is_not_ours() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("logs")).unwrap();
    fs::write(folder.path().join("logs/acme"), "1\n{\"not\":").unwrap();
    fs::write(folder.path().join("logs/beta"), "1\n").unwrap();
    let mut first = writer(&folder, "logs/{source}", None);
    let call = [batch("acme", &["1"]), batch("beta", &["1"])];
    let before = first.position().unwrap();
    let before = begin(&mut first, &before, &call);
    first.write(&call).unwrap();
    drop(first);
    let mut second = writer(&folder, "logs/{source}", Some(&before));
    second.write(&[batch("beta", &["1", "2"])]).unwrap();
    assert_eq!(lines(&folder, "logs/acme"), ["1", "{\"not\":", "1"]);
    assert_eq!(lines(&folder, "logs/beta"), ["1", "1", "2"]);
}

#[test]
fn delivery_16_torn_last_line_is_cut() {
    let folder = tempfile::tempdir().unwrap();
    let mut first = writer(&folder, "a", None);
    let settled = first.write(&[batch("acme", &["1"])]).unwrap();
    first.write(&[batch("acme", &["2"])]).unwrap();
    drop(first);
    append(&folder.path().join("a"), &"x".repeat(200_000));
    let mut second = writer(&folder, "a", Some(&settled));
    second.write(&[batch("acme", &["2", "3"])]).unwrap();
    assert_eq!(lines(&folder, "a"), ["1", "2", "3"]);
}

#[test]
fn delivery_16_identical_records_are_counted() {
    let folder = tempfile::tempdir().unwrap();
    let mut first = writer(&folder, "a", None);
    let call = [batch("acme", &["1", "1", "2"])];
    let settled = first.position().unwrap();
    let settled = begin(&mut first, &settled, &call);
    first.write(&call).unwrap();
    drop(first);
    let mut second = writer(&folder, "a", Some(&settled));
    second
        .write(&[batch("acme", &["1", "1", "2", "1"])])
        .unwrap();
    assert_eq!(lines(&folder, "a"), ["1", "1", "2", "1"]);
}

/// `beta` holds the position back, and comes back only two runs later; `acme`, whose checkpoint is behind everything,
/// never asks again for what it wrote meanwhile.
#[test]
fn delivery_16_two_sources_in_one_file_need_not_replay_together() {
    let folder = tempfile::tempdir().unwrap();
    let mut first = writer(&folder, "a", None);
    let settled = first.write(&[batch("acme", &["a1"])]).unwrap();
    first.write(&[batch("beta", &["b1", "b2"])]).unwrap();
    first.write(&[batch("acme", &["a2"])]).unwrap();
    drop(first);

    let mut second = writer(&folder, "a", Some(&settled));
    let later = second.write(&[batch("acme", &["a3"])]).unwrap();
    assert!(later.contains("unclaimed"), "{later}");
    drop(second);

    let mut third = writer(&folder, "a", Some(&later));
    let last = third
        .write(&[batch("beta", &["b1"]), batch("beta", &["b2", "b3"])])
        .unwrap();
    assert_eq!(lines(&folder, "a"), ["a1", "b1", "b2", "a2", "a3", "b3"]);
    let file = &position::read(&last).unwrap()[folder.path().join("a").to_str().unwrap()];
    let unclaimed: Vec<_> = file
        .unclaimed
        .iter()
        .map(|stretch| (stretch.start, stretch.end))
        .collect();
    assert_eq!(unclaimed, [(9, 12)], "only a2 is left");
}

#[test]
fn delivery_16_a_file_that_was_not_opened_keeps_its_place_in_the_position() {
    let folder = tempfile::tempdir().unwrap();
    let mut first = writer(&folder, "logs/{source}", None);
    let settled = first
        .write(&[batch("acme", &["a1"]), batch("beta", &["b1"])])
        .unwrap();
    first.write(&[batch("acme", &["a2"])]).unwrap();
    drop(first);
    let mut second = writer(&folder, "logs/{source}", Some(&settled));
    let later = second.write(&[batch("beta", &["b2"])]).unwrap();
    drop(second);
    let mut third = writer(&folder, "logs/{source}", Some(&later));
    third.write(&[batch("acme", &["a2", "a3"])]).unwrap();
    assert_eq!(lines(&folder, "logs/acme"), ["a1", "a2", "a3"]);
}

#[test]
fn trust_19_files_are_private() {
    let folder = tempfile::tempdir().unwrap();
    let mut writer = writer(&folder, "new/{source}/log", None);
    writer.write(&[batch("acme", &["1"])]).unwrap();
    assert_eq!(mode(folder.path().join("new")), 0o700);
    assert_eq!(mode(folder.path().join("new/acme")), 0o700);
    assert_eq!(mode(folder.path().join("new/acme/log")), 0o600);
}

#[test]
fn hundreds_of_sources_do_not_use_up_the_open_files() {
    let folder = tempfile::tempdir().unwrap();
    let mut writer = writer(&folder, "logs/{source}", None);
    for round in 0..2 {
        for source in 0..300 {
            writer
                .write(&[batch(&format!("s{source}"), &[round.to_string()])])
                .unwrap();
        }
    }
    let open = fs::read_dir("/proc/self/fd").map_or(0, |files| {
        let paths = files.filter_map(|file| fs::read_link(file.unwrap().path()).ok());
        paths.filter(|path| path.starts_with(folder.path())).count()
    });
    assert!(open <= 256, "{open} files are open");
    for source in 0..300 {
        assert_eq!(lines(&folder, &format!("logs/s{source}")), ["0", "1"]);
    }
}

#[tokio::test]
async fn an_output_tells_where_it_is_and_can_be_checked() {
    let folder = tempfile::tempdir().unwrap();
    let config: FileConfig = serde_json::from_str(r#"{"path":"new/{source}.ndjson"}"#).unwrap();
    let plan = config.plan(folder.path()).unwrap();
    let mut output = open(plan.clone(), None).await.unwrap();
    assert_eq!(output.position().unwrap(), r#"{"v":1,"files":[]}"#);
    assert_eq!(output.check().await.unwrap().worst(), CheckStatus::Ok);
    assert_eq!(
        fs::read_dir(folder.path()).unwrap().count(),
        0,
        "a check writes nothing"
    );
    let written = output.write(&[batch("acme", &["1"])]).await.unwrap();
    let file = fs::metadata(folder.path().join("new/acme.ndjson")).unwrap();
    let position = written.position.unwrap();
    let says = format!(
        "\"dev\":{},\"ino\":{},\"offset\":2}}",
        file.dev(),
        file.ino()
    );
    assert!(position.contains(&says), "{position}");
    drop(output);
    let output = open(plan, Some(&position)).await.unwrap();
    assert_eq!(output.position().unwrap(), position);
}

#[tokio::test]
async fn a_check_says_what_is_in_the_way() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("file"), "").unwrap();
    for (path, says) in [
        ("file/a", "is not a folder"),
        ("file/{source}", "is not a folder"),
    ] {
        let plan = FileConfig { path: path.into() }
            .plan(folder.path())
            .unwrap();
        let report = open(plan, None).await.unwrap().check().await.unwrap();
        assert_eq!(report.worst(), CheckStatus::Failed);
        assert!(report.findings[0].detail.contains(says), "{report:?}");
    }
    let error = FileConfig {
        path: "{source}/a".into(),
    }
    .plan(folder.path())
    .unwrap_err();
    assert_eq!(error.key, "path");
}
