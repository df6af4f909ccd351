//! `Link` headers, whatever they hold (traps 10 and 11): what is followed is an address that stood in one, and no such
//! address leads the token away.

use logweir_okta::link::{LOGS, Next, next, parameter};
use url::Url;

const ORG: &str = "acme.okta.com";

/// Finds the next page in the lines of `headers`, and takes its address apart.
pub fn link(headers: &[u8]) {
    let Ok(headers) = std::str::from_utf8(headers) else {
        return;
    };
    if let Some(address) = next(headers.lines()) {
        let quoted = format!("<{address}>");
        assert!(headers.contains(&quoted), "{address:?} stood nowhere");
        address_of(address);
    }
    for address in headers.lines() {
        address_of(address);
        is_found(address);
    }
}

/// An address that is taken apart is put together again, and leads to the log of the org that was configured.
fn address_of(address: &str) {
    let Ok(next) = Next::parse(address) else {
        return;
    };
    let named = next.authority.as_deref().unwrap_or_default();
    let (scheme, rest) = address.split_at(address.len() - named.len() - next.path.len());
    assert!(
        rest == format!("{named}{}", next.path) && (scheme.is_empty() || scheme.ends_with("://"))
    );
    let url = Url::parse(&format!("https://{ORG}{}", next.path)).unwrap();
    assert_eq!(
        (url.host_str(), url.path()),
        (Some(ORG), LOGS),
        "{address:?}"
    );
    assert_eq!(
        (url.username(), url.password(), url.port()),
        ("", None, None)
    );
    assert_eq!(url.fragment(), None, "part of it would not be asked for");
    // What comes back from a checkpoint is the path alone.
    let again = Next::parse(&next.path).unwrap();
    assert_eq!((again.authority.as_ref(), &again.path), (None, &next.path));
    let after = parameter(&next.path, "after");
    assert!(after.is_none_or(|after| next.path.contains(&format!("after={after}"))));
    if next.is_of(ORG) {
        let lower = named.to_ascii_lowercase();
        assert!(
            ["", ORG, "acme-admin.okta.com"].contains(&&*lower),
            "{named}"
        );
    }
}

/// Whatever else there is, the link that says `next` is found, byte for byte.
fn is_found(address: &str) {
    if address.contains('>') {
        return;
    }
    let itself = "<https://acme.okta.com/api/v1/logs>; rel=\"self\"";
    let wanted = format!("<{address}>; rel=\"next\"");
    assert_eq!(next([itself, &*wanted].into_iter()), Some(address));
    assert_eq!(
        next([&*format!("{itself}, {wanted}")].into_iter()),
        Some(address)
    );
    assert_eq!(
        next([&*format!("{wanted}, {itself}")].into_iter()),
        Some(address)
    );
}
