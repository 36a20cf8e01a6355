//! How long answers take, by service and operation. Delays are what a client in the same region sees, without network.

use std::time::Duration;

/// A model of the delays of answers.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Latency {
    rows: Vec<Row>,
}

#[derive(Debug, Clone, PartialEq)]
struct Row {
    service: String,
    action: Option<String>,
    delay: Duration,
}

impl Latency {
    /// Answers come at once.
    pub fn none() -> Self {
        Self::default()
    }

    /// Delays of the size that real services have.
    pub fn realistic() -> Self {
        let all = [
            ("lambda", 40),
            ("iam", 60),
            ("sts", 30),
            ("sqs", 12),
            ("s3", 40),
            ("logs", 30),
            ("tagging", 80),
            ("pricing", 200),
            ("run", 80),
            ("artifactregistry", 80),
            ("registry", 60),
            ("storage", 40),
            ("pubsub", 25),
            ("logging", 80),
            ("cloudbilling", 200),
            ("serviceusage", 100),
            ("cloudresourcemanager", 80),
            ("oauth2", 50),
            ("metadata", 5),
            ("app", 8),
        ];
        let latency =
            all.iter().fold(Self::none(), |it, (service, ms)| it.service(service, Duration::from_millis(*ms)));
        let single = [
            ("lambda", "CreateFunction", 600),
            ("lambda", "Invoke", 8),
            ("lambda", "InvokeWithResponseStream", 8),
            ("iam", "CreateRole", 120),
            ("s3", "CreateBucket", 200),
            ("run", "CreateService", 400),
            ("artifactregistry", "CreateRepository", 300),
            ("storage", "InsertBucket", 300),
        ];
        let with = |it: Self, (service, action, ms): &(&str, &str, u64)| {
            it.action(service, action, Duration::from_millis(*ms))
        };
        single.iter().fold(latency, with)
    }

    /// The delay of a service's operations that have no row of their own.
    #[must_use]
    pub fn service(mut self, service: &str, delay: Duration) -> Self {
        self.rows.insert(0, Row { service: service.into(), action: None, delay });
        self
    }

    /// The delay of one operation.
    #[must_use]
    pub fn action(mut self, service: &str, action: &str, delay: Duration) -> Self {
        self.rows.insert(0, Row { service: service.into(), action: Some(action.into()), delay });
        self
    }

    pub(crate) fn of(&self, service: &str, action: &str) -> Duration {
        let rows = || self.rows.iter().filter(|row| row.service == service);
        let own = rows().find(|row| row.action.as_deref() == Some(action));
        own.or_else(|| rows().find(|row| row.action.is_none())).map_or(Duration::ZERO, |row| row.delay)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operation_goes_before_its_service() {
        let ms = Duration::from_millis;
        let latency = Latency::none().action("iam", "GetRole", ms(5)).service("iam", ms(1));
        assert_eq!(latency.of("iam", "GetRole"), ms(5));
        assert_eq!(latency.of("iam", "PutRole"), ms(1));
        assert_eq!(latency.of("s3", "GetObject"), ms(0));
    }
}
