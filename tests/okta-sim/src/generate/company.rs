//! The fictional company whose people sign in: who they are, where they sit, what they use.
//!
//! Addresses are of the ranges for documentation (RFC 5737, RFC 3849), networks of RFC 5398, mail of example.com.

use rand::Rng;
use rand::rngs::StdRng;

use super::text::{Chance, quoted};

/// As written, and in a mail address.
#[rustfmt::skip]
const FIRST: &[(&str, &str)] = &[
    ("Ada", "ada"), ("Amélie", "amelie"), ("Anaïs", "anais"), ("Björn", "bjorn"), ("Chloë", "chloe"),
    ("Daniel", "daniel"), ("Đorđe", "dorde"), ("Emma", "emma"), ("Fatima", "fatima"), ("Giulia", "giulia"),
    ("Grace", "grace"), ("Hannah", "hannah"), ("Håkon", "hakon"), ("Ines", "ines"), ("Jack", "jack"),
    ("José", "jose"), ("Kofi", "kofi"), ("Léa", "lea"), ("Łukasz", "lukasz"), ("Maria", "maria"),
    ("Mehmet", "mehmet"), ("Noah", "noah"), ("Olga", "olga"), ("Priya", "priya"), ("Quentin", "quentin"),
    ("Rosa", "rosa"), ("Søren", "soren"), ("Tomáš", "tomas"), ("Uma", "uma"), ("Víctor", "victor"),
    ("Wei", "wei"), ("Ximena", "ximena"), ("Yuki", "yuki"), ("Zoë", "zoe"), ("Анна", "anna"),
    ("美咲", "misaki"), ("지우", "jiwoo"), ("Nguyệt", "nguyet"), ("Oisín", "oisin"), ("Samuel", "samuel"),
];
#[rustfmt::skip]
const LAST: &[(&str, &str)] = &[
    ("Andersson", "andersson"), ("Baker", "baker"), ("Çelik", "celik"), ("D'Souza", "dsouza"), ("Dvořák", "dvorak"),
    ("Eriksen", "eriksen"), ("Fernández", "fernandez"), ("García", "garcia"), ("Haddad", "haddad"), ("Ibrahim", "ibrahim"),
    ("Jensen", "jensen"), ("Kowalski", "kowalski"), ("Lefèvre", "lefevre"), ("Müller", "muller"), ("Nakamura", "nakamura"),
    ("O'Brien", "obrien"), ("Petrović", "petrovic"), ("Quist", "quist"), ("Rossi", "rossi"), ("Schäfer", "schafer"),
    ("Tanaka", "tanaka"), ("Ünal", "unal"), ("Vogel", "vogel"), ("Weiß", "weiss"), ("Xu", "xu"),
    ("Yıldız", "yildiz"), ("Żak", "zak"), ("Иванова", "ivanova"), ("佐藤", "sato"), ("Smith", "smith"),
];

/// Where an office or a home is.
pub(super) struct Place {
    city: &'static str,
    state: &'static str,
    country: &'static str,
    postal_code: &'static str,
    latitude: f32,
    longitude: f32,
    /// Of 198.51.100.0/24, 192.0.2.0/24 or 203.0.113.0/24.
    network: &'static str,
    as_number: u32,
    carrier: &'static str,
}

#[rustfmt::skip]
const PLACES: &[Place] = &[
    Place { city: "Zürich", state: "Zurich", country: "Switzerland", postal_code: "8001", latitude: 47.3667, longitude: 8.55, network: "192.0.2.", as_number: 64496, carrier: "example alpine carrier" },
    Place { city: "Lyon", state: "Auvergne-Rhône-Alpes", country: "France", postal_code: "69001", latitude: 45.7669, longitude: 4.8343, network: "192.0.2.", as_number: 64496, carrier: "example alpine carrier" },
    Place { city: "Berlin", state: "Land Berlin", country: "Germany", postal_code: "10115", latitude: 52.5316, longitude: 13.3876, network: "192.0.2.", as_number: 64497, carrier: "example telekom" },
    Place { city: "Kraków", state: "Lesser Poland", country: "Poland", postal_code: "30-001", latitude: 50.0647, longitude: 19.945, network: "192.0.2.", as_number: 64497, carrier: "example telekom" },
    Place { city: "London", state: "England", country: "United Kingdom", postal_code: "EC1A", latitude: 51.5085, longitude: -0.1257, network: "198.51.100.", as_number: 64498, carrier: "example broadband ltd" },
    Place { city: "New York", state: "New York", country: "United States", postal_code: "10013", latitude: 40.7185, longitude: -74.0025, network: "198.51.100.", as_number: 64499, carrier: "example communications inc." },
    Place { city: "San Jose", state: "California", country: "United States", postal_code: "95113", latitude: 37.3341, longitude: -121.8915, network: "198.51.100.", as_number: 64499, carrier: "example communications inc." },
    Place { city: "Montréal", state: "Quebec", country: "Canada", postal_code: "H2X", latitude: 45.5088, longitude: -73.5878, network: "198.51.100.", as_number: 64500, carrier: "example north networks" },
    Place { city: "São Paulo", state: "São Paulo", country: "Brazil", postal_code: "01001", latitude: -23.5475, longitude: -46.6361, network: "203.0.113.", as_number: 64501, carrier: "example sul s.a." },
    Place { city: "Tokyo", state: "Tokyo", country: "Japan", postal_code: "100-0001", latitude: 35.6895, longitude: 139.6917, network: "203.0.113.", as_number: 64502, carrier: "example pacific corp." },
    Place { city: "Bengaluru", state: "Karnataka", country: "India", postal_code: "560001", latitude: 12.9719, longitude: 77.5937, network: "203.0.113.", as_number: 64503, carrier: "example fibernet" },
];

/// Raw user agent, os, browser, device.
#[rustfmt::skip]
const AGENTS: &[(&str, &str, &str, &str)] = &[
    ("Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36", "Windows 10", "CHROME", "Computer"),
    ("Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36 Edg/141.0.0.0", "Windows 10", "EDGE", "Computer"),
    ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36", "Mac OS X", "CHROME", "Computer"),
    ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Safari/605.1.15", "Mac OS X", "SAFARI", "Computer"),
    ("Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0", "Linux", "FIREFOX", "Computer"),
    ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1", "iOS (iPhone)", "SAFARI", "Mobile"),
    ("Mozilla/5.0 (Linux; Android 15; Pixel 9) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Mobile Safari/537.36", "Android", "CHROME", "Mobile"),
    ("D2DFF2D4/9.44.0 OktaVerify/9.44.0 macOS/15.6.0 Apple/Mac15,6", "Mac OS X", "UNKNOWN", "Computer"),
];

pub(super) const APPS: &[&str] = &[
    "Okta Admin Console",
    "Okta Dashboard",
    "Mail and Calendar",
    "Payroll",
    "Travel & Expenses",
    "Wiki",
    "Source Code",
    "Build Farm",
    "Customer Desk",
    "Warehouse",
    "Route Planner",
    "Video Meetings",
    "Chat",
    "Data Lake",
    "Learning",
    "VPN Zürich",
];
const GROUPS: &[&str] = &[
    "Everyone",
    "Engineering",
    "Finance",
    "Entrepôt Lyon",
    "Contractors",
    "Support",
    "VPN users",
    "Sales – EMEA",
];
const POLICIES: &[&str] = &[
    "Default Policy",
    "Any two factors",
    "Administrators",
    "Password only (legacy)",
    "Contractors",
];
const FACTORS: &[&str] = &[
    "Okta Verify",
    "Password",
    "Security Key or Biometric",
    "Google Authenticator",
    "Email",
];

const PEOPLE: usize = 400;

/// Whatever an event can name: ready to be put into it.
pub(super) struct Thing {
    pub(super) id: String,
    /// `{"id":…,"type":…,"alternateId":…,"displayName":…,"detailEntry":null}`
    pub(super) json: String,
}

/// One employee.
pub(super) struct Person {
    pub(super) actor: Thing,
    /// As JSON, without quotes: safe in any text.
    pub(super) login: String,
    home: &'static Place,
    agent: &'static (&'static str, &'static str, &'static str, &'static str),
    /// Of the last byte of an address.
    host: u8,
    pub(super) device: String,
}

/// People and what they use; the same for the same seed.
pub(super) struct Company {
    pub(super) people: Vec<Person>,
    pub(super) apps: Vec<Thing>,
    pub(super) groups: Vec<Thing>,
    pub(super) policies: Vec<Thing>,
    pub(super) factors: Vec<Thing>,
    pub(super) system: Thing,
    pub(super) clients: Vec<Thing>,
}

impl Company {
    pub(super) fn new(rng: &mut StdRng) -> Self {
        let mut things = |kind: &str, class: &str, names: &[&str]| -> Vec<Thing> {
            let named = names.iter().map(|name| {
                let id = rng.id(kind);
                Thing::new(id, class, name, name)
            });
            named.collect()
        };
        let apps = things("0oa", "AppInstance", APPS);
        let groups = things("00g", "UserGroup", GROUPS);
        let policies = things("rst", "PolicyEntity", POLICIES);
        let factors = things("lae", "AuthenticatorEnrollment", FACTORS);
        let clients = things("0oa", "PublicClientApp", APPS);
        let system = Thing::new(
            "okta".to_owned(),
            "SystemPrincipal",
            "system@okta.com",
            "Okta System",
        );
        let people = (0..PEOPLE).map(|number| Person::new(rng, number)).collect();
        Self {
            people,
            apps,
            groups,
            policies,
            factors,
            system,
            clients,
        }
    }
}

impl Thing {
    fn new(id: String, class: &str, alternate: &str, name: &str) -> Self {
        let (alternate, name) = (quoted(alternate), quoted(name));
        let json = format!(
            r#"{{"id":"{id}","type":"{class}","alternateId":{alternate},"displayName":{name},"detailEntry":null}}"#
        );
        Self { id, json }
    }
}

impl Person {
    fn new(rng: &mut StdRng, number: usize) -> Self {
        let (first, last) = (rng.pick(FIRST), rng.pick(LAST));
        let login = format!("{}.{}{number}@example.com", first.1, last.1);
        let agent = rng.pick(AGENTS);
        Self {
            actor: Thing::new(
                rng.id("00u"),
                "User",
                &login,
                &format!("{} {}", first.0, last.0),
            ),
            login,
            home: rng.pick(PLACES),
            agent,
            host: rng.next_u32().to_le_bytes()[0].clamp(1, 254),
            device: device(rng, agent.1),
        }
    }

    /// The `client` of a request from this person's place: what is before and behind the value of its `id`.
    pub(super) fn client(&self) -> (String, String) {
        let (agent, os, browser, device) = self.agent;
        let (address, place) = (self.address(), self.home.json());
        (
            format!(
                r#"{{"userAgent":{{"rawUserAgent":"{agent}","os":"{os}","browser":"{browser}"}},"zone":"null","device":"{device}","id":"#
            ),
            format!(r#","ipAddress":"{address}","geographicalContext":{place}}}"#),
        )
    }

    /// The `request`: one hop, located or not, or two through a proxy that speaks IPv6.
    pub(super) fn request(&self, located: bool, through_proxy: bool) -> String {
        let address = self.address();
        let place = if located {
            self.home.json()
        } else {
            "null".to_owned()
        };
        let hop = format!(
            r#"{{"ip":"{address}","geographicalContext":{place},"version":"V4","source":null}}"#
        );
        if !through_proxy {
            return format!(r#"{{"ipChain":[{hop}]}}"#);
        }
        let host = self.host;
        format!(
            r#"{{"ipChain":[{hop},{{"ip":"2001:db8:51::{host:x}","geographicalContext":{place},"version":"V6","source":null}}]}}"#
        )
    }

    /// The `securityContext`.
    pub(super) fn security(&self) -> String {
        let Place {
            as_number, carrier, ..
        } = self.home;
        format!(
            r#"{{"asNumber":{as_number},"asOrg":"{carrier}","isp":"{carrier}","domain":"example.net","isProxy":false}}"#
        )
    }

    fn address(&self) -> String {
        format!("{}{}", self.home.network, self.host)
    }
}

impl Place {
    fn json(&self) -> String {
        let Self {
            city,
            state,
            country,
            postal_code,
            latitude,
            longitude,
            ..
        } = self;
        format!(
            r#"{{"city":"{city}","state":"{state}","country":"{country}","postalCode":"{postal_code}","geolocation":{{"lat":{latitude},"lon":{longitude}}}}}"#
        )
    }
}

/// The `device` of an enrolled machine; `null` for what Okta does not know.
fn device(rng: &mut StdRng, os: &str) -> String {
    let (name, platform, version, disk) = match os {
        "Mac OS X" => ("Mac15,6", "OSX", "15.6.0", "ALL_INTERNAL_VOLUMES"),
        "Windows 10" => ("DESKTOP-EX", "WINDOWS", "10.0.22631.4460", "SYSTEM_VOLUME"),
        "iOS (iPhone)" => ("iPhone", "IOS", "18.5", "FULL"),
        _ => return "null".to_owned(),
    };
    let id = rng.id("guo");
    let managed = rng.per_mille(700);
    format!(
        r#"{{"id":"{id}","name":"{name}","os_platform":"{platform}","os_version":"{version}","managed":{managed},"registered":true,"device_integrator":null,"disk_encryption_type":"{disk}","screen_lock_type":"BIOMETRIC","jailbreak":null,"secure_hardware_present":true}}"#
    )
}
