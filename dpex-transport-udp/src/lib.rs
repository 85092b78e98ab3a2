//! The UDP transport: one bound socket, with segmentation offload (GSO) for sending and receive offload (GRO) where
//! the system has them, through `quinn-udp`.
//!
//! What it does beyond the system calls:
//! * **one bad peer is one peer's trouble**: what the system reports about a destination is that datagram's loss, so
//!   an unreachable, refused or firewalled address never ends the socket;
//! * **one form per address**: a dual-stack socket shows IPv4 senders as IPv4, and takes IPv4 destinations;
//! * **no fragments**: datagrams carry "don't fragment", so that path MTU discovery sees the truth.
//!
//! It knows nothing of the protocol: it neither looks into a datagram nor keeps one.

mod address;
mod options;
mod receive;
mod socket;
mod transport;

pub use options::Options;
pub use transport::UdpTransport;
