//! The members of a JSON request, read with the complaints that AWS has about wrong ones.
//!
//! Services differ in the code of the complaint (`ValidationException`, `InvalidParameterException`), so the code is
//! given once; the texts are the same everywhere.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::protocol::{ApiError, ApiRequest};

/// The members of one request, or of a structure in it.
#[derive(Debug)]
pub(super) struct Fields {
    members: Map<String, Value>,
    code: &'static str,
}

impl Fields {
    /// Reads the body of a request; `code` is what the service calls a value that is not allowed.
    pub(super) fn read(request: &ApiRequest, code: &'static str) -> Result<Self, ApiError> {
        Ok(Self { members: request.json()?, code })
    }

    /// The members of a structure, with the same code.
    pub(super) fn inner(&self, value: &Value) -> Self {
        Self { members: value.as_object().cloned().unwrap_or_default(), code: self.code }
    }

    pub(super) fn get(&self, name: &str) -> Option<&Value> {
        self.members.get(name).filter(|value| !value.is_null())
    }

    /// A text, if the member is there.
    pub(super) fn text(&self, name: &str) -> Result<Option<&str>, ApiError> {
        self.typed(name, Value::as_str)
    }

    /// A whole number, if the member is there.
    pub(super) fn number(&self, name: &str) -> Result<Option<i64>, ApiError> {
        self.typed(name, Value::as_i64)
    }

    /// Yes or no; no if the member is not there.
    pub(super) fn flag(&self, name: &str) -> Result<bool, ApiError> {
        Ok(self.typed(name, Value::as_bool)?.unwrap_or(false))
    }

    /// A list; empty if the member is not there.
    pub(super) fn list(&self, name: &str) -> Result<Vec<Value>, ApiError> {
        Ok(self.typed(name, Value::as_array)?.cloned().unwrap_or_default())
    }

    /// A list of texts; empty if the member is not there.
    pub(super) fn texts(&self, name: &str) -> Result<Vec<String>, ApiError> {
        self.list(name)?.iter().map(|value| Ok(value.as_str().ok_or_else(wrong_type)?.to_owned())).collect()
    }

    /// A map of texts; empty if the member is not there.
    pub(super) fn text_map(&self, name: &str) -> Result<BTreeMap<String, String>, ApiError> {
        let Some(map) = self.typed(name, Value::as_object)? else { return Ok(BTreeMap::new()) };
        map.iter().map(|(key, value)| Ok((key.clone(), value.as_str().ok_or_else(wrong_type)?.to_owned()))).collect()
    }

    /// A text that has to be there.
    pub(super) fn required(&self, name: &str) -> Result<&str, ApiError> {
        self.text(name)?.ok_or_else(|| self.missing(name))
    }

    /// A whole number within bounds, if the member is there.
    pub(super) fn bounded(&self, name: &str, least: i64, most: i64) -> Result<Option<i64>, ApiError> {
        let value = self.number(name)?;
        match value {
            Some(it) if it < least => {
                Err(self.refuse(name, it, &format!("Member must have value greater than or equal to {least}")))
            }
            Some(it) if it > most => {
                Err(self.refuse(name, it, &format!("Member must have value less than or equal to {most}")))
            }
            _ => Ok(value),
        }
    }

    /// Tags as a map: at most 50, keys up to 128 and values up to 256 letters, digits, spaces and `_.:/=+-@`.
    pub(super) fn tags(&self, name: &str) -> Result<BTreeMap<String, String>, ApiError> {
        let tags = self.text_map(name)?;
        if tags.len() > 50 {
            return Err(self.refuse(name, "tags", "Member must have length less than or equal to 50"));
        }
        for (key, value) in &tags {
            if key.is_empty() || key.chars().count() > 128 || !is_tag_text(key) {
                return Err(self.refuse(
                    name,
                    key,
                    "Map keys must satisfy constraint: [Member must have length less \
                     than or equal to 128, Member must have length greater than or equal to 1, Member must satisfy \
                     regular expression pattern: ^([\\p{L}\\p{Z}\\p{N}_.:/=+\\-@]+)$]",
                ));
            }
            if value.chars().count() > 256 || !is_tag_text(value) {
                return Err(self.refuse(
                    name,
                    value,
                    "Map value must satisfy constraint: [Member must have length less \
                     than or equal to 256, Member must have length greater than or equal to 0, Member must satisfy \
                     regular expression pattern: ^([\\p{L}\\p{Z}\\p{N}_.:/=+\\-@]*)$]",
                ));
            }
        }
        Ok(tags)
    }

    /// The complaint about a member that is not there.
    pub(super) fn missing(&self, name: &str) -> ApiError {
        self.complain(format!(
            "1 validation error detected: Value null at '{name}' failed to satisfy constraint: Member must not be null"
        ))
    }

    /// The complaint about a member whose value is not allowed.
    pub(super) fn refuse(&self, name: &str, value: impl std::fmt::Display, rule: &str) -> ApiError {
        self.complain(format!(
            "1 validation error detected: Value '{value}' at '{name}' failed to satisfy constraint: {rule}"
        ))
    }

    /// A complaint in other words.
    pub(super) fn complain(&self, message: impl Into<String>) -> ApiError {
        ApiError::new(400, self.code, message)
    }

    fn typed<'a, T>(&'a self, name: &str, read: impl Fn(&'a Value) -> Option<T>) -> Result<Option<T>, ApiError> {
        self.get(name).map(|value| read(value).ok_or_else(wrong_type)).transpose()
    }
}

fn wrong_type() -> ApiError {
    ApiError::new(400, "SerializationException", "a member of the request has the wrong type")
}

/// Whether a text may be a tag's key or value.
pub(super) fn is_tag_text(text: &str) -> bool {
    text.chars().all(|c| c.is_alphabetic() || c.is_numeric() || c == ' ' || "_.:/=+-@".contains(c))
}

/// The page of `items` after `after`, in the order of `key`, and what to ask for next.
pub(super) fn page<T>(
    items: impl Iterator<Item = T>,
    key: impl Fn(&T) -> String,
    after: Option<&str>,
    most: usize,
) -> (Vec<T>, Option<String>) {
    let mut rest = items.filter(|item| after.is_none_or(|after| key(item).as_str() > after)).peekable();
    let page: Vec<T> = rest.by_ref().take(most).collect();
    let next = rest.peek().and(page.last()).map(key);
    (page, next)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_end_where_the_list_ends() {
        let names = ["a", "b", "c", "d"];
        let page = |after, most| page(names.into_iter(), |name| (*name).to_owned(), after, most);
        assert_eq!(page(None, 2), (vec!["a", "b"], Some("b".into())));
        assert_eq!(page(Some("b"), 2), (vec!["c", "d"], None));
        assert_eq!(page(Some("bb"), 1), (vec!["c"], Some("c".into())));
    }
}
