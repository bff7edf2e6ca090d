//! `carnet demo`: every route of the manual, end to end, in the sandbox, and identities of a trust
//! domain of its own, as a table; then what must be refused.

mod bent;
mod calls;
mod clouds;
mod cluster;
mod crossings;
mod denials;
mod domain;
mod engine;
mod gate;
mod identities;
mod logins;
mod refusals;
mod report;
mod rotation;
mod stage;
mod tokens;
mod verifier;
mod workloads;

use carnet_core::Error;

use self::{report::Report, stage::Stage};
use crate::{args::Demo, output::Terminal, world};

/// Exit code when a row did not do what it should.
const FAILED: u8 = 1;

pub(super) fn run(args: &Demo, terminal: Terminal) -> Result<u8, Error> {
    let report = world::block_on(play(args.only.as_deref(), terminal))?;
    if terminal.is_json() {
        terminal.json(report.to_json())?;
    } else {
        terminal.text(report.summary())?;
    }
    Ok(if report.passed() { 0 } else { FAILED })
}

async fn play(only: Option<&str>, terminal: Terminal) -> Result<Report, Error> {
    let wanted = |name: &str| only.is_none_or(|only| name.to_lowercase().contains(&only.to_lowercase()));
    let stage = Stage::open().await?;
    let mut report = Report::default();
    let crossings = crossings::all().into_iter().chain(clouds::all()).chain(workloads::all()).chain(identities::all());
    let crossings = crossings.chain(engine::all()).chain(logins::all());
    for crossing in crossings.filter(|crossing| wanted(crossing.name)) {
        let row = crossings::cross(&stage, &crossing).await;
        if !terminal.is_json() {
            terminal.text(row.text())?;
        }
        report.crossings.push(row);
    }
    for refusal in refusals::all().into_iter().filter(|refusal| wanted(refusal.name)) {
        let row = refusals::refuse(&stage, &refusal).await;
        if !terminal.is_json() {
            terminal.text(row.text())?;
        }
        report.refusals.push(row);
    }
    for bent in bent::all().into_iter().chain(engine::bent()).chain(logins::bent()).filter(|bent| wanted(bent.name())) {
        let row = bent::refuse(&stage, &bent).await;
        if !terminal.is_json() {
            terminal.text(row.text())?;
        }
        report.refusals.push(row);
    }
    for denial in denials::all().into_iter().chain(logins::denials()).filter(|denial| wanted(denial.name)) {
        let row = denials::deny(&stage, &denial).await;
        if !terminal.is_json() {
            terminal.text(row.text())?;
        }
        report.refusals.push(row);
    }
    stage.close().await;
    if report.is_empty() {
        return Err(Error::configuration(format!("play the rows whose name contains `{}`", only.unwrap_or_default()))
            .hint("there is none; `carnet demo` shows all names"));
    }
    Ok(report)
}
