//! One frame: what we say of it against what tshark says.

use super::exception::Exception;
use super::fact::{Fact, Kind, Seen};

/// What the key tables have for a frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Known {
    /// Keys with its SPI.
    pub keys: bool,
    /// They are for extended sequence numbers.
    pub esn: bool,
    /// Its vector does not follow from the message of IKEv1 before it.
    pub out_of_line: bool,
    /// Phase 1 was not seen, or not understood.
    pub unread: bool,
    /// It is a fragment of IKEv1, of which tshark makes something else.
    pub put_otherwise: bool,
    /// tshark has made something else of a message that this one depends on.
    pub lost: bool,
}

/// What came of the comparison.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// How many fields were the same.
    pub fields: usize,
    /// What was not the same.
    pub differences: Vec<String>,
    /// What was not compared.
    pub exceptions: Vec<Exception>,
}

/// Compares.
pub fn compare(ours: &Seen, theirs: &Seen, known: Known) -> Outcome {
    let mut outcome = Outcome::default();
    if known.put_otherwise && ours.kind == theirs.kind {
        let shared = theirs.clear.len().min(ours.clear.len());
        outcome.exceptions.push(Exception::PutOtherwise);
        outcome.facts(&ours.clear, &theirs.clear[..shared]);
        return outcome;
    }
    // What tshark decrypts with a guess may be anything.
    let guessed = known.out_of_line || known.unread || known.lost;
    if !theirs.broken.is_empty() && !guessed {
        if ours.broken.is_empty() {
            let says = format!("tshark complains: {}; we do not", theirs.broken.join("; "));
            outcome.differences.push(says);
        } else {
            outcome.exceptions.push(Exception::Broken);
        }
    }
    if ours.kind != theirs.kind {
        if ours.kind == Kind::Ike && !ours.broken.is_empty() {
            outcome.exceptions.push(Exception::Misdressed);
            return outcome;
        }
        outcome
            .differences
            .push(format!("to us it is {:?}, to tshark {:?}", ours.kind, theirs.kind));
        return outcome;
    }
    let end = match version(ours) {
        Some(1 | 2) | None => None,
        Some(_) => Some((Exception::OtherVersion, "isakmp.version")),
    };
    if let Some((exception, last)) = end {
        outcome.exceptions.push(exception);
        outcome.facts(up_to(&ours.clear, last), up_to(&theirs.clear, last));
        return outcome;
    }
    if outcome.exceptions.is_empty() {
        outcome.facts_or_less(ours, &ours.clear, &theirs.clear);
    } else {
        // A broken chain of payloads leaves us with the header.
        let shared = ours.clear.len().min(theirs.clear.len());
        outcome.facts(&ours.clear[..shared], &theirs.clear[..shared]);
    }
    let is_broken = outcome.exceptions.contains(&Exception::Broken);
    if known.out_of_line {
        outcome.exceptions.push(Exception::OutOfLine);
    } else if known.unread {
        outcome.exceptions.push(Exception::Unread);
    } else if known.lost {
        outcome.exceptions.push(Exception::Lost);
    } else if !(is_broken && version(ours) == Some(1)) {
        // Without an ICV what is decrypted may be broken itself.
        outcome.seal(ours, theirs, known);
    }
    outcome
}

impl Outcome {
    fn seal(&mut self, ours: &Seen, theirs: &Seen, known: Known) {
        match (ours.authentic, theirs.authentic) {
            (Some(our), Some(their)) if our == their => self.fields += 1,
            (Some(true), Some(false)) if known.esn => {
                self.exceptions.push(Exception::ExtendedNumbers);
            }
            (Some(our), Some(their)) => {
                let word = |good| if good { "right" } else { "wrong" };
                let (our, their) = (word(our), word(their));
                self.differences.push(format!("the ICV is {our} to us, {their} to tshark"));
            }
            (Some(true), None) if theirs.sealed.is_some() => {
                self.exceptions.push(Exception::Unchecked);
            }
            _ => {}
        }
        let fragment = ours.clear.iter().any(|fact| fact.name == "isakmp.frag.number");
        match (&ours.sealed, &theirs.sealed) {
            (Some(our), Some(their)) if fragment && their.is_empty() && !our.is_empty() => {
                self.exceptions.push(Exception::NotPutTogether);
            }
            (Some(_), None) if fragment => self.exceptions.push(Exception::NotPutTogether),
            (Some(our), Some(their)) => self.facts_or_less(ours, our, their),
            (Some(_), None) => {
                self.differences.push("tshark did not decrypt it, we did".to_owned())
            }
            (None, _) if ours.authentic == Some(false) => self.exceptions.push(Exception::Forged),
            (None, Some(their)) if fragment && their.is_empty() => {
                self.exceptions.push(Exception::Fragment);
            }
            (None, None) if fragment && known.keys => self.exceptions.push(Exception::Fragment),
            (None, Some(_)) if is_left_shut(ours) => self.exceptions.push(Exception::Refused),
            (None, Some(_)) => self.differences.push("tshark decrypted it, we did not".to_owned()),
            (None, None) if !is_sealed(ours) => {}
            (None, None) if known.keys => {
                self.differences.push("there are keys, and nobody decrypted it".to_owned());
            }
            (None, None) => self.exceptions.push(Exception::NoKeys),
        }
    }

    /// Compares what may end early with us, if we have said that the frame is broken.
    fn facts_or_less(&mut self, seen: &Seen, ours: &[Fact], theirs: &[Fact]) {
        if !seen.broken.is_empty() && ours.len() < theirs.len() && theirs.starts_with(ours) {
            self.fields += ours.len();
            self.exceptions.push(Exception::Refused);
        } else {
            self.facts(ours, theirs);
        }
    }

    fn facts(&mut self, ours: &[Fact], theirs: &[Fact]) {
        let same = ours.iter().zip(theirs).take_while(|(our, their)| our == their).count();
        self.fields += same;
        if same == ours.len() && same == theirs.len() {
            return;
        }
        let side = |facts: &[Fact]| facts.get(same).map_or_else(|| "nothing".to_owned(), shown);
        let before = match same.checked_sub(1).and_then(|before| ours.get(before)) {
            Some(fact) => format!("after {}: ", shown(fact)),
            None => String::new(),
        };
        self.differences.push(format!("{before}ours {}, tshark's {}", side(ours), side(theirs)));
    }
}

fn version(seen: &Seen) -> Option<u8> {
    let version = seen.clear.iter().find(|fact| fact.name == "isakmp.version")?;
    version.value.parse::<u8>().ok().map(|version| version >> 4)
}

/// Whether we do not look into it even with keys: a message of IKE_SA_INIT has nothing encrypted, and
/// one whose chain of payloads is broken shows nothing but the header.
fn is_left_shut(seen: &Seen) -> bool {
    let init = |fact: &Fact| fact.name == "isakmp.exchangetype" && fact.value == "34";
    let bare = seen.clear.last().is_some_and(|fact| fact.name == "isakmp.length");
    !seen.broken.is_empty() && (bare || seen.clear.iter().any(init))
}

/// The facts up to the first one with this name, and that one.
fn up_to<'a>(facts: &'a [Fact], last: &str) -> &'a [Fact] {
    let end = facts.iter().position(|fact| fact.name == last);
    end.map_or(facts, |end| &facts[..=end])
}

/// Whether something in it is encrypted.
fn is_sealed(seen: &Seen) -> bool {
    match seen.kind {
        Kind::Esp => true,
        Kind::Ike if version(seen) == Some(1) => seen.clear.iter().any(|fact| {
            // The flag E (RFC 2408, section 3.1).
            fact.name == "isakmp.flags" && fact.value.parse::<u8>().is_ok_and(|it| it & 1 == 1)
        }),
        Kind::Ike => seen.clear.iter().any(|fact| {
            fact.name == "isakmp.typepayload" && matches!(fact.value.as_str(), "46" | "53")
        }),
        Kind::Ah | Kind::Keepalive | Kind::Nothing => false,
    }
}

fn shown(fact: &Fact) -> String {
    let value = match fact.value.get(..48) {
        Some(head) if fact.value.len() > 48 => format!("{head}…"),
        _ => fact.value.clone(),
    };
    format!("{} = {value}", fact.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ike(id: &str, sealed: Option<&[(&'static str, &str)]>) -> Seen {
        let facts = |pairs: &[(&'static str, &str)]| -> Vec<Fact> {
            pairs.iter().map(|&(name, value)| Fact { name, value: value.to_owned() }).collect()
        };
        let clear = [
            ("isakmp.version", "32"),
            ("isakmp.messageid", id),
            ("isakmp.length", "80"),
            ("isakmp.typepayload", "46"),
        ];
        Seen {
            kind: Kind::Ike,
            clear: facts(&clear),
            sealed: sealed.map(facts),
            authentic: sealed.map(|_| true),
            broken: Vec::new(),
        }
    }

    const KEYS: Known = Known {
        keys: true,
        esn: false,
        out_of_line: false,
        unread: false,
        put_otherwise: false,
        lost: false,
    };
    const ID: &[(&str, &str)] = &[("isakmp.typepayload", "35"), ("isakmp.id.type", "2")];

    #[test]
    fn what_is_the_same_is_counted() {
        let outcome = compare(&ike("1", Some(ID)), &ike("1", Some(ID)), KEYS);
        assert_eq!(outcome, Outcome { fields: 7, ..Outcome::default() });
    }

    #[test]
    fn another_value_is_told_with_its_place() {
        let outcome = compare(&ike("1", Some(ID)), &ike("2", Some(ID)), KEYS);
        let says = "after isakmp.version = 32: ours isakmp.messageid = 1, tshark's \
                    isakmp.messageid = 2";
        assert_eq!(outcome.differences, [says]);
        let outcome = compare(&ike("1", Some(&ID[..1])), &ike("1", Some(ID)), KEYS);
        let says = "after isakmp.typepayload = 35: ours nothing, tshark's isakmp.id.type = 2";
        assert_eq!(outcome.differences, [says]);
    }

    #[test]
    fn what_one_decrypts_the_other_has_to() {
        let (open, shut) = (ike("1", Some(ID)), ike("1", None));
        let says = |outcome: Outcome| outcome.differences.join("; ");
        assert_eq!(says(compare(&open, &shut, KEYS)), "tshark did not decrypt it, we did");
        assert_eq!(says(compare(&shut, &open, KEYS)), "tshark decrypted it, we did not");
        assert_eq!(says(compare(&shut, &shut, KEYS)), "there are keys, and nobody decrypted it");
        assert_eq!(compare(&shut, &shut, Known::default()).exceptions, [Exception::NoKeys]);
    }

    fn ikev1(flags: &str, sealed: Option<&[(&'static str, &str)]>) -> Seen {
        let mut seen = ike("1", sealed);
        let fact = |name, value: &str| Fact { name, value: value.to_owned() };
        seen.clear = vec![
            fact("isakmp.version", "16"),
            fact("isakmp.flags", flags),
            fact("isakmp.length", "80"),
        ];
        seen.authentic = None;
        seen
    }

    #[test]
    fn ikev1_is_compared_as_far_as_its_vectors_are_in_line() {
        let (open, shut) = (ikev1("1", Some(ID)), ikev1("1", None));
        assert_eq!(compare(&open, &open, KEYS), Outcome { fields: 5, ..Outcome::default() });
        assert_eq!(compare(&open, &shut, KEYS).differences.len(), 1);
        assert_eq!(compare(&shut, &open, KEYS).differences.len(), 1);
        assert_eq!(compare(&shut, &shut, KEYS).differences.len(), 1);
        assert_eq!(compare(&shut, &shut, Known::default()).exceptions, [Exception::NoKeys]);
        let clear = ikev1("0", None);
        assert_eq!(compare(&clear, &clear, KEYS), Outcome { fields: 3, ..Outcome::default() });
        let repeated = Known { out_of_line: true, ..KEYS };
        let outcome = compare(&open, &ikev1("1", Some(&ID[..1])), repeated);
        let exceptions = vec![Exception::OutOfLine];
        assert_eq!(outcome, Outcome { fields: 3, exceptions, ..Outcome::default() });
        let unread = Known { unread: true, ..Known::default() };
        assert_eq!(compare(&shut, &open, unread).exceptions, [Exception::Unread]);
        let lost = Known { lost: true, ..KEYS };
        let outcome = compare(&open, &shut, lost);
        assert_eq!((outcome.differences.len(), outcome.exceptions), (0, vec![Exception::Lost]));
    }

    #[test]
    fn of_a_fragment_that_tshark_puts_together_otherwise_only_itself_is_compared() {
        let otherwise = Known { put_otherwise: true, ..Known::default() };
        let mut part = ikev1("0", None);
        let fact = |name, value: &str| Fact { name, value: value.to_owned() };
        part.clear.extend([fact("isakmp.typepayload", "132"), fact("isakmp.frag.seq", "2")]);
        let mut whole = Seen { sealed: Some(Vec::new()), ..part.clone() };
        whole.clear.push(fact("isakmp.ispi", "0102030405060708"));
        let outcome = compare(&part, &whole, otherwise);
        let exceptions = vec![Exception::PutOtherwise];
        assert_eq!(outcome, Outcome { fields: 5, exceptions, ..Outcome::default() });
        assert_eq!(compare(&part, &whole, Known::default()).differences.len(), 2);
        whole.clear[4].value = String::from("1");
        assert_eq!(compare(&part, &whole, otherwise).differences.len(), 1);
        whole.clear.truncate(4);
        assert_eq!(compare(&part, &whole, otherwise).differences.len(), 1);
    }

    #[test]
    fn a_wrong_icv_is_for_both_to_see() {
        let forged = Seen { authentic: Some(false), ..ike("1", None) };
        let theirs = Seen { authentic: Some(false), ..ike("1", Some(ID)) };
        let outcome = compare(&forged, &theirs, KEYS);
        assert_eq!((outcome.differences.len(), outcome.exceptions), (0, vec![Exception::Forged]));
        let outcome = compare(&forged, &ike("1", Some(ID)), KEYS);
        assert_eq!(outcome.differences, ["the ICV is wrong to us, right to tshark"]);
        let theirs = Seen { sealed: Some(Vec::new()), ..theirs };
        let ours = Seen { sealed: Some(Vec::new()), ..ike("1", Some(ID)) };
        let unchecked = Seen { authentic: None, ..ike("1", Some(ID)) };
        let outcome = compare(&ike("1", Some(ID)), &unchecked, KEYS);
        assert_eq!((outcome.fields, outcome.exceptions), (6, vec![Exception::Unchecked]));
        let esn = Known { esn: true, ..KEYS };
        assert_eq!(compare(&ours, &theirs, KEYS).differences.len(), 1);
        assert_eq!(compare(&ours, &theirs, esn).exceptions, [Exception::ExtendedNumbers]);
    }

    #[test]
    fn what_we_refuse_may_end_early_and_say_nothing_else() {
        let whole = ike("1", Some(ID));
        let refused =
            Seen { broken: vec!["an ID that is none".to_owned()], ..ike("1", Some(&ID[..1])) };
        let outcome = compare(&refused, &whole, KEYS);
        assert_eq!((outcome.differences.len(), outcome.exceptions), (0, vec![Exception::Refused]));
        let other = Seen { broken: refused.broken.clone(), ..ike("2", Some(ID)) };
        assert_eq!(compare(&other, &whole, KEYS).differences.len(), 1);
        let esp = Seen { kind: Kind::Esp, ..whole.clone() };
        assert_eq!(compare(&refused, &esp, KEYS).exceptions, [Exception::Misdressed]);
        assert_eq!(compare(&whole, &esp, KEYS).differences.len(), 1);
    }

    #[test]
    fn a_complaint_of_tshark_needs_one_of_ours() {
        let complaint = || vec!["Malformed Packet: ISAKMP".to_owned()];
        let theirs = Seen { broken: complaint(), ..ike("1", Some(ID)) };
        assert_eq!(compare(&ike("1", Some(ID)), &theirs, KEYS).differences.len(), 1);
        let ours = Seen { broken: complaint(), ..ike("1", Some(ID)) };
        let outcome = compare(&ours, &theirs, KEYS);
        assert_eq!((outcome.differences.len(), outcome.exceptions), (0, vec![Exception::Broken]));
    }
}
