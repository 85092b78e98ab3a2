//! `dpex`: give named people files from your own machine, over one silent UDP port.
//!
//! This file turns words into a command and its end into an exit code; what a command does is in [`commands`].

mod args;
mod backends;
mod commands;
mod config;
mod control;
mod error;
mod home;
mod limit;
mod ui;

use std::io::Write as _;
use std::panic::PanicHookInfo;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser as _;
use clap::error::ErrorKind;

use args::Cli;
use error::Blame;
use ui::{Log, Ui};

/// How long the end of the program may wait for whoever reads its log.
const LAST_LINES: Duration = Duration::from_secs(2);

fn main() -> ExitCode {
    std::panic::set_hook(Box::new(report_panic));
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return explain(&error),
    };
    let ui = Ui { json: cli.global.json, quiet: cli.global.quiet, verbose: cli.global.verbose };
    let log = Log::new(ui);
    listen(ui, &log);
    let result = commands::run(cli, ui, &log);
    let is_read = log.finish(LAST_LINES);
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Where nobody reads the log, this would wait for ever.
            if is_read {
                ui.fail(&error);
            }
            ExitCode::from(error.blame().exit_code())
        }
    }
}

/// What the parts below have to say goes to stderr: warnings, and with `-v` everything.
fn listen(ui: Ui, log: &Log) {
    let level = match (ui.quiet, ui.verbose) {
        (true, _) => tracing::Level::ERROR,
        (_, true) => tracing::Level::DEBUG,
        _ => tracing::Level::WARN,
    };
    let lines = tracing_subscriber::fmt().with_max_level(level).with_writer(log.clone()).with_target(false);
    lines.without_time().with_ansi(false).init();
}

/// Help and version are answers; everything else that clap says becomes our two lines.
fn explain(error: &clap::Error) -> ExitCode {
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            // A reader that has seen enough closes the pipe; that is no failure.
            let _ = error.print();
            ExitCode::SUCCESS
        }
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            let _ = error.print();
            ExitCode::from(Blame::Usage.exit_code())
        }
        _ => {
            let (message, hint) = two_lines(&error.render().to_string());
            ui::complain(&message, &hint);
            ExitCode::from(Blame::Usage.exit_code())
        }
    }
}

/// Clap's report is paragraphs: what is wrong, tips, usage. The first becomes the message, a tip or the usage the hint.
fn two_lines(report: &str) -> (String, String) {
    let flat = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut paragraphs = report.trim().split("\n\n").map(flat);
    let message = paragraphs.next().unwrap_or_default();
    let message = message.strip_prefix("error: ").unwrap_or(&message).to_owned();
    let rest: Vec<String> = paragraphs.collect();
    let tip = rest.iter().find_map(|p| p.strip_prefix("tip: "));
    let usage = rest.iter().find_map(|p| p.strip_prefix("Usage: "));
    let hint = match (tip, usage) {
        (Some(tip), _) => tip.to_owned(),
        (None, Some(usage)) => format!("usage: {usage}; --help says more"),
        (None, None) => "try --help".to_owned(),
    };
    (message, hint)
}

/// A defect of ours, told like any other error. The process then ends with Rust's own code for it, 101.
fn report_panic(info: &PanicHookInfo<'_>) {
    let payload = info.payload();
    let text = payload.downcast_ref::<&str>().copied().or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    let place = info.location().map(|l| format!(" ({}:{})", l.file(), l.line())).unwrap_or_default();
    let message = format!("dpex failed in a way it never should: {}{place}", text.unwrap_or("no reason given"));
    // Not through the printing macros: a panic because of a closed stderr must not become another one.
    let _ = writeln!(std::io::stderr(), "error: {message}\nhint: nothing of yours is half-written; please report this");
}

#[cfg(test)]
mod tests {
    use super::two_lines;

    #[test]
    fn claps_report_becomes_two_lines() {
        let report = "error: invalid value '2048' for '--bits <BITS>'\n  [possible values: 3072, 4096]\n\n  \
                      tip: a similar value exists: '3072'\n\nFor more information, try '--help'.\n";
        let (message, hint) = two_lines(report);
        assert_eq!(message, "invalid value '2048' for '--bits <BITS>' [possible values: 3072, 4096]");
        assert_eq!(hint, "a similar value exists: '3072'");
        let report = "error: the following required arguments were not provided:\n  --host <HOST>\n\nUsage: dpex server init --host <HOST>\n\nFor more\n";
        let (message, hint) = two_lines(report);
        assert_eq!(message, "the following required arguments were not provided: --host <HOST>");
        assert_eq!(hint, "usage: dpex server init --host <HOST>; --help says more");
    }
}
