//! The initialization vectors used under one key.
//!
//! A datagram that the network, or somebody else, sends again has its vector again; only another
//! datagram under the same vector is its sender's mistake. So each vector is kept with the datagram
//! that had it, also when everything else about that datagram is forgotten.

use std::collections::{BTreeMap, VecDeque};

use ikeproof_proto::crypto::Hash;

use crate::limits;

/// The newest vectors; beyond [`limits::IVS`] the oldest go.
#[derive(Debug, Default)]
pub(crate) struct Vectors {
    /// With the beginning of the digest of the datagram.
    used: BTreeMap<Vec<u8>, Vec<u8>>,
    order: VecDeque<Vec<u8>>,
}

impl Vectors {
    /// Notes the vector of a datagram; says whether another datagram has it.
    pub(crate) fn is_reused(&mut self, vector: &[u8], datagram: &[u8]) -> bool {
        let mut digest = Hash::Sha1.digest(&[datagram]);
        digest.truncate(8);
        if let Some(earlier) = self.used.get(vector) {
            return *earlier != digest;
        }
        self.used.insert(vector.to_vec(), digest);
        self.order.push_back(vector.to_vec());
        if self.order.len() > limits::IVS
            && let Some(oldest) = self.order.pop_front()
        {
            self.used.remove(&oldest);
        }
        false
    }
}
