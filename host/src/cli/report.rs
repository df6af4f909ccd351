//! What a check found, for people.

use std::fmt::Write;

use logweir::stage::{CheckReport, CheckStatus, Finding, StageError};
use logweir::telemetry::escape;

/// Lays a report out: one line a step, advice below the step it belongs to.
pub(crate) fn render(report: &CheckReport) -> String {
    let width = report
        .findings
        .iter()
        .map(|finding| finding.subject.chars().count())
        .max()
        .unwrap_or(0);
    report
        .findings
        .iter()
        .fold(String::new(), |mut text, finding| {
            text.push_str(&step(finding, width));
            text
        })
}

/// An error in the shape of a report with one failed step, so that all checks read alike.
pub(crate) fn of_error(subject: &str, error: &StageError) -> CheckReport {
    let finding = Finding {
        subject: subject.to_owned(),
        status: CheckStatus::Failed,
        detail: error.to_string(),
        advice: None,
    };
    CheckReport {
        findings: vec![finding],
    }
}

fn step(finding: &Finding, width: usize) -> String {
    let status = match finding.status {
        CheckStatus::Ok => "ok",
        CheckStatus::Warning => "warning",
        CheckStatus::Failed => "failed",
    };
    let mut text = String::new();
    let subject = escape::line(&finding.subject);
    let detail = escape::line(&finding.detail);
    writeln!(text, "  {status:<7}  {subject:<width$}  {detail}").unwrap_or_default();
    if let Some(advice) = &finding.advice {
        writeln!(
            text,
            "  {:<7}  {:<width$}  → {}",
            "",
            "",
            escape::line(advice)
        )
        .unwrap_or_default();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_one_line_a_step_and_moves_no_cursor() {
        let finding = |subject: &str, status, detail: &str, advice: Option<&str>| Finding {
            subject: subject.into(),
            status,
            detail: detail.into(),
            advice: advice.map(Into::into),
        };
        let report = CheckReport {
            findings: vec![
                finding("address", CheckStatus::Ok, "acme answers", None),
                finding(
                    "credential",
                    CheckStatus::Failed,
                    "refused\u{9b}2J\nby the org",
                    Some("make a new token"),
                ),
            ],
        };
        let text = render(&report);
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines.len(), 3);
        assert_eq!(lines[0], "  ok       address     acme answers");
        assert!(lines[1].starts_with("  failed   credential  refused"));
        assert_eq!(lines[2], "                       → make a new token");
        assert!(!text.contains('\u{9b}'));
    }
}
