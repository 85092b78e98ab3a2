//! The program as a person runs it: the real binary, its output, its exit codes, and what it leaves on the disk.

#[path = "cli/audit.rs"]
mod audit;
#[path = "cli/background.rs"]
mod background;
#[cfg(feature = "store-object")]
#[path = "cli/bucket.rs"]
mod bucket;
#[path = "cli/demo.rs"]
mod demo;
#[path = "cli/disks.rs"]
mod disks;
#[path = "cli/documents.rs"]
mod documents;
#[path = "cli/endings.rs"]
mod endings;
#[path = "cli/fetching.rs"]
mod fetching;
#[path = "cli/habit.rs"]
mod habit;
#[path = "cli/homes.rs"]
mod homes;
#[path = "cli/interop.rs"]
mod interop;
#[path = "cli/killed.rs"]
mod killed;
#[path = "cli/links.rs"]
mod links;
#[path = "cli/live.rs"]
mod live;
#[path = "cli/loads.rs"]
mod loads;
#[path = "cli/logs.rs"]
mod logs;
#[path = "cli/names.rs"]
mod names;
#[path = "cli/objects.rs"]
mod objects;
#[path = "cli/output.rs"]
mod output;
#[path = "cli/proxy.rs"]
mod proxy;
#[path = "cli/rekeys.rs"]
mod rekeys;
#[path = "cli/running.rs"]
mod running;
#[path = "cli/settings.rs"]
mod settings;
#[path = "cli/site.rs"]
mod site;
#[path = "cli/soak.rs"]
mod soak;
#[path = "cli/strangers.rs"]
mod strangers;
#[path = "cli/support.rs"]
mod support;
#[path = "cli/workflow.rs"]
mod workflow;
