//! What is remembered of an IKE SA, and how the SA of a message is found.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use ikeproof_proto::crypto::Hash;
use ikeproof_proto::wire::v2::Proposal;
use ikeproof_proto::wire::v2::presence::Role;
use ikeproof_proto::wire::{GroupId, IkeSpi};

use super::fragments::Fragments;
use super::message::Message;
use super::window::Window;
use crate::limits;
use crate::observed::{Frame, Sender};
use crate::vectors::Vectors;

/// What tells two datagrams apart.
pub(crate) type Digest = Vec<u8>;

/// The digest of a datagram.
pub(crate) fn digest(bytes: &[u8]) -> Digest {
    Hash::Sha1.digest(&[bytes])
}

/// An IKE SA, from its first message on.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) spi_i: IkeSpi,
    /// Zero until the responder has chosen one.
    pub(crate) spi_r: IkeSpi,
    /// Who began it.
    pub(crate) initiator: Sender,
    /// Whether it was seen from its beginning, so that history can be judged.
    pub(crate) complete: bool,
    /// Whether it replaced another one.
    pub(crate) rekeyed: bool,
    /// Nobody waits for its keys any more.
    pub(crate) keyless: bool,
    /// Messages that could not be read yet, so that not all Child SAs are known.
    pub(crate) unread: BTreeSet<(bool, bool, u32)>,
    pub(crate) init: Init,
    /// The chosen algorithms.
    pub(crate) chosen: Option<Proposal>,
    /// IKE_AUTH is over.
    pub(crate) authenticated: bool,
    /// Messages of IKE_AUTH whose AUTH waits for the secret.
    pub(crate) auth_pending: Vec<Message>,
    /// The AUTH of the initiator does not fit the secret.
    pub(crate) initiator_auth_wrong: Option<Frame>,
    /// AUTH cannot be recomputed: IKE_INTERMEDIATE or a PPK is in it.
    pub(crate) auth_extended: bool,
    /// A NAT lies between the two.
    pub(crate) nat: bool,
    /// The requests of the initiator and of the responder.
    pub(crate) windows: [Window; 2],
    pub(crate) fragments: Fragments,
    /// The vectors used by the initiator and by the responder.
    pub(crate) ivs: [Vectors; 2],
    /// The Child SAs, each as the SPIs that edge and peer receive with.
    pub(crate) children: Vec<Child>,
}

/// What is remembered of IKE_SA_INIT.
#[derive(Debug, Default)]
pub(crate) struct Init {
    /// The different requests, oldest first.
    pub(crate) requests: Vec<Message>,
    /// Digests of all requests, and where each came from.
    pub(crate) paths: Vec<(core::net::SocketAddr, core::net::SocketAddr)>,
    /// Something was answered since the last request.
    pub(crate) answered: bool,
    /// The cookies that were demanded.
    pub(crate) cookies: Vec<Vec<u8>>,
    /// A cookie was demanded since the last request.
    pub(crate) cookie_due: bool,
    /// The group that the responder wants, since the last request.
    pub(crate) wanted: Option<GroupId>,
    /// The answer with an SA.
    pub(crate) response: Option<Message>,
}

/// The SPIs of a Child SA by who receives with them.
#[derive(Clone, Debug)]
pub(crate) struct Child {
    pub(crate) edge: u32,
    pub(crate) peer: u32,
}

impl Child {
    /// The SPI that `side` receives with.
    pub(crate) const fn inbound(&self, side: Sender) -> u32 {
        match side {
            Sender::Edge => self.edge,
            Sender::Peer => self.peer,
        }
    }
}

impl Session {
    pub(crate) fn new(spi_i: IkeSpi, spi_r: IkeSpi, initiator: Sender, complete: bool) -> Self {
        Self {
            spi_i,
            spi_r,
            initiator,
            complete,
            rekeyed: false,
            keyless: false,
            unread: BTreeSet::new(),
            init: Init::default(),
            chosen: None,
            authenticated: false,
            auth_pending: Vec::new(),
            initiator_auth_wrong: None,
            auth_extended: false,
            nat: false,
            windows: [Window::default(), Window::default()],
            fragments: Fragments::default(),
            ivs: [Vectors::default(), Vectors::default()],
            children: Vec::new(),
        }
    }

    /// What `side` is in this SA.
    pub(crate) fn role(&self, side: Sender) -> Role {
        if side == self.initiator { Role::Initiator } else { Role::Responder }
    }

    /// The requests of `role`.
    pub(crate) fn window(&mut self, role: Role) -> &mut Window {
        let [initiator, responder] = &mut self.windows;
        match role {
            Role::Initiator => initiator,
            Role::Responder => responder,
        }
    }

    /// The requests of `role`, to look at.
    pub(crate) fn window_of(&self, role: Role) -> &Window {
        let [initiator, responder] = &self.windows;
        match role {
            Role::Initiator => initiator,
            Role::Responder => responder,
        }
    }
}

/// The other role.
pub(crate) const fn other(role: Role) -> Role {
    match role {
        Role::Initiator => Role::Responder,
        Role::Responder => Role::Initiator,
    }
}

/// A bounded set of octet strings; the oldest is forgotten first.
#[derive(Debug, Default)]
pub(crate) struct Recent {
    set: BTreeSet<Vec<u8>>,
    order: VecDeque<Vec<u8>>,
}

impl Recent {
    /// Adds `value`; says whether it is new.
    pub(crate) fn insert(&mut self, value: &[u8], limit: usize) -> bool {
        if !self.set.insert(value.to_vec()) {
            return false;
        }
        self.order.push_back(value.to_vec());
        if self.order.len() > limit
            && let Some(oldest) = self.order.pop_front()
        {
            self.set.remove(&oldest);
        }
        true
    }
}

/// All IKE SAs; beyond [`limits::SESSIONS`] the oldest go.
#[derive(Debug, Default)]
pub(crate) struct Sessions {
    by_spi: BTreeMap<IkeSpi, Session>,
    order: VecDeque<IkeSpi>,
    forgotten: bool,
}

impl Sessions {
    pub(crate) fn get(&self, spi_i: IkeSpi) -> Option<&Session> {
        self.by_spi.get(&spi_i)
    }

    pub(crate) fn get_mut(&mut self, spi_i: IkeSpi) -> Option<&mut Session> {
        self.by_spi.get_mut(&spi_i)
    }

    pub(crate) fn insert(&mut self, session: Session) {
        self.order.retain(|spi| *spi != session.spi_i);
        self.order.push_back(session.spi_i);
        self.by_spi.insert(session.spi_i, session);
        if self.order.len() > limits::SESSIONS
            && let Some(oldest) = self.order.pop_front()
        {
            self.by_spi.remove(&oldest);
            self.forgotten = true;
        }
    }

    /// Whether there were too many to remember all.
    pub(crate) const fn has_forgotten(&self) -> bool {
        self.forgotten
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Session> {
        self.by_spi.values()
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Session> {
        self.by_spi.values_mut()
    }
}
