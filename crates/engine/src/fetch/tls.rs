//! Why no secure connection came about, in words that a person understands, with the next step.

use rustls::{CertificateError, Error};

/// What is wrong, and the next step.
pub(super) fn told(error: &Error) -> (String, &'static str) {
    let own = "check the address; `feedspine feed set NAME ca=FILE` trusts an authority of your own";
    let Error::InvalidCertificate(certificate) = error else { return (error.to_string(), own) };
    let (words, hint) = match certificate {
        // The type within is that of a crate of rustls.
        CertificateError::Other(other) if format!("{other:?}").contains("CaUsedAsEndEntity") => (
            "its certificate is one of an authority (CA:TRUE), which is for signing those of servers, not for a server",
            "let the server show one that this authority signed, and say ca= of the authority; or a self-signed one that is \
             made with `openssl req -x509 -addext basicConstraints=critical,CA:FALSE …`, and say ca= of it; tls=insecure \
             asks it unchecked",
        ),
        CertificateError::UnknownIssuer => ("its certificate is of no authority that is trusted here", own),
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            ("its certificate has expired", "the server is at fault, or the clock of this machine is wrong")
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            ("its certificate is not valid yet", "the server is at fault, or the clock of this machine is wrong")
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            ("its certificate is for other names than this", "check the address")
        }
        _ => return (error.to_string(), own),
    };
    (words.to_owned(), hint)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rustls::OtherError;

    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("it")]
    struct CaUsedAsEndEntity;

    #[test]
    fn what_is_wrong_with_a_certificate_is_told_in_words_with_a_next_step() {
        let of_authority = CertificateError::Other(OtherError(Arc::new(CaUsedAsEndEntity)));
        for (error, words, next) in [
            (Error::InvalidCertificate(of_authority), "CA:TRUE", "CA:FALSE"),
            (Error::InvalidCertificate(CertificateError::UnknownIssuer), "no authority that is trusted", "ca=FILE"),
            (Error::InvalidCertificate(CertificateError::Expired), "expired", "clock"),
            (Error::InvalidCertificate(CertificateError::NotValidForName), "other names", "address"),
            (Error::InvalidCertificate(CertificateError::BadSignature), "invalid peer certificate", "ca=FILE"),
            (Error::HandshakeNotComplete, "handshake", "ca=FILE"),
        ] {
            let (told, hint) = told(&error);
            assert!(told.contains(words) && hint.contains(next), "{error:?}: {told}: {hint}");
        }
    }
}
