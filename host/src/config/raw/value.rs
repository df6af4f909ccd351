//! Single values that are written as text and mean something.

use std::borrow::Cow;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use ipnet::IpNet;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, Deserialize, Deserializer, Visitor};
use url::Url;

use crate::gate::{Share, ShareError};
use crate::telemetry::silence::Silence;
use crate::units::Period;

/// A text that means something: it is read with `FromStr` where it stands, so that a mistake in it has its place.
macro_rules! text_value {
    ($(#[$doc:meta])* $name:ident($inner:ty), $parse:expr, $schema:tt) => {
        $(#[$doc])*
        pub(in crate::config) struct $name(pub(in crate::config) $inner);

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                let parse: fn(&str) -> Result<$inner, String> = $parse;
                parse(&text).map(Self).map_err(de::Error::custom)
            }
        }

        impl JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!($schema)
            }
        }
    };
}

text_value!(
    /// A SHA-256.
    RawDigest([u8; 32]),
    parse_digest,
    {"type": "string", "pattern": "^[0-9a-fA-F]{64}$"}
);
text_value!(
    /// The URL of a proxy.
    RawProxy(Url),
    parse_proxy,
    {"type": "string", "examples": ["http://proxy.example.com:3128"]}
);
text_value!(
    /// A range of addresses.
    RawNet(IpNet),
    parse_net,
    {"type": "string", "examples": ["10.0.0.0/8", "192.168.1.20"]}
);

text_value!(
    /// How long nothing may come from a source.
    RawSilence(Silence),
    parse_silence,
    {"type": "string", "pattern": "^(learn|never|[0-9]+(ms|s|m|h|d))$", "examples": ["6h", "learn", "never"]}
);

fn parse_silence(text: &str) -> Result<Silence, String> {
    match text {
        "learn" => Ok(Silence::Learn),
        "never" => Ok(Silence::Never),
        _ => {
            let period: Period = text
                .parse()
                .map_err(|error| format!("{error}; or write `learn` or `never`"))?;
            Ok(Silence::After(period.0))
        }
    }
}

/// Where health and metrics are served.
pub(in crate::config) struct RawListen(pub(in crate::config) SocketAddr);

impl<'de> Deserialize<'de> for RawListen {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ListenVisitor)
    }
}

impl JsonSchema for RawListen {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Listen".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": ["string", "integer"],
            "minimum": 0,
            "maximum": 65535,
            "examples": [9600, "127.0.0.1:9600", "[::1]:9600"],
        })
    }
}

struct ListenVisitor;

impl Visitor<'_> for ListenVisitor {
    type Value = RawListen;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a port like `9600`, or an address like `127.0.0.1:9600`")
    }

    fn visit_u64<E: de::Error>(self, port: u64) -> Result<RawListen, E> {
        self.visit_str(&port.to_string())
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<RawListen, E> {
        parse_listen(text).map(RawListen).ok_or_else(|| {
            let message = "write a port like `9600`, or an address and a port like `127.0.0.1:9600`; \
                           names are not looked up";
            E::custom(message)
        })
    }
}

/// A port alone means loopback: who wants others to see it says so.
fn parse_listen(text: &str) -> Option<SocketAddr> {
    if let Ok(address) = text.parse() {
        return Some(address);
    }
    let port = text.strip_prefix("localhost:").or(text.strip_prefix(':'));
    let port = port.unwrap_or(text).parse().ok()?;
    Some(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
}

text_value!(
    /// A share in percent.
    RawShare(Share),
    |text| text.parse().map_err(|error: ShareError| error.to_string()),
    {"type": "string", "pattern": "^(100|[1-9][0-9]?)%$", "examples": ["50%", "80%"]}
);

fn parse_digest(text: &str) -> Result<[u8; 32], String> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let byte = |[high, low]: &[u8; 2]| Some(hex_digit(*high)? << 4 | hex_digit(*low)?);
    let digest: Option<Vec<u8>> = pairs.iter().map(byte).collect();
    digest
        .filter(|_| rest.is_empty())
        .and_then(|digest| digest.try_into().ok())
        .ok_or_else(|| "a SHA-256 is 64 hexadecimal digits".to_owned())
}

fn hex_digit(digit: u8) -> Option<u8> {
    char::from(digit)
        .to_digit(16)
        .and_then(|value| u8::try_from(value).ok())
}

fn parse_proxy(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).ok();
    url.filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
        .ok_or_else(|| "a proxy is written like `http://proxy.example.com:3128`".to_owned())
}

fn parse_net(text: &str) -> Result<IpNet, String> {
    let single = || text.parse::<IpAddr>().map(IpNet::from).ok();
    let net = text.parse().ok().or_else(single);
    net.ok_or_else(|| {
        "a range of addresses is written like `10.0.0.0/8`, a single one like `10.1.2.3`".to_owned()
    })
}
