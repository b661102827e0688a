//! The end that asks for logins and hands out addresses.

use core::net::Ipv4Addr;

use super::state::Stage;
use super::{GENERIC, Incoming, STATUS_FAIL, STATUS_OK, long, printable};
use crate::crypto::SecretBytes;
use crate::endpoint::context::Context;
use crate::event::{DropReason, Event, Side};
use crate::io::IkeHandle;
use crate::policy::{AddressPool, RemoteAccess, Xauth};
use crate::time::Time;
use crate::v1::established::Established;
use crate::v1::sa::Arrival;
use crate::wire::num::CfgType;
use crate::wire::v1::Attributes;
use crate::wire::v1::num::ConfigAttr;
use crate::wire::{Attribute, ExchangeType};

/// Why a REPLY is no login.
struct Wrong {
    /// The name, if there was one.
    user: Option<String>,
    why: &'static str,
    /// What the peer has broken.
    requirement: Option<&'static str>,
    /// Whether asking again is of no use.
    is_final: bool,
}

impl Established {
    /// Asks for a login, in the transaction `identifier` if it is not the first time.
    pub(super) fn ask_login(
        &mut self,
        ike: IkeHandle,
        now: Time,
        identifier: Option<u16>,
        attempt: u32,
        cx: &mut Context,
    ) {
        cx.event(Event::XauthAsked { ike, of: Side::Peer, attempt });
        // xauth02-6-retry-same-transaction.
        let identifier = identifier.unwrap_or_else(|| Self::new_identifier(ike, cx));
        let attributes = vec![
            Attribute::Tv { kind: ConfigAttr::XAUTH_TYPE.0, value: GENERIC },
            long(ConfigAttr::XAUTH_USER_NAME, []),
            long(ConfigAttr::XAUTH_USER_PASSWORD, []),
        ];
        let request = Attributes { kind: CfgType::REQUEST, identifier, attributes };
        let asked = self.transact(ike, now, request, cx);
        self.transactions.stage = Stage::AskLogin { asked, attempt };
    }

    /// Takes a login: the user is let in, asked again, or refused.
    #[expect(clippy::too_many_arguments, reason = "what was asked, and the answer")]
    pub(super) fn login_answered(
        &mut self,
        ike: IkeHandle,
        now: Time,
        arrival: &Arrival<'_>,
        identifier: u16,
        attempt: u32,
        reply: &Attributes,
        cx: &mut Context,
    ) {
        let of = Side::Peer;
        match judge(reply, &cx.config.remote_access) {
            Ok(user) => {
                cx.event(Event::XauthSucceeded { ike, of, user });
                self.tell_status(ike, now, identifier, true, cx);
            }
            Err(Wrong { user, why, requirement, is_final }) => {
                if let Some(requirement) = requirement {
                    cx.violation(Some(ike), arrival.path.remote, requirement, why);
                }
                let last = is_final || attempt >= cx.config.remote_access.tries;
                cx.event(Event::XauthFailed { ike, of, user, why: why.to_owned(), last });
                if last {
                    self.tell_status(ike, now, identifier, false, cx);
                } else {
                    self.ask_login(ike, now, Some(identifier), attempt + 1, cx);
                }
            }
        }
    }

    fn tell_status(
        &mut self,
        ike: IkeHandle,
        now: Time,
        identifier: u16,
        right: bool,
        cx: &mut Context,
    ) {
        let value = if right { STATUS_OK } else { STATUS_FAIL };
        let attributes = vec![Attribute::Tv { kind: ConfigAttr::XAUTH_STATUS.0, value }];
        let set = Attributes { kind: CfgType::SET, identifier, attributes };
        let asked = self.transact(ike, now, set, cx);
        self.transactions.stage = Stage::TellStatus { asked, right };
    }

    /// The peer knows that its user has logged in.
    pub(super) fn logged_in(&mut self, ike: IkeHandle, now: Time, cx: &mut Context) {
        self.transactions.stage = Stage::Over;
        let pool = cx.config.remote_access.pool.clone();
        let Some(pool) = pool.filter(|pool| pool.push) else { return };
        let Some(address) = assign(&pool, ike, None, cx) else { return };
        let identifier = Self::new_identifier(ike, cx);
        let attributes = told(&pool, address, |_| true);
        let set = Attributes { kind: CfgType::SET, identifier, attributes };
        let asked = self.transact(ike, now, set, cx);
        self.transactions.stage = Stage::PushAddress { asked, address };
    }

    /// The peer has taken the address, or not.
    pub(super) fn push_acknowledged(
        &mut self,
        ike: IkeHandle,
        address: Ipv4Addr,
        ack: &Attributes,
        cx: &mut Context,
    ) {
        self.transactions.stage = Stage::Over;
        if ack.find(ConfigAttr::INTERNAL_IP4_ADDRESS).is_some() {
            let (to, address, pushed) = (Side::Peer, address.into(), true);
            cx.event(Event::AddressAssigned { ike, to, address, pushed });
        } else {
            cx.addresses.release(ike);
        }
    }

    /// The peer asks for an address. An edge without remote access leaves that unanswered; any other one
    /// answers, if only with nothing.
    pub(super) fn address_asked(
        &mut self,
        ike: IkeHandle,
        incoming: &Incoming<'_>,
        cx: &mut Context,
    ) {
        let pool = cx.config.remote_access.pool.clone();
        if pool.is_none() && cx.ikev1_profile.readings.r32 == Xauth::Off {
            let exchange = ExchangeType::TRANSACTION;
            return incoming.arrival.dropped(DropReason::UnexpectedExchange { exchange }, cx);
        }
        let request = &incoming.attributes;
        let wish = request.octets(ConfigAttr::INTERNAL_IP4_ADDRESS);
        let mut attributes = Vec::new();
        if let (Some(pool), Some(wish)) = (pool, wish) {
            let wish = <[u8; 4]>::try_from(wish.as_slice()).ok().map(Ipv4Addr::from);
            if let Some(address) = assign(&pool, ike, wish, cx) {
                attributes = told(&pool, address, |kind| request.find(kind).is_some());
                let (to, address, pushed) = (Side::Peer, address.into(), false);
                cx.event(Event::AddressAssigned { ike, to, address, pushed });
            }
        }
        self.answer(incoming, CfgType::REPLY, attributes, cx);
    }
}

/// The name of the user that a REPLY logs in.
fn judge(reply: &Attributes, access: &RemoteAccess) -> Result<String, Wrong> {
    let name = reply.octets(ConfigAttr::XAUTH_USER_NAME);
    let user = name.as_deref().filter(|name| !name.is_empty()).map(printable);
    let wrong =
        |why, requirement, is_final| Wrong { user: user.clone(), why, requirement, is_final };
    let number = |kind| reply.find(kind).map(Attribute::number);
    match number(ConfigAttr::XAUTH_STATUS) {
        None => {}
        Some(Some(status)) if status == u64::from(STATUS_FAIL) => {
            return Err(wrong("the peer does not log in", None, true));
        }
        Some(_) => {
            let requirement = Some("xauth02-6.2-status-in-reply-fail");
            return Err(wrong("the peer says itself that the login is right", requirement, true));
        }
    }
    if number(ConfigAttr::XAUTH_TYPE).is_some_and(|kind| kind != Some(u64::from(GENERIC))) {
        let requirement = Some("xauth02-6.2-type-identical");
        return Err(wrong("the login is of another type than was asked for", requirement, false));
    }
    let password = reply.octets(ConfigAttr::XAUTH_USER_PASSWORD).map(SecretBytes::new);
    let (Some(name), Some(password)) = (&name, password) else {
        let requirement = Some("xauth02-6.1-reply-filled");
        return Err(wrong("the name or the password is missing", requirement, false));
    };
    if access.knows(name, &password) {
        return Ok(printable(name));
    }
    Err(wrong("the name or the password is wrong", None, false))
}

/// An address for the peer. Tells if there is none.
fn assign(
    pool: &AddressPool,
    ike: IkeHandle,
    wish: Option<Ipv4Addr>,
    cx: &mut Context,
) -> Option<Ipv4Addr> {
    let address = cx.addresses.assign(pool, ike, wish);
    if address.is_none() {
        let detail = "all addresses of mode-config are taken".to_owned();
        cx.event(Event::ChildRefused { ike, by: Side::Local, notify: None, detail });
    }
    address
}

/// The attributes that go with an address: those that are wanted.
fn told(
    pool: &AddressPool,
    address: Ipv4Addr,
    wanted: impl Fn(ConfigAttr) -> bool,
) -> Vec<Attribute> {
    let kind = ConfigAttr::INTERNAL_IP4_ADDRESS;
    let mut attributes = vec![long(kind, address.octets())];
    let kind = ConfigAttr::INTERNAL_IP4_NETMASK;
    let netmask = pool.netmask.filter(|_| wanted(kind));
    attributes.extend(netmask.map(|netmask| long(kind, netmask.octets())));
    let kind = ConfigAttr::INTERNAL_IP4_DNS;
    let dns = pool.dns.iter().filter(|_| wanted(kind));
    attributes.extend(dns.map(|server| long(kind, server.octets())));
    attributes
}
