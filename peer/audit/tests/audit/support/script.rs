//! The honest session: the peer begins, both talk, rekey, and take everything down.
//!
//! ```text
//! init-0-request, init-0-response      only with a cookie or another group
//! init-request, init-response          SA, KE, N, NATD, fragmentation
//! auth-request, auth-response          IDi, AUTH, SA, TS
//! esp-peer-1 … esp-edge-3              pings
//! live-request, live-response          the edge asks for a sign of life
//! child-request, child-response        the peer rekeys the child, with KE
//! delete-request, delete-response      the peer deletes the old child
//! esp-new-peer, esp-new-edge           pings through the new one
//! rekey-request, rekey-response        the edge rekeys the IKE SA
//! close-request, close-response        the edge deletes the old IKE SA
//! last-request, last-response          the peer asks for a sign of life in the new one
//! end-request, end-response            the peer deletes the new one
//! ```

use ikeproof_audit::Sender;
use ikeproof_proto::crypto::keys::natd_hash;
use ikeproof_proto::crypto::{ChildProtocol, Group, Integ};
use ikeproof_proto::event::KeyLogEntry;
use ikeproof_proto::wire::v2::{
    Auth, Delete, Id, Ke, Nonce, Notify, Payload, Proposal, Sa, TrafficSelector, Transform, Ts,
};
use ikeproof_proto::wire::{
    AuthMethod, EncrId, EsnId, ExchangeType, GroupId, IkeSpi, IntegId, NotifyType, PrfId,
    ProtocolId,
};

use super::draft::Draft;
use super::lab::{IkeSa, Lab, index};

const PEER: Sender = Sender::Peer;
const EDGE: Sender = Sender::Edge;

impl Lab {
    /// Runs the whole session.
    pub fn run(mut self) -> Self {
        self.init();
        self.auth_exchange();
        for step in ["esp-peer-1", "esp-peer-2", "esp-peer-3"] {
            self.send_esp(step, PEER);
        }
        for step in ["esp-edge-1", "esp-edge-2", "esp-edge-3"] {
            self.send_esp(step, EDGE);
        }
        self.exchange("live-request", "live-response", EDGE, vec![], vec![]);
        self.rekey_child();
        self.delete_child();
        self.send_esp("esp-new-peer", PEER);
        self.send_esp("esp-new-edge", EDGE);
        let new = self.rekey_ike();
        let delete = || Payload::Delete(Delete::ike());
        self.exchange("close-request", "close-response", EDGE, vec![delete()], vec![]);
        self.sa = Some(new);
        self.exchange("last-request", "last-response", PEER, vec![], vec![]);
        self.exchange("end-request", "end-response", PEER, vec![delete()], vec![]);
        self
    }

    pub fn ike_transforms(&self) -> Vec<Transform> {
        let suite = self.ike;
        let (encr, bits) = suite.encr.iana();
        let mut transforms = vec![
            Transform::encr(EncrId(encr), bits),
            Transform::prf(PrfId(suite.prf.iana())),
            Transform::ke(GroupId(suite.group.iana())),
        ];
        if suite.integ != Integ::None {
            transforms.insert(2, Transform::integ(IntegId(suite.integ.iana())));
        }
        transforms
    }

    pub fn esp_transforms(&self, group: Option<Group>) -> Vec<Transform> {
        let suite = self.esp;
        let (encr, bits) = suite.encr.iana();
        let mut transforms = vec![Transform::esn(EsnId(suite.esn.iana()))];
        if suite.protocol == ChildProtocol::Esp {
            transforms.insert(0, Transform::encr(EncrId(encr), bits));
        }
        if suite.integ != Integ::None {
            transforms.insert(transforms.len() - 1, Transform::integ(IntegId(suite.integ.iana())));
        }
        transforms.extend(group.map(|group| Transform::ke(GroupId(group.iana()))));
        transforms
    }

    /// A second proposal that is never chosen.
    fn other_ike(number: u8, spi: Vec<u8>) -> Proposal {
        let transforms = vec![
            Transform::encr(EncrId::AES_CBC, Some(192)),
            Transform::prf(PrfId::HMAC_SHA2_256),
            Transform::integ(IntegId::HMAC_SHA2_256_128),
            Transform::ke(GroupId::MODP_2048),
        ];
        Proposal::new(number, ProtocolId::IKE, spi, transforms)
    }

    fn natd(&self, draft: &mut Draft) {
        let header = draft.header;
        let own = match draft.from {
            // What the peer behind the NAT believes to be its own address.
            PEER if self.profile.nat => "10.0.0.2:500".parse().unwrap(),
            _ => draft.src,
        };
        for (kind, address) in [
            (NotifyType::NAT_DETECTION_SOURCE_IP, own),
            (NotifyType::NAT_DETECTION_DESTINATION_IP, draft.dst),
        ] {
            let hash = natd_hash(header.spi_i.0, header.spi_r.0, address.ip(), address.port());
            draft.add_notify(kind, &hash);
        }
    }

    fn init(&mut self) {
        let spi_i = IkeSpi(self.random(8).try_into().unwrap());
        let spi_r = IkeSpi(self.random(8).try_into().unwrap());
        let init = ExchangeType::IKE_SA_INIT;
        let group = self.ike.group;
        let offer = Sa {
            proposals: vec![
                Proposal::new(1, ProtocolId::IKE, vec![], self.ike_transforms()),
                Self::other_ike(2, vec![]),
            ],
        };
        let nonce = self.random(32);
        let public = self.public(group);
        let first = if self.profile.invalid_ke { Group::Modp2048 } else { group };
        let first_public =
            if self.profile.invalid_ke { self.public(first) } else { public.clone() };
        let request = |lab: &mut Self, group: Group, public: Vec<u8>, cookie: Option<&[u8]>| {
            let mut payloads: Vec<Payload> = cookie
                .map(|cookie| Payload::Notify(Notify::new(NotifyType::COOKIE, cookie.to_vec())))
                .into_iter()
                .collect();
            payloads.extend([
                Payload::Sa(offer.clone()),
                Payload::Ke(Ke { group: GroupId(group.iana()), data: public }),
                Payload::Nonce(Nonce(nonce.clone())),
            ]);
            let mut draft = lab.clear(PEER, init, false, 0, payloads);
            draft.header.spi_i = spi_i;
            lab.natd(&mut draft);
            draft.add_notify(NotifyType::IKEV2_FRAGMENTATION_SUPPORTED, &[]);
            draft
        };
        let mut cookie = None;
        if self.profile.cookie || self.profile.invalid_ke {
            let draft = request(self, first, first_public, None);
            self.send("init-0-request", draft);
            let notify = if self.profile.cookie {
                cookie = Some(b"a cookie of the edge".to_vec());
                Notify::new(NotifyType::COOKIE, cookie.clone().unwrap())
            } else {
                let group = group.iana().to_be_bytes().to_vec();
                Notify::new(NotifyType::INVALID_KE_PAYLOAD, group)
            };
            let mut draft = self.clear(EDGE, init, true, 0, vec![Payload::Notify(notify)]);
            draft.header.spi_i = spi_i;
            self.send("init-0-response", draft);
        }
        let draft = request(self, group, public, cookie.as_deref());
        self.send("init-request", draft);
        let chosen = Proposal::new(1, ProtocolId::IKE, vec![], self.ike_transforms());
        let payloads = vec![
            Payload::Sa(Sa { proposals: vec![chosen] }),
            Payload::Ke(Ke { group: GroupId(group.iana()), data: self.public(group) }),
            Payload::Nonce(Nonce(self.random(32))),
        ];
        let mut draft = self.clear(EDGE, init, true, 0, payloads);
        draft.header.spi_i = spi_i;
        draft.header.spi_r = spi_r;
        self.natd(&mut draft);
        draft.add_notify(NotifyType::IKEV2_FRAGMENTATION_SUPPORTED, &[]);
        self.send("init-response", draft);
        // The SPIs are those that were really sent.
        let Some(sent) = self.sent.get("init-response") else { return };
        let spi_i = IkeSpi(sent[0..8].try_into().unwrap());
        let spi_r = IkeSpi(sent[8..16].try_into().unwrap());
        let (keys, sk_p) = self.new_ike_keys();
        let sa = IkeSa { spi_i, spi_r, initiator: PEER, keys, sk_p, next: [1, 0] };
        self.log_ike(&sa);
        let padded = self.psk_padded.clone();
        self.log(KeyLogEntry::Psk { spi_i, spi_r, padded });
        self.sa = Some(sa);
    }

    fn ts(&self) -> [Payload; 2] {
        let net = |a| {
            Ts::new(vec![TrafficSelector::subnet(std::net::Ipv4Addr::new(10, a, 0, 0).into(), 16)])
        };
        [Payload::TsI(net(1)), Payload::TsR(net(2))]
    }

    pub fn child_protocol(&self) -> ProtocolId {
        match self.esp.protocol {
            ChildProtocol::Esp => ProtocolId::ESP,
            ChildProtocol::Ah => ProtocolId::AH,
        }
    }

    pub fn esp_sa(&self, spi: u32, group: Option<Group>) -> Payload {
        let transforms = self.esp_transforms(group);
        let spi = spi.to_be_bytes().to_vec();
        Payload::Sa(Sa {
            proposals: vec![Proposal::new(1, self.child_protocol(), spi, transforms)],
        })
    }

    fn auth_exchange(&mut self) {
        let exchange = ExchangeType::IKE_AUTH;
        let auth = || Payload::Auth(Auth { method: AuthMethod::SHARED_KEY, data: vec![0; 20] });
        let [tsi, tsr] = self.ts();
        let payloads = vec![
            Payload::IdI(Id::fqdn("branch-7.example.com")),
            auth(),
            self.esp_sa(0xc0de_0001, None),
            tsi.clone(),
            tsr.clone(),
            Payload::Notify(Notify::new(NotifyType::INITIAL_CONTACT, vec![])),
        ];
        let id = self.next_id(PEER);
        let mut draft = self.protected(PEER, exchange, false, id, payloads);
        draft.fragments = if self.profile.fragments { 2 } else { 0 };
        self.send("auth-request", draft);
        let spi = self.spi_sent("auth-request");
        let payloads = vec![
            Payload::IdR(Id::fqdn("edge.example.com")),
            auth(),
            self.esp_sa(0xed6e_0001, None),
            tsi,
            tsr,
        ];
        let draft = self.protected(EDGE, exchange, true, id, payloads);
        self.send("auth-response", draft);
        self.new_child([spi, self.spi_sent("auth-response")]);
    }

    /// The SPI of the first proposal of a message.
    fn spi_sent(&self, step: &str) -> u32 {
        let payloads = self.payloads.get(step);
        payloads
            .into_iter()
            .flatten()
            .find_map(|raw| match Payload::decode(raw) {
                Ok(Payload::Sa(sa)) => {
                    sa.proposals[0].spi.as_slice().try_into().ok().map(u32::from_be_bytes)
                }
                _ => None,
            })
            .unwrap_or(0)
    }

    pub fn next_id(&mut self, side: Sender) -> u32 {
        let sa = self.sa.as_mut().unwrap();
        let part = Self::part(sa, side);
        let id = sa.next[part];
        sa.next[part] += 1;
        id
    }

    /// An INFORMATIONAL exchange.
    pub fn exchange(
        &mut self,
        request: &'static str,
        response: &'static str,
        by: Sender,
        ask: Vec<Payload>,
        answer: Vec<Payload>,
    ) {
        let id = self.next_id(by);
        let draft = self.protected(by, ExchangeType::INFORMATIONAL, false, id, ask);
        self.send(request, draft);
        let draft = self.protected(by.other(), ExchangeType::INFORMATIONAL, true, id, answer);
        self.send(response, draft);
    }

    fn rekey_child(&mut self) {
        let exchange = ExchangeType::CREATE_CHILD_SA;
        let group = self.ike.group;
        let old = self.children[0].spi;
        let [tsi, tsr] = self.ts();
        let id = self.next_id(PEER);
        let ke = |lab: &mut Self| {
            Payload::Ke(Ke { group: GroupId(group.iana()), data: lab.public(group) })
        };
        let payloads = vec![
            Payload::Notify(Notify::child(
                NotifyType::REKEY_SA,
                self.child_protocol(),
                old[index(PEER)],
            )),
            self.esp_sa(0xc0de_0002, Some(group)),
            Payload::Nonce(Nonce(self.random(32))),
            ke(self),
            tsi.clone(),
            tsr.clone(),
        ];
        let draft = self.protected(PEER, exchange, false, id, payloads);
        self.send("child-request", draft);
        let spi = self.spi_sent("child-request");
        let payloads = vec![
            self.esp_sa(0xed6e_0002, Some(group)),
            Payload::Nonce(Nonce(self.random(32))),
            ke(self),
            tsi,
            tsr,
        ];
        let draft = self.protected(EDGE, exchange, true, id, payloads);
        self.send("child-response", draft);
        self.new_child([spi, self.spi_sent("child-response")]);
    }

    fn delete_child(&mut self) {
        let [peer, edge] = self.children[0].spi;
        let protocol = self.child_protocol();
        let delete = |spi| vec![Payload::Delete(Delete::child(protocol, &[spi]))];
        self.exchange("delete-request", "delete-response", PEER, delete(peer), delete(edge));
    }

    fn rekey_ike(&mut self) -> IkeSa {
        let exchange = ExchangeType::CREATE_CHILD_SA;
        let group = self.ike.group;
        let spi_i = self.random(8);
        let spi_r = self.random(8);
        let id = self.next_id(EDGE);
        let payloads = vec![
            Payload::Sa(Sa {
                proposals: vec![
                    Proposal::new(1, ProtocolId::IKE, spi_i.clone(), self.ike_transforms()),
                    Self::other_ike(2, spi_i.clone()),
                ],
            }),
            Payload::Nonce(Nonce(self.random(32))),
            Payload::Ke(Ke { group: GroupId(group.iana()), data: self.public(group) }),
        ];
        let draft = self.protected(EDGE, exchange, false, id, payloads);
        self.send("rekey-request", draft);
        let chosen = Proposal::new(1, ProtocolId::IKE, spi_r.clone(), self.ike_transforms());
        let payloads = vec![
            Payload::Sa(Sa { proposals: vec![chosen] }),
            Payload::Nonce(Nonce(self.random(32))),
            Payload::Ke(Ke { group: GroupId(group.iana()), data: self.public(group) }),
        ];
        let draft = self.protected(PEER, exchange, true, id, payloads);
        self.send("rekey-response", draft);
        let (keys, sk_p) = self.new_ike_keys();
        let spi = |octets: Vec<u8>| IkeSpi(octets.try_into().unwrap());
        let sa = IkeSa {
            spi_i: spi(spi_i),
            spi_r: spi(spi_r),
            initiator: EDGE,
            keys,
            sk_p,
            next: [0, 0],
        };
        self.log_ike(&sa);
        sa
    }
}
