//! IKE_AUTH as the initiator: who we are, who the peer proves to be, and the first Child SA.

use crate::config::Connection;
use crate::endpoint::context::Context;
use crate::endpoint::pair;
use crate::event::{CloseReason, Event, IkeEstablished, KeyLogEntry, NatStatus, Role, Side};
use crate::io::{Deadline, IkeHandle, Path};
use crate::policy;
use crate::time::Time;
use crate::v2::channel::{AuthOf, SecureChannel, Transcript, Unread};
use crate::v2::child::{self, Accepted};
use crate::v2::established::{Established, Opening};
use crate::v2::sa::{Arrival, Next, State};
use crate::v2::syntax::Misfit;
use crate::window::{Answered, Due, Pending, Schedule};
use crate::wire::v2::{Auth, Id, Message, Notify, Payload, Proposal, Sa, Ts};
use crate::wire::{AuthMethod, ExchangeType, NotifyType, PayloadType};

/// IKE_AUTH is on its way.
#[derive(Debug)]
pub(crate) struct AwaitAuth {
    agreed: Agreed,
    child_proposals: Vec<Proposal>,
    spi_in: u32,
    pending: Pending,
}

/// What IKE_SA_INIT has led to.
#[derive(Debug)]
pub(super) struct Agreed {
    pub(super) channel: SecureChannel,
    pub(super) connection: Box<Connection>,
    /// The path from here on.
    pub(super) path: Path,
    pub(super) nat: NatStatus,
    pub(super) ni: Vec<u8>,
    pub(super) nr: Vec<u8>,
    pub(super) init_request: Vec<u8>,
    pub(super) init_response: Vec<u8>,
}

impl Agreed {
    fn transcript(&self) -> Transcript<'_> {
        Transcript {
            init_request: &self.init_request,
            init_response: &self.init_response,
            ni: &self.ni,
            nr: &self.nr,
        }
    }
}

impl AwaitAuth {
    /// Sends IKE_AUTH.
    pub(super) fn begin(cx: &mut Context, ike: IkeHandle, now: Time, mut agreed: Agreed) -> Self {
        let Agreed { channel, connection, path, .. } = &agreed;
        let (spi_i, spi_r) = (channel.spi_i, channel.spi_r);
        let padded = channel.padded_psk(&*cx.provider, &connection.psk);
        cx.keys(|| KeyLogEntry::Psk { spi_i, spi_r, padded });
        let (provider, psk) = (&*cx.provider, &connection.psk);
        let transcript = agreed.transcript();
        let auth = channel.psk_auth(provider, AuthOf::Local, &transcript, &connection.id, psk);
        let spi_in = cx.child_spi(ike);
        let child_proposals: Vec<_> = connection
            .child
            .iter()
            .cloned()
            .map(|mut proposal| {
                proposal.spi = spi_in.to_be_bytes().to_vec();
                proposal
            })
            .collect();
        let mut payloads = vec![Payload::IdI(connection.id.clone())];
        payloads.extend(connection.remote_id.clone().map(Payload::IdR));
        payloads.extend([
            Payload::Auth(Auth { method: AuthMethod::SHARED_KEY, data: auth }),
            Payload::Sa(Sa { proposals: child_proposals.clone() }),
            Payload::TsI(Ts::new(connection.ts_local.clone())),
            Payload::TsR(Ts::new(connection.ts_remote.clone())),
        ]);
        let path = *path;
        let envelope = channel.envelope(ExchangeType::IKE_AUTH, false, 1);
        let bytes = agreed.channel.seal(cx, ike, &envelope, &payloads).unwrap_or_default();
        let schedule = Schedule::ordinary(&cx.config.timers);
        let pending = Pending::send(cx, now, path, &envelope, bytes, schedule);
        Self { agreed, child_proposals, spi_in, pending }
    }

    /// The channel that IKE_SA_INIT has made.
    pub(crate) fn channel(&self) -> &SecureChannel {
        &self.agreed.channel
    }

    /// The SPI that the Child SA is to receive on.
    pub(crate) fn child_spi(&self) -> u32 {
        self.spi_in
    }

    fn closed(self: Box<Self>, reason: CloseReason) -> Next {
        Next::Closed(State::InitiatorAuth(self), reason)
    }

    pub(crate) fn deadline(&self) -> Deadline {
        self.pending.deadline()
    }

    pub(crate) fn timeout(
        mut self: Box<Self>,
        ike: IkeHandle,
        now: Time,
        cx: &mut Context,
    ) -> Next {
        match self.pending.timeout(self.agreed.path, ike, now, cx) {
            Due::GiveUp => self.closed(CloseReason::DeadPeer),
            Due::Not | Due::Repeat(_) => Next::State(State::InitiatorAuth(self)),
        }
    }

    pub(crate) fn message(
        self: Box<Self>,
        ike: IkeHandle,
        now: Time,
        arrival: &Arrival<'_>,
        cx: &mut Context,
    ) -> Next {
        let (remote, len) = (arrival.path.remote, arrival.bytes.len());
        match self.agreed.channel.read_auth(arrival) {
            Ok(response) => self.answered(ike, now, arrival, &response, cx),
            Err(Unread::Unusable(unusable)) => {
                cx.unusable(Some(ike), remote, &unusable, true);
                self.closed(CloseReason::ProtocolError)
            }
            Err(Unread::Dropped(reason)) => {
                cx.dropped(remote, len, reason);
                Next::State(State::InitiatorAuth(self))
            }
        }
    }

    fn answered(
        mut self: Box<Self>,
        ike: IkeHandle,
        now: Time,
        arrival: &Arrival<'_>,
        response: &Message,
        cx: &mut Context,
    ) -> Next {
        let remote = arrival.path.remote;
        let error = response.notifies().find(|notify| notify.kind.is_error()).map(|n| n.kind);
        let (Some(id_r), Some(auth)) = (response.id_r().cloned(), response.auth()) else {
            let Some(notify) = error else {
                let is_anonymous = response.id_r().is_none();
                let payload = if is_anonymous { PayloadType::IDR } else { PayloadType::AUTH };
                let exchange = ExchangeType::IKE_AUTH;
                cx.misfit(Some(ike), remote, &Misfit::Missing { payload, exchange });
                return self.closed(CloseReason::ProtocolError);
            };
            let (exchange, tentative) = (ExchangeType::IKE_AUTH, false);
            let said = notify.into();
            cx.event(Event::PeerRefused { ike, exchange, notify: said, tentative });
            return self.closed(if notify == NotifyType::AUTHENTICATION_FAILED {
                CloseReason::AuthenticationFailed
            } else {
                CloseReason::Refused
            });
        };
        if !self.is_peer(&id_r, auth, cx) {
            let answer = Some(NotifyType::AUTHENTICATION_FAILED.into());
            cx.event(Event::AuthenticationFailed { ike, id: id_r.to_string(), answer });
            self.say_failed(ike, cx);
            return self.closed(CloseReason::AuthenticationFailed);
        }
        let own_id = self.agreed.connection.id.clone();
        cx.peers.authenticated(ike, [own_id.clone(), id_r.clone()]);
        if response.notify(NotifyType::INITIAL_CONTACT).is_some() {
            cx.initial_contact(ike);
        }
        cx.event(Event::IkeEstablished(Box::new(IkeEstablished {
            ike,
            connection: Some(self.agreed.connection.name.clone()),
            role: Role::Initiator,
            path: self.agreed.path,
            spi_i: self.agreed.channel.spi_i,
            spi_r: self.agreed.channel.spi_r,
            local_id: own_id,
            credential: id_r.clone(),
            remote_id: id_r,
            suite: self.agreed.channel.suite,
            nat: self.agreed.nat,
            ikev1: None,
        })));
        // What the peer has granted and this end does not take, the peer is told to drop.
        let mut disowned = None;
        let child = match self.child_of(response, error) {
            Ok(accepted) => {
                let nonces = child::Nonces { ni: &self.agreed.ni, nr: &self.agreed.nr };
                let encap = pair::encap(self.agreed.path, self.agreed.nat.found());
                let channel = &self.agreed.channel;
                let child = child::install(cx, ike, now, channel, &accepted, nonces, encap).ok();
                let granted = (accepted.chosen.protocol, self.spi_in);
                disowned = child.is_none().then_some(granted);
                child
            }
            Err(ungranted) => {
                cx.free_child_spi(self.spi_in);
                let (by, notify, detail) = match ungranted {
                    Ungranted::ByPeer(notify) => {
                        (Side::Peer, notify, "the peer granted no Child SA".to_owned())
                    }
                    Ungranted::ByUs(notify, misfit) => {
                        cx.misfit(Some(ike), remote, &misfit);
                        let sa = response.sa().and_then(|sa| sa.proposals.first());
                        disowned = sa.map(|granted| (granted.protocol, self.spi_in));
                        (Side::Local, notify, misfit.to_string())
                    }
                };
                let notify = Some(notify.into());
                cx.event(Event::ChildRefused { ike, by, notify, detail });
                None
            }
        };
        let Agreed { channel, path, nat, .. } = self.agreed;
        let opening = Opening {
            channel,
            path,
            nat,
            children: child.into_iter().collect(),
            answered: Answered::default(),
            init_answered: Answered::default(),
        };
        let mut state = Established::initiator(now, opening, &cx.config);
        if let Some(granted) = disowned {
            state.disown(ike, now, granted, cx);
        }
        Next::State(State::Established(Box::new(state)))
    }

    fn is_peer(&self, id_r: &Id, auth: &Auth, cx: &Context) -> bool {
        let expected =
            self.agreed.connection.expect_id.as_ref().is_none_or(|expected| expected == id_r);
        let transcript = self.agreed.transcript();
        let psk = &self.agreed.connection.psk;
        expected
            && auth.method == AuthMethod::SHARED_KEY
            && self.agreed.channel.check_psk_auth(&*cx.provider, &transcript, id_r, psk, &auth.data)
    }

    /// Tells the peer in an exchange of its own that it is not who it should be (RFC 7296 §2.21.2).
    /// Its answer is not waited for.
    fn say_failed(&mut self, ike: IkeHandle, cx: &mut Context) {
        let envelope = self.agreed.channel.envelope(ExchangeType::INFORMATIONAL, false, 2);
        let notify = Notify::new(NotifyType::AUTHENTICATION_FAILED, Vec::new());
        if let Some(bytes) =
            self.agreed.channel.seal(cx, ike, &envelope, &[Payload::Notify(notify)])
        {
            cx.transmit(self.agreed.path, &bytes);
        }
    }

    fn child_of(
        &self,
        response: &Message,
        error: Option<NotifyType>,
    ) -> Result<Accepted, Ungranted> {
        let Some(sa) = response.sa() else {
            return Err(Ungranted::ByPeer(error.unwrap_or(NotifyType::NO_PROPOSAL_CHOSEN)));
        };
        let unfit = |notify| move |misfit| Ungranted::ByUs(notify, misfit);
        let suite = policy::check_child_answer(&self.child_proposals, &sa.proposals, true)
            .map_err(Misfit::from)
            .map_err(unfit(NotifyType::NO_PROPOSAL_CHOSEN))?;
        let (ts_i, ts_r) =
            child::selectors_of(response).map_err(unfit(NotifyType::TS_UNACCEPTABLE))?;
        let Connection { ts_local, ts_remote, .. } = &*self.agreed.connection;
        let (asked_i, asked_r) = (Ts::new(ts_local.clone()), Ts::new(ts_remote.clone()));
        if !policy::is_within(ts_i, &asked_i) || !policy::is_within(ts_r, &asked_r) {
            return Err(Ungranted::ByUs(NotifyType::TS_UNACCEPTABLE, Misfit::WiderSelectors));
        }
        let chosen = sa.proposals.first().cloned();
        let (chosen, spi_out) = chosen
            .ok_or(Misfit::Spi)
            .and_then(|chosen| child::spi_of(&chosen).map(|spi| (chosen, spi)))
            .map_err(unfit(NotifyType::INVALID_SYNTAX))?;
        Ok(Accepted {
            suite,
            chosen,
            narrowed: *ts_i != asked_i || *ts_r != asked_r,
            ts_i: ts_i.selectors.clone(),
            ts_r: ts_r.selectors.clone(),
            spi_in: self.spi_in,
            spi_out,
        })
    }
}

/// Why there is no Child SA although the peer is who it should be.
#[derive(Debug)]
enum Ungranted {
    /// The peer granted none, and this is what it said.
    ByPeer(NotifyType),
    /// What it granted is not what was asked for; this would have been the answer to a request.
    ByUs(NotifyType, Misfit),
}
