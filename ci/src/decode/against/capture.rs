//! One capture: all its frames.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use ikeproof_audit::capture::{Options, observe_frames};
use ikeproof_audit::{Auditor, Contents, Observed, Transport};
use ikeproof_driver::wireshark::{
    ESP_TABLE, IKEV1_TABLE, IKEV2_TABLE, Packet, Question, Tshark, TsharkError,
};
use ikeproof_proto::crypto::Esn;
use ikeproof_proto::datagram::{Datagram, classify};
use ikeproof_proto::event::KeyLogEntry;
use ikeproof_proto::io::Channel;

use super::compare::{Known, compare};
use super::exception::Exception;
use super::fact::Seen;
use super::ours_v1::{Arrival, Reader};
use super::{ours, theirs};
use crate::decode::timeline::timeline_with;
use crate::decode::{input, keys};
use crate::exit::Stop;

/// A capture and what belongs to it.
#[derive(Clone, Debug)]
pub struct Capture {
    /// The file.
    pub file: PathBuf,
    /// The folder with its key tables.
    pub keys: Option<PathBuf>,
}

/// What came of comparing captures.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// How many frames both have seen.
    pub frames: usize,
    /// How many fields were the same.
    pub fields: usize,
    /// What differs: the frame, and how.
    pub differences: Vec<(u64, String)>,
    /// How often what was not compared.
    pub exceptions: BTreeMap<Exception, usize>,
    /// What tshark warns of, and what the tables lack.
    pub notes: BTreeSet<String>,
}

/// One of our frames on its way to its counterpart.
struct Ours {
    seen: Seen,
    known: Known,
}

/// Compares all frames of a capture.
///
/// # Errors
/// If the file or a table cannot be read, or tshark refuses them.
pub fn check(capture: &Capture, options: &Options, tshark: &Tshark) -> Result<Report, Stop> {
    let mut report = Report::default();
    let mut ours = our_frames(capture, options, &mut report)?;
    let warnings = their_frames(capture, options, tshark, |number, theirs, cut| {
        report.take(number, ours.remove(&number).as_ref(), &theirs, cut);
    })?;
    report.notes.extend(warnings.iter().map(|it| without_place(it)));
    for (frame, ours) in ours {
        let says = format!("we see {:?} there, tshark sees nothing", ours.seen.kind);
        report.differences.push((frame, says));
    }
    Ok(report)
}

/// What tshark sees, frame by frame, and whether the frame is cut short. Returns what it warns of.
fn their_frames(
    capture: &Capture,
    options: &Options,
    tshark: &Tshark,
    mut each: impl FnMut(u64, Seen, bool),
) -> Result<Vec<String>, Stop> {
    let profile = profile(capture.keys.as_deref())?;
    let question = Question {
        profile: Some(profile.path()),
        ike_ports: &options.ike_ports,
        nat_ports: &options.nat_ports,
        filter: Some(theirs::FILTER),
        protocols: theirs::PROTOCOLS,
    };
    let each = |packet: Packet| {
        if let Some(theirs) = theirs::seen(&packet) {
            each(packet.number, theirs, theirs::is_cut(&packet));
        }
    };
    tshark.read(&capture.file, &question, each).map_err(|error| match error {
        TsharkError::Missing(_) => Stop::Infrastructure(error.to_string()),
        error => Stop::Usage(format!("{}: {error}", capture.file.display())),
    })
}

impl Report {
    /// Adds what another capture gave; its differences stay with it.
    pub fn add(&mut self, other: &Self) {
        self.frames += other.frames;
        self.fields += other.fields;
        for (exception, count) in &other.exceptions {
            *self.exceptions.entry(*exception).or_default() += count;
        }
        self.notes.extend(other.notes.iter().cloned());
    }

    fn take(&mut self, frame: u64, ours: Option<&Ours>, theirs: &Seen, cut: bool) {
        let Some(ours) = ours else {
            if cut {
                *self.exceptions.entry(Exception::Cut).or_default() += 1;
                return;
            }
            let says = format!("tshark sees {:?} there, we see nothing", theirs.kind);
            self.differences.push((frame, says));
            return;
        };
        let outcome = compare(&ours.seen, theirs, ours.known);
        self.frames += 1;
        self.fields += outcome.fields;
        self.differences.extend(outcome.differences.into_iter().map(|says| (frame, says)));
        for exception in outcome.exceptions {
            *self.exceptions.entry(exception).or_default() += 1;
        }
    }
}

/// What we see, by the number of the frame.
fn our_frames(
    capture: &Capture,
    options: &Options,
    report: &mut Report,
) -> Result<BTreeMap<u64, Ours>, Stop> {
    let file = &capture.file;
    let bytes = input::bytes(file)?;
    let frames = observe_frames(&bytes, options)
        .map_err(|error| Stop::Usage(format!("{}: {error}", file.display())))?;
    let mut notes = Vec::new();
    let keys = match &capture.keys {
        Some(folder) => keys::read(folder, &mut notes)?,
        None => Vec::new(),
    };
    report.notes.extend(notes);
    let (numbers, datagrams): (Vec<u64>, Vec<_>) = frames.into_iter().unzip();
    let mut auditor = Auditor::new();
    auditor.keep_contents();
    let moments = timeline_with(auditor, &datagrams, &keys);
    let known = |contents: Option<&Contents>| match contents {
        Some(Contents::Ike(ike)) => {
            let spis = (ike.header.spi_i, ike.header.spi_r);
            let keys = keys.iter().any(
                |entry| matches!(entry, KeyLogEntry::Ike(keys) if (keys.spi_i, keys.spi_r) == spis),
            );
            Known { keys, ..Known::default() }
        }
        Some(Contents::Esp(esp)) => {
            let mut children = keys.iter().filter_map(|entry| match entry {
                KeyLogEntry::Child(keys) if keys.spi == esp.header.spi => Some(keys),
                _ => None,
            });
            let first = children.next();
            let esn = first.is_some_and(|keys| keys.suite.esn == Esn::Yes);
            Known { keys: first.is_some(), esn, ..Known::default() }
        }
        _ => Known::default(),
    };
    let mut reader = Reader::new(&keys);
    Ok(numbers
        .into_iter()
        .zip(&datagrams)
        .zip(&moments)
        .map(|((number, datagram), moment)| {
            let mut seen = ours::seen(&moment.decoded, &moment.findings);
            let contents = moment.decoded.contents.as_ref();
            let known = match (contents, message(datagram)) {
                (Some(Contents::Ike(ike)), Some(bytes)) if ike.header.version.major == 1 => {
                    let way = (datagram.transport.src(), datagram.transport.dst());
                    let whole = ike.whole.as_deref();
                    reader.add_payloads(&mut seen, Arrival { way, bytes, whole })
                }
                _ => known(contents),
            };
            (number, Ours { seen, known })
        })
        .collect())
}

/// The message of IKE in a datagram, without the non-ESP marker.
fn message(datagram: &Observed) -> Option<&[u8]> {
    let Transport::Udp { marker, .. } = datagram.transport else { return None };
    let channel = if marker { Channel::Nat } else { Channel::Ike };
    match classify(channel, &datagram.bytes) {
        Datagram::Ike(bytes) => Some(bytes),
        _ => None,
    }
}

/// A profile of tshark that has the key tables and nothing else.
fn profile(keys: Option<&Path>) -> Result<tempfile::TempDir, Stop> {
    let wrong = |error: std::io::Error| {
        Stop::Infrastructure(format!("a profile for tshark cannot be made: {error}"))
    };
    let profile = tempfile::tempdir().map_err(wrong)?;
    for name in [IKEV1_TABLE, IKEV2_TABLE, ESP_TABLE] {
        let Some(table) = keys.map(|keys| keys.join(name)).filter(|table| table.exists()) else {
            continue;
        };
        std::fs::copy(table, profile.path().join(name)).map_err(wrong)?;
    }
    Ok(profile)
}

/// A warning without the process, the time and the line of a table in it, so that equal ones meet.
fn without_place(warning: &str) -> String {
    let text = warning.split_once("-- ").map_or(warning, |(_, text)| text);
    match text.split_once(": ") {
        Some((place, what)) if place.contains(':') => {
            let table = place.split(':').next().unwrap_or_default();
            format!("tshark, about {table}: {what}")
        }
        _ => format!("tshark: {text}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn capture(name: &str) -> Capture {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/captures").join(name);
        Capture { file: folder.join("capture.pcapng"), keys: Some(folder.join("wireshark")) }
    }

    fn tshark() -> Option<Tshark> {
        let found = Tshark::find().inspect_err(|error| {
            assert!(
                std::env::var_os("IKEPROOF_REQUIRE_TOOLS").is_none_or(|value| value != "1"),
                "IKEPROOF_REQUIRE_TOOLS is set: {error}"
            );
            println!("SKIP: {error}");
        });
        found.ok()
    }

    /// Sessions of the edge with a real peer: over ESP, and behind a NAT.
    const CAPTURES: [&str; 2] = ["strongswan-connect", "libreswan-nat"];
    /// Sessions of IKEv1 in memory, in both modes, over ESP and behind a NAT, whole and in fragments.
    const IKEV1: [&str; 6] = [
        "ikev1-main",
        "ikev1-main-nat",
        "ikev1-aggressive",
        "ikev1-aggressive-nat",
        "ikev1-main-fragments",
        "ikev1-aggressive-fragments",
    ];

    #[test]
    fn a_session_with_a_real_peer_is_the_same_to_tshark() {
        let Some(tshark) = tshark() else { return };
        for name in CAPTURES.into_iter().chain(IKEV1) {
            let report = check(&capture(name), &Options::default(), &tshark).unwrap();
            println!("{name}: {report:?}");
            assert_eq!(report.differences, []);
            assert!(report.frames >= 12 && report.fields > 500, "{report:?}");
            assert!(report.exceptions.is_empty() && report.notes.is_empty(), "{report:?}");
        }
    }

    /// The control: each field of our decoding, changed, is told as a difference and nothing else is.
    #[test]
    fn each_changed_field_is_a_difference() {
        let Some(tshark) = tshark() else { return };
        for name in CAPTURES.into_iter().chain(IKEV1) {
            let (capture, options) = (capture(name), Options::default());
            let mut theirs = BTreeMap::new();
            let keep = |number, seen, _| drop(theirs.insert(number, seen));
            their_frames(&capture, &options, &tshark, keep).unwrap();
            let ours = our_frames(&capture, &options, &mut Report::default()).unwrap();
            let mut changed = 0;
            for (number, it) in ours {
                let (clear, sealed) =
                    (it.seen.clear.len(), it.seen.sealed.iter().flatten().count());
                for at in 0..clear + sealed {
                    let mut seen = it.seen.clone();
                    let mut facts = seen.clear.iter_mut().chain(seen.sealed.iter_mut().flatten());
                    let fact = facts.nth(at).unwrap();
                    fact.value.push('0');
                    let name = fact.name;
                    let mut report = Report::default();
                    report.take(number, Some(&Ours { seen, ..it }), &theirs[&number], false);
                    let [(frame, says)] = &report.differences[..] else {
                        panic!("{name}: {report:?}")
                    };
                    assert!(
                        *frame == number && says.contains(&format!("ours {name} = ")),
                        "{says}"
                    );
                    changed += 1;
                }
            }
            assert!(changed > 500, "{changed}");
        }
    }

    /// One bit of each frame is wrong, anywhere behind the header of IP or UDP.
    fn with_wrong_bits(capture: &Capture, mut seed: u64) -> (tempfile::NamedTempFile, Capture) {
        let mut bytes = std::fs::read(&capture.file).unwrap();
        let start = bytes.as_ptr().addr();
        let frames: Vec<_> = ikeproof_audit::capture::packets(&bytes)
            .unwrap()
            .iter()
            .map(|packet| {
                let at = packet.bytes.as_ptr().addr() - start;
                let udp = packet.bytes[ETHERNET + 9] == 17;
                at + ETHERNET + 20 + if udp { 8 } else { 0 }..at + packet.bytes.len()
            })
            .collect();
        for frame in frames {
            seed = seed
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let (at, bit) = ((seed >> 33) as usize % frame.len(), (seed >> 60) & 7);
            bytes[frame.start + at] ^= 1 << bit;
        }
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        let capture = Capture { file: file.path().to_owned(), keys: capture.keys.clone() };
        (file, capture)
    }

    const ETHERNET: usize = 14;

    #[test]
    fn frames_with_wrong_bits_are_the_same_to_tshark_or_broken_to_us() {
        let Some(tshark) = tshark() else { return };
        let mut total = Report::default();
        for (name, seed) in CAPTURES.into_iter().flat_map(|name| (1..=16).map(move |it| (name, it)))
        {
            let (_file, capture) = with_wrong_bits(&capture(name), seed);
            let report = check(&capture, &Options::default(), &tshark).unwrap();
            assert_eq!(report.differences, [], "{name} {seed}");
            total.add(&report);
        }
        println!("{total:?}");
        let count = |exception| total.exceptions.get(&exception).copied().unwrap_or_default();
        assert!(count(Exception::Forged) > 100 && count(Exception::Broken) > 10, "{total:?}");
    }

    #[test]
    fn a_frame_that_is_shorter_than_its_header_says_is_counted() {
        let Some(tshark) = tshark() else { return };
        let whole = capture("strongswan-connect");
        let mut bytes = std::fs::read(&whole.file).unwrap();
        let start = bytes.as_ptr().addr();
        let packets = ikeproof_audit::capture::packets(&bytes).unwrap();
        let esp = packets.iter().find(|packet| packet.bytes[ETHERNET + 9] == 50).unwrap();
        let length = esp.bytes.as_ptr().addr() - start + ETHERNET + 2;
        // As in the header of the first fragment of a packet.
        bytes[length..length + 2].copy_from_slice(&1500_u16.to_be_bytes());
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        let cut = Capture { file: file.path().to_owned(), keys: whole.keys };
        let report = check(&cut, &Options::default(), &tshark).unwrap();
        assert_eq!(report.differences, []);
        assert_eq!(report.exceptions, BTreeMap::from([(Exception::Cut, 1)]));
    }

    /// Without an ICV both decrypt what nobody has sent, and tshark makes more of garbage than we do: it
    /// takes types of IKEv2 and of GDOI for their own.
    #[test]
    fn frames_of_ikev1_with_wrong_bits_are_mostly_the_same() {
        let Some(tshark) = tshark() else { return };
        let (mut total, mut differing) = (Report::default(), 0);
        for (name, seed) in IKEV1.into_iter().flat_map(|name| (1..=4).map(move |it| (name, it))) {
            let (_file, capture) = with_wrong_bits(&capture(name), seed);
            let report = check(&capture, &Options::default(), &tshark).unwrap();
            println!("{name} {seed}: {:?}", report.differences);
            differing += report.differences.len();
            total.add(&report);
        }
        let count = |exception| total.exceptions.get(&exception).copied().unwrap_or_default();
        assert!(total.frames > 200 && differing * 20 <= total.frames, "{differing}: {total:?}");
        assert!(count(Exception::Broken) > 10 && count(Exception::Unread) > 10, "{total:?}");
    }

    /// A capture of fragments, changed, is the same to tshark but for exceptions. Returns how often tshark
    /// makes another message of fragments, and how many messages are behind such a one.
    fn with_changed_fragments(tshark: &Tshark, change: impl FnOnce(&mut Vec<u8>)) -> [usize; 2] {
        let capture = capture("ikev1-main-fragments");
        let mut bytes = std::fs::read(&capture.file).unwrap();
        change(&mut bytes);
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        let capture = Capture { file: file.path().to_owned(), keys: capture.keys };
        let mut report = check(&capture, &Options::default(), tshark).unwrap();
        println!("{report:?}");
        assert_eq!(report.differences, []);
        let counts = [Exception::PutOtherwise, Exception::Lost]
            .map(|it| report.exceptions.remove(&it).unwrap_or_default());
        assert!(report.exceptions.is_empty(), "{report:?}");
        counts
    }

    #[test]
    fn what_tshark_puts_together_otherwise_is_an_exception_with_what_is_behind_it() {
        let Some(tshark) = tshark() else { return };
        assert_eq!(with_changed_fragments(&tshark, |_| {}), [0, 0]);
        // The second fragment again, behind the third one, which is the last: it takes the place of
        // that of the next message.
        let repeated = with_changed_fragments(&tshark, |bytes| {
            let start = bytes.as_ptr().addr();
            let block = |at: usize| {
                let packets = ikeproof_audit::capture::packets(bytes).unwrap();
                let from = packets[at].bytes.as_ptr().addr() - start - BLOCK_HEADER;
                let length = bytes[from + 4..from + 8].try_into().map(u32::from_le_bytes);
                from..from + length.unwrap() as usize
            };
            let (second, third) = (block(1), block(2));
            let again = bytes[second].to_vec();
            bytes.splice(third.end..third.end, again);
        });
        assert_eq!(repeated, [1, 9]);
        // The flag for encryption, as some leave it set, in each fragment.
        let flagged = with_changed_fragments(&tshark, |bytes| {
            for at in 0..bytes.len() - 3 {
                if bytes[at..at + 4] == [132, 0x10, 2, 0] {
                    bytes[at + 3] = 1;
                }
            }
        });
        assert_eq!(flagged, [23, 7]);
    }

    /// What stands in front of a packet in its block.
    const BLOCK_HEADER: usize = 28;

    #[test]
    fn without_keys_what_is_encrypted_is_an_exception_and_no_silence() {
        let Some(tshark) = tshark() else { return };
        for (name, sealed) in [(CAPTURES[0], 10), (IKEV1[0], 9), (IKEV1[3], 8), (IKEV1[4], 9)] {
            let capture = Capture { keys: None, ..capture(name) };
            let report = check(&capture, &Options::default(), &tshark).unwrap();
            assert_eq!(report.differences, []);
            assert!(report.exceptions[&Exception::NoKeys] >= sealed, "{name}: {report:?}");
        }
    }

    #[test]
    fn a_warning_is_told_once_for_all_lines_of_a_table() {
        let warning = "** (tshark:1:9) 23:05:36.916753 [UAT WARNING] -- esp_sa:2: More fields than \
                       required. Discarding ',\"64-bit\"'.";
        assert_eq!(
            without_place(warning),
            "tshark, about esp_sa: More fields than required. Discarding ',\"64-bit\"'."
        );
        assert_eq!(without_place("odd"), "tshark: odd");
    }
}
