//! Whether the files could be written to, found out without writing.

use std::fs::OpenOptions;
use std::path::Path;

use rustix::fs::{Access, access};

use super::template::PathTemplate;
use crate::stage::{CheckReport, CheckStatus, Finding};

/// Looks at the file, or at the folder where it will be. Takes no lock: a running host may have it.
pub(super) fn check(template: &PathTemplate) -> CheckReport {
    let literal = template.literal();
    let problem = if !template.is_per_source() && literal.exists() {
        try_file(literal)
    } else {
        try_folder(literal)
    };
    let finding = match problem {
        None => Finding {
            subject: "file".to_owned(),
            status: CheckStatus::Ok,
            detail: format!("{} can be written", literal.display()),
            advice: None,
        },
        Some(detail) => Finding {
            subject: "file".to_owned(),
            status: CheckStatus::Failed,
            detail,
            advice: Some(
                "give it to the user that runs logweir, or name another `path`".to_owned(),
            ),
        },
    };
    CheckReport {
        findings: vec![finding],
    }
}

fn try_file(path: &Path) -> Option<String> {
    if !path.is_file() {
        return Some(format!("{} is not a plain file", path.display()));
    }
    let opened = OpenOptions::new().append(true).open(path);
    let error = opened.err()?;
    Some(format!("{} can't be opened: {error}", path.display()))
}

/// The nearest folder that is there: those below it will be made.
fn try_folder(path: &Path) -> Option<String> {
    let Some(nearest) = path.ancestors().find(|folder| folder.exists()) else {
        return Some(format!("no folder of {} is there", path.display()));
    };
    if !nearest.is_dir() {
        return Some(format!("{} is not a folder", nearest.display()));
    }
    let error = access(nearest, Access::WRITE_OK | Access::EXEC_OK).err()?;
    Some(format!(
        "nothing can be made in {}: {error}",
        nearest.display()
    ))
}
