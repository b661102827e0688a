//! Secrets in recordings, as hex. A field has to ask for it: `#[serde(with = "secret_hex")]`.
//!
//! Configurations and key logs of laboratory sessions are written so, and nothing else is.

use serde::{Deserialize, Deserializer, Serializer, de};

use crate::crypto::SecretBytes;
use crate::wire::hex;

pub(crate) fn serialize<S: Serializer>(secret: &SecretBytes, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&hex::encode(secret.expose()))
}

pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<SecretBytes, D::Error> {
    let text = String::deserialize(from)?;
    hex::decode(&text).map(SecretBytes::new).map_err(de::Error::custom)
}
