//! What a decoder says of a frame.

use std::net::IpAddr;

use ikeproof_proto::wire::hex;

/// A field: its name, and its value as a decimal number, an address or octets in hex.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fact {
    /// tshark's name.
    pub name: &'static str,
    /// The value.
    pub value: String,
}

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// IKE.
    Ike,
    /// ESP.
    Esp,
    /// AH.
    Ah,
    /// A NAT keepalive.
    Keepalive,
    /// None of these.
    Nothing,
}

/// All that a decoder says of a frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// What it is.
    pub kind: Kind,
    /// What stands in clear.
    pub clear: Vec<Fact>,
    /// What was encrypted, if it was decrypted.
    pub sealed: Option<Vec<Fact>>,
    /// Whether the ICV is right, where that is said.
    pub authentic: Option<bool>,
    /// What is wrong with the frame.
    pub broken: Vec<String>,
}

/// Facts in the making.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts(pub Vec<Fact>);

impl Facts {
    /// Adds a number.
    pub fn number(&mut self, name: &'static str, value: impl Into<u64>) {
        self.0.push(Fact { name, value: value.into().to_string() });
    }

    /// Adds octets.
    pub fn octets(&mut self, name: &'static str, octets: &[u8]) {
        self.0.push(Fact { name, value: hex::encode(octets) });
    }

    /// Adds octets, unless there are none: tshark shows no empty field.
    pub fn some_octets(&mut self, name: &'static str, octets: &[u8]) {
        if !octets.is_empty() {
            self.octets(name, octets);
        }
    }

    /// Adds an address; IPv4 and IPv6 have names of their own.
    pub fn address(&mut self, (v4, v6): (&'static str, &'static str), address: IpAddr) {
        let name = if address.is_ipv4() { v4 } else { v6 };
        self.0.push(Fact { name, value: address.to_string() });
    }
}
