//! `dpex completions` and `dpex man`: made from the definitions of the arguments.

use std::path::Path;

use clap::CommandFactory as _;
use clap_complete::Shell;
use clap_mangen::Man;

use crate::args::Cli;
use crate::error::{Blame, CliError, CliResult};
use crate::ui::Ui;

/// Prints a completion script.
pub(super) fn completions(ui: Ui, shell: Shell) -> CliResult {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "dpex", &mut script);
    ui.answer(&String::from_utf8_lossy(&script))
}

/// Prints the manual page, every command after the other, or writes a page for each.
pub(super) fn man(ui: Ui, folder: Option<&Path>) -> CliResult {
    let mut command = Cli::command().disable_help_subcommand(true);
    command.build();
    if let Some(folder) = folder {
        std::fs::create_dir_all(folder).and_then(|()| clap_mangen::generate_to(command, folder)).map_err(|e| {
            CliError::disk("write manual pages into", folder, &e).hint("choose another folder with --to DIR")
        })?;
        ui.say(&format!("The manual pages are in {}.", folder.display()));
        return Ok(());
    }
    let mut pages = Vec::new();
    render(&command, &mut pages)
        .map_err(|e| CliError::new(Blame::Internal, format!("failed to make the manual page: {e}")))?;
    ui.answer(&String::from_utf8_lossy(&pages))
}

fn render(command: &clap::Command, pages: &mut Vec<u8>) -> std::io::Result<()> {
    Man::new(command.clone()).render(pages)?;
    command.get_subcommands().filter(|sub| !sub.is_hide_set()).try_for_each(|sub| render(sub, pages))
}
