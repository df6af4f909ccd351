//! From `wasi:http`'s error codes to the few kinds that a plugin acts upon.

use wasip2::http::types::{DnsErrorPayload, ErrorCode};

use super::HttpError;

impl From<ErrorCode> for HttpError {
    fn from(code: ErrorCode) -> Self {
        match code {
            ErrorCode::HttpRequestDenied => Self::Denied("it was not granted".to_owned()),
            ErrorCode::DestinationIpProhibited => {
                Self::Denied("its address is not one that plugins may reach".to_owned())
            }
            ErrorCode::DnsError(told) => Self::Dns(dns(told)),
            ErrorCode::DnsTimeout => Self::Dns("no answer in time".to_owned()),
            ErrorCode::DestinationNotFound => Self::Dns("there is no such name".to_owned()),
            ErrorCode::ConnectionRefused => Self::ConnectionRefused,
            ErrorCode::TlsCertificateError => {
                Self::Tls("the certificate can't be trusted".to_owned())
            }
            ErrorCode::TlsAlertReceived(told) => Self::Tls(
                told.alert_message
                    .unwrap_or_else(|| "the peer broke it off".to_owned()),
            ),
            ErrorCode::TlsProtocolError => Self::Tls("the peer does not speak TLS".to_owned()),
            ErrorCode::ConnectionTimeout => Self::Timeout("no connection".to_owned()),
            ErrorCode::ConnectionReadTimeout | ErrorCode::HttpResponseTimeout => {
                Self::Timeout("no answer".to_owned())
            }
            ErrorCode::ConnectionWriteTimeout => {
                Self::Timeout("the peer did not take the request".to_owned())
            }
            ErrorCode::InternalError(Some(text)) => Self::from_text(text),
            ErrorCode::HttpRequestMethodInvalid
            | ErrorCode::HttpRequestUriInvalid
            | ErrorCode::HttpRequestUriTooLong
            | ErrorCode::HttpRequestHeaderSectionSize(_)
            | ErrorCode::HttpRequestHeaderSize(_)
            | ErrorCode::HttpRequestBodySize(_) => Self::Invalid(code.to_string()),
            other => Self::Other(other.to_string()),
        }
    }
}

fn dns(told: DnsErrorPayload) -> String {
    told.rcode
        .unwrap_or_else(|| "the resolver failed".to_owned())
}
