//! The simulated org as a program.

mod args;

use std::io::{self, Write};

use anyhow::Context;
use clap::Parser;
use okta_sim::Org;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use args::Args;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let tls = args.tls()?;
    let mut running = Vec::new();
    for (address, config) in args.orgs()? {
        let org = Org::new(config);
        let listener = TcpListener::bind(&address)
            .await
            .with_context(|| format!("cannot listen on {address}"))?;
        running.push(match &tls {
            None => org.serve(listener)?,
            Some(tls) => org.serve_tls(listener, tls)?,
        });
    }
    let mut stdout = io::stdout().lock();
    for org in &running {
        writeln!(stdout, "listening on {}", org.url())?;
    }
    stdout.flush()?;
    drop(stdout);
    let mut terminated = signal(SignalKind::terminate())?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted?,
        _ = terminated.recv() => {}
    }
    for org in running {
        org.shutdown().await;
    }
    Ok(())
}
