//! The end that logs in and gets an address.

use core::net::Ipv4Addr;

use super::state::{Next, Stage};
use super::{GENERIC, Incoming, STATUS_FAIL, STATUS_OK, long};
use crate::config::{Ikev1Options, ModeConfig};
use crate::endpoint::context::Context;
use crate::event::{CloseReason, Event, Role, Side};
use crate::io::IkeHandle;
use crate::policy::XauthUser;
use crate::time::Time;
use crate::v1::established::Established;
use crate::v1::sa::Arrival;
use crate::wire::Attribute;
use crate::wire::num::CfgType;
use crate::wire::v1::Attributes;
use crate::wire::v1::num::ConfigAttr;
use crate::wire::v2::TrafficSelector;

impl Established {
    pub(in crate::v1) fn options(&self) -> Option<&Ikev1Options> {
        self.connection.as_ref()?.ikev1.as_ref()
    }

    /// Waits until the peer asks for a login.
    pub(super) fn await_login(&mut self, now: Time, cx: &Context) {
        let (until, wait) = (now + cx.config.timers.half_open, cx.config.timers.retransmit);
        self.transactions.stage = Stage::AwaitLogin { until, again: now + wait, wait };
    }

    /// Gets an address if the connection wants one, and goes on to quick mode.
    pub(super) fn configure(&mut self, ike: IkeHandle, now: Time, cx: &mut Context) {
        match self.options().map(|options| options.mode_config).unwrap_or_default() {
            ModeConfig::Off => self.begin_quick_mode(ike, now, cx),
            ModeConfig::Pull => {
                let attributes = WANTED.map(|kind| long(kind, [])).to_vec();
                let identifier = Self::new_identifier(ike, cx);
                let request = Attributes { kind: CfgType::REQUEST, identifier, attributes };
                let asked = self.transact(ike, now, request, cx);
                self.transactions.stage = Stage::PullAddress(asked);
            }
            ModeConfig::Push => {
                let until = now + cx.config.timers.half_open;
                self.transactions.stage = Stage::AwaitAddress { until };
            }
        }
    }

    /// The peer asks for a login. Who has none says so.
    pub(super) fn login_asked(
        &mut self,
        ike: IkeHandle,
        now: Time,
        incoming: &Incoming<'_>,
        cx: &mut Context,
    ) {
        self.transactions.logins = self.transactions.logins.saturating_add(1);
        let (of, attempt) = (Side::Local, self.transactions.logins);
        cx.event(Event::XauthAsked { ike, of, attempt });
        let remote = incoming.arrival.path.remote;
        let request = &incoming.attributes;
        if has_values(request) {
            let (requirement, why) =
                ("xauth02-6.1-request-empty-attributes", "what is asked for has a value already");
            cx.violation(Some(ike), remote, requirement, why);
        }
        let login = self.login();
        let attributes = match filled(request, login) {
            Ok(attributes) => attributes,
            Err((requirement, why)) => {
                let user = login.map(|login| login.name.clone());
                if let Some(requirement) = requirement {
                    cx.violation(Some(ike), remote, requirement, why.clone());
                }
                cx.event(Event::XauthFailed { ike, of, user, why, last: false });
                vec![Attribute::Tv { kind: ConfigAttr::XAUTH_STATUS.0, value: STATUS_FAIL }]
            }
        };
        self.answer(incoming, CfgType::REPLY, attributes, cx);
        if matches!(self.transactions.stage, Stage::AwaitLogin { .. }) {
            self.await_login(now, cx);
        }
    }

    /// What the last question is answered with.
    fn login(&self) -> Option<&XauthUser> {
        let logins = &self.options()?.xauth;
        let at = usize::try_from(self.transactions.logins).unwrap_or(usize::MAX).saturating_sub(1);
        logins.get(at).or(logins.last())
    }

    /// The peer says whether the login was right.
    pub(super) fn status_told(
        &mut self,
        ike: IkeHandle,
        now: Time,
        incoming: &Incoming<'_>,
        cx: &mut Context,
    ) {
        let arrival = incoming.arrival;
        let set = &incoming.attributes;
        let status = set.find(ConfigAttr::XAUTH_STATUS).and_then(Attribute::number);
        let right = match status {
            Some(status) if status == u64::from(STATUS_OK) => true,
            Some(status) if status == u64::from(STATUS_FAIL) => false,
            _ => {
                let why = "a SET of XAUTH says neither OK nor FAIL";
                return arrival.violates(Some(ike), "xauth02-6.2-status-in-set", why, cx);
            }
        };
        let known = [ConfigAttr::XAUTH_STATUS, ConfigAttr::XAUTH_MESSAGE].map(|kind| kind.0);
        if set.attributes.iter().any(|attribute| !known.contains(&attribute.kind())) {
            let why = "a SET of XAUTH says more than a status and a message";
            cx.violation(Some(ike), arrival.path.remote, "xauth02-6.1-set-status-only", why);
        }
        self.answer(incoming, CfgType::ACK, Vec::new(), cx);
        let of = Side::Local;
        let user = self.login().map(|login| login.name.clone());
        if !right {
            let why = "the peer refuses the login".to_owned();
            cx.event(Event::XauthFailed { ike, of, user, why, last: true });
            // xauth02-6-late-fail-tears-all.
            let spis: Vec<u32> = self.children.iter().map(|child| child.spi_in).collect();
            for spi in spis {
                self.drop_child(ike, spi, CloseReason::AuthenticationFailed, cx);
            }
            // The peer deletes the SA; until then it may not have got the ACK.
            let until = now + cx.config.timers.half_open;
            self.transactions.stage = Stage::Refused { until };
        } else if matches!(self.transactions.stage, Stage::AwaitLogin { .. }) {
            let user = user.unwrap_or_default();
            cx.event(Event::XauthSucceeded { ike, of, user });
            match self.options().map(|options| options.mode_config) {
                // The peer goes on by itself.
                Some(ModeConfig::Push) => self.configure(ike, now, cx),
                _ => self.after_ack(ike, now, Next::Configure, cx),
            }
        }
    }

    /// The peer gives an address by itself. It is taken if the connection wants one and has none yet.
    pub(super) fn address_told(
        &mut self,
        ike: IkeHandle,
        now: Time,
        incoming: &Incoming<'_>,
        cx: &mut Context,
    ) {
        let waits =
            matches!(self.transactions.stage, Stage::AwaitAddress { .. } | Stage::PullAddress(_));
        let set = &incoming.attributes;
        let address = address_of(set).filter(|_| waits && self.channel.role == Role::Initiator);
        let is_taken = |attribute: &&Attribute| {
            address.is_some() && WANTED.contains(&ConfigAttr(attribute.kind()))
        };
        // modecfg02-2-ack-lists-accepted.
        let taken = set.attributes.iter().filter(is_taken);
        let taken = taken.map(|attribute| long(ConfigAttr(attribute.kind()), [])).collect();
        self.answer(incoming, CfgType::ACK, taken, cx);
        if let Some(address) = address {
            self.got_address(ike, now, address, true, cx);
        }
    }

    /// The peer answers with an address, or without one: then there is nothing to ask SAs for.
    pub(super) fn address_answered(
        &mut self,
        ike: IkeHandle,
        now: Time,
        arrival: &Arrival<'_>,
        reply: &Attributes,
        cx: &mut Context,
    ) -> Option<CloseReason> {
        let is_empty = |attribute: &Attribute| matches!(attribute, Attribute::Tlv { value, .. } if value.is_empty());
        if reply.attributes.iter().any(is_empty) {
            let (requirement, why) =
                ("modecfg02-3.4-reply-not-empty-values", "an attribute of the answer is empty");
            cx.violation(Some(ike), arrival.path.remote, requirement, why);
        }
        let Some(address) = address_of(reply) else {
            let detail = "mode-config gave no address".to_owned();
            cx.event(Event::ChildRefused { ike, by: Side::Peer, notify: None, detail });
            self.say_deleted(ike, cx);
            return Some(CloseReason::Refused);
        };
        self.got_address(ike, now, address, false, cx);
        None
    }

    fn got_address(
        &mut self,
        ike: IkeHandle,
        now: Time,
        address: Ipv4Addr,
        pushed: bool,
        cx: &mut Context,
    ) {
        let (to, address) = (Side::Local, address.into());
        cx.event(Event::AddressAssigned { ike, to, address, pushed });
        if let Some(connection) = &mut self.connection {
            connection.ts_local = vec![TrafficSelector::host(address)];
        }
        if pushed {
            self.after_ack(ike, now, Next::Ask, cx);
        } else {
            self.begin_quick_mode(ike, now, cx);
        }
    }

    fn begin_quick_mode(&mut self, ike: IkeHandle, now: Time, cx: &mut Context) {
        self.transactions.stage = Stage::Over;
        self.ask_all(ike, now, cx);
    }

    fn after_ack(&mut self, ike: IkeHandle, now: Time, next: Next, cx: &mut Context) {
        let until = now + cx.config.timers.after_ack;
        self.transactions.stage = Stage::Acknowledged { until, next };
        self.ack_is_ahead(ike, now, cx);
    }

    /// Goes on once an ACK has got far enough ahead.
    pub(super) fn ack_is_ahead(&mut self, ike: IkeHandle, now: Time, cx: &mut Context) {
        if let Stage::Acknowledged { until, next } = self.transactions.stage
            && now >= until
        {
            match next {
                Next::Configure => self.configure(ike, now, cx),
                Next::Ask => self.begin_quick_mode(ike, now, cx),
            }
        }
    }
}

/// The address in a message of mode-config.
fn address_of(attributes: &Attributes) -> Option<Ipv4Addr> {
    let octets = attributes.octets(ConfigAttr::INTERNAL_IP4_ADDRESS)?;
    <[u8; 4]>::try_from(octets.as_slice()).ok().map(Ipv4Addr::from)
}

/// Whether something that is asked for has a value.
fn has_values(request: &Attributes) -> bool {
    let asked = [ConfigAttr::XAUTH_USER_NAME, ConfigAttr::XAUTH_USER_PASSWORD];
    asked.into_iter().filter_map(|kind| request.octets(kind)).any(|value| !value.is_empty())
}

/// What a question for a login is answered with. An error with the requirement that the peer has broken,
/// if any, and a word on why it gets no login.
fn filled(
    request: &Attributes,
    login: Option<&XauthUser>,
) -> Result<Vec<Attribute>, (Option<&'static str>, String)> {
    let Some(login) = login else {
        return Err((None, "this end has no user".to_owned()));
    };
    let mut attributes = Vec::new();
    for attribute in &request.attributes {
        match ConfigAttr(attribute.kind()) {
            ConfigAttr::XAUTH_TYPE if attribute.number() == Some(u64::from(GENERIC)) => {
                attributes.push(attribute.clone());
            }
            ConfigAttr::XAUTH_TYPE => {
                return Err((None, "a login of an unknown type is asked for".to_owned()));
            }
            kind @ ConfigAttr::XAUTH_USER_NAME => {
                attributes.push(long(kind, login.name.as_bytes()));
            }
            kind @ ConfigAttr::XAUTH_USER_PASSWORD => {
                attributes.push(long(kind, login.password.expose().as_slice()));
            }
            ConfigAttr::XAUTH_MESSAGE => {}
            ConfigAttr::XAUTH_CHALLENGE => {
                let requirement = Some("xauth02-6.2-challenge-not-generic");
                return Err((requirement, "there is a challenge for a password".to_owned()));
            }
            kind if kind.is_xauth() => return Err((None, format!("{kind} is asked for"))),
            // modecfg02-3.4-unknown-private-ignored.
            _ => {}
        }
    }
    Ok(attributes)
}

/// What mode-config is asked for, and what is taken of what it gives.
const WANTED: [ConfigAttr; 3] = [
    ConfigAttr::INTERNAL_IP4_ADDRESS,
    ConfigAttr::INTERNAL_IP4_NETMASK,
    ConfigAttr::INTERNAL_IP4_DNS,
];
