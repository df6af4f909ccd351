//! Random runs with random crashes: in the end, every record is there once.

use proptest::prelude::*;

use super::*;

/// What one source does in one run, and how the run ends.
#[derive(Debug, Clone)]
struct Run {
    /// Source and number of records of each batch, and whether a call ends after it.
    batches: Vec<(usize, usize, bool)>,
    /// What the last call left behind, of 1,000 parts of what it wrote.
    survives: usize,
    /// Which of the acknowledged positions was stored, of 1,000 parts of all.
    stored: usize,
    /// How far each source's checkpoint is from the stored position to the last acknowledged call, of 1,000 parts.
    checkpoints: [usize; 2],
}

fn run() -> impl Strategy<Value = Run> {
    let batches = prop::collection::vec((0..2_usize, 0..6_usize, any::<bool>()), 1..12);
    let part = || 0..=1_000_usize;
    (batches, part(), part(), [part(), part()]).prop_map(
        |(batches, survives, stored, checkpoints)| Run {
            batches,
            survives,
            stored,
            checkpoints,
        },
    )
}

fn part_of(all: usize, parts: usize) -> usize {
    all * parts / 1_000
}

/// A record like no other.
fn text(source: usize, number: usize) -> String {
    format!(
        "{{\"source\":{source},\"number\":{number},\"is\":\"{}\"}}",
        "x".repeat(number % 4 * 7)
    )
}

/// One of four.
fn common(_source: usize, number: usize) -> String {
    format!("{{\"is\":\"{}\"}}", "x".repeat(number % 4 * 7))
}

/// What there is after a call: the position, and how many records of each source the output has by then.
#[derive(Clone)]
struct Mark {
    position: String,
    read: [usize; 2],
}

fn file(folder: &TempDir, path: &str, source: usize) -> PathBuf {
    folder
        .path()
        .join(path.replace("{source}", ["acme", "beta"][source]))
}

fn length(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |metadata| metadata.len())
}

/// One run from a stored place, and the place that is stored when it has crashed.
fn crash(
    folder: &TempDir,
    path: &str,
    from: &Mark,
    run: &Run,
    text: fn(usize, usize) -> String,
) -> Mark {
    let mut writer = writer(folder, path, Some(&from.position));
    // What may be stored by now.
    let mut marks = vec![from.clone()];
    let mut newest = from.read;
    let mut read = from.read;
    let mut call = Vec::new();
    let mut before = [0, 1].map(|source| length(&file(folder, path, source)));
    for (index, &(source, count, ends)) in run.batches.iter().enumerate() {
        let texts: Vec<_> = (0..count)
            .map(|number| text(source, read[source] + number))
            .collect();
        read[source] += count;
        call.push(batch(["acme", "beta"][source], &texts));
        if ends || index + 1 == run.batches.len() {
            before = [0, 1].map(|source| length(&file(folder, path, source)));
            let call = std::mem::take(&mut call);
            if writer.prepare(&call).unwrap() {
                let stored = &marks[part_of(marks.len() - 1, run.stored)];
                let position = writer.begin(&stored.position).unwrap();
                marks = vec![Mark {
                    position,
                    read: stored.read,
                }];
            }
            let position = writer.write(&call).unwrap();
            if index + 1 < run.batches.len() {
                // The last call is never acknowledged: any part of what it wrote may be there.
                marks.push(Mark { position, read });
                newest = read;
            }
        }
    }
    drop(writer);
    for source in [0, 1] {
        let path = file(folder, path, source);
        let written = length(&path).saturating_sub(before[source]);
        if written > 0 {
            let survives =
                before[source] + part_of(usize::try_from(written).unwrap(), run.survives) as u64;
            fs::File::options()
                .write(true)
                .open(&path)
                .unwrap()
                .set_len(survives)
                .unwrap();
        }
    }
    let stored = marks[part_of(marks.len() - 1, run.stored)].clone();
    // A checkpoint is never before the position, and never behind what was acknowledged.
    let read = [0, 1].map(|source| {
        let ahead = newest[source] - stored.read[source];
        stored.read[source] + part_of(ahead, run.checkpoints[source])
    });
    Mark {
        position: stored.position,
        read,
    }
}

fn expect(path: &str, total: [usize; 2], folder: &TempDir) -> Result<(), TestCaseError> {
    let expected = [0, 1].map(|source| {
        (0..total[source])
            .map(|number| text(source, number))
            .collect::<Vec<_>>()
    });
    if path.contains("{source}") {
        for (source, expected) in expected.iter().enumerate() {
            let name = path.replace("{source}", ["acme", "beta"][source]);
            if length(&folder.path().join(&name)) > 0 || !expected.is_empty() {
                prop_assert_eq!(&sorted(lines(folder, &name)), &sorted(expected.clone()));
            }
        }
    } else {
        prop_assert_eq!(sorted(lines(folder, path)), sorted(expected.concat()));
    }
    Ok(())
}

fn sorted(mut lines: Vec<String>) -> Vec<String> {
    lines.sort();
    lines
}

/// How a file is rotated while nothing runs.
#[derive(Debug, Clone, Copy)]
enum Rotation {
    No,
    Renamed,
    CopiedAndEmptied,
}

fn rotate(folder: &TempDir, how: Rotation, number: usize) {
    let path = folder.path().join("all");
    let old = folder.path().join(format!("all.{number}"));
    match how {
        Rotation::No => {}
        _ if !path.exists() => {}
        Rotation::Renamed => fs::rename(path, old).unwrap(),
        Rotation::CopiedAndEmptied => {
            fs::copy(&path, old).unwrap();
            fs::write(path, "").unwrap();
        }
    }
}

/// The lines of all files. What a crash tore is allowed at the end of a file that was rotated away before a next start.
fn lines_of_all(folder: &TempDir) -> Vec<String> {
    let mut all = lines(folder, "all");
    for entry in fs::read_dir(folder.path()).unwrap() {
        let text = fs::read_to_string(entry.unwrap().path()).unwrap();
        let whole = text.rfind('\n').map_or(0, |end| end + 1);
        all.extend(text.get(..whole).unwrap().lines().map(str::to_owned));
    }
    all
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn delivery_16_everything_once_after_any_crashes(
        runs in prop::collection::vec(run(), 1..5),
        path in prop::sample::select(vec!["all", "logs/{source}"]),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let position = writer(&folder, path, None).position().unwrap();
        let mut mark = Mark { position, read: [0, 0] };
        let mut furthest = [0, 0];
        for run in &runs {
            let read = |source| run.batches.iter().filter(|batch| batch.0 == source).map(|batch| batch.1).sum::<usize>();
            furthest = [0, 1].map(|source| furthest[source].max(mark.read[source] + read(source)));
            mark = crash(&folder, path, &mark, run, text);
        }
        // A last run reads what is left, to behind the furthest that any run came.
        let mut writer = writer(&folder, path, Some(&mark.position));
        let total = furthest.map(|read| read + 3);
        for source in [0, 1] {
            for from in (mark.read[source]..total[source]).step_by(4) {
                let texts: Vec<_> = (from..total[source].min(from + 4)).map(|number| text(source, number)).collect();
                writer.write(&[batch(["acme", "beta"][source], &texts)]).unwrap();
            }
        }
        expect(path, total, &folder)?;
    }

    #[test]
    fn delivery_16_one_source_stays_in_order_with_identical_records_too(runs in prop::collection::vec(run(), 1..5)) {
        let folder = tempfile::tempdir().unwrap();
        let position = writer(&folder, "all", None).position().unwrap();
        let mut mark = Mark { position, read: [0, 0] };
        let mut furthest = 0;
        for run in &runs {
            let mut run = run.clone();
            for batch in &mut run.batches {
                batch.0 = 0;
            }
            let read: usize = run.batches.iter().map(|batch| batch.1).sum();
            furthest = furthest.max(mark.read[0] + read);
            // The only source of an output: its checkpoint and the position move together.
            run.checkpoints = [0, 0];
            mark = crash(&folder, "all", &mark, &run, common);
        }
        let mut writer = writer(&folder, "all", Some(&mark.position));
        let texts: Vec<_> = (mark.read[0]..furthest + 3).map(|number| common(0, number)).collect();
        writer.write(&[batch("acme", &texts)]).unwrap();
        let expected: Vec<_> = (0..furthest + 3).map(|number| common(0, number)).collect();
        prop_assert_eq!(lines(&folder, "all"), expected);
    }

    #[test]
    fn delivery_16_rotations_between_crashes_lose_nothing_and_leave_no_torn_line(
        runs in prop::collection::vec((run(), prop::sample::select(vec![
            Rotation::No,
            Rotation::Renamed,
            Rotation::CopiedAndEmptied,
        ])), 1..6),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let position = writer(&folder, "all", None).position().unwrap();
        let mut mark = Mark { position, read: [0, 0] };
        for (number, (run, rotation)) in runs.iter().enumerate() {
            mark = crash(&folder, "all", &mark, run, text);
            rotate(&folder, *rotation, number);
        }
        let mut writer = writer(&folder, "all", Some(&mark.position));
        let total = mark.read.map(|read| read + 40);
        for source in [0, 1] {
            let texts: Vec<_> = (mark.read[source]..total[source]).map(|number| text(source, number)).collect();
            writer.write(&[batch(["acme", "beta"][source], &texts)]).unwrap();
        }
        let found = lines_of_all(&folder);
        for source in [0, 1] {
            for number in 0..total[source] {
                prop_assert!(found.contains(&text(source, number)), "{source} {number} is lost");
            }
        }
        for line in &found {
            prop_assert!(line.starts_with("{\"source\":") && line.ends_with("\"}"), "torn: {line}");
        }
    }
}
