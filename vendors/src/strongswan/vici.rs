//! VICI messages as a tree, and a pool of connections to charon.
//!
//! charon serves one request at a time per connection, so an `initiate` that waits must not hold the
//! others up: each request takes an idle connection or opens one.

use std::{fmt, time::Duration};

use futures_util::{StreamExt, pin_mut};
use rsvici::Client;
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{MapAccess, SeqAccess, Visitor},
    ser::SerializeMap,
};
use tokio::{sync::Mutex, time::timeout};

use crate::{Error, Result, plane::Plane};

/// A VICI value, list or section.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Node {
    /// A value.
    Value(String),
    /// A value that need not be text: a secret. VICI takes octets; `0x` and `0s` are swanctl's.
    Octets(Vec<u8>),
    /// A list of values.
    List(Vec<String>),
    /// A section, in order.
    Section(Vec<(String, Node)>),
}

impl Node {
    /// An empty section.
    pub(super) fn section() -> Self {
        Self::Section(Vec::new())
    }

    /// Adds an entry to a section.
    pub(super) fn put(&mut self, key: impl Into<String>, node: impl Into<Node>) {
        if let Self::Section(entries) = self {
            entries.push((key.into(), node.into()));
        }
    }

    /// A section with one more entry.
    pub(super) fn with(mut self, key: &str, node: impl Into<Node>) -> Self {
        self.put(key, node);
        self
    }

    /// The entry of a section.
    pub(super) fn at(&self, key: &str) -> Option<&Node> {
        self.entries().iter().find(|(name, _)| name == key).map(|(_, node)| node)
    }

    /// The value of an entry, empty when there is none.
    pub(super) fn text(&self, key: &str) -> &str {
        match self.at(key) {
            Some(Self::Value(value)) => value,
            _ => "",
        }
    }

    /// The items of a list entry.
    pub(super) fn list(&self, key: &str) -> Vec<String> {
        match self.at(key) {
            Some(Self::List(items)) => items.clone(),
            _ => Vec::new(),
        }
    }

    /// The entries of a section.
    pub(super) fn entries(&self) -> &[(String, Node)] {
        match self {
            Self::Section(entries) => entries,
            _ => &[],
        }
    }
}

impl<T: Into<String>> From<T> for Node {
    fn from(value: T) -> Self {
        Self::Value(value.into())
    }
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fn write(node: &Node, depth: usize, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            for (key, value) in node.entries() {
                let indent = "  ".repeat(depth);
                match value {
                    Node::Value(value) => writeln!(f, "{indent}{key} = {value}")?,
                    Node::Octets(_) => writeln!(f, "{indent}{key} = (not shown)")?,
                    Node::List(items) => writeln!(f, "{indent}{key} = {}", items.join(","))?,
                    Node::Section(_) => {
                        writeln!(f, "{indent}{key} {{")?;
                        write(value, depth + 1, f)?;
                        writeln!(f, "{indent}}}")?;
                    }
                }
            }
            Ok(())
        }
        write(self, 0, f)
    }
}

impl Serialize for Node {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Value(value) => serializer.serialize_str(value),
            Self::Octets(octets) => serializer.serialize_bytes(octets),
            Self::List(items) => items.serialize(serializer),
            Self::Section(entries) => {
                let mut map = serializer.serialize_map(Some(entries.len()))?;
                for (key, node) in entries {
                    map.serialize_entry(key, node)?;
                }
                map.end()
            }
        }
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor)
    }
}

struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a VICI value, list or section")
    }

    fn visit_str<E>(self, value: &str) -> Result<Node, E> {
        Ok(Node::Value(value.to_owned()))
    }

    fn visit_bytes<E>(self, value: &[u8]) -> Result<Node, E> {
        Ok(Node::Value(String::from_utf8_lossy(value).into_owned()))
    }

    fn visit_byte_buf<E>(self, value: Vec<u8>) -> Result<Node, E> {
        Ok(Node::Value(String::from_utf8_lossy(&value).into_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Node, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element::<String>()? {
            list.push(item);
        }
        Ok(Node::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Node, A::Error> {
        let mut entries = Vec::new();
        while let Some((key, node)) = map.next_entry::<String, Node>()? {
            entries.push((key, node));
        }
        Ok(Node::Section(entries))
    }
}

/// Connections to one charon.
#[derive(Default)]
pub(super) struct Vici {
    idle: Mutex<Vec<Client>>,
}

impl Vici {
    /// Sends a request; an answer with `success = no` is an error with charon's words.
    pub(super) async fn request(
        &self,
        plane: &Plane,
        command: &str,
        message: Node,
        within: Duration,
    ) -> Result<Node> {
        let mut client = self.take(plane).await?;
        let answer = timeout(within, client.request::<_, Node>(command, message)).await;
        let answer = answer.map_err(|_| lapse(command, within))?.map_err(failed(command))?;
        self.idle.lock().await.push(client);
        if answer.text("success") == "no" {
            let why = answer.text("errmsg").to_owned();
            return Err(Error::Vici { command: command.to_owned(), why });
        }
        Ok(answer)
    }

    /// Sends a request that answers with events, and collects them.
    pub(super) async fn events(
        &self,
        plane: &Plane,
        command: &str,
        event: &str,
        within: Duration,
    ) -> Result<Vec<Node>> {
        let mut client = self.take(plane).await?;
        let mut found = Vec::new();
        let collect = async {
            let stream = client.stream_request::<_, Node>(command, event, Node::section());
            pin_mut!(stream);
            while let Some(node) = stream.next().await {
                found.push(node.map_err(failed(command))?);
            }
            Ok::<_, Error>(())
        };
        timeout(within, collect).await.map_err(|_| lapse(command, within))??;
        self.idle.lock().await.push(client);
        Ok(found)
    }

    /// Drops all connections, for use when charon ended.
    pub(super) async fn disconnect(&self) {
        self.idle.lock().await.clear();
    }

    async fn take(&self, plane: &Plane) -> Result<Client> {
        if let Some(client) = self.idle.lock().await.pop() {
            return Ok(client);
        }
        Ok(Client::new(plane.vici().await?))
    }
}

fn failed(command: &str) -> impl FnOnce(rsvici::error::Error) -> Error {
    let command = command.to_owned();
    move |error| Error::Vici { command, why: error.to_string() }
}

fn lapse(command: &str, within: Duration) -> Error {
    Error::Timeout {
        what: format!("charon's answer to {command:?}"),
        within,
        last: String::from("nothing"),
    }
}
