//! The honest session. The peer begins it. Main mode:
//!
//! ```text
//! main-1 … main-6 or aggr-1 … aggr-3   phase 1
//! login-1 login-2                      XAUTH: REQUEST and REPLY, from the edge
//! set-1 set-2                          XAUTH: SET and ACK
//! config-1 config-2                    mode-config: the peer asks for an address
//! quick-1 quick-2 quick-3              quick mode of the peer
//! again-1 again-2 again-3              quick mode of the edge
//! dpd-1 dpd-2                          the peer asks, the edge answers
//! probe-1 probe-2                      the edge asks, the peer answers
//! more-1 more-2                        the peer asks again
//! inform                               the edge deletes the first SA of ESP
//! close                                the peer deletes the ISAKMP SA
//! ```

use ikeproof_audit::Sender::{self, Edge, Peer};
use ikeproof_proto::crypto::ikev1::natd_hash;
use ikeproof_proto::crypto::{Encr, Integ};
use ikeproof_proto::wire::v1::num::{
    ConfigAttr, Encapsulation, IdKind, NotifyKind, PayloadKind, Phase1Attr, Phase1Encr, Phase1Hash,
    Phase2Attr, Phase2Auth,
};
use ikeproof_proto::wire::v1::{
    Attributes, Delete, FLAG_ENCRYPTION, Id, Notify, Payload, Proposal, Sa, Transform, VendorId,
    vendor,
};
use ikeproof_proto::wire::{Attribute, CfgType, ExchangeType, IkeSpi, ProtocolId};

use super::draft::{Draft, Hashing};
use super::lab::{Lab, Nat};

pub const fn short(kind: u16, value: u16) -> Attribute {
    Attribute::Tv { kind, value }
}

pub fn long(kind: u16, value: &[u8]) -> Attribute {
    Attribute::Tlv { kind, value: value.to_vec() }
}

pub fn notify(lab: &Lab, kind: NotifyKind, data: &[u8]) -> Payload {
    Payload::Notify(Notify::isakmp(kind, lab.cookies[0], lab.cookies[1], data.to_vec()))
}

impl Lab {
    /// Runs the whole session.
    pub fn run(mut self) -> Self {
        if self.profile.aggressive {
            self.aggressive()
        } else {
            self.main()
        }
        if self.profile.config {
            self.login();
        }
        self.quick(Peer, ["quick-1", "quick-2", "quick-3"], [0xc0de_0001, 0xed6e_0001]);
        self.quick(Edge, ["again-1", "again-2", "again-3"], [0xc0de_0002, 0xed6e_0002]);
        self.probe(Peer, ["dpd-1", "dpd-2"], 1000);
        self.probe(Edge, ["probe-1", "probe-2"], 7);
        self.probe(Peer, ["more-1", "more-2"], 1001);
        let delete = Payload::Delete(Delete::child(ProtocolId::ESP, 0xed6e_0001));
        self.inform("inform", Edge, vec![delete]);
        let delete = Payload::Delete(Delete::isakmp(self.cookies[0], self.cookies[1]));
        self.inform("close", Peer, vec![delete]);
        self
    }

    /// The attributes of phase 1.
    pub fn phase1_attributes(&self) -> Vec<Attribute> {
        let (cipher, bits) = match self.ike.encr {
            Encr::AesCbc(bits) => (Phase1Encr::AES_CBC, Some(bits.bits())),
            _ => (Phase1Encr::TRIPLE_DES_CBC, None),
        };
        let hash = match self.ike.integ {
            Integ::HmacMd5_96 => Phase1Hash::MD5,
            Integ::HmacSha1_96 => Phase1Hash::SHA1,
            _ => Phase1Hash::SHA2_256,
        };
        let mut attributes = vec![
            short(Phase1Attr::ENCRYPTION.0, cipher.0),
            short(Phase1Attr::HASH.0, hash.0),
            short(Phase1Attr::AUTH_METHOD.0, self.profile.auth.0),
            short(Phase1Attr::GROUP.0, self.ike.group.iana()),
        ];
        attributes.extend(bits.map(|bits| short(Phase1Attr::KEY_LENGTH.0, bits)));
        attributes.push(short(Phase1Attr::LIFE_TYPE.0, 1));
        attributes.push(long(Phase1Attr::LIFE_DURATION.0, &[0, 1, 0x51, 0x80]));
        attributes
    }

    fn phase1_offer(&self) -> Sa {
        let attributes = self.phase1_attributes();
        let mut other = attributes.clone();
        // Another cipher that is never chosen.
        other.retain(|it| it.kind() != Phase1Attr::KEY_LENGTH.0);
        other[0] = short(Phase1Attr::ENCRYPTION.0, Phase1Encr::CAST_CBC.0);
        let transforms = vec![
            Transform { number: 1, id: 1, attributes },
            Transform { number: 2, id: 1, attributes: other },
        ];
        let (protocol, spi) = (ProtocolId::IKE, Vec::new());
        Sa { proposals: vec![Proposal { number: 1, protocol, spi, transforms }] }
    }

    fn phase1_choice(&self) -> Sa {
        let mut sa = self.phase1_offer();
        sa.proposals[0].transforms.truncate(1);
        sa
    }

    fn vendor_ids(&self) -> Vec<Payload> {
        let mut ids = vec![vendor::NAT_T_RFC.to_vec(), vendor::DPD.to_vec()];
        if self.profile.config {
            ids.push(vendor::XAUTH.to_vec());
        }
        ids.into_iter().map(|id| Payload::VendorId(VendorId(id))).collect()
    }

    /// NAT-D for what `draft` is sent with: the destination, then the source.
    pub fn natd(&self, draft: &Draft) -> [Payload; 2] {
        let own = match (draft.from, self.profile.nat) {
            (Peer, Nat::Router) => "10.0.0.2:500".parse().unwrap(),
            (Peer, Nat::Pretended) => "10.0.0.2:1".parse().unwrap(),
            _ => draft.src,
        };
        [draft.dst, own].map(|at: std::net::SocketAddr| {
            let [i, r] = self.cookies;
            let hash = natd_hash(self.ike.prf.hash(), i.0, r.0, at.ip(), at.port());
            Payload::NatD { hash, draft: false }
        })
    }

    fn id(&self, side: Sender) -> Payload {
        let (kind, data) = match (side, self.profile.aggressive) {
            (Peer, true) => (IdKind::FQDN, b"branch.example.com".to_vec()),
            (Peer, false) => (IdKind::IPV4_ADDR, vec![192, 0, 2, 1]),
            (Edge, _) => (IdKind::IPV4_ADDR, vec![203, 0, 113, 1]),
        };
        Payload::Id(Id { kind, protocol: 0, port: 0, data })
    }

    fn main(&mut self) {
        let mode = ExchangeType::IDENTITY_PROTECTION;
        self.cookies[0] = IkeSpi(self.random(8).try_into().unwrap());
        let payloads = [vec![Payload::Sa(self.phase1_offer())], self.vendor_ids()].concat();
        let draft = self.draft(Peer, mode, 0, payloads);
        self.send("main-1", draft);
        self.cookies[1] = IkeSpi(self.random(8).try_into().unwrap());
        let payloads = [vec![Payload::Sa(self.phase1_choice())], self.vendor_ids()].concat();
        let draft = self.draft(Edge, mode, 0, payloads);
        self.send("main-2", draft);
        for (step, side) in [("main-3", Peer), ("main-4", Edge)] {
            let public = self.public(self.ike.group);
            let nonce = self.random(20);
            let payloads = vec![Payload::Ke(public), Payload::Nonce(nonce)];
            let mut draft = self.draft(side, mode, 0, payloads);
            draft.payloads.extend(self.natd(&draft).iter().map(Payload::encode));
            self.send(step, draft);
        }
        self.derive();
        self.floated = self.profile.nat != Nat::None;
        for (step, side) in [("main-5", Peer), ("main-6", Edge)] {
            let payloads = vec![self.id(side), Payload::Hash(Vec::new())];
            let mut draft = self.draft(side, mode, 0, payloads);
            if side == Peer {
                draft.add(notify(self, NotifyKind::INITIAL_CONTACT, &[]));
            }
            draft.header.flags = FLAG_ENCRYPTION;
            draft.encrypted = true;
            draft.hashing = Hashing::Phase1;
            self.send(step, draft);
        }
    }

    fn aggressive(&mut self) {
        let mode = ExchangeType::AGGRESSIVE;
        self.cookies[0] = IkeSpi(self.random(8).try_into().unwrap());
        let values = |lab: &mut Self, sa: Sa, side| {
            let public = lab.public(lab.ike.group);
            let nonce = lab.random(20);
            vec![Payload::Sa(sa), Payload::Ke(public), Payload::Nonce(nonce), lab.id(side)]
        };
        let offer = self.phase1_offer();
        let payloads = [values(self, offer, Peer), self.vendor_ids()].concat();
        let draft = self.draft(Peer, mode, 0, payloads);
        self.send("aggr-1", draft);
        self.cookies[1] = IkeSpi(self.random(8).try_into().unwrap());
        let choice = self.phase1_choice();
        let payloads = [values(self, choice, Edge), self.vendor_ids()].concat();
        let mut draft = self.draft(Edge, mode, 0, payloads);
        draft.payloads.extend(self.natd(&draft).iter().map(Payload::encode));
        draft.add(Payload::Hash(Vec::new()));
        draft.hashing = Hashing::Phase1;
        // The values are final, but for those that an edit changes.
        for raw in draft.payloads.clone() {
            self.phase1[1].entry(raw.kind.0).or_insert(raw.body);
        }
        self.derive();
        self.phase1[1].clear();
        self.send("aggr-2", draft);
        self.floated = self.profile.nat != Nat::None;
        let mut draft = self.draft(Peer, mode, 0, vec![Payload::Hash(Vec::new())]);
        draft.hashing = Hashing::Phase1;
        draft.payloads.extend(self.natd(&draft).iter().map(Payload::encode));
        if self.profile.sealed_third {
            draft.header.flags = FLAG_ENCRYPTION;
            draft.encrypted = true;
        }
        self.send("aggr-3", draft);
    }

    /// An attribute payload.
    pub fn attributes(kind: CfgType, identifier: u16, attributes: Vec<Attribute>) -> Payload {
        Payload::Attributes(Attributes { kind, identifier, attributes })
    }

    pub fn transaction(&mut self, step: &'static str, from: Sender, id: u32, payload: Payload) {
        let draft = self.sealed(from, ExchangeType::TRANSACTION, id, vec![payload], Hashing::One);
        self.send(step, draft);
    }

    fn login(&mut self) {
        let name = ConfigAttr::XAUTH_USER_NAME.0;
        let password = ConfigAttr::XAUTH_USER_PASSWORD.0;
        let id = self.new_id();
        let kind = short(ConfigAttr::XAUTH_TYPE.0, 0);
        let asked = vec![kind.clone(), long(name, b""), long(password, b"")];
        self.transaction("login-1", Edge, id, Self::attributes(CfgType::REQUEST, 9, asked));
        let filled = vec![kind, long(name, b"user"), long(password, b"pass")];
        self.transaction("login-2", Peer, id, Self::attributes(CfgType::REPLY, 9, filled));
        let id = self.new_id();
        let status = vec![short(ConfigAttr::XAUTH_STATUS.0, 1)];
        self.transaction("set-1", Edge, id, Self::attributes(CfgType::SET, 9, status));
        self.transaction("set-2", Peer, id, Self::attributes(CfgType::ACK, 9, vec![]));
        let id = self.new_id();
        let address = ConfigAttr::INTERNAL_IP4_ADDRESS.0;
        let mask = ConfigAttr::INTERNAL_IP4_NETMASK.0;
        let asked = vec![long(address, b""), long(mask, b"")];
        self.transaction("config-1", Peer, id, Self::attributes(CfgType::REQUEST, 3, asked));
        let given = vec![long(address, &[10, 1, 0, 1]), long(mask, &[255, 255, 255, 0])];
        self.transaction("config-2", Edge, id, Self::attributes(CfgType::REPLY, 3, given));
    }

    pub fn encapsulation(&self) -> Encapsulation {
        match self.profile.nat {
            Nat::None => Encapsulation::TUNNEL,
            _ => Encapsulation::UDP_TUNNEL,
        }
    }

    fn phase2_sa(&self, spi: u32, all: bool) -> Payload {
        let (cipher, bits) = self.esp.encr.iana();
        let mut attributes = vec![
            short(Phase2Attr::LIFE_TYPE.0, 1),
            short(Phase2Attr::LIFE_DURATION.0, 3600),
            short(Phase2Attr::ENCAPSULATION.0, self.encapsulation().0),
        ];
        if self.profile.pfs {
            attributes.push(short(Phase2Attr::GROUP.0, self.ike.group.iana()));
        }
        if self.esp.integ != Integ::None {
            attributes.push(short(Phase2Attr::AUTH.0, Phase2Auth::HMAC_SHA1.0));
        }
        attributes.extend(bits.map(|bits| short(Phase2Attr::KEY_LENGTH.0, bits)));
        let mut other = attributes.clone();
        other.retain(|it| it.kind() != Phase2Attr::KEY_LENGTH.0);
        let id = u8::try_from(cipher).unwrap();
        let mut transforms = vec![Transform { number: 1, id, attributes }];
        if all {
            // 3DES, which is never chosen.
            transforms.push(Transform { number: 2, id: 3, attributes: other });
        }
        let (protocol, spi) = (ProtocolId::ESP, spi.to_be_bytes().to_vec());
        Payload::Sa(Sa { proposals: vec![Proposal { number: 1, protocol, spi, transforms }] })
    }

    fn client_ids(&self, by: Sender) -> [Payload; 2] {
        let net = |third: u8| {
            let data = vec![10, third, 0, 0, 255, 255, 0, 0];
            let kind = IdKind::IPV4_ADDR_SUBNET;
            Payload::Id(Id { kind, protocol: 0, port: 0, data })
        };
        if by == Peer { [net(1), net(2)] } else { [net(2), net(1)] }
    }

    pub fn quick(&mut self, by: Sender, steps: [&'static str; 3], spi: [u32; 2]) {
        let mode = ExchangeType::QUICK_MODE;
        let id = self.new_id();
        let own = |side: Sender| spi[usize::from(side == Edge)];
        for (number, side) in [(0, by), (1, by.other())] {
            let mut payloads =
                vec![self.phase2_sa(own(side), number == 0), Payload::Nonce(self.random(20))];
            if self.profile.pfs {
                payloads.push(Payload::Ke(self.public(self.ike.group)));
            }
            payloads.extend(self.client_ids(by));
            let hashing = if number == 0 { Hashing::One } else { Hashing::Two };
            let draft = self.sealed(side, mode, id, payloads, hashing);
            self.send(steps[number], draft);
        }
        self.new_child(spi);
        let draft = self.sealed(by, mode, id, vec![], Hashing::Three);
        self.send(steps[2], draft);
    }

    pub fn inform(&mut self, step: &'static str, from: Sender, payloads: Vec<Payload>) {
        let id = self.new_id();
        let kind = ExchangeType::INFORMATIONAL_V1;
        let draft = self.sealed(from, kind, id, payloads, Hashing::One);
        self.send(step, draft);
    }

    pub fn probe(&mut self, by: Sender, steps: [&'static str; 2], number: u32) {
        let data = number.to_be_bytes();
        let ask = notify(self, NotifyKind::R_U_THERE, &data);
        self.inform(steps[0], by, vec![ask]);
        let answer = notify(self, NotifyKind::R_U_THERE_ACK, &data);
        self.inform(steps[1], by.other(), vec![answer]);
    }
}

/// The place of a payload of a type.
pub fn position(draft: &Draft, kind: PayloadKind) -> usize {
    draft.payloads.iter().position(|raw| raw.kind == kind.raw()).unwrap()
}
