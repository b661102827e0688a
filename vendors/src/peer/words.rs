//! Algorithms as daemons name them, in the words of our own suites: what both sides say can be compared then.

use std::collections::BTreeMap;

/// Puts a daemon's names, by kind, into the words that suites are written in: `encr` `AES_CBC-256` becomes
/// `aes256`. The absence of an algorithm, as in `NONE`, is left out. A name that is not known stays as
/// it is, and so equals nothing.
pub(crate) fn in_words_of_suites<'a>(
    named: impl IntoIterator<Item = (&'static str, &'a str)>,
) -> BTreeMap<String, String> {
    let known = named.into_iter().filter(|(_, name)| !matches!(*name, "" | "NONE" | "<N/A>"));
    known.map(|(kind, name)| (kind.to_owned(), word(kind, name))).collect()
}

fn word(kind: &str, name: &str) -> String {
    let plain: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
    let plain = plain.to_ascii_uppercase();
    let word = match kind {
        "encr" => cipher(&plain),
        "integ" => integrity(&plain).map(str::to_owned),
        // charon names the function, pluto the hash that it is made of.
        "prf" => hash(plain.trim_start_matches("PRF")).map(|hash| format!("prf{hash}")),
        "group" => Some(group(&plain)),
        _ => None,
    };
    word.unwrap_or_else(|| name.to_owned())
}

fn cipher(plain: &str) -> Option<String> {
    let is_key = |bits: &&str| matches!(*bits, "128" | "192" | "256");
    if let Some(bits) = plain.strip_prefix("AESCBC").filter(is_key) {
        return Some(format!("aes{bits}"));
    }
    for icv in ["8", "12", "16"] {
        let bits = plain.strip_prefix("AESGCM").and_then(|rest| rest.strip_prefix(icv));
        if let Some(bits) = bits.filter(is_key) {
            return Some(format!("aes{bits}gcm{icv}"));
        }
    }
    match plain {
        // The length of their keys is no choice; pluto names it all the same.
        "3DESCBC" | "3DESCBC192" => Some("3des".to_owned()),
        "NULL" | "NULL000" => Some("null".to_owned()),
        "CHACHA20POLY1305" | "CHACHA20POLY1305256" => Some("chacha20poly1305".to_owned()),
        _ => None,
    }
}

fn integrity(plain: &str) -> Option<&'static str> {
    let icv = ["96", "128", "192", "256"];
    let hash = icv.iter().find_map(|icv| hash(plain.strip_suffix(icv)?).map(|hash| (hash, *icv)));
    // An HMAC that is cut to another length is another algorithm.
    hash.filter(|hash| {
        matches!(
            hash,
            ("md5" | "sha1", "96") | ("sha256", "128") | ("sha384", "192") | ("sha512", "256")
        )
    })
    .map(|(hash, _)| hash)
}

fn hash(plain: &str) -> Option<&'static str> {
    Some(match plain {
        "HMACMD5" => "md5",
        "HMACSHA1" => "sha1",
        "HMACSHA2256" => "sha256",
        "HMACSHA2384" => "sha384",
        "HMACSHA2512" => "sha512",
        _ => return None,
    })
}

/// pluto names elliptic curves by their numbers in IANA's registry.
fn group(plain: &str) -> String {
    match plain {
        "DH19" => "ecp256".to_owned(),
        "DH20" => "ecp384".to_owned(),
        "DH21" => "ecp521".to_owned(),
        "DH31" => "curve25519".to_owned(),
        _ => plain.to_ascii_lowercase(),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("encr", "AES_CBC-256", "aes256")]
    #[case("encr", "AES_CBC_128", "aes128")]
    #[case("encr", "AES_GCM_16-128", "aes128gcm16")]
    #[case("encr", "AES_GCM_8_192", "aes192gcm8")]
    #[case("encr", "3DES_CBC_192", "3des")]
    #[case("encr", "NULL_000", "null")]
    #[case("integ", "HMAC_SHA2_256_128", "sha256")]
    #[case("integ", "HMAC_MD5_96", "md5")]
    #[case("prf", "PRF_HMAC_SHA2_512", "prfsha512")]
    #[case("prf", "HMAC_SHA1", "prfsha1")]
    #[case("group", "MODP_2048", "modp2048")]
    #[case("group", "DH19", "ecp256")]
    #[case("group", "CURVE_25519", "curve25519")]
    fn names_of_both_daemons_become_words_of_suites(
        #[case] kind: &'static str,
        #[case] name: &str,
        #[case] word: &str,
    ) {
        assert_eq!(in_words_of_suites([(kind, name)])[kind], word);
    }

    #[test]
    fn what_is_not_there_is_left_out_and_what_is_not_known_stays() {
        assert!(in_words_of_suites([("integ", "NONE"), ("group", "<N/A>")]).is_empty());
        let other = [("integ", "HMAC_SHA2_256_96"), ("encr", "AES_CBC_512")];
        let words = in_words_of_suites(other);
        assert!(other.iter().all(|(kind, name)| words[*kind] == *name), "{words:?}");
    }
}
