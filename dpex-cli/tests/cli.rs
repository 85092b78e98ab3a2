//! The program as a person runs it: the real binary, its output, its exit codes, and what it leaves on the disk.

#[path = "cli/documents.rs"]
mod documents;
#[path = "cli/homes.rs"]
mod homes;
#[path = "cli/output.rs"]
mod output;
#[path = "cli/settings.rs"]
mod settings;
#[path = "cli/support.rs"]
mod support;
