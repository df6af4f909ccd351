//! Reads everything an org has and writes it to a file, a line an event, durable page by page.
//!
//! Like the plugin it asks for the next page before it splits this one, and makes of each event what an entry holds,
//! though it needs nothing of that but the text: this is the work that is compared.

use std::fs::File;
use std::hint::black_box;
use std::io::Write;
use std::path::PathBuf;

use anyhow::{Context, ensure};
use bytes::Bytes;
use clap::ValueEnum;
use logweir_okta::{batch, scan};

use crate::values;

/// What Okta gives at most with one request.
const PAGE_EVENTS: usize = 1000;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Origin of the org, `http://127.0.0.1:8080`.
    #[arg(long)]
    url: String,
    /// Its token.
    #[arg(long)]
    token: String,
    /// Days to read back.
    #[arg(long, default_value_t = 60)]
    days: u32,
    /// Where to.
    #[arg(long)]
    out: PathBuf,
    /// How pages are split into events.
    #[arg(long, value_enum, default_value_t = Split::Scan)]
    split: Split,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Split {
    /// With the plugin's own page scanner, compiled for this machine.
    Scan,
    /// With serde_json: raw values and borrowed fields.
    Serde,
}

/// Does it, and says how many events there were.
pub(crate) async fn run(args: &Args) -> anyhow::Result<usize> {
    let client = reqwest::Client::builder()
        .user_agent("logweir-baseline")
        .build()?;
    let mut file = File::create(&args.out).context("the output can't be made")?;
    let mut pending = request(&client, &first_url(args), &args.token);
    let mut lines = Vec::new();
    let mut events = 0;
    loop {
        let answer = pending.await??;
        pending = request(
            &client,
            &format!("{}{}", args.url, answer.next),
            &args.token,
        );
        lines.clear();
        let count = match args.split {
            Split::Scan => append_by_scan(&answer.body, &mut lines)?,
            Split::Serde => append_by_serde(&answer.body, &mut lines)?,
        };
        events += count;
        let written = tokio::task::block_in_place(|| write(&mut file, &lines));
        written.with_context(|| format!("{} can't be written", args.out.display()))?;
        if count < PAGE_EVENTS {
            return Ok(events);
        }
    }
}

fn first_url(args: &Args) -> String {
    let back = jiff::SignedDuration::from_hours(24 * i64::from(args.days));
    let since = jiff::Timestamp::now() - back;
    let query = format!("since={since:.3}&limit={PAGE_EVENTS}&sortOrder=ASCENDING");
    format!("{}/api/v1/logs?{query}", args.url)
}

type Pending = tokio::task::JoinHandle<anyhow::Result<Answer>>;

/// A page and where the next one is.
struct Answer {
    next: String,
    body: Bytes,
}

/// Asks at once, in a task, so that the answer arrives while the page before it is split and written.
fn request(client: &reqwest::Client, url: &str, token: &str) -> Pending {
    let request = client
        .get(url)
        .header("authorization", format!("SSWS {token}"));
    let request = request.header("accept", "application/json");
    tokio::spawn(async move {
        let answer = request.send().await?;
        ensure!(
            answer.status().is_success(),
            "the org answers {}",
            answer.status()
        );
        let next = next_link(answer.headers()).context("no next link")?;
        let body = answer.bytes().await?;
        Ok(Answer { next, body })
    })
}

/// Path and query of the link with `rel="next"`.
fn next_link(headers: &reqwest::header::HeaderMap) -> Option<String> {
    let links = headers
        .get_all("link")
        .iter()
        .filter_map(|value| value.to_str().ok());
    let next = links
        .filter(|link| link.contains("rel=\"next\""))
        .find_map(|link| {
            let (_, url) = link.split_once('<')?;
            let (url, _) = url.split_once('>')?;
            url.find("/api/v1/logs").and_then(|path| url.get(path..))
        });
    next.map(str::to_owned)
}

/// Appends the events of a page as lines; says how many there were.
fn append_by_scan(body: &Bytes, lines: &mut Vec<u8>) -> anyhow::Result<usize> {
    let found = scan::scan(body)?;
    ensure!(found.broken.is_empty(), "the page has what is no event");
    let records = black_box(batch::records(body.to_vec(), &found, 0));
    for (text, _) in records.batch.records() {
        push_line(lines, text.unwrap_or_default().as_bytes());
    }
    Ok(records.batch.entries.len())
}

fn append_by_serde(body: &[u8], lines: &mut Vec<u8>) -> anyhow::Result<usize> {
    let entries = black_box(values::split(body)?);
    for entry in &entries {
        push_line(lines, body.get(entry.text.range()).unwrap_or_default());
    }
    Ok(entries.len())
}

fn push_line(lines: &mut Vec<u8>, text: &[u8]) {
    lines.extend_from_slice(text);
    lines.push(b'\n');
}

fn write(file: &mut File, lines: &[u8]) -> std::io::Result<()> {
    file.write_all(lines)?;
    file.sync_data()
}
