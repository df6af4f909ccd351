//! Any changes and kills, in any order.

use super::*;
use crate::house::PATIENCE;

const RECORDS: u64 = 600;

/// One change of a life: after so many microseconds, which of the three sources are read, whether those that stay are
/// renewed, and whether the output is.
type Turn = (u64, [bool; 3], [bool; 3], bool);

/// A life in which the pipeline is changed again and again. Whatever is read goes to one file.
async fn changing(house: &House, systems: &[Arc<System>; 3], turns: &[Turn]) {
    let out = || file("out", "out.ndjson", house.folder.path());
    let pipeline = house.pipeline(PipelineSpec {
        sources: systems.iter().map(|system| source(system, &[0])).collect(),
        outputs: vec![out()],
    });
    let handle = pipeline.handle();
    let shutdown = CancellationToken::new();
    let stop = shutdown.clone();
    let change = async {
        let mut read: HashMap<_, _> = systems.iter().map(|system| (system.name, true)).collect();
        for (pause, present, renew, output) in turns {
            tokio::time::sleep(Duration::from_micros(*pause)).await;
            let mut chosen = Vec::new();
            for ((system, present), renew) in systems.iter().zip(present).zip(renew) {
                let was = read.insert(system.name, *present).unwrap();
                if *present {
                    chosen.push((system, was && !renew));
                }
            }
            // A pipeline that reads nothing ends.
            if chosen.is_empty() {
                read.insert(systems[0].name, true);
                chosen.push((&systems[0], false));
            }
            let source = |(system, stays): &(&Arc<System>, bool)| match stays {
                true => same(system, &[0]),
                false => renewed(system, &[0]),
            };
            let next = || NextSpec {
                sources: chosen.iter().map(source).collect(),
                outputs: vec![match output {
                    true => NextOutput::Renewed(out()),
                    false => NextOutput::Same("out".into()),
                }],
            };
            let made = async {
                while let Err(refused) = handle.change(next()).await {
                    // The disk is busy, and the output has yet to see what it was made into before.
                    let hangs = matches!(refused, ChangeError::Hanging(_));
                    assert!(*output && hangs, "{refused}");
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            };
            let made = tokio::time::timeout(PATIENCE, made).await;
            made.expect("an output does not hang for ever");
        }
        stop.cancel();
    };
    let reopen = watch::Sender::new(0);
    let run = pipeline.run(shutdown, reopen.subscribe());
    let (report, ()) = futures::join!(run, change);
    assert!(!report.unwrap().failed);
}

fn lines_in(path: &Path, name: &str) -> Vec<String> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let of_source = text.lines().filter(|line| line.contains(name));
    of_source.map(str::to_owned).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn delivery_23_any_changes_and_kills_lose_and_repeat_nothing(
        lives in prop::collection::vec(
            (
                prop::collection::vec((0..3_000u64, any::<[bool; 3]>(), any::<[bool; 3]>(), any::<bool>()), 1..8),
                prop::option::of(0..20_000u64),
            ),
            1..5,
        ),
    ) {
        let house = House::new();
        let systems = ["acme", "beta", "corp"].map(|name| system(name, RECORDS));
        for (turns, killed) in &lives {
            live(changing(&house, &systems, turns), killed.map(Duration::from_micros));
        }
        let all = (0, [true; 3], [false; 3], false);
        let wait = [all, (100_000, [true; 3], [true; 3], true), (400_000, [true; 3], [false; 3], false)];
        live(changing(&house, &systems, &wait), None).unwrap();
        for system in &systems {
            let found = lines_in(&house.folder.path().join("out.ndjson"), system.name);
            prop_assert!(found == system.lines(0..RECORDS), "{} has {} lines", system.name, found.len());
        }
    }
}
