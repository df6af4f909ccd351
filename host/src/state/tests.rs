use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use tempfile::TempDir;

use super::*;

/// A moment of November 2026, in nanoseconds since 1970.
pub(super) const NOW: u64 = 1_795_000_000_000_000_000;

pub(super) fn owner() -> Owner {
    Owner {
        plugin: "simulated".into(),
        origin: "https://acme.example.com".into(),
    }
}

pub(super) fn moved(name: &str, checkpoint: &str, settled: u64) -> SourceCommit {
    SourceCommit {
        name: name.into(),
        owner: owner(),
        checkpoint: Some(checkpoint.into()),
        began: None,
        settled,
        dead: settled / 10,
        rows: Vec::new(),
    }
}

pub(super) fn commit(sources: Vec<SourceCommit>, positions: &[(&str, &str)]) -> Commit {
    let owned = |(output, position): &(&str, &str)| ((*output).into(), (*position).into());
    Commit {
        at: NOW,
        keep: Duration::from_secs(14 * 86_400),
        sources,
        positions: positions.iter().map(owned).collect(),
    }
}

pub(super) fn folder() -> (TempDir, PathBuf) {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().canonicalize().unwrap().join("state");
    (parent, folder)
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

pub(super) fn refusal(folder: &Path) -> String {
    State::open(folder).err().unwrap().to_string()
}

#[test]
fn what_was_committed_is_there_after_reopening() {
    let (_parent, folder) = folder();
    let state = State::open(&folder).unwrap();
    assert_eq!(state.source("acme").unwrap(), None);
    state
        .commit(&commit(
            vec![moved("acme", "one", 100)],
            &[("archive", "p1")],
        ))
        .unwrap();
    state
        .commit(&commit(
            vec![moved("acme", "two", 50), moved("beta", "b", 7)],
            &[("archive", "p2"), ("siem", "s1")],
        ))
        .unwrap();
    drop(state);

    let state = State::open(&folder).unwrap();
    let acme = state.source("acme").unwrap().unwrap();
    assert_eq!(acme.owner, owner());
    assert_eq!(&*acme.checkpoint, "two");
    assert_eq!((acme.settled, acme.dead), (150, 15));
    assert_eq!(acme.updated, NOW);
    let names: Vec<_> = state
        .sources()
        .unwrap()
        .into_iter()
        .map(|(name, _)| name)
        .collect();
    assert_eq!(names, ["acme", "beta"]);
    assert_eq!(state.position("archive").unwrap().as_deref(), Some("p2"));
    let positions = [
        ("archive".to_owned(), "p2".to_owned()),
        ("siem".into(), "s1".into()),
    ];
    assert_eq!(state.positions().unwrap(), positions);
}

#[test]
fn a_commit_that_fails_half_way_changes_nothing() {
    let (_parent, folder) = folder();
    let state = State::open(&folder).unwrap();
    state
        .commit(&commit(vec![moved("acme", "one", 1)], &[]))
        .unwrap();
    let trigger = "CREATE TRIGGER no BEFORE INSERT ON output WHEN new.name = 'broken'
                   BEGIN SELECT raise(ABORT, 'no'); END";
    state.connection().execute_batch(trigger).unwrap();
    let both = commit(
        vec![moved("acme", "two", 1)],
        &[("fine", "p"), ("broken", "p")],
    );
    assert!(matches!(
        state.commit(&both),
        Err(StateError::Database { .. })
    ));
    assert_eq!(&*state.source("acme").unwrap().unwrap().checkpoint, "one");
    assert_eq!(state.positions().unwrap(), []);
    state
        .commit(&commit(vec![moved("acme", "two", 1)], &[]))
        .unwrap();
    assert_eq!(&*state.source("acme").unwrap().unwrap().checkpoint, "two");
}

#[test]
fn a_commit_is_on_the_disk_when_it_returns() {
    let (_parent, folder) = folder();
    let state = State::open(&folder).unwrap();
    let connection = state.connection();
    let pragma = |name| {
        connection.pragma_query_value(None, name, |row| row.get::<_, rusqlite::types::Value>(0))
    };
    assert_eq!(pragma("journal_mode").unwrap(), "wal".to_owned().into());
    assert_eq!(pragma("synchronous").unwrap(), 2.into(), "2 is FULL");
}

#[test]
fn several_handles_see_each_others_commits() {
    let (_parent, folder) = folder();
    let opened: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|_| scope.spawn(|| State::open(&folder).unwrap()))
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    });
    std::thread::scope(|scope| {
        for state in &opened {
            scope.spawn(|| {
                for _ in 0..5 {
                    state
                        .commit(&commit(vec![moved("acme", "x", 1)], &[]))
                        .unwrap();
                }
            });
        }
    });
    for state in &opened {
        assert_eq!(state.source("acme").unwrap().unwrap().settled, 20);
    }
}

#[test]
fn what_is_forgotten_is_gone_and_nothing_else() {
    let (_parent, folder) = folder();
    let state = State::open(&folder).unwrap();
    let two = vec![moved("acme", "a", 1), moved("beta", "b", 1)];
    state
        .commit(&commit(two, &[("archive", "p"), ("siem", "p")]))
        .unwrap();
    assert!(state.forget("acme").unwrap());
    assert!(!state.forget("acme").unwrap());
    assert!(state.forget_position("archive").unwrap());
    assert!(!state.forget_position("archive").unwrap());
    assert_eq!(state.source("acme").unwrap(), None);
    assert!(state.source("beta").unwrap().is_some());
    assert_eq!(state.positions().unwrap(), [("siem".into(), "p".into())]);
}

#[test]
fn compiled_plugins_and_descriptions_are_remembered() {
    let (_parent, folder) = folder();
    let state = State::open(&folder).unwrap();
    assert_eq!(state.compiled("key").unwrap(), None);
    state.remember_compiled("key", &[1; 32]).unwrap();
    state.remember_compiled("key", &[2; 32]).unwrap();
    assert_eq!(state.compiled("key").unwrap(), Some([2; 32]));
    assert_eq!(state.description("digest").unwrap(), None);
    state.remember_description("digest", "{}").unwrap();
    assert_eq!(state.description("digest").unwrap().as_deref(), Some("{}"));
}

#[test]
fn trust_19_everything_is_private_from_the_start() {
    let (_parent, folder) = folder();
    let state = State::open(&folder).unwrap();
    let _lock = state.lock().unwrap();
    state
        .commit(&commit(vec![moved("acme", "a", 1)], &[]))
        .unwrap();
    assert_eq!(mode(&folder), 0o700);
    let mut seen = 0;
    for entry in fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        assert_eq!(mode(&path), 0o600, "{}", path.display());
        seen += 1;
    }
    assert!(
        seen >= 3,
        "database, write-ahead log and lock, found {seen} files"
    );
}

#[test]
fn a_folder_that_others_can_change_is_refused() {
    let (_parent, folder) = folder();
    drop(State::open(&folder).unwrap());
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o770)).unwrap();
    let text = refusal(&folder);
    assert!(text.contains("can be written by others"), "{text}");
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o700)).unwrap();
    let database = folder.join("state.db");
    fs::set_permissions(&database, fs::Permissions::from_mode(0o666)).unwrap();
    let text = refusal(&folder);
    assert!(text.contains("state.db can be written by others"), "{text}");
}

#[test]
fn a_folder_of_somebody_else_is_refused() {
    let (parent, folder) = folder();
    if rustix::process::geteuid().is_root() {
        fs::create_dir(&folder).unwrap();
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o700)).unwrap();
        std::os::unix::fs::chown(&folder, Some(12_345), None).unwrap();
        assert!(refusal(&folder).contains("belongs to somebody else"));
        fs::remove_dir(&folder).unwrap();
        fs::create_dir(parent.path().join("real")).unwrap();
        symlink(parent.path().join("real"), &folder).unwrap();
        std::os::unix::fs::lchown(&folder, Some(12_345), None).unwrap();
        assert!(refusal(&folder).contains("is a link that belongs to somebody else"));
    } else {
        // `/` is root's wherever this runs.
        assert!(refusal(Path::new("/")).contains("belongs to somebody else"));
    }
}

#[test]
fn a_link_of_ours_is_followed_but_not_one_in_place_of_the_database() {
    let (parent, folder) = folder();
    let state = State::open(&folder).unwrap();
    let link = parent.path().join("link");
    symlink(&folder, &link).unwrap();
    assert_eq!(State::open(&link).unwrap().folder(), state.folder());
    drop(state);
    fs::rename(folder.join("state.db"), parent.path().join("elsewhere.db")).unwrap();
    symlink(parent.path().join("elsewhere.db"), folder.join("state.db")).unwrap();
    assert!(refusal(&folder).contains("is not a plain file"));
}

#[test]
fn a_damaged_database_is_refused_with_a_way_out_and_left_as_it_is() {
    let (_parent, folder) = folder();
    let state = State::open(&folder).unwrap();
    for number in 0..200 {
        let name = format!("source-{number}");
        state
            .commit(&commit(vec![moved(&name, &"x".repeat(500), 1)], &[]))
            .unwrap();
    }
    drop(state);
    let database = folder.join("state.db");
    let whole = fs::read(&database).unwrap();
    assert!(whole.len() > 40_960, "{} bytes", whole.len());
    let mut scribbled = whole.clone();
    scribbled[8_192..20_480].fill(0xa5);
    let no_database = b"this was never a database, it is a letter to somebody".repeat(20);
    let damages = [scribbled, no_database, whole[..20_480].to_vec()];
    for damaged in damages {
        fs::write(&database, &damaged).unwrap();
        let error = State::open(&folder).err().unwrap();
        assert!(matches!(error, StateError::Damaged { .. }), "{error:?}");
        let text = error.to_string();
        assert!(
            text.contains("restore it from a backup, or move it away"),
            "{text}"
        );
        assert_eq!(fs::read(&database).unwrap(), damaged);
    }
}

#[test]
fn a_newer_layout_and_a_foreign_database_are_refused() {
    let (parent, folder) = folder();
    let state = State::open(&folder).unwrap();
    state
        .connection()
        .pragma_update(None, "user_version", 5)
        .unwrap();
    drop(state);
    let text = refusal(&folder);
    assert!(
        text.contains("newer version of logweir (layout 5"),
        "{text}"
    );

    let foreign = parent.path().join("foreign");
    drop(folder::private(&foreign).unwrap());
    folder::private_file(&foreign.join("state.db")).unwrap();
    let other = Connection::open(foreign.join("state.db")).unwrap();
    other.execute_batch("CREATE TABLE theirs (x)").unwrap();
    drop(other);
    let before = fs::read(foreign.join("state.db")).unwrap();
    assert!(matches!(
        State::open(&foreign),
        Err(StateError::Foreign { .. })
    ));
    assert_eq!(fs::read(foreign.join("state.db")).unwrap(), before);
}

#[test]
fn the_lock_names_the_process_that_holds_it() {
    let (_parent, folder) = folder();
    let state = State::open(&folder).unwrap();
    let other = State::open(&folder).unwrap();
    let lock = state.lock().unwrap();
    let text = other.lock().err().unwrap().to_string();
    assert!(
        text.contains(&format!("in use by process {}", std::process::id())),
        "{text}"
    );
    drop(lock);
    other.lock().unwrap();
}
