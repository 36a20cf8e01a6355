//! What every protocol over HTTP needs: addresses taken apart, and ids of requests. It knows no service.

/// Percent signs resolved, and in forms `+` too. Broken ones stay as they are.
pub(crate) fn decode(text: &str, form: bool) -> String {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let hex = (bytes[at] == b'%').then(|| text.get(at + 1..at + 3).and_then(|it| u8::from_str_radix(it, 16).ok()));
        if let Some(byte) = hex.flatten() {
            decoded.push(byte);
            at += 3;
        } else {
            decoded.push(if form && bytes[at] == b'+' { b' ' } else { bytes[at] });
            at += 1;
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

/// The pairs of a query string or form.
pub(crate) fn pairs(text: &str) -> Vec<(String, String)> {
    let pair = |it: &str| {
        let (name, value) = it.split_once('=').unwrap_or((it, ""));
        (decode(name, true), decode(value, true))
    };
    text.split('&').filter(|it| !it.is_empty()).map(pair).collect()
}

/// A new id of the form that requests and invocations have.
pub(crate) fn new_id() -> String {
    let id = format!("{:032x}", fastrand::u128(..));
    // The version and variant of random ids.
    format!("{}-{}-4{}-a{}-{}", &id[..8], &id[8..12], &id[13..16], &id[17..20], &id[20..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percent_signs_and_pluses_are_resolved() {
        assert_eq!(decode("a%2Fb%zz+%", false), "a/b%zz+%");
        assert_eq!(pairs("a=1+2&b&c=%3d"), [("a", "1 2"), ("b", ""), ("c", "=")].map(|(k, v)| (k.into(), v.into())));
    }

    #[test]
    fn ids_have_the_form_of_random_uuids() {
        let id = new_id();
        assert_eq!(id.len(), 36);
        assert_eq!(id.split('-').map(str::len).collect::<Vec<_>>(), [8, 4, 4, 4, 12]);
    }
}
