//! Which host names can be those of an Okta org.
//!
//! The host puts `domain` and `url` into the origin of a grant as they are written. So a value that would have to be
//! changed first is refused, with what to write instead.

/// Okta's own domains. An org may have a domain of its own besides.
const OKTA_DOMAINS: [&str; 7] = [
    "okta.com",
    "oktapreview.com",
    "okta-emea.com",
    "okta-gov.com",
    "okta.mil",
    "trexcloud.com",
    "trex-govcloud.com",
];

/// What documentation writes where the name of an org belongs.
const PLACEHOLDERS: [&str; 8] = [
    "yourorg",
    "your-org",
    "yourdomain",
    "your-domain",
    "yourcompany",
    "your-company",
    "youroktadomain",
    "your-subdomain",
];

/// Where an org is.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Org {
    /// Scheme and authority.
    pub(super) origin: String,
}

impl Org {
    /// The org at a host name. The error says what to write.
    pub(super) fn from_domain(domain: &str) -> Result<Self, String> {
        if domain.contains("://") || domain.contains('/') {
            return Err(format!(
                "is an address; write its host name alone: {}",
                suggestion(domain)
            ));
        }
        authority(domain)?;
        Ok(Self {
            origin: format!("https://{domain}"),
        })
    }

    /// The org at an origin. The error says what to write.
    pub(super) fn from_url(url: &str) -> Result<Self, String> {
        let Some((scheme, rest)) = url.split_once("://") else {
            return Err("has no scheme; write it like `https://acme.okta.com`".to_owned());
        };
        if rest.contains('/') {
            let end = rest.find('/').unwrap_or(rest.len());
            let host = rest.get(..end).unwrap_or(rest);
            return Err(format!(
                "has a path or a slash at its end; write `{scheme}://{host}`"
            ));
        }
        let host = authority(rest)?;
        match scheme {
            "https" => {}
            "http" if is_loopback(host) => {}
            "http" => {
                return Err(format!(
                    "would send the token in the clear; write `https://{rest}`"
                ));
            }
            _ => return Err("must begin with `https://`".to_owned()),
        }
        Ok(Self {
            origin: url.to_owned(),
        })
    }
}

/// Judges a host name with or without a port, and returns it without.
fn authority(text: &str) -> Result<&str, String> {
    judge(text).map_err(|fault| fault.told(text))
}

/// What is wrong with a host name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    Port,
    Placeholder,
    UpperCase,
    NoHost,
    ComCom,
    AdminConsole,
    OktaItself,
    Incomplete,
}

impl Fault {
    /// In words, with what to write instead.
    fn told(self, text: &str) -> String {
        let host = text.split(':').next().unwrap_or_default();
        match self {
            Self::Port => "has a port that is no number from 1 to 65535".to_owned(),
            Self::Placeholder => {
                format!(
                    "`{text}` stands for the name of your org; write that, like `acme.okta.com`"
                )
            }
            Self::UpperCase => format!("must be in lower case: {}", suggestion(text)),
            Self::NoHost => format!("`{text}` is no host name; write it like `acme.okta.com`"),
            Self::ComCom => format!("ends in `.com.com`; write {}", suggestion(text)),
            Self::AdminConsole => format!(
                "is the address of the Admin Console; write {}",
                suggestion(text)
            ),
            Self::OktaItself => {
                format!("is Okta itself; write the name of your org: `acme.{host}`")
            }
            Self::Incomplete => {
                format!("is not complete; write all of it, like `{host}.okta.com`")
            }
        }
    }
}

fn judge(text: &str) -> Result<&str, Fault> {
    let host = match text.split_once(':') {
        None => text,
        Some((host, port)) if is_port(port) => host,
        Some(_) => return Err(Fault::Port),
    };
    let faults = [
        (is_placeholder(text), Fault::Placeholder),
        (
            text.bytes().any(|byte| byte.is_ascii_uppercase()),
            Fault::UpperCase,
        ),
        (!is_host(host), Fault::NoHost),
        (host.ends_with(".com.com"), Fault::ComCom),
        (is_admin_console(host), Fault::AdminConsole),
        (OKTA_DOMAINS.contains(&host), Fault::OktaItself),
        (
            !host.contains('.') && host != "localhost",
            Fault::Incomplete,
        ),
    ];
    let found = faults.into_iter().find(|(is_there, _)| *is_there);
    found.map_or(Ok(host), |(_, fault)| Err(fault))
}

/// `acme-admin.okta.com`. In a domain of one's own, `-admin` may be anything.
fn is_admin_console(host: &str) -> bool {
    host.split_once('.')
        .is_some_and(|(org, domain)| org.ends_with("-admin") && OKTA_DOMAINS.contains(&domain))
}

fn is_placeholder(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    let first = lower.split('.').next().unwrap_or_default();
    lower.contains(['{', '}', '<', '>', '$']) || PLACEHOLDERS.contains(&first)
}

fn is_port(text: &str) -> bool {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    digits && text.parse::<u16>().is_ok_and(|port| port > 0)
}

fn is_host(host: &str) -> bool {
    let label = |label: &str| {
        let plain = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-');
        let edges = label.starts_with('-') || label.ends_with('-');
        (1..=63).contains(&label.len()) && label.bytes().all(plain) && !edges
    };
    host.len() <= 253 && host.split('.').all(label)
}

fn is_loopback(host: &str) -> bool {
    let address = host.parse::<std::net::Ipv4Addr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

/// What was probably meant, in quotes; an example when that can't be told.
fn suggestion(text: &str) -> String {
    let lower = text.to_ascii_lowercase();
    let rest = lower
        .split_once("://")
        .map_or(lower.as_str(), |(_, rest)| rest);
    let place = rest.split(['/', '?', '#', '@']).next().unwrap_or_default();
    let (host, port) = place
        .find(':')
        .map_or((place, ""), |colon| place.split_at(colon));
    let mut meant = host.trim_end_matches('.').to_owned();
    while let Some(shorter) = meant
        .strip_suffix(".com")
        .filter(|host| host.ends_with(".com"))
    {
        meant = shorter.to_owned();
    }
    if let Some((org, domain)) = meant.split_once('.').filter(|_| is_admin_console(&meant)) {
        meant = format!("{}.{domain}", org.trim_end_matches("-admin"));
    }
    meant.push_str(port);
    match judge(&meant) {
        Ok(_) => format!("`{meant}`"),
        Err(_) => "`acme.okta.com`".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trap_31_every_sort_of_okta_host_is_taken() {
        let hosts = [
            "acme.okta.com",
            "acme.oktapreview.com",
            "acme.okta-emea.com",
            "acme.okta-gov.com",
            "acme.okta.mil",
            "acme.trex-govcloud.com",
            "dev-123456.okta.com",
            "trial-1.okta.com",
            "integrator-99.okta.com",
            "login.example.com",
            "id-admin.example.com",
            "acme.okta.com:8443",
            "localhost:8443",
            "10.0.0.1",
        ];
        for host in hosts {
            let org = Org::from_domain(host);
            assert_eq!(org.map(|org| org.origin), Ok(format!("https://{host}")));
        }
    }

    #[test]
    fn a_host_that_is_none_is_refused_with_what_to_write() {
        let refused = [
            ("https://acme.okta.com", "`acme.okta.com`"),
            ("acme.okta.com/", "`acme.okta.com`"),
            (
                "https://acme-admin.okta.com/admin/dashboard",
                "`acme.okta.com`",
            ),
            ("acme-admin.okta.com", "`acme.okta.com`"),
            ("acme-admin.okta-emea.com", "`acme.okta-emea.com`"),
            ("acme.okta.com.com", "`acme.okta.com`"),
            ("acme-admin.okta.com:443", "`acme.okta.com:443`"),
            ("https://acme-admin.okta.com:443/", "`acme.okta.com:443`"),
            ("acme.okta.com.com:443", "`acme.okta.com:443`"),
            ("Acme-Admin.okta.com:8443", "`acme.okta.com:8443`"),
            ("acme-admin.okta.com:0", "port"),
            ("ACME.okta.com", "`acme.okta.com`"),
            ("{yourOktaDomain}", "stands for the name of your org"),
            ("yourorg.okta.com", "stands for the name of your org"),
            ("${OKTA_DOMAIN}", "stands for the name of your org"),
            ("acme", "`acme.okta.com`"),
            ("okta.com", "`acme.okta.com`"),
            ("", "no host name"),
            ("acme.okta.com@evil.example", "no host name"),
            ("acme..okta.com", "no host name"),
            ("acme .okta.com", "no host name"),
            ("-acme.okta.com", "no host name"),
            ("acmé.okta.com", "no host name"),
            ("acme.okta.com:0", "port"),
            ("acme.okta.com:https", "port"),
            ("acme.okta.com:+1", "port"),
        ];
        for (host, says) in refused {
            let message = Org::from_domain(host).unwrap_err();
            assert!(message.contains(says), "{host}: {message}");
        }
    }

    #[test]
    fn plain_http_is_for_this_machine() {
        for url in [
            "https://acme.okta.com",
            "http://127.0.0.1:8080",
            "http://127.9.9.9",
            "http://localhost:1",
        ] {
            assert_eq!(Org::from_url(url).map(|org| org.origin), Ok(url.to_owned()));
        }
        let refused = [
            ("http://acme.okta.com", "`https://acme.okta.com`"),
            ("http://127.0.0.1.evil.example", "https"),
            ("https://acme.okta.com/", "`https://acme.okta.com`"),
            ("acme.okta.com", "no scheme"),
            ("ftp://acme.okta.com", "https"),
            ("https://acme-admin.okta.com", "Admin Console"),
            ("https://acme-admin.okta.com:8443", "`acme.okta.com:8443`"),
        ];
        for (url, says) in refused {
            let message = Org::from_url(url).unwrap_err();
            assert!(message.contains(says), "{url}: {message}");
        }
    }
}
