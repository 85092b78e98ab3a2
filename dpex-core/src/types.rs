//! Values that are valid by construction: whatever holds one of these need not check it again.

mod buffers;
mod id;
mod path;
mod ranges;
mod secret;
mod time;

pub use buffers::{Buffer, Buffers};
pub use id::{Digest, EnrolmentId, Fingerprint, Version};
pub use path::{MAX_COMPONENT, MAX_DEPTH, MAX_PATH, PathError, SharePath};
pub use ranges::RangeSet;
pub use secret::Secret;
pub use time::Timestamp;
