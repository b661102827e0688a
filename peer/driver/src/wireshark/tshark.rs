//! tshark as a second opinion: runs it over a capture and gives what it dissected, frame by frame.
//!
//! tshark writes its trees as XML (PDML); they are read as they come, a frame at a time. The profile
//! is a folder of its own, so nothing of the user's own settings takes part.

use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Command, Stdio};

use quick_xml::XmlVersion;
use quick_xml::events::{BytesStart, Event};
use quick_xml::reader::Reader;
use thiserror::Error;

/// tshark, found on this host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tshark {
    version: String,
}

/// What is asked of tshark.
#[derive(Debug, Clone, Copy, Default)]
pub struct Question<'a> {
    /// A folder with key tables, as [`KeyTables::write`](super::KeyTables::write) makes it, and nothing
    /// else: it is the whole profile.
    pub profile: Option<&'a Path>,
    /// UDP ports of IKE beside 500.
    pub ike_ports: &'a [u16],
    /// UDP ports of IKE and ESP behind NAT beside 4500.
    pub nat_ports: &'a [u16],
    /// A display filter; frames that do not match are left out.
    pub filter: Option<&'a str>,
    /// The protocols whose fields are wanted; of all if there is none.
    pub protocols: &'a [&'a str],
}

/// A frame.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Packet {
    /// The number in the capture, from 1.
    pub number: u64,
    /// The protocols from the outside to the inside; what ESP held comes behind it.
    pub protocols: Vec<Field>,
}

/// A field or a protocol.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Field {
    /// The name for filters, such as `isakmp.messageid`; empty for mere text.
    pub name: String,
    /// The value for filters.
    pub show: String,
    /// The line for people.
    pub text: String,
    /// The octets in hex, if there are any.
    pub octets: String,
    /// What is inside.
    pub fields: Vec<Field>,
}

/// tshark cannot answer.
#[derive(Debug, Error)]
pub enum TsharkError {
    /// It is not there.
    #[error("tshark is not installed ({0}); get it with: apt-get install tshark")]
    Missing(io::Error),
    /// It refused something: the file, a key table, a setting.
    #[error("tshark: {0}")]
    Refused(String),
    /// What it wrote is not what it should be.
    #[error("tshark wrote what cannot be read: {0}")]
    Unreadable(#[from] quick_xml::Error),
    /// It cannot be talked to.
    #[error("tshark cannot be read from: {0}")]
    Io(#[from] io::Error),
}

impl Tshark {
    /// Looks for tshark.
    ///
    /// # Errors
    ///
    /// If it cannot be started.
    pub fn find() -> Result<Self, TsharkError> {
        let output = Command::new("tshark")
            .arg("--version")
            .stdin(Stdio::null())
            .output()
            .map_err(TsharkError::Missing)?;
        let text = String::from_utf8_lossy(&output.stdout);
        let version = text.lines().next().unwrap_or_default().trim_end_matches('.').to_owned();
        Ok(Self { version })
    }

    /// What it calls itself.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Dissects a capture and hands over each frame. Returns what tshark warns of.
    ///
    /// # Errors
    ///
    /// If tshark cannot be run, or refuses the file or a key table.
    pub fn read(
        &self,
        capture: &Path,
        question: &Question<'_>,
        mut each: impl FnMut(Packet),
    ) -> Result<Vec<String>, TsharkError> {
        let mut command = command(capture, question);
        let mut child = command.spawn().map_err(TsharkError::Missing)?;
        let (Some(out), Some(mut err)) = (child.stdout.take(), child.stderr.take()) else {
            return Err(TsharkError::Io(io::Error::other("no pipes")));
        };
        // Read beside the frames, or a full pipe would stop both.
        let said = std::thread::spawn(move || {
            let mut said = Vec::new();
            err.read_to_end(&mut said).map(|_| String::from_utf8_lossy(&said).into_owned())
        });
        let read = packets(BufReader::with_capacity(1 << 16, out), &mut each);
        if read.is_err() {
            // It may still be writing.
            let _ = child.kill();
        }
        let status = child.wait()?;
        let said = said.join().map_err(|_| io::Error::other("the reader of errors ended"))??;
        let said: Vec<String> = said
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty() && !line.starts_with("Running as user"))
            .map(str::to_owned)
            .collect();
        read?;
        if !status.success() || said.iter().any(|line| line.contains("Error")) {
            return Err(TsharkError::Refused(if said.is_empty() {
                status.to_string()
            } else {
                said.join("; ")
            }));
        }
        Ok(said)
    }
}

impl Packet {
    /// Its protocols with this name.
    pub fn protocols<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Field> {
        self.protocols.iter().filter(move |protocol| protocol.name == name)
    }

    /// All fields of all protocols, whatever they are inside of.
    pub fn walk(&self) -> impl Iterator<Item = &Field> {
        self.protocols.iter().flat_map(Field::walk)
    }
}

impl Field {
    /// The first field with this name inside, at any depth.
    pub fn find(&self, name: &str) -> Option<&Self> {
        self.walk().skip(1).find(|field| field.name == name)
    }

    /// This field and all inside, in the order of the tree.
    pub fn walk(&self) -> impl Iterator<Item = &Self> {
        let mut left = vec![self];
        std::iter::from_fn(move || {
            let next = left.pop()?;
            left.extend(next.fields.iter().rev());
            Some(next)
        })
    }
}

fn command(capture: &Path, question: &Question<'_>) -> Command {
    let mut command = Command::new("tshark");
    command
        .args(["-n", "-T", "pdml", "-o", "esp.enable_encryption_decode:TRUE"])
        .args(["-o", "esp.enable_authentication_check:TRUE"])
        // What was lost on the way is no matter of decoding.
        .args(["-o", "esp.do_esp_sequence_analysis:FALSE"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    if let Some(profile) = question.profile {
        command.env("WIRESHARK_CONFIG_DIR", profile);
    }
    for (ports, as_what) in [(question.ike_ports, "isakmp"), (question.nat_ports, "udpencap")] {
        for port in ports {
            command.arg("-d").arg(format!("udp.port=={port},{as_what}"));
        }
    }
    if let Some(filter) = question.filter {
        command.args(["-Y", filter]);
    }
    if !question.protocols.is_empty() {
        command.arg("-J").arg(question.protocols.join(" "));
    }
    command.arg("-r").arg(capture);
    command
}

/// Reads PDML.
fn packets(input: impl BufRead, each: &mut impl FnMut(Packet)) -> Result<(), quick_xml::Error> {
    let mut reader = Reader::from_reader(input);
    let mut buffer = Vec::new();
    // The fields that are open, from the outside to the inside.
    let mut open: Vec<Field> = Vec::new();
    let mut packet = Packet::default();
    loop {
        match reader.read_event_into(&mut buffer)? {
            Event::Start(start) if is_field(&start) => open.push(field(&start)?),
            Event::Empty(start) if is_field(&start) => {
                let field = field(&start)?;
                close(field, &mut open, &mut packet);
            }
            Event::End(end) => match end.name().as_ref() {
                b"proto" | b"field" => {
                    if let Some(field) = open.pop() {
                        close(field, &mut open, &mut packet);
                    }
                }
                b"packet" => each(std::mem::take(&mut packet)),
                _ => {}
            },
            Event::Eof => return Ok(()),
            _ => {}
        }
        buffer.clear();
    }
}

fn is_field(start: &BytesStart<'_>) -> bool {
    matches!(start.name().as_ref(), b"proto" | b"field")
}

/// Puts a field that ends into the one around it.
fn close(field: Field, open: &mut [Field], packet: &mut Packet) {
    match open.last_mut() {
        Some(around) => around.fields.push(field),
        None if field.name == "geninfo" => {
            let number = field.find("num").and_then(|number| number.show.parse().ok());
            packet.number = number.unwrap_or_default();
        }
        None => packet.protocols.push(field),
    }
}

fn field(start: &BytesStart<'_>) -> Result<Field, quick_xml::Error> {
    let mut field = Field::default();
    for attribute in start.attributes().with_checks(false) {
        let attribute = attribute?;
        let place = match attribute.key.as_ref() {
            b"name" => &mut field.name,
            b"show" => &mut field.show,
            b"showname" => &mut field.text,
            b"value" => &mut field.octets,
            _ => continue,
        };
        // Characters that XML does not know are taken as they are.
        *place = match attribute.normalized_value(XmlVersion::Implicit1_0) {
            Ok(text) => text.into_owned(),
            Err(_) => String::from_utf8_lossy(&attribute.value).into_owned(),
        };
    }
    if field.text.is_empty() {
        field.text.clone_from(&field.show);
    }
    Ok(field)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_is_read_frame_by_frame() {
        let text = r#"<?xml version="1.0" encoding="utf-8"?>
<pdml version="0" creator="wireshark/4.0.17">
<packet>
  <proto name="geninfo"><field name="num" pos="0" show="7" value="7"/></proto>
  <proto name="isakmp" showname="IKE">
    <field name="isakmp.version" showname="Version: 2.0" show="0x20" value="20">
      <field name="isakmp.mjver" show="0x02" value="2"/>
    </field>
    <field name="isakmp.id.data.fqdn" showname="ID: a&amp;b" show="a&amp;b" value="612662"/>
  </proto>
  <proto name="ip"/>
</packet>
<packet><proto name="geninfo"><field name="num" show="9"/></proto></packet>
</pdml>"#;
        let mut seen = Vec::new();
        packets(text.as_bytes(), &mut |packet| seen.push(packet)).unwrap();
        let numbers: Vec<u64> = seen.iter().map(|packet| packet.number).collect();
        assert_eq!(numbers, [7, 9]);
        let names: Vec<&str> = seen[0].walk().map(|field| field.name.as_str()).collect();
        assert_eq!(
            names,
            ["isakmp", "isakmp.version", "isakmp.mjver", "isakmp.id.data.fqdn", "ip"]
        );
        let ike = seen[0].protocols("isakmp").next().unwrap();
        assert_eq!(ike.find("isakmp.mjver").unwrap().octets, "2");
        assert_eq!(ike.find("isakmp.id.data.fqdn").unwrap().show, "a&b");
    }

    #[test]
    fn what_is_no_xml_is_an_error() {
        assert!(packets(&b"<pdml><packet></proto></packet>"[..], &mut |_| {}).is_err());
    }
}
