//! What is wrong with a configuration, on a page: file, line, caret, and what to write instead.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use miette::{
    Diagnostic, GraphicalReportHandler, GraphicalTheme, LabeledSpan, NamedSource, Severity,
    SourceCode,
};

use super::document::{Document, printable};
use super::mistake::Mistake;
use super::node::Place;

/// How wide a page is. Not the terminal's width, so that logs and tests look the same.
const WIDTH: usize = 100;

/// One thing that is wrong, or that somebody should look at.
#[derive(Debug)]
pub struct ConfigDiagnostic {
    message: String,
    severity: Severity,
    place: Option<Shown>,
    help: Option<String>,
    elsewhere: Option<Box<ConfigDiagnostic>>,
}

/// A place, with the file it is in.
#[derive(Debug)]
struct Shown {
    file: NamedSource<Arc<str>>,
    label: LabeledSpan,
}

/// Everything that is wrong with a configuration, in all of its files.
#[derive(Debug)]
pub struct ConfigErrors {
    errors: Vec<ConfigDiagnostic>,
    files: Vec<PathBuf>,
}

impl ConfigErrors {
    /// Puts errors together that were found one by one.
    pub fn new(errors: Vec<ConfigDiagnostic>) -> Self {
        Self {
            errors,
            files: Vec::new(),
        }
    }

    /// The files that were read.
    pub(super) fn of(self, files: Vec<PathBuf>) -> Self {
        Self { files, ..self }
    }

    /// These, and others that were found later.
    pub fn and(mut self, others: Self) -> Self {
        self.errors.extend(others.errors);
        self
    }

    /// The files that were read, if these errors are what was found in them.
    pub fn files(&self) -> &[PathBuf] {
        &self.files
    }

    /// The errors, in the order of the files.
    pub fn errors(&self) -> &[ConfigDiagnostic] {
        &self.errors
    }

    /// A page for people, with the number of errors in its last line.
    pub fn render(&self, color: bool) -> String {
        render(&self.errors, "error", color)
    }
}

/// How many there are, and the first of them in a line.
impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&summary(&self.errors, "error"))?;
        let Some(first) = self.errors.first() else {
            return Ok(());
        };
        match first.position() {
            Some(position) => write!(f, ": {position}: {}", first.message()),
            None => write!(f, ": {}", first.message()),
        }
    }
}

impl std::error::Error for ConfigErrors {}

impl ConfigDiagnostic {
    pub(super) fn error(mistake: Mistake, documents: &[Document]) -> Self {
        Self::new(mistake, documents, Severity::Error)
    }

    pub(super) fn warning(mistake: Mistake, documents: &[Document]) -> Self {
        Self::new(mistake, documents, Severity::Warning)
    }

    fn new(mistake: Mistake, documents: &[Document], severity: Severity) -> Self {
        let shown = |place, label| Shown::new(place, label, documents);
        let elsewhere = mistake.elsewhere.map(|(place, label)| Self {
            message: label.to_owned(),
            severity: Severity::Advice,
            place: shown(place, "here"),
            help: None,
            elsewhere: None,
        });
        Self {
            message: printable(&mistake.message),
            severity,
            place: mistake.place.and_then(|place| shown(place, mistake.label)),
            help: mistake.help.as_deref().map(printable),
            elsewhere: elsewhere.map(Box::new),
        }
    }

    /// What is wrong, without the place.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Where: `FILE:LINE`, if it is about a place.
    pub fn position(&self) -> Option<String> {
        let place = self.place.as_ref()?;
        let before = place.file.inner().get(..place.label.offset())?;
        let line = before.matches('\n').count() + 1;
        Some(format!("{}:{line}", place.file.name()))
    }
}

/// The message alone: a page shows the position by itself.
impl fmt::Display for ConfigDiagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for ConfigDiagnostic {}

impl Diagnostic for ConfigDiagnostic {
    fn severity(&self) -> Option<Severity> {
        Some(self.severity)
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        let help = self.help.as_ref()?;
        Some(Box::new(help))
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        let place = self.place.as_ref()?;
        Some(&place.file)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let place = self.place.as_ref()?;
        Some(Box::new(std::iter::once(place.label.clone())))
    }

    fn related<'a>(&'a self) -> Option<Box<dyn Iterator<Item = &'a dyn Diagnostic> + 'a>> {
        let elsewhere: &dyn Diagnostic = self.elsewhere.as_deref()?;
        Some(Box::new(std::iter::once(elsewhere)))
    }
}

impl Shown {
    fn new(place: Place, label: &str, documents: &[Document]) -> Option<Self> {
        let document = documents.get(place.file)?;
        let text = document.shown.get(place.offset..)?;
        // A value of several lines is pointed at by its first.
        let line = text.find('\n').unwrap_or(text.len());
        let span = place.offset..place.offset + place.length.min(line);
        Some(Self {
            file: NamedSource::new(&document.name, document.shown.clone()),
            label: LabeledSpan::new_with_span(Some(label.to_owned()), span),
        })
    }
}

/// A page with all of them, and how many there are.
pub(super) fn render(diagnostics: &[ConfigDiagnostic], noun: &str, color: bool) -> String {
    let theme = if color {
        GraphicalTheme::unicode()
    } else {
        GraphicalTheme::unicode_nocolor()
    };
    let handler = GraphicalReportHandler::new_themed(theme)
        .with_width(WIDTH)
        .with_links(false)
        .without_cause_chain()
        .without_syntax_highlighting();
    let mut page = String::new();
    for diagnostic in diagnostics {
        if handler.render_report(&mut page, diagnostic).is_err() {
            page.push_str(&diagnostic.message);
        }
        page.push('\n');
    }
    page + &summary(diagnostics, noun) + "\n"
}

/// "3 errors in logweir.yaml".
fn summary(diagnostics: &[ConfigDiagnostic], noun: &str) -> String {
    let places = diagnostics
        .iter()
        .filter_map(|diagnostic| diagnostic.place.as_ref());
    let mut files: Vec<_> = places.map(|place| place.file.name()).collect();
    files.sort_unstable();
    files.dedup();
    let count = diagnostics.len();
    let plural = if count == 1 { "" } else { "s" };
    match files.as_slice() {
        [] => format!("{count} {noun}{plural}"),
        [file] => format!("{count} {noun}{plural} in {file}"),
        files => format!("{count} {noun}{plural} in {} files", files.len()),
    }
}
