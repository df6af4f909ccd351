//! A URL, taken apart.

use super::HttpError;

/// The parts of a URL that `wasi:http` asks for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Target<'a> {
    pub(crate) https: bool,
    pub(crate) authority: &'a str,
    pub(crate) path_with_query: String,
}

impl<'a> Target<'a> {
    /// Takes a URL apart and changes nothing in it: the host judges what goes out, so it must see what was meant.
    pub(crate) fn of(url: &'a str) -> Result<Self, HttpError> {
        let (https, rest) = match (url.strip_prefix("https://"), url.strip_prefix("http://")) {
            (Some(rest), _) => (true, rest),
            (_, Some(rest)) => (false, rest),
            _ => return Err(HttpError::Invalid(format!("{url} is no http(s) URL"))),
        };
        let sent = rest.split_once('#').map_or(rest, |(sent, _)| sent);
        let path_at = sent.find(['/', '?']).unwrap_or(sent.len());
        let (authority, path) = sent.split_at_checked(path_at).unwrap_or((sent, ""));
        let path_with_query = match path.starts_with('/') {
            true => path.to_owned(),
            false => format!("/{path}"),
        };
        Ok(Self {
            https,
            authority,
            path_with_query,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_taken_apart_and_not_changed() {
        let target = |url| Target::of(url).map(|target| (target.authority, target.path_with_query));
        let of = |authority, path: &str| Ok((authority, path.to_owned()));
        assert_eq!(
            target("https://a.example/api/v1/logs?after=1%202&q='x'#top"),
            of("a.example", "/api/v1/logs?after=1%202&q='x'")
        );
        assert_eq!(target("http://127.0.0.1:8080"), of("127.0.0.1:8080", "/"));
        assert_eq!(target("https://a?b=/c"), of("a", "/?b=/c"));
        assert_eq!(target("https://a/../b//c"), of("a", "/../b//c"));
    }

    #[test]
    fn a_url_of_another_scheme_can_not_be_sent() {
        assert!(matches!(
            Target::of("ftp://a.example/"),
            Err(HttpError::Invalid(_))
        ));
        assert_eq!(Target::of("https://a").map(|target| target.https), Ok(true));
        assert_eq!(Target::of("http://a").map(|target| target.https), Ok(false));
    }
}
