//! Why a client can't be made, and why a request was not answered.

use std::error::Error;
use std::io;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use rustls::CertificateError;

use super::client::CONNECT_TIMEOUT;

/// Why a [`super::NetworkPolicy`] can't be followed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClientError {
    /// A file that the policy names is of no use.
    #[error("{key}: {} {reason}", path.display())]
    File {
        /// The option that names it.
        key: &'static str,
        /// Where it is.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The proxy is of no use.
    #[error("proxy: {0}")]
    Proxy(String),
    /// Something else, such as no certificates at all.
    #[error("can't make an HTTP client: {0}")]
    Build(String),
}

/// What is wrong with a peer's certificate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CertificateProblem {
    /// Nobody we trust has signed it.
    #[error(
        "it is signed by nobody this machine trusts; name your own authority in network.ca_file"
    )]
    UnknownIssuer,
    /// Its time is over.
    #[error("it has expired")]
    Expired,
    /// Its time has not come.
    #[error("it is not valid yet; is this machine's clock right?")]
    NotYetValid,
    /// It belongs to somebody else.
    #[error("it is made out to another name")]
    WrongName,
    /// Anything else.
    #[error("{0}")]
    Other(String),
}

/// Why a request was not answered, or an answer not to its end.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HttpError {
    /// The name has no address that we can learn.
    #[error("{name} does not resolve: {reason}")]
    NameNotFound {
        /// The name.
        name: String,
        /// What the resolver said.
        reason: String,
    },
    /// The address is not a public one.
    #[error(
        "{host} is {address}, {kind}, which is refused; to allow it, add it to network.allow_private"
    )]
    AddressRefused {
        /// The name or literal.
        host: String,
        /// What it stands for.
        address: IpAddr,
        /// What that is.
        kind: &'static str,
    },
    /// Nobody listens there.
    #[error("the connection was refused")]
    ConnectionRefused,
    /// Nobody answered in [`CONNECT_TIMEOUT`].
    #[error("no connection within {} s", CONNECT_TIMEOUT.as_secs())]
    ConnectTimeout,
    /// The peer is not who it should be.
    #[error("the certificate can't be trusted: {0}")]
    Certificate(CertificateProblem),
    /// TLS failed for another reason.
    #[error("TLS failed: {0}")]
    Tls(String),
    /// No answer in time.
    #[error("no answer within {} s", .0.as_secs_f64())]
    Timeout(Duration),
    /// The connection broke, or what came over it is not HTTP.
    #[error("{0}")]
    Other(String),
}

impl From<reqwest::Error> for HttpError {
    fn from(error: reqwest::Error) -> Self {
        if let Some(told) = causes(&error).find_map(tell) {
            return told;
        }
        if error.is_timeout() && error.is_connect() {
            return Self::ConnectTimeout;
        }
        // The URL may carry what belongs in no log, and whoever reads this knows it.
        let error = error.without_url();
        let innermost = causes(&error).last().map(ToString::to_string);
        match innermost {
            Some(reason) if reason != error.to_string() => {
                Self::Other(format!("{error}: {reason}"))
            }
            _ => Self::Other(error.to_string()),
        }
    }
}

/// The error and what caused it, step by step. What an `io::Error` wraps is a step too, though its `source` skips it.
fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error: &&'a (dyn Error + 'static)| {
        let wrapped = error
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref);
        match wrapped {
            Some(inner) => Some(inner as &(dyn Error + 'static)),
            None => error.source(),
        }
    })
}

fn tell(cause: &(dyn Error + 'static)) -> Option<HttpError> {
    if let Some(own) = cause.downcast_ref::<HttpError>() {
        return Some(own.clone());
    }
    if let Some(tls) = cause.downcast_ref::<rustls::Error>() {
        return Some(tell_tls(tls));
    }
    let io = cause.downcast_ref::<io::Error>()?;
    (io.kind() == io::ErrorKind::ConnectionRefused).then_some(HttpError::ConnectionRefused)
}

fn tell_tls(error: &rustls::Error) -> HttpError {
    let problem = match error {
        rustls::Error::InvalidCertificate(problem) => problem,
        rustls::Error::InvalidMessage(_) => {
            return HttpError::Tls("the peer does not speak TLS on this port".to_owned());
        }
        other => return HttpError::Tls(other.to_string()),
    };
    HttpError::Certificate(match problem {
        CertificateError::UnknownIssuer => CertificateProblem::UnknownIssuer,
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            CertificateProblem::Expired
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            CertificateProblem::NotYetValid
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            CertificateProblem::WrongName
        }
        other => CertificateProblem::Other(other.to_string()),
    })
}
