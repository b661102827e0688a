//! Our key tables against tshark: what it says of a capture with and without them.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use aes_gcm::aead::{Aead, KeyInit, Payload};
use aes_gcm::{Aes256Gcm, Nonce};
use ikeproof_driver::capture::{
    CaptureFile, Frame, FrameDirection, InterfaceInfo, LinkType, synthesise,
};
use ikeproof_driver::wireshark::{
    EspEncryption, EspIntegrity, EspKeys, Family, IkeEncryption, IkeIntegrity, Ikev1Keys,
    Ikev2Keys, KeyTables, Packet, Question, Tshark, TsharkError,
};
use ikeproof_proto::crypto::SecretBytes;
use ikeproof_proto::forward::internet_checksum;
use ikeproof_proto::middlebox::{Datagram, Direction, Transport};

#[path = "support/ikev1.rs"]
mod ikev1;
#[path = "support/tools.rs"]
mod tools;

const EDGE: [u8; 4] = [192, 0, 2, 1];
const PEER: [u8; 4] = [192, 0, 2, 2];
const KEY: [u8; 36] = [0x42; 36];
const IV: [u8; 8] = [7; 8];

/// What tshark sees in a capture, or why it refuses; `None` where it is not installed.
fn dissect(capture: &Path, profile: &Path) -> Option<Result<Vec<Packet>, TsharkError>> {
    let tshark = match Tshark::find() {
        Ok(tshark) => tshark,
        Err(error) => {
            tools::skip(&error.to_string());
            return None;
        }
    };
    let mut packets = Vec::new();
    let question = Question { profile: Some(profile), ..Question::default() };
    let read = tshark.read(capture, &question, |packet| packets.push(packet));
    Some(read.map(|warnings| {
        println!("{}: {warnings:?}", tshark.version());
        packets
    }))
}

fn seal(aad: &[u8], plain: &[u8]) -> Vec<u8> {
    let cipher = Aes256Gcm::new_from_slice(&KEY[..32]).unwrap();
    let nonce = Nonce::try_from([&KEY[32..], &IV].concat().as_slice()).unwrap();
    cipher.encrypt(&nonce, Payload { msg: plain, aad }).unwrap()
}

/// HDR, SK { N(INITIAL_CONTACT) } as the initiator sends it.
fn ike_message() -> Vec<u8> {
    let mut plain = vec![0, 0, 0, 8, 0, 0, 0x40, 0];
    plain.push(0);
    let body_len = 4 + 8 + plain.len() + 16;
    let mut message = [[1_u8; 8], [2; 8]].concat();
    message.extend([46, 0x20, 35, 0x08, 0, 0, 0, 1]);
    message.extend((28 + body_len as u32).to_be_bytes());
    message.extend([41, 0]);
    message.extend((body_len as u16).to_be_bytes());
    let sealed = seal(&message, &plain);
    message.extend(IV);
    message.extend(sealed);
    message
}

/// A ping of 10.9.0.1 to 10.8.0.1, as the trailer of a tunnel packet leaves it.
fn inner_ping() -> Vec<u8> {
    let mut ping = vec![0x45, 0, 0, 28, 0, 1, 0x40, 0, 64, 1, 0, 0, 10, 9, 0, 1, 10, 8, 0, 1];
    let checksum = internet_checksum(&[&ping]);
    ping[10..12].copy_from_slice(&checksum.to_be_bytes());
    ping.extend([8, 0, 0xf7, 0xfd, 0, 1, 0, 1]);
    ping.extend([1, 2, 2, 4]);
    ping
}

fn esp_packet(spi: u32, encrypted: bool) -> Vec<u8> {
    let mut packet = [spi.to_be_bytes(), [0, 0, 0, 1]].concat();
    if encrypted {
        let sealed = seal(&packet, &inner_ping());
        packet.extend(IV);
        packet.extend(sealed);
    } else {
        packet.extend(inner_ping());
    }
    packet
}

fn capture(path: &Path) {
    let file = CaptureFile::create(path).unwrap();
    let info = InterfaceInfo {
        name: "edge".to_owned(),
        link: LinkType::Ethernet,
        synthesised: true,
        description: None,
    };
    let interface = file.interface(&info).unwrap();
    let at = |port| (SocketAddr::from((EDGE, port)), SocketAddr::from((PEER, port)));
    let datagrams = [
        (500, Transport::Udp, ike_message()),
        (0, Transport::Esp, esp_packet(0x1234, true)),
        (4500, Transport::Udp, esp_packet(0x1235, true)),
        (0, Transport::Esp, esp_packet(0x1236, false)),
    ];
    for (port, transport, bytes) in datagrams {
        let (local, remote) = at(port);
        let datagram = Datagram { local, remote, transport, bytes };
        let bytes = synthesise(&datagram, Direction::ToPeer, &Default::default()).unwrap();
        let frame = Frame {
            at: Duration::new(1_700_000_000, 123_456_789),
            direction: FrameDirection::Out,
            link: LinkType::Ethernet,
            original_len: bytes.len(),
            bytes: &bytes,
        };
        file.frame(interface, &frame, Some("made by a test")).unwrap();
    }
}

fn tables() -> KeyTables {
    let esp = |spi, encryption, encryption_key: &[u8]| EspKeys {
        family: Family::V4,
        source: Some(IpAddr::from(EDGE)),
        destination: Some(IpAddr::from(PEER)),
        spi,
        encryption,
        encryption_key: encryption_key.to_vec().into(),
        integrity: EspIntegrity::Null,
        integrity_key: vec![].into(),
        esn: false,
    };
    let gcm = EspEncryption::AesGcm(16);
    KeyTables {
        ikev1: vec![Ikev1Keys { cookie_i: [9; 8], key: vec![1; 16].into() }],
        ikev2: vec![Ikev2Keys {
            spi_i: [1; 8],
            spi_r: [2; 8],
            sk_ei: KEY.to_vec().into(),
            sk_er: KEY.to_vec().into(),
            encryption: IkeEncryption::AesGcm(256, 16),
            sk_ai: vec![].into(),
            sk_ar: vec![].into(),
            integrity: IkeIntegrity::None,
        }],
        esp: vec![
            esp(0x1234, gcm, &KEY),
            esp(0x1235, gcm, &KEY),
            esp(0x1236, EspEncryption::Null, &[]),
        ],
    }
}

#[test]
fn tshark_decrypts_with_our_tables_and_not_without() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("made.pcapng");
    capture(&path);
    let (with, without) = (directory.path().join("with"), directory.path().join("without"));
    assert!(tables().write(&with).unwrap().is_empty());
    KeyTables::default().write(&without).unwrap();
    let count = |profile: &Path| {
        let packets = dissect(&path, profile)?.unwrap();
        let found = |name: &str, show: &str| {
            let fields = packets.iter().flat_map(Packet::walk);
            fields.filter(|field| field.name == name && field.show == show).count()
        };
        assert_eq!(packets.len(), 4);
        assert_eq!(found("frame.comment", "made by a test"), 4);
        let fields = || packets.iter().flat_map(Packet::walk);
        assert!(fields().any(|field| field.text.contains("synthesised by ikeproof")));
        let times = fields().filter(|field| field.name == "frame.time_epoch");
        assert!(times.into_iter().all(|time| time.show == "1700000000.123456789"));
        // INITIAL_CONTACT, and echo requests.
        Some((found("isakmp.notify.msgtype", "16384"), found("icmp.type", "8")))
    };
    let (Some(with), Some(without)) = (count(&with), count(&without)) else { return };
    println!("with keys: {with:?}, without: {without:?}");
    assert_eq!((with, without), ((1, 3), (0, 0)));
}

#[test]
fn tshark_knows_every_name_we_write() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("made.pcapng");
    capture(&path);
    let mut tables = tables();
    let ike = tables.ikev2[0].clone();
    let mut encryptions = vec![(IkeEncryption::Null, 0), (IkeEncryption::TripleDes, 24)];
    for bits in [128, 192, 256] {
        let octets = usize::from(bits / 8);
        encryptions.push((IkeEncryption::AesCbc(bits), octets));
        encryptions.push((IkeEncryption::AesCtr(bits), octets + 4));
        for icv in [8, 12, 16] {
            encryptions.push((IkeEncryption::AesGcm(bits, icv), octets + 4));
            encryptions.push((IkeEncryption::AesCcm(bits, icv), octets + 3));
        }
    }
    for (n, (encryption, len)) in encryptions.into_iter().enumerate() {
        let (spi_i, key) = ([n as u8 + 10; 8], SecretBytes::new(vec![3; len]));
        let keys = Ikev2Keys { spi_i, encryption, sk_ei: key.clone(), sk_er: key, ..ike.clone() };
        tables.ikev2.push(keys);
    }
    let integrities = [
        (IkeIntegrity::Md5_96, EspIntegrity::Md5_96, 16),
        (IkeIntegrity::Sha1_96, EspIntegrity::Sha1_96, 20),
        (IkeIntegrity::Sha256_128, EspIntegrity::Sha256_128, 32),
        (IkeIntegrity::Sha384_192, EspIntegrity::Sha384_192, 48),
        (IkeIntegrity::Sha512_256, EspIntegrity::Sha512_256, 64),
        (IkeIntegrity::Unchecked(128), EspIntegrity::Unchecked(128), 0),
    ];
    let esp = tables.esp[0].clone();
    for (n, (integrity, esp_integrity, len)) in integrities.into_iter().enumerate() {
        let (spi_i, key) = ([n as u8 + 100; 8], SecretBytes::new(vec![3; len]));
        let encryption = IkeEncryption::AesCbc(128);
        let (sk_ei, sk_er) = (vec![1; 16].into(), vec![2; 16].into());
        let (sk_ai, sk_ar) = (key.clone(), key.clone());
        let keys = Ikev2Keys { spi_i, encryption, sk_ei, sk_er, integrity, sk_ai, sk_ar, ..ike };
        tables.ikev2.push(keys);
        let (integrity, integrity_key) = (esp_integrity, key);
        tables.esp.push(EspKeys { integrity, integrity_key, esn: n % 2 == 0, ..esp.clone() });
    }
    for (encryption, len) in [
        (EspEncryption::Des, 8),
        (EspEncryption::TripleDes, 24),
        (EspEncryption::AesCbc, 32),
        (EspEncryption::AesCtr, 20),
        (EspEncryption::AesGcm(8), 20),
        (EspEncryption::AesGcm(12), 20),
    ] {
        let destination = Some("2001:db8::1".parse().unwrap());
        let (family, source) = (Family::V6, None);
        let encryption_key = vec![1; len].into();
        let keys = EspKeys { family, source, destination, encryption, ..esp.clone() };
        tables.esp.push(EspKeys { encryption_key, ..keys });
    }
    let profile = directory.path().join("profile");
    assert!(tables.write(&profile).unwrap().is_empty());
    let Some(known) = dissect(&path, &profile) else { return };
    known.unwrap();
    // The control: a name that tshark does not know makes it complain.
    std::fs::write(
        profile.join("esp_sa"),
        "\"IPv4\",\"*\",\"*\",\"*\",\"AES\",\"\",\"NULL\",\"\"\n",
    )
    .unwrap();
    let complaint = dissect(&path, &profile).unwrap().unwrap_err().to_string();
    assert!(complaint.contains("invalid value: AES"), "{complaint}");
}

#[test]
fn tshark_decrypts_ikev1_and_its_esp_with_our_tables_and_not_without() {
    let directory = tempfile::tempdir().unwrap();
    for session in ikev1::SESSIONS {
        let path = directory.path().join(session.name).with_extension("pcapng");
        let (with, without) = (directory.path().join(session.name), directory.path().join("none"));
        let frames = session.write(&path, &with);
        KeyTables::default().write(&without).unwrap();
        let read = |profile: &Path| {
            let packets = dissect(&path, profile)?.unwrap();
            assert_eq!(packets.len(), frames, "{session:?}");
            let count = |name: &str, show: &str| {
                let fields = packets.iter().flat_map(Packet::walk);
                fields.filter(|it| it.name == name && (show.is_empty() || it.show == show)).count()
            };
            let encrypted = packets.iter().filter(|packet| {
                // Behind those of a fragment stand those of the message that it completes.
                let flags = packet.walk().filter(|field| field.name == "isakmp.flags").last();
                flags.is_some_and(|flags| flags.show.ends_with('1'))
            });
            let (probe, answer) = ("36136", "36137");
            let notifies = [probe, answer].map(|kind| count("isakmp.notify.msgtype", kind));
            // What is decrypted of IKEv1 stands below what was encrypted.
            let fields = packets.iter().flat_map(Packet::walk);
            let data = fields.filter(|field| field.name == "isakmp.enc.data");
            let decrypted = data.filter(|field| field.find("isakmp.payloadlength").is_some());
            // Every encrypted message, decrypted; DPD; the deletes of the pair and of the ISAKMP SA.
            let ike = (encrypted.count(), decrypted.count(), notifies);
            Some((ike, count("isakmp.delete.protoid", ""), count("icmp.type", "8")))
        };
        let (Some(with), Some(without)) = (read(&with), read(&without)) else { return };
        println!("{}: with keys {with:?}, without {without:?}", session.name);
        let ((encrypted, decrypted, notifies), deletes, pings) = with;
        assert!(encrypted >= 8 && decrypted == encrypted, "{session:?}");
        assert_eq!((notifies, deletes, pings), ([1, 1], 2, 2), "{session:?}");
        // Without keys nothing but ESP with NULL encryption shows, which tshark does not try.
        assert_eq!(without, ((encrypted, 0, [0, 0]), 0, 0), "{session:?}");
    }
}
