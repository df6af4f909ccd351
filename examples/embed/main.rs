//! Embeds the host in a program of your own: loads what a configuration names, opens its first source, and reads pages
//! until it is caught up. Records go to standard output; no checkpoint is stored.
//!
//! ```sh
//! cargo run --release --example embed -- logweir.yaml
//! ```

use std::io::Write;
use std::path::PathBuf;

use anyhow::{Context, bail};
use logweir::config::Loaded;
use logweir::host::Host;
use logweir::stage::{Pace, Source, StageError, Start};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let path = std::env::args_os()
        .nth(1)
        .map_or_else(|| PathBuf::from("logweir.yaml"), PathBuf::from);
    let loaded = match Loaded::load(&path) {
        Ok(loaded) => loaded,
        Err(errors) => bail!("{}", errors.render(false)),
    };
    let host = Host::prepare(&loaded.plan).await?;
    let source = host
        .sources
        .first()
        .context("the configuration names no source")?;

    let mut reader = source.source.open(Start::First).await?;
    let mut stdout = std::io::stdout().lock();
    loop {
        let page = match reader.read().await {
            Ok(page) => page,
            // The reader lives on after these two, and is asked again.
            Err(StageError::Throttled(wait)) => {
                tokio::time::sleep(wait).await;
                continue;
            }
            Err(StageError::Transient(why)) => {
                writeln!(std::io::stderr(), "trying again: {why}")?;
                tokio::time::sleep(std::time::Duration::from_secs(1)).await;
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        for record in page.batch.records() {
            stdout.write_all(record.text())?;
            stdout.write_all(b"\n")?;
        }
        if let Pace::After(wait) = page.pace {
            writeln!(
                std::io::stderr(),
                "caught up; the next page would be due in {} s",
                wait.as_secs()
            )?;
            return Ok(());
        }
    }
}
