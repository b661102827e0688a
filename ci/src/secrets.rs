//! `--psk ID=SECRET` and `--xauth USER=SECRET`: who may connect and log in, and with what.

use base64::Engine as _;
use ikeproof_proto::crypto::SecretBytes;
use ikeproof_proto::policy::{Credential, Identity, XauthUser};

/// Reads `ID=SECRET`, split at the first '='.
///
/// SECRET is taken as it stands, or from a file (`@FILE`, one trailing line break removed), from hex
/// (`0x…`) or from Base64 (`0s…`). Errors never repeat the secret.
pub fn credential(text: &str) -> Result<Credential, String> {
    let (id, secret) = text
        .split_once('=')
        .ok_or("--psk wants ID=SECRET, such as fqdn:branch.example.com=@psk.txt")?;
    let id: Identity = id.parse().map_err(|error| format!("--psk {id}=…: {error}"))?;
    let psk = secret_bytes(secret).map_err(|why| format!("--psk {id}=…: {why}"))?;
    if psk.is_empty() {
        return Err(format!("--psk {id}=…: the secret is empty"));
    }
    Ok(Credential { id, psk: SecretBytes::new(psk), bound_source: None })
}

/// Reads `USER=SECRET`, split at the first '='; SECRET is as for [`credential`].
pub fn user(text: &str) -> Result<XauthUser, String> {
    let (name, secret) =
        text.split_once('=').ok_or("--xauth wants USER=SECRET, such as alice=@alice.txt")?;
    if name.is_empty() {
        return Err("--xauth =…: the user has no name".to_owned());
    }
    let password = secret_bytes(secret).map_err(|why| format!("--xauth {name}=…: {why}"))?;
    if password.is_empty() {
        return Err(format!("--xauth {name}=…: the secret is empty, and nobody logs in with that"));
    }
    Ok(XauthUser { name: name.to_owned(), password: SecretBytes::new(password) })
}

fn secret_bytes(text: &str) -> Result<Vec<u8>, String> {
    if let Some(file) = text.strip_prefix('@') {
        let mut bytes =
            std::fs::read(file).map_err(|error| format!("cannot read {file}: {error}"))?;
        if bytes.last() == Some(&b'\n') {
            bytes.pop();
            if bytes.last() == Some(&b'\r') {
                bytes.pop();
            }
        }
        return Ok(bytes);
    }
    if let Some(hex) = text.strip_prefix("0x") {
        return ikeproof_proto::wire::hex::decode(hex)
            .map_err(|_| "what follows 0x is not an even number of hex digits".to_owned());
    }
    if let Some(base64) = text.strip_prefix("0s") {
        return base64::engine::general_purpose::STANDARD
            .decode(base64)
            .map_err(|error| format!("what follows 0s is not Base64: {error}"));
    }
    Ok(text.as_bytes().to_vec())
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("fqdn:a.example=secret", "fqdn:a.example", b"secret")]
    #[case("fqdn:a.example=with=equals", "fqdn:a.example", b"with=equals")]
    #[case("ip:192.0.2.1=0x00ff", "ip:192.0.2.1", &[0, 0xff])]
    #[case("email:u@a.example=0sAAEC", "email:u@a.example", &[0, 1, 2])]
    fn secrets_come_in_three_forms(#[case] text: &str, #[case] id: &str, #[case] psk: &[u8]) {
        let credential = credential(text).unwrap();
        assert_eq!(credential.id.to_string(), id);
        assert_eq!(credential.psk.expose(), psk);
    }

    #[test]
    fn a_file_loses_its_last_line_break_only() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        std::io::Write::write_all(&mut file, b"two\nlines\r\n").unwrap();
        let text = format!("fqdn:a.example=@{}", file.path().display());
        assert_eq!(credential(&text).unwrap().psk.expose(), b"two\nlines");
    }

    #[rstest]
    #[case("alice=secret", "alice", b"secret")]
    #[case("alice@a.example=with=equals", "alice@a.example", b"with=equals")]
    #[case("alice=0x00ff", "alice", &[0, 0xff])]
    fn users_have_names_and_the_same_secrets(
        #[case] text: &str,
        #[case] name: &str,
        #[case] password: &[u8],
    ) {
        let user = user(text).unwrap();
        assert_eq!((user.name.as_str(), user.password.expose().as_slice()), (name, password));
    }

    #[rstest]
    #[case("nothing")]
    #[case("=secret")]
    #[case("alice=")]
    #[case("alice=0xzz")]
    #[case("alice=@/nowhere/at/all")]
    fn what_is_wrong_with_a_user_is_said_without_the_secret(#[case] text: &str) {
        let error = user(text).unwrap_err();
        assert!(error.contains("--xauth"), "{error}");
        assert!(!error.contains("zz") && !error.contains("=secret"), "{error}");
    }

    #[rstest]
    #[case("nothing")]
    #[case("fqdn:a.example=")]
    #[case("fqdn:a.example=0xzz")]
    #[case("fqdn:a.example=0s*")]
    #[case("fqdn:a.example=@/nowhere/at/all")]
    fn what_is_wrong_is_said_without_the_secret(#[case] text: &str) {
        let error = credential(text).unwrap_err();
        assert!(error.contains("--psk"), "{error}");
        assert!(!error.contains("zz"), "{error}");
    }
}
