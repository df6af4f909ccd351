//! Origins of needs: where the words of a plugin and the values of a configuration meet.
//!
//! A value that could be more than a host name would decide where a credential goes: in
//! `https://acme.example@evil.example` the host is the latter.

use serde_json::Value;
use url::Url;

use super::path::PathPattern;
use crate::http::Reach;

/// Where a need goes, before a configuration is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum OriginTemplate<'a> {
    /// `https://api.example.com`.
    Fixed(&'a str),
    /// `https://{name}`.
    Authority(&'a str),
    /// `{name}`.
    Whole(&'a str),
}

/// Why no origin comes of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OriginError {
    /// The key of the configuration whose value is wrong, if one is.
    pub(crate) key: Option<String>,
    pub(crate) reason: String,
}

impl<'a> OriginTemplate<'a> {
    /// Reads what a need says; an error is the reason why not.
    pub(crate) fn parse(template: &'a str) -> Result<Self, String> {
        let rest = template.strip_prefix("https://");
        let parsed = match (rest, rest.unwrap_or(template)) {
            (Some(_), text) if is_authority(text) => Some(Self::Fixed(text)),
            (Some(_), text) => placeholder(text).map(Self::Authority),
            (None, text) => placeholder(text).map(Self::Whole),
        };
        parsed.ok_or_else(|| {
            format!("its origin {template:?} is none of https://HOST, https://{{key}} and {{key}}")
        })
    }

    /// The origin, and how far a client must reach for it; nothing if the configuration does not set the key.
    pub(crate) fn fill(&self, config: &Value) -> Result<Option<(Url, Reach)>, OriginError> {
        let key = match *self {
            // Nobody but the plugin says that this is the place, so it can't be this machine.
            Self::Fixed(authority) => {
                let url = https(authority).map_err(|reason| OriginError { key: None, reason })?;
                return Ok(Some((url, Reach::Network)));
            }
            Self::Authority(key) | Self::Whole(key) => key,
        };
        let wrong = |reason: String| OriginError {
            key: Some(key.to_owned()),
            reason,
        };
        let value = match config.get(key) {
            None | Some(Value::Null) => return Ok(None),
            Some(Value::String(value)) => value,
            Some(_) => return Err(wrong("is not a text".to_owned())),
        };
        let url = match self {
            Self::Whole(_) => whole(value),
            _ => https(value),
        };
        let url = url.map_err(wrong)?;
        let reach = Reach::of(&url);
        Ok(Some((url, reach)))
    }
}

/// Where tokens are asked for, before a configuration is known: a path at the origin of the needs that they are for, or
/// an origin like a need's with a path behind it, which must come to the same (trust rule 6).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TokenUrl<'a> {
    origin: Option<OriginTemplate<'a>>,
    path: &'a str,
}

impl<'a> TokenUrl<'a> {
    /// Reads what a kind of credential says; an error is the reason why not.
    pub(crate) fn parse(template: &'a str) -> Result<Self, String> {
        let after_scheme = template.find("://").map_or(0, |at| at + "://".len());
        let authority = template.get(after_scheme..).unwrap_or_default();
        let length = authority.find('/').unwrap_or(authority.len());
        let (origin, path) = template
            .split_at_checked(after_scheme + length)
            .unwrap_or((template, ""));
        let pattern = PathPattern::parse(path)?;
        if path.len() < 2 || path.ends_with('*') || !pattern.admits(path) {
            return Err(format!("its token URL {template:?} has no exact path"));
        }
        let origin = match origin {
            "" => None,
            origin => Some(OriginTemplate::parse(origin)?),
        };
        Ok(Self { origin, path })
    }

    /// The URL for requests that go to `home`.
    pub(crate) fn fill(&self, home: &Url, config: &Value) -> Result<Url, String> {
        if let Some(origin) = &self.origin {
            let filled = origin.fill(config).map_err(|error| error.reason)?;
            let same = |(url, _): &(Url, Reach)| url.origin() == home.origin();
            if !filled.as_ref().is_some_and(same) {
                return Err(format!(
                    "its tokens would be asked for elsewhere than at {}, where they are sent",
                    home.origin().ascii_serialization()
                ));
            }
        }
        let mut url = home.clone();
        url.set_path(self.path);
        Ok(url)
    }
}

fn placeholder(text: &str) -> Option<&str> {
    let key = text.strip_prefix('{')?.strip_suffix('}')?;
    let allowed = |byte: u8| matches!(byte, b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'-');
    (!key.is_empty() && key.len() <= 64 && key.bytes().all(allowed)).then_some(key)
}

/// `[a-z0-9.-]+(:port)?`: nothing in it can end the authority or begin another one.
fn is_authority(text: &str) -> bool {
    let (host, port) = match text.split_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (text, None),
    };
    let allowed = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'-');
    let is_port = |port: &str| {
        port.bytes().all(|byte| byte.is_ascii_digit())
            && port.parse::<u16>().is_ok_and(|port| port > 0)
    };
    !host.is_empty() && host.len() <= 253 && host.bytes().all(allowed) && port.is_none_or(is_port)
}

fn https(authority: &str) -> Result<Url, String> {
    if !is_authority(authority) {
        return Err(format!(
            "{authority:?} is not a host name; write it like acme.example.com, in lower case, without https:// and \
             without a path"
        ));
    }
    parse(&format!("https://{authority}"))
}

fn whole(value: &str) -> Result<Url, String> {
    let value = value.strip_suffix('/').unwrap_or(value);
    if let Some(authority) = value.strip_prefix("https://") {
        return https(authority);
    }
    let Some(authority) = value.strip_prefix("http://") else {
        return Err(format!("{value:?} does not begin with https://"));
    };
    let v6_loopback = authority
        .strip_prefix("[::1]")
        .is_some_and(|port| is_authority(&format!("localhost{port}")));
    if !is_authority(authority) && !v6_loopback {
        return Err(format!(
            "{value:?} is not an address like https://acme.example.com"
        ));
    }
    let url = parse(value)?;
    match Reach::of(&url) {
        Reach::Loopback => Ok(url),
        Reach::Network => Err(format!(
            "{value:?} is not encrypted; http:// is for this machine alone"
        )),
    }
}

fn parse(origin: &str) -> Result<Url, String> {
    Url::parse(origin).map_err(|error| format!("{origin:?} is no address: {error}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn fill(template: &str, value: &str) -> Result<String, String> {
        let template = OriginTemplate::parse(template).unwrap();
        let filled = template.fill(&json!({ "domain": value }));
        filled
            .map(|filled| filled.unwrap().0.to_string())
            .map_err(|error| error.reason)
    }

    #[test]
    fn trust_08_a_value_is_a_whole_authority_and_nothing_more() {
        for value in [
            "acme.example",
            "acme.example:8443",
            "127.0.0.1:9",
            "xn--bcher-kva.example",
        ] {
            let filled = fill("https://{domain}", value).unwrap();
            assert_eq!(filled, format!("https://{value}/"));
        }
        let refused = [
            "",
            "acme.example@evil.example",
            "acme.example/x",
            "acme.example?x",
            "acme.example#x",
            "acme.example\\x",
            "acme.example:",
            "acme.example:0",
            "acme.example:99999",
            "acme.example:1:2",
            "user:pass@acme.example",
            "https://acme.example",
            "Acme.example",
            "acme.example ",
            "acme.example\n",
            "acme_example",
            "[::1]",
            "bücher.example",
            "acme%2eexample",
        ];
        for value in refused {
            assert!(fill("https://{domain}", value).is_err(), "{value:?}");
        }
    }

    #[test]
    fn trust_08_a_whole_origin_is_encrypted_or_this_machine() {
        for value in [
            "https://acme.example",
            "http://127.0.0.1:8080",
            "http://localhost",
            "http://[::1]:8080",
        ] {
            assert_eq!(fill("{domain}", value).unwrap(), format!("{value}/"));
        }
        assert_eq!(
            fill("{domain}", "https://acme.example/").unwrap(),
            "https://acme.example/"
        );
        let refused = [
            "http://acme.example",
            "http://localhost.evil.example",
            "http://10.0.0.1",
            "http://[::1]@evil.example",
            "http://[::2]",
            "http://127.0.0.1@evil.example",
            "ftp://acme.example",
            "https://acme.example/path",
            "https://a@acme.example",
            "acme.example",
        ];
        for value in refused {
            assert!(fill("{domain}", value).is_err(), "{value:?}");
        }
    }

    #[test]
    fn trust_08_a_placeholder_stands_for_all_or_nothing() {
        let refused = [
            "https://{domain}.example.com",
            "https://api.{domain}",
            "https://{domain}:443",
            "https://{domain}/path",
            "http://{domain}",
            "http://127.0.0.1",
            "{scheme}://{domain}",
            "https://api.example.com/path",
            "https://",
            "{}",
        ];
        for template in refused {
            assert!(OriginTemplate::parse(template).is_err(), "{template}");
        }
    }

    #[test]
    fn trust_06_tokens_are_asked_for_where_they_are_sent() {
        let home = Url::parse("https://acme.example:8443/").unwrap();
        let fill = |template: &str, domain: &str| {
            let template = TokenUrl::parse(template)?;
            let filled = template.fill(&home, &json!({ "domain": domain }));
            filled.map(|url| url.to_string())
        };
        let here = "https://acme.example:8443/oauth2/v1/token";
        for template in ["/oauth2/v1/token", "https://{domain}/oauth2/v1/token"] {
            assert_eq!(fill(template, "acme.example:8443").unwrap(), here);
        }
        let elsewhere = [
            ("https://{domain}/token", "evil.example"),
            ("https://{domain}/token", "acme.example"),
            ("https://{other}/token", "acme.example:8443"),
            ("https://evil.example/token", "acme.example:8443"),
        ];
        for (template, domain) in elsewhere {
            let error = fill(template, domain).unwrap_err();
            assert!(error.contains("asked for elsewhere"), "{error}");
        }
        let none = [
            "",
            "/",
            "token",
            "https://acme.example",
            "https://{domain}/",
            "/token/*",
            "/a/../token",
            "//evil.example/token",
            "/token?a=b",
            "http://acme.example/token",
        ];
        for template in none {
            assert!(TokenUrl::parse(template).is_err(), "{template}");
        }
    }

    #[test]
    fn loopback_is_reached_only_where_the_configuration_says_so() {
        let config = json!({ "domain": "localhost:8080" });
        let reach = |template: &str| {
            OriginTemplate::parse(template)
                .unwrap()
                .fill(&config)
                .unwrap()
                .unwrap()
                .1
        };
        assert_eq!(reach("https://{domain}"), Reach::Loopback);
        assert_eq!(reach("https://localhost"), Reach::Network);
    }

    #[test]
    fn what_is_not_set_is_no_origin_and_what_is_no_text_is_an_error() {
        let template = OriginTemplate::parse("https://{domain}").unwrap();
        assert_eq!(template.fill(&json!({})), Ok(None));
        assert_eq!(template.fill(&json!({ "domain": null })), Ok(None));
        let error = template.fill(&json!({ "domain": 7 })).unwrap_err();
        assert_eq!(error.key.as_deref(), Some("domain"));
    }
}
