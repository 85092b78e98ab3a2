//! Somebody came with renewed secrets.

use std::time::SystemTime;

use dpex_core::enrol::Slug;
use dpex_core::types::{EnrolmentId, Secret, Timestamp};

use crate::error::CliResult;
use crate::home::{Came, Part};

/// What somebody's coming with renewed secrets has changed.
pub(super) struct Renewed {
    pub(super) psk: bool,
    pub(super) came: Came,
}

/// What was replaced is forgotten (ENR-27), if these are the secrets that replace it.
pub(super) fn keep_renewed(
    part: &Part,
    name: &Slug,
    person: EnrolmentId,
    psk: Option<Secret>,
    knock: Option<Secret>,
) -> CliResult<Renewed> {
    let _lock = part.lock()?;
    let mut renewed = Renewed { psk: false, came: Came::Nothing };
    part.people().change(name, &person, |kept| {
        if let Some(psk) = psk
            && let Some(next) = kept.next_psk.take_if(|next| *next == psk)
        {
            kept.grant.psk = next;
            kept.psk_since = Some(Timestamp::from_system(SystemTime::now()));
            renewed.psk = true;
        }
        // Whoever came has what was in it, or something newer.
        let is_stale = renewed.psk || knock.is_some();
        is_stale && kept.forget_answer() || renewed.psk
    })?;
    if let Some(knock) = knock {
        renewed.came = part.gate().came(&person, &knock)?;
    }
    Ok(renewed)
}
