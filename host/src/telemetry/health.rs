//! Alive, and ready: two questions that machines ask, with two different remedies.
//!
//! Not **alive** means: restart it. That is so when the pipeline has stopped taking its own pulse, and never because an
//! org or a disk fails, which a restart does not heal. Not **ready** means: a person should look, and the answer says
//! where. A backfill, a wait that was asked for, a source that has only begun are work, and ready.

use std::time::Duration;

use serde::Serialize;

use super::overview::{OutputView, Overview, PhaseView, SourceView};

/// The pipeline looks at itself several times a second; a process that can't for so long is stuck.
const PULSE_LOST: Duration = Duration::from_secs(30);

/// Whether everything works, and if not, what does not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Readiness {
    /// Whether there is no problem.
    pub ready: bool,
    /// What is wrong, in the order of the configuration.
    pub problems: Vec<Problem>,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// What sort of thing it is about: `state`, `source` or `output`.
    pub part: &'static str,
    /// Which one; its name in the configuration.
    pub name: Option<String>,
    /// What is wrong with it, in one word.
    pub state: ProblemState,
    /// Why, in a sentence for people.
    pub why: String,
    /// Since when, in seconds since 1970, where that is known.
    pub since_at: Option<u64>,
}

/// What may be wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ProblemState {
    /// It does not work, and is tried again.
    Failing,
    /// It can't go on.
    Stopped,
    /// Nothing came for too long.
    Silent,
    /// What is not read and delivered yet will soon be gone from the system that is read.
    Expiring,
}

/// Whether the process is worth keeping.
pub fn is_alive(overview: &Overview) -> bool {
    let age = overview.process.heartbeat_seconds;
    age.is_none_or(|age| age < PULSE_LOST.as_secs_f64())
}

/// What a person should look at.
pub fn readiness(overview: &Overview) -> Readiness {
    let state = overview.state.failing.iter().map(|trouble| Problem {
        part: "state",
        name: None,
        state: ProblemState::Failing,
        why: format!("it can't be written: {}", trouble.why),
        since_at: Some(trouble.since_at),
    });
    let sources = overview.sources.iter().flat_map(of_source);
    let outputs = overview.outputs.iter().filter_map(of_output);
    let problems: Vec<_> = state.chain(sources).chain(outputs).collect();
    Readiness {
        ready: problems.is_empty(),
        problems,
    }
}

fn of_source(source: &SourceView) -> Vec<Problem> {
    let problem = |state, why, since_at| Problem {
        part: "source",
        name: Some(source.name.clone()),
        state,
        why,
        since_at,
    };
    let mut problems = Vec::new();
    problems.extend(of_phase(&source.state).map(|(state, why, since)| problem(state, why, since)));
    if let Some(seconds) = source.silence.silent_seconds {
        let why = format!("nothing came for {}", span(seconds));
        problems.push(problem(
            ProblemState::Silent,
            why,
            source.silence.last_record_at,
        ));
    }
    if let Some(why) = expiry(source) {
        problems.push(problem(ProblemState::Expiring, why, source.settled_at));
    }
    problems
}

fn of_output(output: &OutputView) -> Option<Problem> {
    let (state, why, since_at) = of_phase(&output.state)?;
    Some(Problem {
        part: "output",
        name: Some(output.name.clone()),
        state,
        why,
        since_at,
    })
}

fn of_phase(phase: &PhaseView) -> Option<(ProblemState, String, Option<u64>)> {
    match phase {
        PhaseView::Failing(trouble) => Some((
            ProblemState::Failing,
            trouble.why.clone(),
            Some(trouble.since_at),
        )),
        PhaseView::Stopped { why } => Some((ProblemState::Stopped, why.clone(), None)),
        PhaseView::Starting
        | PhaseView::Backfill { .. }
        | PhaseView::Live
        | PhaseView::Waiting { .. }
        | PhaseView::Finished => None,
    }
}

/// That what is not settled yet will be forgotten by the system that is read (delivery rule 25), if that is near.
pub fn expiry(source: &SourceView) -> Option<String> {
    let retention = source.retention.as_ref()?;
    let seconds = retention.passes_in_seconds?;
    let keeps = span(retention.keeps_seconds);
    Some(if seconds == 0 {
        format!(
            "what it reads is kept for {keeps}, and records older than that may be lost already"
        )
    } else {
        format!(
            "what it reads is kept for {keeps}, which passes its position in {}",
            span(seconds)
        )
    })
}

/// A length of time for people, in its two largest units.
pub fn span(seconds: u64) -> String {
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    let two = |big: u64, big_unit, small: u64, small_unit| match small {
        0 => format!("{big} {big_unit}"),
        _ => format!("{big} {big_unit} {small} {small_unit}"),
    };
    if days > 0 {
        two(days, "d", hours, "h")
    } else if hours > 0 {
        two(hours, "h", minutes, "min")
    } else if minutes > 0 {
        two(minutes, "min", seconds % 60, "s")
    } else {
        format!("{seconds} s")
    }
}

#[cfg(test)]
mod tests {
    use super::super::overview::{RetentionView, SilenceView, Trouble};
    use super::*;

    fn source(state: PhaseView) -> SourceView {
        SourceView {
            name: "acme".to_owned(),
            state,
            ..SourceView::default()
        }
    }

    fn of(source: SourceView) -> Readiness {
        readiness(&Overview {
            sources: vec![source],
            ..Overview::default()
        })
    }

    fn failing() -> PhaseView {
        PhaseView::Failing(Trouble {
            why: "401 Unauthorized".to_owned(),
            since_at: 5,
        })
    }

    #[test]
    fn trap_28_work_is_ready_and_what_fails_is_not() {
        let backfill = PhaseView::Backfill {
            share: Some(0.1),
            to_go_seconds: None,
        };
        let waiting = PhaseView::Waiting {
            until_at: None,
            reason: "memory".to_owned(),
        };
        for state in [
            PhaseView::Starting,
            PhaseView::Live,
            PhaseView::Finished,
            backfill,
            waiting,
        ] {
            assert!(of(source(state.clone())).ready, "{state:?}");
        }
        let stopped = PhaseView::Stopped {
            why: "bug".to_owned(),
        };
        for (state, found) in [
            (failing(), ProblemState::Failing),
            (stopped, ProblemState::Stopped),
        ] {
            let readiness = of(source(state));
            assert!(!readiness.ready);
            assert_eq!(readiness.problems[0].state, found);
        }
    }

    #[test]
    fn all_that_is_wrong_is_said_at_once() {
        let mut source = source(failing());
        source.silence = SilenceView {
            silent_seconds: Some(7_260),
            ..SilenceView::default()
        };
        source.retention = Some(RetentionView {
            keeps_seconds: 90 * 86_400,
            left_seconds: Some(3 * 86_400),
            passes_in_seconds: Some(3 * 86_400),
        });
        let overview = Overview {
            state: super::super::overview::StateView {
                folder: "/s".to_owned(),
                failing: Some(Trouble::default()),
            },
            sources: vec![source],
            outputs: vec![OutputView {
                name: "archive".to_owned(),
                state: failing(),
                ..OutputView::default()
            }],
            ..Overview::default()
        };
        let told: Vec<_> = readiness(&overview)
            .problems
            .iter()
            .map(|problem| format!("{} {:?}: {}", problem.part, problem.state, problem.why))
            .collect();
        insta::assert_snapshot!(told.join("\n"), @r"
        state Failing: it can't be written: 
        source Failing: 401 Unauthorized
        source Silent: nothing came for 2 h 1 min
        source Expiring: what it reads is kept for 90 d, which passes its position in 3 d
        output Failing: 401 Unauthorized
        ");
    }

    #[test]
    fn only_a_lost_pulse_is_a_reason_to_restart() {
        let with = |heartbeat_seconds| {
            let mut overview = Overview {
                sources: vec![source(failing())],
                ..Overview::default()
            };
            overview.process.heartbeat_seconds = heartbeat_seconds;
            is_alive(&overview)
        };
        assert!(with(None) && with(Some(0.3)));
        assert!(!with(Some(31.0)));
    }

    #[test]
    fn spans_have_two_units() {
        let spans = [0, 59, 60, 61, 3_600, 7_380, 86_400, 90_000].map(span);
        assert_eq!(
            spans,
            [
                "0 s",
                "59 s",
                "1 min",
                "1 min 1 s",
                "1 h",
                "2 h 3 min",
                "1 d",
                "1 d 1 h"
            ]
        );
    }
}
