//! Who may come in, what each is offered, and how fast: read from the home when the server starts, and again whenever a
//! command has changed it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use dpex_core::engine::{FormerKnock, MAX_SESSIONS_PER_PERSON, NextKey, Person};
use dpex_core::enrol::{Endpoint, Slug};
use dpex_core::seal::{Knock, PairKeys, Peering};
use dpex_core::shaping::Caps;
use dpex_core::suite::CipherSuite;
use dpex_core::types::{EnrolmentId, Fingerprint, Secret, Timestamp};

use super::place::Place;
use super::shelf::Offer;
use crate::backends::Serve;
use crate::commands::{Context, places, server_rekey, shelves};
use crate::config::Settings;
use crate::error::{CliError, CliResult};
use crate::home::{self, Part, Role, Status};
use crate::limit::Limits;

/// How old a pre-shared key becomes.
const RENEW_AFTER: Duration = Duration::from_secs(90 * 24 * 60 * 60);

/// Somebody who is enrolled.
pub(super) struct Enrolled {
    pub(super) name: Slug,
    pub(super) enrolment: EnrolmentId,
    pub(super) person: Person,
    /// What is on offer, if that is another than before.
    pub(super) offer: Option<Offer>,
}

/// What is the same for everybody, and what was last known of each.
pub(super) struct Roster {
    context: Context,
    part: Part,
    suite: &'static dyn CipherSuite,
    own: Fingerprint,
    secret: Secret<32>,
    open: Arc<Serve>,
    offered: BTreeMap<EnrolmentId, Offered>,
    limits: (Limits, BTreeMap<EnrolmentId, Limits>),
    announced: Vec<Endpoint>,
    gate: Gate,
    /// Whose access was ended and could not be ended on the disk.
    banned: BTreeSet<EnrolmentId>,
}

/// The first gate, and the one before it.
pub(super) type Gate = (Arc<Knock>, Option<FormerKnock>);

/// What somebody is offered.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Offered {
    Files,
    /// The words must be compared first.
    Nothing,
}

impl Roster {
    pub(super) fn new(context: Context, suite: &'static dyn CipherSuite, own: Fingerprint) -> CliResult<Self> {
        let part = context.home.part(Role::Server);
        let settings = context.settings(Role::Server)?;
        let open = Arc::new(shelves::opener(&settings, context.home.root())?);
        let secret = part.version_secret(suite)?;
        let (offered, limits) = (BTreeMap::new(), (Limits::default(), BTreeMap::new()));
        let announced = Vec::new();
        let gate = gate(&part, suite)?;
        Ok(Self { context, part, suite, own, secret, open, offered, limits, announced, gate, banned: BTreeSet::new() })
    }

    /// Is this enrolment still the one that a person has? Whatever else is wrong with the home, or with other people's
    /// records, must not keep somebody in; a record that cannot be read puts nobody out.
    pub(super) fn stays(&self, name: &Slug, enrolment: &EnrolmentId) -> bool {
        match self.part.people().get(name) {
            _ if self.banned.contains(enrolment) => false,
            Ok(Some(person)) => person.status == Status::Active && person.grant.enrolment == *enrolment,
            Ok(None) => false,
            Err(_) => true,
        }
    }

    /// Whatever the home says, this enrolment does not work any more.
    pub(super) fn ban(&mut self, enrolment: EnrolmentId) {
        self.banned.insert(enrolment);
    }

    /// Everybody who may come in, as the home says now. After an error all is as before.
    pub(super) fn read(&mut self) -> CliResult<Vec<Enrolled>> {
        let settings = self.context.settings(Role::Server)?;
        let all_limits = limits(&settings)?;
        let announced = places::announced(&settings, &self.part)?;
        let confirmed_only: bool = settings.value("require-confirmed")?;
        let in_bucket = shelves::bucket(&settings)?.is_some();
        self.renew();
        let gate = gate(&self.part, self.suite)?;
        let people = self.part.people();
        let (mut enrolled, mut offered, mut own_limits) = (Vec::new(), BTreeMap::new(), BTreeMap::new());
        for (name, person) in people.all()? {
            if person.status != Status::Active || self.banned.contains(&person.grant.enrolment) {
                continue;
            }
            let (grant, terms) = (&person.grant, &person.terms);
            let damaged = |_| CliError::usage(format!("what is kept of `{name}` is damaged"));
            let enrolment = grant.enrolment;
            let peering = Peering { server: self.own, client: grant.client, enrolment, exchange: grant.exchange };
            let pair = |psk: &Secret<32>| PairKeys::new(self.suite, psk, &peering);
            let admitted = Person {
                pair: pair(&grant.psk),
                next: person.next_psk.map(|psk| NextKey { pair: pair(&psk), psk }),
                key: grant.client_key(self.suite).map_err(damaged)?,
                last_stamp: self.part.stamps().last(&name, &enrolment)?.unwrap_or(Timestamp::EPOCH),
                first_use_before: Some(grant.first_use_before),
                not_after: terms.until,
                sessions: terms.sessions.map_or(MAX_SESSIONS_PER_PERSON, usize::from),
            };
            if !terms.limit.is_empty() {
                own_limits.insert(enrolment, Limits::parse(&terms.limit).map_err(|e| CliError::usage(e.to_string()))?);
            }
            let hidden = confirmed_only && person.confirmed.is_none();
            let before = self.offered.get(&enrolment).copied();
            let now = if hidden { Offered::Nothing } else { Offered::Files };
            let offer = match now {
                // A folder is opened anew; what a bucket's address leads to is the same.
                _ if before == Some(now) && (hidden || in_bucket) => None,
                Offered::Nothing => Some(Offer::nothing()),
                Offered::Files => Some(Offer::of(self.place(&settings, &people, &name)?)),
            };
            offered.insert(enrolment, now);
            enrolled.push(Enrolled { name, enrolment, person: admitted, offer });
        }
        self.offered = offered;
        self.limits = (all_limits, own_limits);
        self.announced = announced;
        self.gate = gate;
        Ok(enrolled)
    }

    /// The first gate, as it was when the home was read.
    pub(super) fn gate(&self) -> Gate {
        self.gate.clone()
    }

    /// Makes new secrets for those whose are old, and shuts a former gate that nobody needs. Whatever comes in the way, what
    /// there is goes on working.
    fn renew(&self) {
        let renewed = || -> CliResult {
            let _lock = self.part.lock()?;
            let (now, people) = (self.context.now(), self.part.people().all()?);
            let mut expected = BTreeSet::new();
            for (name, person) in &people {
                if server_rekey::is_expected(&self.part, name, person, now)? {
                    expected.insert(person.grant.enrolment.to_string());
                }
            }
            self.part.gate().keep_waiting(|enrolment| expected.contains(enrolment))?;
            for (name, person) in people.iter().filter(|(_, person)| person.is_welcome(now)) {
                let enrolment = person.grant.enrolment;
                let is_old = now >= person.psk_since().plus(RENEW_AFTER) && person.next_psk.is_none();
                // Whoever never came still has the answer before them.
                if is_old && self.part.stamps().last(name, &enrolment)?.is_some() {
                    server_rekey::begin(&self.part, self.suite, name, &enrolment)?;
                }
            }
            Ok(())
        };
        if let Err(error) = renewed() {
            self.context.log.warn(&format!("secrets could not be renewed: {}", error.message()));
        }
    }

    /// Where those who connect are told to find this server from now on.
    pub(super) fn announced(&self) -> Vec<Endpoint> {
        self.announced.clone()
    }

    /// The caps that hold at this moment, by the clock on the wall.
    pub(super) fn caps(&self) -> Caps<EnrolmentId> {
        let time = jiff::Zoned::now().time();
        let (all, people) = &self.limits;
        let people = people.iter().filter_map(|(person, limits)| Some((*person, limits.at(time)?)));
        Caps { all: all.at(time), people: people.collect() }
    }

    /// Where what is on offer for a person lies.
    fn place(&self, settings: &Settings, people: &home::People, name: &Slug) -> CliResult<Place> {
        Ok(Place {
            name: name.clone(),
            root: shelves::shelf(settings, people, name)?,
            secret: self.secret.clone(),
            open: Arc::clone(&self.open),
            context: self.context.clone(),
        })
    }
}

/// The first gate, as it lies in the home.
fn gate(part: &Part, suite: &'static dyn CipherSuite) -> CliResult<Gate> {
    let successor = part.gate().knock()?;
    let former = part.gate().former()?.and_then(|former| former.knock);
    let open = |knock: &Secret<32>| Arc::new(Knock::new(suite, knock));
    let knock = open(&successor);
    Ok((knock, former.map(|former| FormerKnock { knock: open(&former), successor })))
}

/// The caps for all, as the settings have them.
pub(super) fn limits(settings: &Settings) -> CliResult<Limits> {
    let texts: Vec<String> = settings.value("limit")?;
    Limits::parse(&texts)
        .map_err(|e| CliError::usage(format!("the setting `limit` in {}: {e}", settings.source("limit"))))
}
