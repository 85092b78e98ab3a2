//! A handshake that was let through the gates: its public-key operations, and the session that comes of it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use super::super::Moment;
use super::super::crypto::{CryptoDone, Outcome, Response, Task};
use super::super::session::{Role, Session, SessionConfig};
use super::{Credentials, Endpoint, EndpointEvent, NextKey, Rejection, Step, Working, check_stamp};
use crate::seal::{OpenedInit, ResponseTerms, Verdict};
use crate::types::EnrolmentId;
use crate::wire::handshake::{SUITE_1, VERSION_1};

/// The refusal for "no version or suite in common".
const NO_COMMON_SUITE: u16 = 1;

impl Endpoint {
    /// Told: a job is done.
    pub fn handle_crypto(&mut self, now: Moment, done: CryptoDone) {
        let Some(Working { person, from, with, step }) = self.working.remove(&done.id) else { return };
        // Expelled meanwhile: silence, and above all no session.
        if self.shut || !self.people.contains_key(&person) {
            return;
        }
        match (step, done.outcome) {
            (Step::Verifying(init), Outcome::Verified(true)) => {
                if let Err(why) = self.respond(now, person, from, with, init) {
                    self.events.push_back(EndpointEvent::Rejected { person, from, why });
                }
            }
            (Step::Verifying(_), Outcome::Verified(false)) => {
                self.events.push_back(EndpointEvent::Rejected { person, from, why: Rejection::BadSignature });
            }
            (Step::Responding { max_udp_payload, idle_timeout }, Outcome::Responded(Ok(response))) => {
                self.begin(now, person, from, with, (max_udp_payload, idle_timeout), response);
            }
            // A failing backend or a share of low order: silence.
            _ => {}
        }
    }

    /// The client is proved: accept its stamp and prepare the answer (HS-9).
    fn respond(
        &mut self,
        now: Moment,
        id: EnrolmentId,
        from: SocketAddr,
        with: Credentials,
        init: Box<OpenedInit>,
    ) -> Result<(), Rejection> {
        let Some(person) = self.people.get_mut(&id) else { return Ok(()) };
        // Again, because a copy of the same INIT may have been verified meanwhile.
        check_stamp(person, init.stamp)?;
        // Its key was replaced while its signature was looked at: silence, as if it had come later.
        if !person.pairs().any(|pair| pair.id() == with.psk) {
            return Ok(());
        }
        person.last_stamp = init.stamp;
        self.events.push_back(EndpointEvent::Stamp { person: id, stamp: init.stamp });
        let psk = person.next.take_if(|next| next.pair.id() == with.psk).map(|NextKey { pair, psk }| {
            person.pair = pair;
            psk
        });
        let is_current = with.knock == self.config.knock.id();
        let former = self.config.former_knock.as_ref().filter(|_| is_current);
        let knock = former.map(|former| former.successor.clone());
        if psk.is_some() || knock.is_some() {
            self.events.push_back(EndpointEvent::Renewed { person: id, psk, knock });
        }
        let common = init.versions.first_in(&[VERSION_1]).zip(init.suites.first_in(&[SUITE_1]));
        let verdict =
            common.map_or(Verdict::Refuse(NO_COMMON_SUITE), |(version, suite)| Verdict::Accept { version, suite });
        let terms = ResponseTerms {
            verdict,
            max_udp_payload: self.config.max_udp_payload,
            idle_timeout: u16::try_from(self.config.idle.as_secs()).unwrap_or(u16::MAX),
            server_time: now.wall,
        };
        let step = Step::Responding { max_udp_payload: init.max_udp_payload, idle_timeout: init.idle_timeout };
        let key = Arc::clone(&self.config.identity);
        self.work(Task::Respond { key, init, terms }, Working { person: id, from, with, step });
        Ok(())
    }

    /// The answer is signed: send it, and hand out the session (HS-15).
    fn begin(
        &mut self,
        now: Moment,
        person: EnrolmentId,
        from: SocketAddr,
        with: Credentials,
        (max_udp_payload, idle_timeout): (u16, u16),
        (datagram, secrets): Response,
    ) {
        if let Some(secrets) = secrets {
            let config = SessionConfig {
                suite: self.config.suite,
                role: Role::Server,
                peer: from,
                max_datagram: usize::from(max_udp_payload.min(self.config.max_udp_payload)),
                idle: Duration::from_secs(u64::from(idle_timeout.max(1))).min(self.config.idle),
                limits: self.config.limits,
            };
            let Ok(mut session) = Session::new(now.at, &config, &secrets) else { return };
            let psk = self.people.get(&person).and_then(|person| person.next.as_ref()).map(|next| &next.psk);
            let is_current = with.knock == self.config.knock.id();
            let former = self.config.former_knock.as_ref().filter(|_| !is_current);
            // Without random bytes it is told the next time.
            let _ = session.renew(psk, former.map(|former| &former.successor));
            let Some(id) = self.sessions.insert(now.at, person, &secrets) else { return };
            self.events.push_back(EndpointEvent::Session { id, person, session: Box::new(session) });
        }
        self.datagrams.push_back((from, datagram.to_vec()));
    }
}
