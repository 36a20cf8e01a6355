//! Lists in pages: `MaxItems` and `Marker` in, `IsTruncated` and `Marker` out.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::check;
use crate::emulator_aws::protocol::{ApiError, ApiRequest};
use crate::emulator_aws::xml::Xml;

/// Writes the page of `items` that the request asks for. The items come in the order of `key`, and a marker holds the key
/// of the last item before the page, so that a list that changes meanwhile neither skips nor repeats others.
pub(super) fn write<T>(
    request: &ApiRequest,
    name: &str,
    items: impl Iterator<Item = T>,
    key: impl Fn(&T) -> String,
    mut fill: impl FnMut(&mut Xml, &T),
) -> Result<String, ApiError> {
    let (page, truncated) = cut(request, items, &key)?;
    let mut xml = Xml::default();
    xml.members(name, &page, |xml, item| fill(xml, item));
    end(&mut xml, page.last().filter(|_| truncated).map(key));
    Ok(xml.finish())
}

/// The same for a list of bare texts.
pub(super) fn write_texts<'a>(
    request: &ApiRequest,
    name: &str,
    items: impl Iterator<Item = &'a String>,
) -> Result<String, ApiError> {
    let (page, truncated) = cut(request, items, &|item| (*item).clone())?;
    let mut xml = Xml::default();
    xml.element(name, |list| {
        for item in &page {
            list.text("member", item);
        }
    });
    end(&mut xml, page.last().filter(|_| truncated).map(|item| (*item).clone()));
    Ok(xml.finish())
}

fn cut<T>(
    request: &ApiRequest,
    items: impl Iterator<Item = T>,
    key: &impl Fn(&T) -> String,
) -> Result<(Vec<T>, bool), ApiError> {
    let most = check::number(request, "MaxItems", 1, 1000)?.unwrap_or(100) as usize;
    let after = match request.form("Marker") {
        None => None,
        Some(marker) => Some(read(marker).ok_or_else(|| ApiError::new(400, "ValidationError", "Invalid Marker."))?),
    };
    let mut rest = items.filter(|item| after.as_ref().is_none_or(|after| key(item) > *after)).peekable();
    let page: Vec<T> = rest.by_ref().take(most).collect();
    Ok((page, rest.peek().is_some()))
}

fn end(xml: &mut Xml, next: Option<String>) {
    xml.text("IsTruncated", next.is_some());
    if let Some(next) = next {
        xml.text("Marker", URL_SAFE_NO_PAD.encode(next));
    }
}

fn read(marker: &str) -> Option<String> {
    String::from_utf8(URL_SAFE_NO_PAD.decode(marker).ok()?).ok()
}
