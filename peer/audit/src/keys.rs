//! The keys that the key log has given, ready for use and found by SPI.
//!
//! Secrets stay in here: what leaves are decrypted octets and verdicts.

use core::net::IpAddr;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use ikeproof_proto::crypto::{IkeCipher, IkeSuite, Provider, SecretBytes};
use ikeproof_proto::wire::IkeSpi;

use crate::esp::Opener;
use crate::limits;
use ikeproof_proto::event::{ChildKeyLog, IkeKeyLog, KeyLogEntry};

/// The keys of an IKE SA.
#[derive(Clone, Debug)]
pub(crate) struct IkeSaKeys {
    pub(crate) suite: IkeSuite,
    pub(crate) initiator: IkeCipher,
    pub(crate) responder: IkeCipher,
    pub(crate) sk_pi: SecretBytes,
    pub(crate) sk_pr: SecretBytes,
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
    child: BTreeMap<u32, Vec<ChildEntry>>,
    order: VecDeque<Slot>,
}

#[derive(Clone, Copy, Debug)]
enum Slot {
    Ike(IkeSpi, IkeSpi),
    Psk(IkeSpi, IkeSpi),
    Child(u32),
}

impl Keys {
    pub(crate) fn new(provider: Arc<dyn Provider>) -> Self {
        Self {
            provider,
            ike: BTreeMap::new(),
            psk: BTreeMap::new(),
            child: BTreeMap::new(),
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
            // The auditor judges IKEv2; of IKEv1 it sees the traffic only.
            KeyLogEntry::Ikev1(_) => {}
        }
        while self.order.len() > limits::KEYS {
            match self.order.pop_front() {
                Some(Slot::Ike(spi_i, spi_r)) => drop(self.ike.remove(&(spi_i, spi_r))),
                Some(Slot::Psk(spi_i, spi_r)) => drop(self.psk.remove(&(spi_i, spi_r))),
                Some(Slot::Child(spi)) => drop(self.child.remove(&spi)),
                None => break,
            }
        }
    }

    /// The keys of the IKE SA with these SPIs.
    pub(crate) fn ike(&self, spi_i: IkeSpi, spi_r: IkeSpi) -> Option<Arc<IkeSaKeys>> {
        self.ike.get(&(spi_i, spi_r)).cloned()
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

    /// Whether there are keys for packets with this SPI.
    pub(crate) fn has_child(&self, spi: u32) -> bool {
        self.child.contains_key(&spi)
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

    fn add_child(&mut self, log: &ChildKeyLog) {
        let Some(opener) = Opener::new(self.provider(), log) else { return };
        let entries = self.child.entry(log.spi).or_default();
        // The newest first; more than a few hosts with one SPI are no accident.
        let (source, destination) = (log.source, log.destination);
        entries.insert(0, ChildEntry { source, destination, opener: Arc::new(opener) });
        entries.truncate(4);
        self.order.push_back(Slot::Child(log.spi));
    }
}
