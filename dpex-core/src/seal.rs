//! The handshake and the record layer as mechanisms (PROTOCOL.md, sections 3 and 4): keys, transcripts, macs, replay.
//!
//! No clock, no sockets, and no RSA: what an identity key has to sign or verify is handed out as a message and its
//! answer is taken back, because that takes milliseconds and is the engine's to schedule.

mod chain;
mod cookies;
mod error;
mod initiator;
mod knock;
mod pair;
mod record;
mod responder;
mod schedule;
mod secrets;
mod window;
mod wrap;

pub use chain::{Chain, Stepped};
pub use cookies::{COOKIE_LIFETIME, Cookies};
pub use error::HandshakeError;
pub use initiator::{Initiator, Negotiated, Offer, PendingInit, ServerProof, UnsignedInit};
pub use knock::Knock;
pub use pair::{PairKeys, Peering};
pub use record::{
    EPOCH_AGE, EPOCH_BYTES, EPOCH_BYTES_HARD, EPOCH_PACKETS, EPOCH_PACKETS_HARD, FAILED_OPENS, OpenError, Opened,
    Opener, SealError, Sealer,
};
pub use responder::{OpenedInit, ResponseTerms, UnsignedResp, Verdict, open_init};
pub use schedule::{Stage0, Stage1, Stage2, TrafficSecret};
pub use secrets::{CIDS, Direction, SessionSecrets};
pub use window::{REPLAY_WINDOW, ReplayWindow};
pub use wrap::{Kind, Wrap};
