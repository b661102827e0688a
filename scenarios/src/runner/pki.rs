//! The certificates of a case: an authority of the laboratory, and what it issues to the edge and its
//! peers.
//!
//! All of it follows from the run's seed. Keys take time, so each is made once and kept.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use ikeproof_proto::crypto::{Hash, SecretBytes};
use ikeproof_proto::pki::laboratory::{Issued, LaboratoryError, Order};
use ikeproof_proto::pki::{Certificates, SendCertificate};
use ikeproof_proto::policy::Identity;
use ikeproof_vendors::peer as vendor;

use super::failure::Trouble;
use super::setup::{Place, edge_identity, peer_identity};
use crate::scenario::{CertificateSize, Edge, Peer};

/// The label of the authority that edges trust, and that issues their certificates.
pub const TRUSTED: &str = "laboratory";

/// What an edge authenticates with: a certificate for its identity and address.
pub fn edge(
    edge: &Edge,
    place: Place,
    seed: u64,
    size: CertificateSize,
) -> Result<Certificates, Trouble> {
    let names = names(edge_identity(edge, place), place.edge, size);
    let issued = issued(seed, TRUSTED, "edge", &names).map_err(trouble)?;
    let root = authority(seed, TRUSTED).map_err(trouble)?;
    let mut setup = issued.setup(&root, now()).map_err(trouble)?;
    // libreswan as the responder of main mode does not ask, and needs it all the same.
    setup.send = SendCertificate::Always;
    Certificates::new(setup).map_err(|error| Trouble::Setup(error.to_string()))
}

/// What a peer authenticates with: a certificate for its identity and address, of the authority that
/// the scenario names. It trusts the authority of the edge.
pub fn peer(peer: &Peer, place: Place, seed: u64) -> Result<vendor::Rsa, Trouble> {
    let identity = peer_identity(peer, place);
    if matches!(identity, Identity::KeyId(_)) {
        return Err(Trouble::Setup("a certificate cannot name a key ID".to_owned()));
    }
    let names = names(identity, place.own, peer.certificates);
    let make = || -> Result<vendor::Rsa, LaboratoryError> {
        let issued = issued(seed, &peer.ca, peer.name.get_ref(), &names)?;
        let root = authority(seed, TRUSTED)?;
        Ok(vendor::Rsa {
            setup: issued.setup(&root, now())?,
            certificate: issued.certificate_pem()?,
            key: SecretBytes::new(issued.key_pem()?.into_bytes()),
            authority: root.certificate_pem()?,
        })
    };
    make().map_err(trouble)
}

/// Whom a certificate names.
fn names(identity: Identity, address: IpAddr, size: CertificateSize) -> Vec<Identity> {
    let others = match size {
        CertificateSize::Ordinary => 0,
        CertificateSize::Large => 32,
    };
    let other = |number| Identity::Fqdn(format!("host-{number:02}.another.laboratory.example"));
    [identity, Identity::Ip(address)].into_iter().chain((0..others).map(other)).collect()
}

/// A certificate of the authority of that label.
fn issued(
    seed: u64,
    label: &str,
    name: &str,
    names: &[Identity],
) -> Result<Issued, LaboratoryError> {
    let mut order = Order::end(&format!("CN={name},O=ikeproof"), derived(seed, name));
    order.names = names.iter().map(Identity::to_id).collect();
    order.names.dedup();
    let key = kept(seed, &format!("end {name}"), &order)?;
    authority(seed, label)?.issue_again(&order, &key)
}

fn authority(seed: u64, label: &str) -> Result<Issued, LaboratoryError> {
    let subject = format!("CN=Authority {label},O=ikeproof");
    let name = format!("authority {label}");
    kept(seed, &name, &Order::authority(&subject, derived(seed, &name)))
}

/// A key with a certificate of its own, made at most once in a run.
fn kept(seed: u64, name: &str, order: &Order) -> Result<Issued, LaboratoryError> {
    static KEPT: Mutex<BTreeMap<(u64, String), Issued>> = Mutex::new(BTreeMap::new());
    let mut kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = kept.get(&(seed, name.to_owned())) {
        return Ok(known.clone());
    }
    let made = Issued::root(order)?;
    kept.insert((seed, name.to_owned()), made.clone());
    Ok(made)
}

fn derived(seed: u64, name: &str) -> [u8; 32] {
    let digest =
        Hash::Sha256.digest(&[b"ikeproof laboratory RSA", &seed.to_be_bytes(), name.as_bytes()]);
    let mut derived = [0; 32];
    derived.iter_mut().zip(digest).for_each(|(to, from)| *to = from);
    derived
}

/// Seconds since 1970: what time it is when a node starts.
fn now() -> u64 {
    u64::try_from(jiff::Timestamp::now().as_second()).unwrap_or_default()
}

fn trouble(error: LaboratoryError) -> Trouble {
    Trouble::Setup(error.to_string())
}
