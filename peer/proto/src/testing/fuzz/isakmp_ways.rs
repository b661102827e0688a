//! How the two ends of a session of IKEv1 are set up: suites, authentication, logins, addresses, fragments.

use super::super::certificates::certificates;
use super::super::pair::Side;
use super::super::setup::{INITIATOR, connection, endpoint_config, remote_access, user};
use super::script::Script;
use crate::config::{
    Connection, EndpointConfig, Fragmentation, Ikev1Options, ModeConfig, NatTraversal,
};
use crate::policy::{ChildOffer, Credential, Identity, Ikev1Mode, RefusalStyle, Xauth};
use crate::wire::v2::Id;

const SUITES: [(&str, &str); 4] = [
    ("aes128-sha1-curve25519", "aes128gcm16"),
    ("aes256-sha256-ecp256", "aes256-sha256-ecp256"),
    ("3des-md5-curve25519", "null-md5"),
    ("aes192-sha512-ecp256-curve25519", "aes256gcm16-curve25519"),
];
/// The largest packet where messages go in fragments.
const PACKET: u16 = 300;

/// What a script says about the two ends.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ways {
    mode: Ikev1Mode,
    suites: (&'static str, &'static str),
    switches: u8,
    nat_traversal: NatTraversal,
    mode_config: ModeConfig,
}

impl Ways {
    pub(super) fn read(script: &mut Script<'_>, mode: Ikev1Mode) -> Self {
        let (suites, switches) = (script.pick(&SUITES), script.u8());
        let more = script.u8();
        let nat_traversal = match more % 3 {
            0 => NatTraversal::All,
            1 => NatTraversal::Drafts,
            _ => NatTraversal::Off,
        };
        let mode_config = match more / 3 % 3 {
            0 => ModeConfig::Off,
            1 => ModeConfig::Pull,
            _ => ModeConfig::Push,
        };
        Self { mode, suites, switches, nat_traversal, mode_config }
    }

    const fn has(&self, switch: u8) -> bool {
        self.switches & switch != 0
    }

    pub(super) const fn in_fragments(&self) -> bool {
        self.has(FRAGMENTS_OF_INITIATOR) || self.has(FRAGMENTS_OF_RESPONDER)
    }

    /// Both ends, and what the initiator begins.
    pub(super) fn ends(&self) -> (EndpointConfig, EndpointConfig, Connection) {
        let (mut initiator, mut responder) = (endpoint_config(), responder());
        let (ike, child) = self.suites;
        let mut wanted = offer(self.mode, ike, child);
        wanted.force_encapsulation = self.has(ENCAPSULATED);
        // An address is pushed to those that have logged in.
        let logs_in = self.has(LOGS_IN) || self.mode_config == ModeConfig::Push;
        if let Some(options) = &mut wanted.ikev1 {
            options.clear_third_message = self.has(CLEAR_THIRD_MESSAGE);
            (options.nat_traversal, options.mode_config) = (self.nat_traversal, self.mode_config);
            options.xauth = logs_in.then(user).into_iter().collect();
            if self.has(SIGNATURES) {
                options.certificates = Some(certificates(Side::Initiator));
                responder.certificates = Some(certificates(Side::Responder));
            }
        }
        if logs_in || self.mode_config != ModeConfig::Off {
            responder.profile.readings.r32 = Xauth::On;
            responder.remote_access = remote_access(self.mode_config == ModeConfig::Push);
            responder.remote_access.optional = !logs_in;
        }
        if self.has(SILENT) {
            responder.profile.refusal = RefusalStyle::Silent;
        }
        if self.has(SHORT) {
            let timers = (&mut initiator.profile.timers, &mut responder.profile.timers);
            (timers.0.child_life, timers.1.child_life) = (600, 900);
        }
        let forced = [FRAGMENTS_OF_INITIATOR, FRAGMENTS_OF_RESPONDER];
        for (end, switch) in [&mut initiator, &mut responder].into_iter().zip(forced) {
            if self.has(switch) {
                end.limits.fragmentation = Fragmentation::Force;
                end.limits.fragment_packet = PACKET;
            }
        }
        (initiator, responder, wanted)
    }
}

/// A connection of IKEv1 to the responder of a [`Pair`].
pub(super) fn offer(mode: Ikev1Mode, ike: &str, child: &str) -> Connection {
    let mut offer = connection(ike, child);
    offer.ikev1 = Some(Ikev1Options { mode, ..Ikev1Options::default() });
    let child: ChildOffer = child.parse().expect("the suites have names");
    offer.child = vec![child.proposal(1, &[0; 4], false)];
    if mode == Ikev1Mode::Main {
        offer.id = Id::ip(INITIATOR);
    }
    offer
}

/// A responder that knows the initiator by its name and by its address.
pub(super) fn responder() -> EndpointConfig {
    let mut responder = endpoint_config();
    let by_name = responder.credentials.first().expect("there is one").clone();
    let id = Identity::Ip(INITIATOR);
    responder.credentials.push(Credential { id, ..by_name });
    responder
}

/// What the bits of the second octet switch on.
pub(super) const SILENT: u8 = 1;
pub(super) const SHORT: u8 = 2;
pub(super) const ENCAPSULATED: u8 = 4;
pub(super) const CLEAR_THIRD_MESSAGE: u8 = 8;
pub(super) const LOGS_IN: u8 = 0x10;
pub(super) const SIGNATURES: u8 = 0x20;
pub(super) const FRAGMENTS_OF_INITIATOR: u8 = 0x40;
pub(super) const FRAGMENTS_OF_RESPONDER: u8 = 0x80;
