//! Exactly once, from sources to files, whatever is killed in between.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use logweir::output::{FileConfig, OutputPlan};
use logweir::pipeline::{OutputSpec, PipelineSpec, QueueLimits, Report};
use proptest::prelude::*;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::destination::{Destination, output};
use crate::house::House;
use crate::system::{System, source};

const RECORDS: u64 = 3000;

pub(crate) fn file(name: &'static str, path: &'static str, folder: &Path) -> OutputSpec {
    let config = FileConfig {
        path: path.to_owned(),
    };
    let plan = Arc::new(OutputPlan::File(config.plan(folder).unwrap()));
    OutputSpec {
        name: name.into(),
        queue: QueueLimits::default(),
        open: Box::new(move |position| {
            let plan = Arc::clone(&plan);
            async move { plan.open(position.as_deref()).await }.boxed()
        }),
    }
}

/// Two sources that share a file, have one each, and a third output that is slower than files.
fn spec(house: &House, systems: &[Arc<System>; 2], slow: &Arc<Destination>) -> PipelineSpec {
    let folder = house.folder.path();
    PipelineSpec {
        sources: systems
            .iter()
            .map(|system| source(system, &[0, 1, 2]))
            .collect(),
        outputs: vec![
            file("shared", "shared.ndjson", folder),
            file("each", "each/{source}.ndjson", folder),
            output(slow),
        ],
    }
}

/// One life of a process: everything it was doing stops at once when its time is over.
pub(crate) fn live<T>(life: impl Future<Output = T>, killed_after: Option<Duration>) -> Option<T> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let lived = runtime.block_on(async {
        match killed_after {
            Some(time) => tokio::time::timeout(time, life).await.ok(),
            None => Some(life.await),
        }
    });
    // What the disk was doing goes on; the next life begins when it is done.
    runtime.shutdown_timeout(Duration::from_secs(30));
    lived
}

async fn run(house: &House, systems: &[Arc<System>; 2], slow: &Arc<Destination>) -> Report {
    let pipeline = house.pipeline(spec(house, systems, slow));
    let feed = async {
        loop {
            slow.turns.add_permits(1);
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    let reopen = watch::Sender::new(0);
    tokio::select! {
        report = pipeline.run(CancellationToken::new(), reopen.subscribe()) => report.unwrap(),
        () = feed => unreachable!(),
    }
}

fn lines_of(path: &Path, name: &str) -> Vec<String> {
    let text = std::fs::read_to_string(path).unwrap();
    let of_source = text.lines().filter(|line| line.contains(name));
    of_source.map(str::to_owned).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    #[test]
    fn delivery_16_files_have_everything_once_and_in_order(lives in prop::collection::vec(0..40_000u64, 1..12)) {
        let house = House::new().once();
        let systems = ["acme", "globex"].map(|name| Arc::new(System::new(name, RECORDS)));
        let slow = Arc::new(Destination::hanging("siem"));
        for life in lives {
            live(run(&house, &systems, &slow), Some(Duration::from_micros(life)));
        }
        let report = live(run(&house, &systems, &slow), None).unwrap();
        prop_assert!(!report.failed, "{report:?}");
        for system in &systems {
            let expected = system.lines(0..RECORDS);
            let each = format!("each/{}.ndjson", system.name);
            for path in ["shared.ndjson", &each] {
                let found = lines_of(&house.folder.path().join(path), system.name);
                prop_assert!(found == expected, "{path} has {} lines of {}", found.len(), system.name);
            }
            let delivered: HashSet<_> = slow.lines().into_iter().collect();
            prop_assert!(expected.iter().all(|line| delivered.contains(line)));
        }
    }
}
