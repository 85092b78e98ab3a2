//! Enrolled people who keep no rule, over a real socket, against a real server and a real client with real folders: what
//! the machines promise one by one (`dpex-core/tests/hostile/`), all that is around them keeps, too.

#[path = "enemies/clients.rs"]
mod clients;
#[path = "support/host.rs"]
mod host;
#[path = "enemies/servers.rs"]
mod servers;
#[path = "enemies/wire.rs"]
mod wire;
