//! Whose a file is: what a position names, and nothing else.

use std::os::unix::fs::symlink;

use super::*;

#[test]
fn delivery_16_another_path_leads_to_a_file_of_somebody_else() {
    let folder = tempfile::tempdir().unwrap();
    let theirs = folder.path().join("b");
    fs::write(&theirs, "1\n{\"theirs\":").unwrap();
    let mut first = writer(&folder, "a", None);
    let settled = first.write(&[batch("acme", &["1"])]).unwrap();
    drop(first);

    let mut second = writer(&folder, "b", Some(&settled));
    let call = [batch("acme", &["1", "2"])];
    let stored = begin(&mut second, &settled, &call);
    assert_eq!(fs::read_to_string(&theirs).unwrap(), "1\n{\"theirs\":");
    second.write(&call).unwrap();
    drop(second);
    append(&theirs, "{\"torn");

    let mut third = writer(&folder, "b", Some(&stored));
    third.write(&[batch("acme", &["1", "2", "3"])]).unwrap();
    assert_eq!(lines(&folder, "b"), ["1", "{\"theirs\":", "1", "2", "3"]);
    assert_eq!(lines(&folder, "a"), ["1"]);
}

#[test]
fn delivery_16_a_source_that_is_added_does_not_own_the_file_that_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let mut first = writer(&folder, "logs/{source}", None);
    let settled = first.write(&[batch("acme", &["1"])]).unwrap();
    drop(first);
    fs::write(folder.path().join("logs/beta"), "1\ntheirs").unwrap();
    let mut second = writer(&folder, "logs/{source}", Some(&settled));
    second.write(&[batch("beta", &["1"])]).unwrap();
    assert_eq!(lines(&folder, "logs/beta"), ["1", "theirs", "1"]);
}

/// By dots, through a link, and moved away with its folder: it is the same file.
#[test]
fn delivery_16_the_same_file_by_another_name_stays_ours() {
    let folder = tempfile::tempdir().unwrap();
    let mut first = writer(&folder, "logs/{source}", None);
    let settled = first.write(&[batch("acme", &["1"])]).unwrap();
    first.write(&[batch("acme", &["2"])]).unwrap();
    drop(first);
    let again = |path: &str, stored: &str, texts: &[&str]| {
        append(
            &folder.path().join(path.replace("{source}", "acme")),
            "{\"torn",
        );
        let mut writer = writer(&folder, path, Some(stored));
        let call = [batch("acme", texts)];
        let stored = begin(&mut writer, stored, &call);
        writer.write(&call).unwrap();
        stored
    };
    let stored = again("./logs/./{source}", &settled, &["2", "3"]);
    assert_eq!(stored, settled, "nothing is to be stored");

    let there = folder.path().join("there");
    fs::rename(folder.path().join("logs"), &there).unwrap();
    symlink(&there, folder.path().join("logs")).unwrap();
    let stored = again("logs/{source}", &stored, &["2", "3", "4"]);
    assert!(
        stored.contains("/there/acme") && !stored.contains("/logs/"),
        "{stored}"
    );
    let stored = again("there/{source}", &stored, &["2", "3", "4", "5"]);
    again(
        "logs/../there/{source}",
        &stored,
        &["2", "3", "4", "5", "6"],
    );
    assert_eq!(lines(&folder, "there/acme"), ["1", "2", "3", "4", "5", "6"]);
}

#[test]
fn delivery_16_a_kill_in_the_first_write_after_a_rotation_leaves_no_torn_line() {
    let folder = tempfile::tempdir().unwrap();
    let mut first = writer(&folder, "a", None);
    let settled = first.write(&[batch("acme", &["1"])]).unwrap();
    fs::rename(folder.path().join("a"), folder.path().join("a.1")).unwrap();
    first.reopen().unwrap();
    let call = [batch("acme", &["2", "3"])];
    let stored = begin(&mut first, &settled, &call);
    first.write(&call[..1]).unwrap();
    drop(first);
    append(&folder.path().join("a"), "{\"torn");
    let mut second = writer(&folder, "a", Some(&stored));
    second.write(&[batch("acme", &["2", "3", "4"])]).unwrap();
    assert_eq!(lines(&folder, "a.1"), ["1"]);
    assert_eq!(lines(&folder, "a"), ["2", "3", "4"]);
}

/// The position that is stored before a write names the new file; what else it says is as old as what was stored.
#[test]
fn delivery_16_a_new_file_moves_no_other_one() {
    let folder = tempfile::tempdir().unwrap();
    let mut first = writer(&folder, "logs/{source}", None);
    let settled = first.write(&[batch("acme", &["1"])]).unwrap();
    first.write(&[batch("acme", &["2"])]).unwrap();
    let stored = begin(&mut first, &settled, &[batch("beta", &["b"])]);
    drop(first);
    let mut second = writer(&folder, "logs/{source}", Some(&stored));
    second
        .write(&[batch("beta", &["b"]), batch("acme", &["2"])])
        .unwrap();
    assert_eq!(lines(&folder, "logs/acme"), ["1", "2"]);
    assert_eq!(lines(&folder, "logs/beta"), ["b"]);
}

#[test]
fn delivery_16_what_was_opened_by_an_attempt_that_failed_is_named_by_the_next() {
    let folder = tempfile::tempdir().unwrap();
    let mut writer = writer(&folder, "logs/{source}", None);
    fs::create_dir_all(folder.path().join("logs/beta")).unwrap();
    let both = [batch("acme", &["1"]), batch("beta", &["b"])];
    assert!(matches!(writer.prepare(&both), Err(FileError::NotAFile(_))));
    fs::remove_dir(folder.path().join("logs/beta")).unwrap();
    let nothing = writer.position().unwrap();
    let stored = begin(&mut writer, r#"{"v":1,"files":[]}"#, &both);
    assert!(
        stored.contains("logs/acme") && stored.contains("logs/beta"),
        "{stored} {nothing}"
    );
    writer.write(&both).unwrap();
    assert!(!writer.prepare(&both).unwrap(), "all have names now");
}

/// In the midst of a process: the file is another one than at the last call.
#[test]
fn delivery_16_a_file_that_is_cut_to_nothing_while_it_is_open_is_named_anew() {
    let folder = tempfile::tempdir().unwrap();
    let mut writer = writer(&folder, "a", None);
    let settled = writer.write(&[batch("acme", &["1111", "2222"])]).unwrap();
    fs::File::options()
        .write(true)
        .open(folder.path().join("a"))
        .unwrap()
        .set_len(0)
        .unwrap();
    let stored = begin(&mut writer, &settled, &[batch("acme", &["3"])]);
    assert!(stored.contains("\"offset\":0"), "{stored}");
}
