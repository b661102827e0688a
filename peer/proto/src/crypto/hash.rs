//! Plain hash functions, for NAT detection, IKEv1 and everything else without a key.

use digest::Digest;

/// A hash function. It is named in the `Prf` and `Integ` transforms, never negotiated by itself
/// in IKEv2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Hash {
    /// MD5, RFC 1321.
    Md5,
    /// SHA-1, FIPS 180-4.
    Sha1,
    /// SHA-256, FIPS 180-4.
    Sha256,
    /// SHA-384, FIPS 180-4.
    Sha384,
    /// SHA-512, FIPS 180-4.
    Sha512,
}

impl Hash {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Md5, Self::Sha1, Self::Sha256, Self::Sha384, Self::Sha512];

    /// The length of a digest in octets.
    pub const fn output_len(self) -> usize {
        match self {
            Self::Md5 => 16,
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
        }
    }

    /// The digest of the concatenation of `parts`.
    pub fn digest(self, parts: &[&[u8]]) -> Vec<u8> {
        match self {
            Self::Md5 => digest_of::<md5::Md5>(parts),
            Self::Sha1 => digest_of::<sha1::Sha1>(parts),
            Self::Sha256 => digest_of::<sha2::Sha256>(parts),
            Self::Sha384 => digest_of::<sha2::Sha384>(parts),
            Self::Sha512 => digest_of::<sha2::Sha512>(parts),
        }
    }
}

fn digest_of<D: Digest>(parts: &[&[u8]]) -> Vec<u8> {
    let mut hash = D::new();
    for part in parts {
        hash.update(part);
    }
    hash.finalize().to_vec()
}
