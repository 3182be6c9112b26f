//! Whether what is told was signed with our secret (section 7).

use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use sha2::{Sha256, Sha384, Sha512};

use super::Secret;

/// Whether `X-Hub-Signature` (`METHOD=HEX`, section 7.1) is that of these very bytes. Compared in constant time.
pub(super) fn fits(secret: &Secret, header: &str, body: &[u8]) -> bool {
    let Some((method, digits)) = header.trim().split_once('=') else { return false };
    let Some(signature) = decoded(digits) else { return false };
    let key = secret.as_str().as_bytes();
    match method {
        "sha1" => is_of::<Hmac<Sha1>>(key, body, &signature),
        "sha256" => is_of::<Hmac<Sha256>>(key, body, &signature),
        "sha384" => is_of::<Hmac<Sha384>>(key, body, &signature),
        "sha512" => is_of::<Hmac<Sha512>>(key, body, &signature),
        _ => false,
    }
}

fn is_of<M: Mac + KeyInit>(key: &[u8], body: &[u8], signature: &[u8]) -> bool {
    let Ok(mut mac) = <M as KeyInit>::new_from_slice(key) else { return false };
    mac.update(body);
    // A shorter one would be easier to guess: it is compared whole.
    mac.verify_slice(signature).is_ok()
}

/// Hexadecimal, of either case.
fn decoded(digits: &str) -> Option<Vec<u8>> {
    if !digits.len().is_multiple_of(2) || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of the key `Jefe` and the text of RFC 2202 and RFC 4231, test case 2.
    const SIGNATURES: [&str; 4] = [
        "sha1=effcdf6ae5eb2fa2d27416d5f184df9c259a7c79",
        "sha256=5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
        "sha384=af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e8e2240ca5e69e2c78b3239ecfab21649",
        "sha512=164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737",
    ];

    #[test]
    fn what_was_signed_with_the_secret_fits_and_nothing_else() {
        let (secret, body) = (Secret("Jefe".to_owned()), b"what do ya want for nothing?");
        for signature in SIGNATURES {
            assert!(fits(&secret, signature, body), "{signature}");
            assert!(fits(&secret, &format!(" {} ", signature.replace("a7", "A7")), body), "{signature}");
            assert!(!fits(&secret, signature, b"something else"), "{signature}");
            assert!(!fits(&Secret("jefe".to_owned()), signature, body), "{signature}");
            assert!(!fits(&secret, &signature[..signature.len() - 2], body), "{signature}");
            assert!(!fits(&secret, &format!("{signature}00"), body), "{signature}");
            let another = signature.replace("sha1=", "sha256=").replace("sha512=", "sha384=");
            assert!(another == signature || !fits(&secret, &another, body), "{signature}");
        }
        for odd in ["", "sha1", "sha1=", "md5=00", "sha256=xyz", "sha256=é0", "SHA256=00", "=", "sha256=0"] {
            assert!(!fits(&secret, odd, body), "{odd}");
        }
    }
}
