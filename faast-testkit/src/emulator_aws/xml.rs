//! XML as the services write it (IAM, STS, S3), and the little reading of XML that S3's requests need.

use super::hex::hex;
use super::protocol::escape;

/// An XML text under construction; elements are closed by the closure that fills them.
#[derive(Debug, Default)]
pub(super) struct Xml {
    text: String,
}

impl Xml {
    /// An element with other elements in it.
    pub(super) fn element(&mut self, name: &str, fill: impl FnOnce(&mut Self)) -> &mut Self {
        self.text.extend(["<", name, ">"]);
        fill(self);
        // Attributes (a namespace) belong to the opening tag only.
        self.text.extend(["</", name.split(' ').next().unwrap_or(name), ">"]);
        self
    }

    /// An element with a text in it.
    pub(super) fn text(&mut self, name: &str, value: impl std::fmt::Display) -> &mut Self {
        let value = escape(&value.to_string());
        self.text.extend(["<", name, ">", &value, "</", name, ">"]);
        self
    }

    /// A list: one `<member>` for each item.
    pub(super) fn members<T>(
        &mut self,
        name: &str,
        items: impl IntoIterator<Item = T>,
        mut fill: impl FnMut(&mut Self, T),
    ) -> &mut Self {
        self.element(name, |list| {
            for item in items {
                list.element("member", |member| fill(member, item));
            }
        })
    }

    /// The finished text.
    pub(super) fn finish(self) -> String {
        self.text
    }
}

/// Percent-encodes everything but the unreserved characters (policy documents in IAM's answers, keys in S3's).
pub(super) fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push('%');
            encoded.push_str(&hex(&[byte]).to_ascii_uppercase());
        }
    }
    encoded
}

/// The contents of every `<name>..</name>` in `text`, as they stand (nested elements included).
pub(super) fn contents<'a>(text: &'a str, name: &str) -> Vec<&'a str> {
    let (open, close) = (format!("<{name}"), format!("</{name}>"));
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find(&open) {
        let after = &rest[start + open.len()..];
        // `<Key` is not `<KeyMarker`.
        let Some(end_of_tag) = after.starts_with(['>', ' ', '\n']).then(|| after.find('>')).flatten() else {
            rest = after;
            continue;
        };
        let inside = &after[end_of_tag + 1..];
        let Some(end) = inside.find(&close) else { break };
        found.push(&inside[..end]);
        rest = &inside[end + close.len()..];
    }
    found
}

/// The text of the first `<name>` in `text`, entities resolved.
pub(super) fn content(text: &str, name: &str) -> Option<String> {
    contents(text, name).first().map(|raw| {
        raw.replace("&lt;", "<")
            .replace("&gt;", ">")
            .replace("&quot;", "\"")
            .replace("&apos;", "'")
            .replace("&#13;", "\r")
            .replace("&amp;", "&")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_can_be_read() {
        let mut xml = Xml::default();
        xml.element("Tagging xmlns=\"x\"", |tagging| {
            tagging.members("TagSet", ["a<b", "c&d"], |tag, key| {
                tag.text("Key", key);
            });
        });
        let text = xml.finish();
        assert!(text.starts_with("<Tagging xmlns=\"x\"><TagSet><member><Key>a&lt;b</Key>"), "{text}");
        let keys: Vec<_> = contents(&text, "member").into_iter().filter_map(|member| content(member, "Key")).collect();
        assert_eq!(keys, ["a<b", "c&d"]);
        assert!(contents("<KeyMarker>x</KeyMarker>", "Key").is_empty());
    }
}
