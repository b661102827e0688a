//! The keys that the key log has given, ready for use and found by SPI.
//!
//! Secrets stay in here: what leaves are decrypted octets and verdicts.

use core::net::IpAddr;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use ikeproof_proto::crypto::{
    CryptoError, IkeCipher, IkeSuite, Ikev1Cipher, Provider, SecretBytes,
};
use ikeproof_proto::wire::IkeSpi;

use crate::ah::Verifier;
use crate::esp::Opener;
use crate::limits;
use ikeproof_proto::event::{ChildKeyLog, IkeKeyLog, Ikev1KeyLog, KeyLogEntry};

/// The keys of an IKE SA.
#[derive(Clone, Debug)]
pub(crate) struct IkeSaKeys {
    pub(crate) suite: IkeSuite,
    pub(crate) initiator: IkeCipher,
    pub(crate) responder: IkeCipher,
    pub(crate) sk_pi: SecretBytes,
    pub(crate) sk_pr: SecretBytes,
}

/// The keys of an ISAKMP SA of IKEv1.
#[derive(Clone, Debug)]
pub(crate) struct Ikev1Keys {
    pub(crate) suite: IkeSuite,
    pub(crate) cipher: Ikev1Cipher,
    key: SecretBytes,
    /// Empty, as the next two, if only the encryption key is known.
    pub(crate) skeyid: SecretBytes,
    pub(crate) skeyid_a: SecretBytes,
    skeyid_e: SecretBytes,
}

impl Ikev1Keys {
    /// A cipher with another key.
    pub(crate) fn cipher_with(
        &self,
        provider: &dyn Provider,
        key: &SecretBytes,
    ) -> Result<Ikev1Cipher, CryptoError> {
        Ikev1Cipher::new(provider, self.suite, key)
    }

    /// The same key for the algorithms that the exchange says.
    pub(crate) fn with_suite(&self, provider: &dyn Provider, suite: IkeSuite) -> Option<Self> {
        let cipher = Ikev1Cipher::new(provider, suite, &self.key).ok()?;
        Some(Self { suite, cipher, ..self.clone() })
    }

    /// Whether SKEYID_e is known, and too short to be the key itself.
    pub(crate) fn is_expanded(&self) -> bool {
        !self.skeyid_e.is_empty() && self.skeyid_e.len() < self.suite.encr.key_len()
    }

    /// The keys that come of known mistakes where SKEYID_e has to be expanded (RFC 2409, appendix B).
    pub(crate) fn mistaken_keys(
        &self,
        provider: &dyn Provider,
    ) -> Vec<(SecretBytes, &'static str)> {
        let wanted = self.suite.encr.key_len();
        if !self.is_expanded() {
            return Vec::new();
        }
        let mac = provider.hmac(self.suite.prf.hash(), self.skeyid_e.expose());
        let first = mac.code(&[&[]]);
        let second = mac.code(&[&first]);
        let behind = mac.code(&[&[0]]);
        [
            ([first, second].concat(), "the expansion of the key does not begin with a zero octet"),
            (
                [self.skeyid_e.expose().as_slice(), &behind].concat(),
                "the key begins with SKEYID_e itself, which is too short",
            ),
        ]
        .into_iter()
        .filter_map(|(key, says)| Some((SecretBytes::from_slice(key.get(..wanted)?), says)))
        .collect()
    }
}

/// The keys of one direction of a Child SA.
#[derive(Debug)]
struct ChildEntry {
    source: IpAddr,
    destination: IpAddr,
    opener: Arc<Opener>,
}

/// All keys so far; beyond [`limits::KEYS`] the oldest go.
#[derive(Debug)]
pub(crate) struct Keys {
    provider: Arc<dyn Provider>,
    ike: BTreeMap<(IkeSpi, IkeSpi), Arc<IkeSaKeys>>,
    psk: BTreeMap<(IkeSpi, IkeSpi), SecretBytes>,
    ikev1: BTreeMap<(IkeSpi, IkeSpi), Arc<Ikev1Keys>>,
    child: BTreeMap<u32, Vec<ChildEntry>>,
    /// Those of AH, the newest first.
    ah: BTreeMap<u32, Vec<Arc<Verifier>>>,
    order: VecDeque<Slot>,
}

#[derive(Clone, Copy, Debug)]
enum Slot {
    Ike(IkeSpi, IkeSpi),
    Psk(IkeSpi, IkeSpi),
    Ikev1(IkeSpi, IkeSpi),
    Child(u32),
    Ah(u32),
}

impl Keys {
    pub(crate) fn new(provider: Arc<dyn Provider>) -> Self {
        Self {
            provider,
            ike: BTreeMap::new(),
            psk: BTreeMap::new(),
            ikev1: BTreeMap::new(),
            child: BTreeMap::new(),
            ah: BTreeMap::new(),
            order: VecDeque::new(),
        }
    }

    pub(crate) fn provider(&self) -> &dyn Provider {
        &*self.provider
    }

    /// Takes an entry; one that does not fit its own suite is of no use and left out.
    pub(crate) fn add(&mut self, entry: &KeyLogEntry) {
        match entry {
            KeyLogEntry::Ike(log) => self.add_ike(log),
            KeyLogEntry::Psk { spi_i, spi_r, padded } => {
                self.psk.insert((*spi_i, *spi_r), padded.clone());
                self.order.push_back(Slot::Psk(*spi_i, *spi_r));
            }
            KeyLogEntry::Child(log) => self.add_child(log),
            KeyLogEntry::Ikev1(log) => self.add_ikev1(log),
        }
        while self.order.len() > limits::KEYS {
            match self.order.pop_front() {
                Some(Slot::Ike(spi_i, spi_r)) => drop(self.ike.remove(&(spi_i, spi_r))),
                Some(Slot::Psk(spi_i, spi_r)) => drop(self.psk.remove(&(spi_i, spi_r))),
                Some(Slot::Ikev1(spi_i, spi_r)) => drop(self.ikev1.remove(&(spi_i, spi_r))),
                Some(Slot::Child(spi)) => drop(self.child.remove(&spi)),
                Some(Slot::Ah(spi)) => drop(self.ah.remove(&spi)),
                None => break,
            }
        }
    }

    /// The keys of the IKE SA with these SPIs.
    pub(crate) fn ike(&self, spi_i: IkeSpi, spi_r: IkeSpi) -> Option<Arc<IkeSaKeys>> {
        self.ike.get(&(spi_i, spi_r)).cloned()
    }

    /// The keys of the ISAKMP SA with these cookies.
    pub(crate) fn ikev1(&self, spi_i: IkeSpi, spi_r: IkeSpi) -> Option<Arc<Ikev1Keys>> {
        self.ikev1.get(&(spi_i, spi_r)).cloned()
    }

    /// Whether there are keys of this ISAKMP SA, if only by the cookie of its initiator.
    pub(crate) fn has_ikev1(&self, spi_i: IkeSpi, spi_r: IkeSpi) -> bool {
        [spi_r, IkeSpi::ZERO].iter().any(|spi_r| self.ikev1.contains_key(&(spi_i, *spi_r)))
    }

    /// What AUTH payloads of this IKE SA are made with.
    pub(crate) fn padded_psk(&self, spi_i: IkeSpi, spi_r: IkeSpi) -> Option<&SecretBytes> {
        self.psk.get(&(spi_i, spi_r))
    }

    /// The keys that packets with this SPI may be under, the likeliest first.
    pub(crate) fn child(&self, spi: u32, source: IpAddr, destination: IpAddr) -> Vec<Arc<Opener>> {
        let Some(entries) = self.child.get(&spi) else { return Vec::new() };
        // Behind a NAT the addresses differ, and two hosts can choose one SPI.
        let mut entries: Vec<&ChildEntry> = entries.iter().collect();
        entries.sort_by_key(|entry| (entry.destination != destination, entry.source != source));
        entries.into_iter().map(|entry| Arc::clone(&entry.opener)).collect()
    }

    /// The keys that packets of AH with this SPI may be under, the likeliest first.
    pub(crate) fn ah(&self, spi: u32) -> Vec<Arc<Verifier>> {
        self.ah.get(&spi).cloned().unwrap_or_default()
    }

    /// Whether there are keys for packets with this SPI.
    pub(crate) fn has_child(&self, spi: u32) -> bool {
        self.child.contains_key(&spi) || self.ah.contains_key(&spi)
    }

    fn add_ike(&mut self, log: &IkeKeyLog) {
        let cipher = |sk_e: &SecretBytes, sk_a: &SecretBytes| {
            IkeCipher::new(&*self.provider, log.suite.encr, log.suite.integ, sk_e, sk_a)
        };
        let (Ok(initiator), Ok(responder)) =
            (cipher(&log.sk_ei, &log.sk_ai), cipher(&log.sk_er, &log.sk_ar))
        else {
            return;
        };
        let (sk_pi, sk_pr) = (log.sk_pi.clone(), log.sk_pr.clone());
        let keys = IkeSaKeys { suite: log.suite, initiator, responder, sk_pi, sk_pr };
        self.ike.insert((log.spi_i, log.spi_r), Arc::new(keys));
        self.order.push_back(Slot::Ike(log.spi_i, log.spi_r));
    }

    fn add_ikev1(&mut self, log: &Ikev1KeyLog) {
        let suite = log.suite;
        let Ok(cipher) = Ikev1Cipher::new(&*self.provider, suite, &log.key) else { return };
        let (skeyid, skeyid_a) = (log.skeyid.clone(), log.skeyid_a.clone());
        let (key, skeyid_e) = (log.key.clone(), log.skeyid_e.clone());
        let keys = Ikev1Keys { suite, cipher, key, skeyid, skeyid_a, skeyid_e };
        self.ikev1.insert((log.spi_i, log.spi_r), Arc::new(keys));
        self.order.push_back(Slot::Ikev1(log.spi_i, log.spi_r));
    }

    fn add_child(&mut self, log: &ChildKeyLog) {
        if let Some(verifier) = Verifier::new(self.provider(), log) {
            let entries = self.ah.entry(log.spi).or_default();
            entries.insert(0, Arc::new(verifier));
            entries.truncate(4);
            self.order.push_back(Slot::Ah(log.spi));
            return;
        }
        let Some(opener) = Opener::new(self.provider(), log) else { return };
        let entries = self.child.entry(log.spi).or_default();
        // The newest first; more than a few hosts with one SPI are no accident.
        let (source, destination) = (log.source, log.destination);
        entries.insert(0, ChildEntry { source, destination, opener: Arc::new(opener) });
        entries.truncate(4);
        self.order.push_back(Slot::Child(log.spi));
    }
}
