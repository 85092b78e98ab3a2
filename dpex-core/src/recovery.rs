//! Loss recovery: what arrived, what was lost, how fast to send.
//!
//! Mechanisms only, each a plain state machine: `now` is an argument, nothing reads a clock, draws a random number or
//! touches a socket. They know packets by number, time and size; what a packet carried is the caller's type and comes
//! back untouched when the packet is acknowledged or lost. Nothing here retransmits: what is lost is told once, and
//! the session decides what of it is still needed.
//!
//! | file | idea |
//! | --- | --- |
//! | `rtt` | the round-trip estimate and the probe timeout made of it (RFC 9002, section 5) |
//! | `received` | which packets arrived, and when to say so |
//! | `sent` | which packets are in flight, and what an acknowledgement or a timeout says of them |
//! | `loss` | how late is lost: the adaptive reordering window (RFC 8985) |
//! | `rate` | delivery-rate samples, for model-based control |
//! | `controller` | the trait of congestion controllers and the events they are told |
//! | `bbr` | BBR (draft-ietf-ccwg-bbr), which sessions use |
//! | `cubic`, `hystart` | CUBIC (RFC 9438) and its way out of slow start (RFC 9406) |
//! | `pacing` | when the next bytes may leave |
//! | `size` | how large a datagram the path takes (RFC 8899) |

use std::time::Duration;

mod bbr;
mod controller;
mod cubic;
#[cfg(test)]
mod figures;
mod hystart;
mod loss;
mod pacing;
mod rate;
mod received;
mod rtt;
mod sent;
#[cfg(test)]
mod simulation;
mod size;

pub use bbr::Bbr;
pub use controller::{AckEvent, Controller, LossEvent, LostSample, SpuriousLoss};
pub use cubic::Cubic;
pub use pacing::Pacer;
pub use rate::RateSample;
pub use received::{Ack, MAX_ACK_RANGES, Received};
pub use rtt::RttEstimator;
pub use sent::{AckOfUnsent, AckOutcome, AckedPacket, LostPacket, SentPackets, TimeoutOutcome};
pub use size::{BASE, SizeSearch};

/// How long an acknowledgement may wait for company (PROTOCOL.md, section 7); both sides rely on it (LOS-1).
pub const MAX_ACK_DELAY: Duration = Duration::from_millis(25);

/// The finest timer anyone is held to (RFC 9002, section 6.1.2, kGranularity).
pub const GRANULARITY: Duration = Duration::from_millis(1);
