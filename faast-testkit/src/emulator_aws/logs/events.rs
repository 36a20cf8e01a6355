//! Reading streams: `DescribeLogStreams`, `GetLogEvents` and `FilterLogEvents` with its simple patterns.

use serde_json::{Value, json};

use super::arn;
use crate::emulator_aws::fields::{Fields, page};
use crate::emulator_aws::log_store::{LogEvent, LogGroup, LogStream};
use crate::emulator_aws::protocol::ApiError;

pub(super) fn describe_streams(
    (name, group): (String, &mut LogGroup),
    fields: &Fields,
    region: &str,
) -> Result<Value, ApiError> {
    let most = fields.bounded("limit", 1, 50)?.unwrap_or(50);
    let prefix = fields.text("logStreamNamePrefix")?;
    let by_time = match fields.text("orderBy")? {
        None | Some("LogStreamName") => false,
        Some("LastEventTime") => true,
        Some(other) => {
            let rule = "Member must satisfy enum value set: [LastEventTime, LogStreamName]";
            return Err(fields.refuse("orderBy", other, rule));
        }
    };
    if by_time && prefix.is_some() {
        return Err(fields.complain("Cannot order by LastEventTime with a logStreamNamePrefix."));
    }
    let mut found: Vec<(String, &String, &LogStream)> = group
        .streams
        .iter()
        .filter(|(stream, _)| prefix.is_none_or(|prefix| stream.starts_with(prefix)))
        .map(|(stream, it)| {
            let last = it.events.last().map_or(0, |event| event.at_ms);
            let order = if by_time { format!("{last:020} {stream}") } else { stream.clone() };
            (order, stream, it)
        })
        .collect();
    found.sort_unstable_by(|a, b| a.0.cmp(&b.0));
    let descending = fields.flag("descending")?;
    if descending {
        found.reverse();
    }
    let places: Vec<_> = found.into_iter().enumerate().collect();
    let after = fields.text("nextToken")?;
    let (streams, next) =
        page(places.into_iter(), |(place, _)| format!("{place:012}"), after, usize::try_from(most).unwrap_or(50));
    let streams: Vec<Value> = streams
        .into_iter()
        .map(|(_, (_, stream, it))| {
            let mut shown = json!({
                "logStreamName": stream,
                "creationTime": it.created_ms,
                "arn": format!("{}:log-stream:{stream}", arn(region, &name)),
                "storedBytes": 0,
            });
            if let (Some(first), Some(last)) = (it.events.first(), it.events.last()) {
                shown["firstEventTimestamp"] = first.at_ms.into();
                shown["lastEventTimestamp"] = last.at_ms.into();
                shown["lastIngestionTime"] = last.at_ms.into();
            }
            shown
        })
        .collect();
    Ok(with_token(json!({ "logStreams": streams }), next))
}

pub(super) fn get(group: &LogGroup, fields: &Fields) -> Result<Value, ApiError> {
    let stream = fields.required("logStreamName")?;
    let most = usize::try_from(fields.bounded("limit", 1, 10_000)?.unwrap_or(10_000)).unwrap_or(10_000);
    let stream = group
        .streams
        .get(stream)
        .ok_or_else(|| ApiError::new(400, "ResourceNotFoundException", "The specified log stream does not exist."))?;
    let wanted = within(fields)?;
    let events: Vec<&LogEvent> = stream.events.iter().filter(|event| wanted(event)).collect();
    // Tokens are places between events: `f/` reads on, `b/` reads back.
    let (from, to) = match fields.text("nextToken")? {
        None if fields.flag("startFromHead")? => (0, most.min(events.len())),
        None => (events.len().saturating_sub(most), events.len()),
        Some(token) => {
            let place = token.get(2..).and_then(|place| place.parse::<usize>().ok());
            let place = place.ok_or_else(|| fields.complain("The specified nextToken is invalid."))?.min(events.len());
            if token.starts_with("f/") {
                (place, (place + most).min(events.len()))
            } else {
                (place.saturating_sub(most), place)
            }
        }
    };
    let shown: Vec<Value> = events[from..to]
        .iter()
        .map(|event| json!({ "timestamp": event.at_ms, "message": event.message, "ingestionTime": event.at_ms }))
        .collect();
    Ok(json!({
        "events": shown,
        "nextForwardToken": format!("f/{to:056}"),
        "nextBackwardToken": format!("b/{from:056}"),
    }))
}

pub(super) fn filter(group: &LogGroup, fields: &Fields) -> Result<Value, ApiError> {
    let most = usize::try_from(fields.bounded("limit", 1, 10_000)?.unwrap_or(10_000)).unwrap_or(10_000);
    let prefix = fields.text("logStreamNamePrefix")?;
    let names = fields.texts("logStreamNames")?;
    if prefix.is_some() && !names.is_empty() {
        return Err(fields.complain("Parameters logStreamNames and logStreamNamePrefix are mutually exclusive."));
    }
    if let Some(name) = names.iter().find(|name| !group.streams.contains_key(*name)) {
        let message = format!("The specified log stream does not exist: {name}");
        return Err(ApiError::new(400, "ResourceNotFoundException", message));
    }
    let pattern = Pattern::read(fields.text("filterPattern")?.unwrap_or_default());
    let wanted = within(fields)?;
    let mut found: Vec<(String, &String, &LogEvent)> = group
        .streams
        .iter()
        .filter(|(stream, _)| prefix.is_none_or(|prefix| stream.starts_with(prefix)))
        .filter(|(stream, _)| names.is_empty() || names.contains(stream))
        .flat_map(|(stream, it)| it.events.iter().enumerate().map(move |(place, event)| (stream, place, event)))
        .filter(|(_, _, event)| wanted(event) && pattern.fits(&event.message))
        .map(|(stream, place, event)| (format!("{:020} {stream} {place:012}", event.at_ms), stream, event))
        .collect();
    found.sort_unstable_by(|a, b| a.0.cmp(&b.0));
    let (events, next) = page(found.into_iter(), |(order, ..)| order.clone(), fields.text("nextToken")?, most);
    let events: Vec<Value> = events
        .into_iter()
        .map(|(order, stream, event)| {
            json!({
                "logStreamName": stream,
                "timestamp": event.at_ms,
                "ingestionTime": event.at_ms,
                "message": event.message,
                "eventId": order,
            })
        })
        .collect();
    Ok(with_token(json!({ "events": events, "searchedLogStreams": [] }), next))
}

/// Whether an event is between `startTime` and `endTime`.
fn within(fields: &Fields) -> Result<impl Fn(&LogEvent) -> bool, ApiError> {
    let (start, end) = (fields.number("startTime")?, fields.number("endTime")?);
    Ok(move |event: &LogEvent| {
        let at = i64::try_from(event.at_ms).unwrap_or(i64::MAX);
        start.is_none_or(|start| at >= start) && end.is_none_or(|end| at < end)
    })
}

fn with_token(mut answer: Value, next: Option<String>) -> Value {
    if let Some(next) = next {
        answer["nextToken"] = next.into();
    }
    answer
}

/// A pattern of terms: all plain ones must be in the message, one of those with `?`, and none of those with `-`.
struct Pattern {
    all: Vec<String>,
    any: Vec<String>,
    none: Vec<String>,
}

impl Pattern {
    fn read(text: &str) -> Self {
        let mut pattern = Self { all: Vec::new(), any: Vec::new(), none: Vec::new() };
        let mut rest = text.trim();
        while !rest.is_empty() {
            let (list, term) = match rest.as_bytes()[0] {
                b'?' => (&mut pattern.any, &rest[1..]),
                b'-' => (&mut pattern.none, &rest[1..]),
                _ => (&mut pattern.all, rest),
            };
            let (word, after) = match term.strip_prefix('"') {
                Some(quoted) => quoted.split_once('"').unwrap_or((quoted, "")),
                None => term.split_once(' ').unwrap_or((term, "")),
            };
            list.push(word.to_owned());
            rest = after.trim_start();
        }
        pattern
    }

    fn fits(&self, message: &str) -> bool {
        let has = |word: &String| message.contains(word.as_str());
        self.all.iter().all(has) && (self.any.is_empty() || self.any.iter().any(has)) && !self.none.iter().any(has)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_terms() {
        let fits = |pattern, message| Pattern::read(pattern).fits(message);
        assert!(fits("", "anything"));
        assert!(fits("REPORT \"Billed Duration\"", "REPORT x Billed Duration: 3 ms"));
        assert!(!fits("\"Billed Duration\"", "Duration Billed"));
        assert!(fits("?a ?b", "b"));
        assert!(!fits("a -b", "a b"));
    }
}
