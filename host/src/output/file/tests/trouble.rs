//! Errors, rotations, truncations, and somebody else at the same file.

use std::os::unix::fs::symlink;
use std::process::Command;

use super::*;

#[test]
fn delivery_16_after_an_error_the_tail_is_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let mut writer = writer(&folder, "logs/{source}", None);
    let path = folder.path().join("logs/acme");
    writer.write(&[batch("acme", &["1"])]).unwrap();
    // A folder in place of the second file makes the call fail when the first file has its line already.
    fs::create_dir_all(folder.path().join("logs/beta")).unwrap();
    let both = [batch("acme", &["2"]), batch("beta", &["b"])];
    assert!(matches!(writer.write(&both), Err(FileError::NotAFile(_))));
    append(&path, "{\"torn");
    assert!(writer.write(&both).is_err());
    fs::remove_dir(folder.path().join("logs/beta")).unwrap();
    writer.write(&both).unwrap();
    writer.write(&[batch("acme", &["3"])]).unwrap();
    assert_eq!(lines(&folder, "logs/acme"), ["1", "2", "3"]);
    assert_eq!(lines(&folder, "logs/beta"), ["b"]);
}

#[test]
fn claims_of_a_call_that_failed_are_undone() {
    let folder = tempfile::tempdir().unwrap();
    let mut first = writer(&folder, "logs/{source}", None);
    let call = [batch("acme", &["1", "2"])];
    let settled = first.position().unwrap();
    let settled = begin(&mut first, &settled, &call);
    first.write(&call).unwrap();
    drop(first);
    let mut second = writer(&folder, "logs/{source}", Some(&settled));
    fs::create_dir_all(folder.path().join("logs/beta")).unwrap();
    let both = [batch("acme", &["1", "2"]), batch("beta", &["b"])];
    assert!(second.write(&both).is_err());
    fs::remove_dir(folder.path().join("logs/beta")).unwrap();
    second.write(&both).unwrap();
    assert_eq!(lines(&folder, "logs/acme"), ["1", "2"]);
}

fn limit_files(bytes: Option<u64>) {
    let limit = rustix::process::Rlimit {
        current: bytes,
        maximum: None,
    };
    rustix::process::setrlimit(rustix::process::Resource::Fsize, limit).unwrap();
}

/// In a child process with a limit on the size of files: the system takes a part of a write and refuses the rest, like
/// a full disk. The signal that comes with it is ignored, as `trap ''` survives `exec`.
#[test]
fn delivery_16_a_disk_that_is_full_in_the_midst_of_a_line() {
    const FOLDER: &str = "LOGWEIR_TEST_FULL_DISK";
    const LIMIT: u64 = 10_000;
    let texts: Vec<_> = (0..2_000)
        .map(|number| format!("{{\"number\":{number:06}}}"))
        .collect();
    if let Some(folder) = std::env::var_os(FOLDER) {
        let path = Path::new(&folder).join("a");
        let template = PathTemplate::parse("a", Path::new(&folder)).unwrap();
        let mut writer = Writer::new(template, None, Arc::new(SystemDisk)).unwrap();
        writer.write(&[batch("acme", &texts[..100])]).unwrap();
        limit_files(Some(LIMIT));
        for _ in 0..3 {
            let error = StageError::from(
                writer
                    .write(&[batch("acme", &texts[100..1_500])])
                    .unwrap_err(),
            );
            assert!(
                matches!(&error, StageError::Transient(text) if text.contains("can't be written")),
                "{error}"
            );
            let left = fs::read(&path).unwrap();
            assert!(left.ends_with(b"\n"), "the torn line is cut at once");
            assert_eq!(left.len() as u64, LIMIT / 18 * 18);
        }
        limit_files(None);
        writer
            .write(&[
                batch("acme", &texts[100..1_500]),
                batch("acme", &texts[1_500..]),
            ])
            .unwrap();
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new("sh")
        .args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\""])
        .arg(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "output::file::tests::trouble::delivery_16_a_disk_that_is_full_in_the_midst_of_a_line",
        ])
        .env(FOLDER, folder.path())
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stdout)
    );
    assert!(
        lines(&folder, "a") == texts,
        "every record once and in order"
    );
}

#[test]
fn a_full_disk_is_called_so() {
    let full = std::io::Error::from(std::io::ErrorKind::StorageFull);
    let error = StageError::from(FileError::io(Path::new("/logs/a"), "written")(full));
    assert_eq!(
        error,
        StageError::Transient("/logs/a can't be written: the disk is full".into())
    );
}

#[test]
fn delivery_16_a_rotation_with_a_signal_goes_on_in_the_new_file() {
    let folder = tempfile::tempdir().unwrap();
    let mut first = writer(&folder, "a", None);
    first.write(&[batch("acme", &["1"])]).unwrap();
    fs::rename(folder.path().join("a"), folder.path().join("a.1")).unwrap();
    first.write(&[batch("acme", &["2"])]).unwrap();
    first.reopen().unwrap();
    let settled = first.write(&[batch("acme", &["3"])]).unwrap();
    first.reopen().unwrap();
    first.write(&[batch("acme", &["4"])]).unwrap();
    drop(first);
    let mut second = writer(&folder, "a", Some(&settled));
    second.write(&[batch("acme", &["4", "5"])]).unwrap();
    assert_eq!(lines(&folder, "a.1"), ["1", "2"]);
    assert_eq!(lines(&folder, "a"), ["3", "4", "5"]);
}

#[test]
fn delivery_16_a_crash_right_after_a_rotation_repeats_only_what_is_in_the_old_file() {
    let folder = tempfile::tempdir().unwrap();
    let mut first = writer(&folder, "a", None);
    let settled = first.write(&[batch("acme", &["1"])]).unwrap();
    first.write(&[batch("acme", &["2"])]).unwrap();
    fs::rename(folder.path().join("a"), folder.path().join("a.1")).unwrap();
    first.reopen().unwrap();
    let call = [batch("acme", &["3"])];
    let settled = begin(&mut first, &settled, &call);
    first.write(&call).unwrap();
    drop(first);
    let mut second = writer(&folder, "a", Some(&settled));
    second.write(&[batch("acme", &["2", "3", "4"])]).unwrap();
    assert_eq!(lines(&folder, "a.1"), ["1", "2"]);
    assert_eq!(lines(&folder, "a"), ["3", "2", "4"]);
}

#[test]
fn delivery_16_a_file_put_in_its_place_is_never_cut() {
    let folder = tempfile::tempdir().unwrap();
    let mut first = writer(&folder, "a", None);
    let settled = first.write(&[batch("acme", &["1"])]).unwrap();
    drop(first);
    fs::write(
        folder.path().join("new"),
        "theirs, and a last line without its end",
    )
    .unwrap();
    fs::rename(folder.path().join("new"), folder.path().join("a")).unwrap();
    let mut second = writer(&folder, "a", Some(&settled));
    second.write(&[batch("acme", &["2"])]).unwrap();
    assert_eq!(
        lines(&folder, "a"),
        ["theirs, and a last line without its end", "2"]
    );
}

#[test]
fn delivery_16_a_truncated_file_goes_on_at_its_end() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a");
    let mut writer = writer(&folder, "a", None);
    writer.write(&[batch("acme", &["1111", "2222"])]).unwrap();
    fs::File::options()
        .write(true)
        .open(&path)
        .unwrap()
        .set_len(0)
        .unwrap();
    let settled = writer.write(&[batch("acme", &["3"])]).unwrap();
    assert_eq!(lines(&folder, "a"), ["3"]);
    assert_eq!(
        position::read(&settled)
            .unwrap()
            .values()
            .next()
            .unwrap()
            .offset,
        2
    );
    fs::remove_file(&path).unwrap();
    writer.write(&[batch("acme", &["4"])]).unwrap();
    assert_eq!(lines(&folder, "a"), ["4"]);
    append(&path, "theirs");
    writer.write(&[batch("acme", &["5"])]).unwrap();
    assert_eq!(lines(&folder, "a"), ["4", "theirs", "5"]);
}

#[test]
fn delivery_17_a_file_has_one_writer_whatever_it_is_called() {
    let folder = tempfile::tempdir().unwrap();
    let mut one = writer(&folder, "a", None);
    one.write(&[batch("acme", &["1"])]).unwrap();
    symlink(folder.path().join("a"), folder.path().join("link")).unwrap();
    let mut other = writer(&folder, "link", None);
    let error = other
        .write(&[batch("acme", &["2"])])
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("link is in use by another process"),
        "{error}"
    );
    drop(one);
    other.write(&[batch("acme", &["2"])]).unwrap();
    assert_eq!(lines(&folder, "a"), ["1", "2"]);
}
