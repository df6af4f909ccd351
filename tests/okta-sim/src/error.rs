//! What the org refuses with: Okta's error codes and bodies.

use http::StatusCode;
use serde::Serialize;

/// An error answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{status} {code} {summary}")]
pub(crate) struct ApiError {
    pub(crate) status: StatusCode,
    pub(crate) code: &'static str,
    summary: Box<str>,
    causes: Vec<String>,
    /// `WWW-Authenticate`, which those who came with an access token get.
    pub(crate) challenge: Option<Box<str>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    error_code: &'a str,
    error_summary: &'a str,
    error_link: &'a str,
    error_id: &'a str,
    error_causes: Vec<Cause<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Cause<'a> {
    error_summary: &'a str,
}

impl ApiError {
    pub(crate) fn new(status: StatusCode, code: &'static str, summary: impl Into<String>) -> Self {
        Self {
            status,
            code,
            summary: summary.into().into(),
            causes: Vec::new(),
            challenge: None,
        }
    }

    /// The request breaks a rule of the endpoint.
    pub(crate) fn validation(field: &str, cause: impl Into<String>) -> Self {
        let error = Self::new(
            StatusCode::BAD_REQUEST,
            "E0000001",
            format!("Api validation failed: {field}"),
        );
        error.because(cause)
    }

    /// A cursor nobody knows.
    pub(crate) fn cursor() -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            "E0000029",
            "Invalid paging request.",
        )
        .because("Invalid cursor.")
    }

    /// A combination of field and operator that cannot be searched for.
    pub(crate) fn criteria(cause: impl Into<String>) -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            "E0000031",
            "Invalid search criteria.",
        )
        .because(cause)
    }

    /// A filter that cannot be read.
    pub(crate) fn filter(cause: impl Into<String>) -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            "E0000053",
            format!("Invalid filter: {}", cause.into()),
        )
    }

    pub(crate) fn token() -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "E0000011",
            "Invalid token provided",
        )
    }

    pub(crate) fn forbidden() -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            "E0000006",
            "You do not have permission to perform the requested action",
        )
    }

    pub(crate) fn too_many() -> Self {
        Self::new(
            StatusCode::TOO_MANY_REQUESTS,
            "E0000047",
            "API call exceeded rate limit due to too many requests.",
        )
    }

    pub(crate) fn not_found(id: &str, class: &str) -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "E0000007",
            format!("Not found: Resource not found: {id} ({class})"),
        )
    }

    pub(crate) fn method() -> Self {
        Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "E0000022",
            "The endpoint does not support the provided HTTP method",
        )
    }

    /// What a server that fails says of itself.
    pub(crate) fn of_status(status: StatusCode) -> Self {
        match status.as_u16() {
            400 => Self::validation("sim", "refused on demand"),
            401 => Self::token(),
            403 => Self::forbidden(),
            404 => Self::new(status, "E0000008", "The requested path was not found"),
            429 => Self::too_many(),
            503 => Self::new(status, "E0000010", "Service is in read only mode"),
            _ => Self::new(status, "E0000009", "Internal Server Error"),
        }
    }

    pub(crate) fn challenging(self, challenge: String) -> Self {
        let challenge = Some(challenge.into());
        Self { challenge, ..self }
    }

    fn because(mut self, cause: impl Into<String>) -> Self {
        self.causes.push(cause.into());
        self
    }

    /// The body, with an id by which Okta's support would find the request.
    pub(crate) fn body(&self, id: &str) -> Vec<u8> {
        let body = Body {
            error_code: self.code,
            error_summary: &self.summary,
            error_link: self.code,
            error_id: id,
            error_causes: self
                .causes
                .iter()
                .map(|cause| Cause {
                    error_summary: cause,
                })
                .collect(),
        };
        serde_json::to_vec(&body).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn body_is_as_recorded() {
        let body = ApiError::cursor().body("oae1");
        let text = String::from_utf8(body).unwrap();
        assert_eq!(
            text,
            r#"{"errorCode":"E0000029","errorSummary":"Invalid paging request.","errorLink":"E0000029","errorId":"oae1","errorCauses":[{"errorSummary":"Invalid cursor."}]}"#
        );
    }
}
