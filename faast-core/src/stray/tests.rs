//! What may be deleted and what not, against an account in memory, in virtual time.

use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use futures_core::stream::BoxStream;

use super::collect::Collection;
use super::*;
use crate::cache::CacheFolder;
use crate::cost::PriceTable;
use crate::error::{ErrorKind, Result};
use crate::ledger::Ledger;
use crate::provider::{
    Capabilities, CloudFunction, CloudProvider, Deleted, DeployContext, DeploySpec, Mode, StrayScope,
};

use std::sync::Arc;

/// One thing in an account.
#[derive(Debug, Clone)]
struct Thing {
    resource: Resource,
    /// Whether the tags are on it; without them only a look-up finds it.
    tagged: bool,
}

/// An account in memory.
#[derive(Default)]
struct Account {
    things: Mutex<Vec<Thing>>,
    /// Ids whose deletion is refused.
    refused: Vec<&'static str>,
    /// Whether regions can't be listed.
    blind: bool,
    calls: Mutex<Vec<String>>,
}

impl Account {
    fn things(&self) -> MutexGuard<'_, Vec<Thing>> {
        self.things.lock().unwrap()
    }

    fn with(self, resource: &Resource) -> Self {
        self.things().push(Thing { resource: resource.clone(), tagged: true });
        self
    }

    fn untagged(self, resource: &Resource) -> Self {
        let resource = Resource { expires: None, deployment: None, ..resource.clone() };
        self.things().push(Thing { resource, tagged: false });
        self
    }

    fn left(&self) -> Vec<String> {
        self.things().iter().map(|thing| thing.resource.id.clone()).collect()
    }

    fn deletions(&self) -> Vec<String> {
        self.calls.lock().unwrap().clone()
    }
}

#[async_trait]
impl CloudProvider for Account {
    fn name(&self) -> &'static str {
        "account"
    }

    fn capabilities(&self, _: Mode) -> Capabilities {
        Capabilities::unsupported()
    }

    async fn deploy(&self, _: &DeploySpec, _: &DeployContext) -> Result<Arc<dyn CloudFunction>> {
        Err(Error::new(ErrorKind::Unsupported, "nothing can be deployed here"))
    }

    fn stray(&self, scope: &StrayScope) -> BoxStream<'static, Result<Resource>> {
        let within = |thing: &&Thing| {
            thing.tagged && (scope.regions.is_empty() || scope.regions.contains(&thing.resource.region))
        };
        let mut found: Vec<_> = self.things().iter().filter(within).map(|thing| Ok(thing.resource.clone())).collect();
        if self.blind {
            found.insert(0, Err(Error::new(ErrorKind::Io, "a region can't be listed")));
        }
        Box::pin(futures_util::stream::iter(found))
    }

    async fn look_up(&self, resource: &Resource) -> Result<Option<Resource>> {
        Ok(self.things().iter().find(|thing| thing.resource.id == resource.id).map(|thing| thing.resource.clone()))
    }

    async fn delete(&self, resource: &Resource) -> Result<Deleted> {
        self.calls.lock().unwrap().push(resource.id.clone());
        if self.refused.iter().any(|id| resource.id == *id) {
            return Err(Error::new(ErrorKind::Cleanup, "denied").with_hint("ask for more"));
        }
        let mut things = self.things();
        let before = things.len();
        things.retain(|thing| thing.resource.id != resource.id);
        Ok(if things.len() < before { Deleted::Now } else { Deleted::Before })
    }

    async fn prices(&self, _: &str) -> Result<PriceTable> {
        Ok(PriceTable::default())
    }
}

/// A home folder.
struct Home {
    cache: Arc<CacheFolder>,
    _folder: tempfile::TempDir,
}

impl Home {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { cache: Arc::new(CacheFolder::at(folder.path().join("account"))), _folder: folder }
    }

    fn ledger(&self, deployment: &str) -> Ledger {
        Ledger::new(Arc::clone(&self.cache), deployment.into())
    }

    fn find(&self, account: &Account, query: &Query, hour: u64) -> Found {
        now_or_never(find(account, &self.cache, query, at(hour)))
    }

    fn delete(&self, account: &Account, hour: u64, reach: Reach) -> crate::provider::CleanupReport {
        let found = self.find(account, &Query::default(), hour);
        let expected: Vec<_> = found.doomed(reach).map(|resource| resource.id.clone()).collect();
        let report = now_or_never(delete(account, &self.cache, &found, reach));
        let mut done: Vec<_> = report.deleted.iter().map(|resource| resource.id.clone()).collect();
        done.extend(report.left.iter().map(|(resource, _)| resource.id.clone()));
        let sorted = |mut ids: Vec<String>| {
            ids.sort();
            ids
        };
        assert_eq!(sorted(expected), sorted(done), "what was said and what was done differ");
        report
    }

    fn ledgers(&self) -> usize {
        Ledger::all(&self.cache).unwrap().len()
    }
}

fn now_or_never<T>(future: impl Future<Output = T>) -> T {
    futures_util::FutureExt::now_or_never(future).expect("nothing here waits")
}

/// Virtual time, in hours.
fn at(hour: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_hours(500_000 + hour)
}

fn resource(kind: &str, deployment: &str, rank: u32, expires: u64) -> Resource {
    Resource {
        region: "here".into(),
        deployment: Some(deployment.into()),
        expires: Some(at(expires)),
        rank,
        ..Resource::new(kind, format!("{deployment}/{kind}"))
    }
}

fn function(deployment: &str, expires: u64) -> Resource {
    resource("function", deployment, 30, expires)
}

fn role(deployment: &str, expires: u64) -> Resource {
    Resource { region: String::new(), ..resource("role", deployment, 50, expires) }
}

#[test]
fn only_what_has_expired_goes() {
    let account = Account::default().with(&function("old", 24)).with(&role("old", 24)).with(&function("new", 48));
    let home = Home::new();
    assert_eq!(home.delete(&account, 23, Reach::Expired).deleted, []);
    assert_eq!(home.delete(&account, 24, Reach::Expired).deleted, [function("old", 24), role("old", 24)]);
    assert_eq!(account.left(), ["new/function"]);
    assert_eq!(home.delete(&account, 24, Reach::LiveToo).deleted.len(), 1);
    assert_eq!(account.left(), [""; 0]);
}

#[test]
fn finding_changes_nothing() {
    let account = Account::default().with(&function("old", 24));
    let home = Home::new();
    home.ledger("old").intent(&role("old", 24));
    let found = home.find(&account, &Query::default(), 99);
    assert_eq!(found.doomed(Reach::Expired).count(), 1, "the role was never made");
    assert_eq!((account.left().len(), home.ledgers()), (1, 1));
    assert_eq!(account.deletions(), [""; 0]);
}

#[test]
fn a_deployment_is_live_until_its_last_expiry() {
    // A renewal that was broken off after the first of two tags.
    let account = Account::default().with(&function("d", 48)).with(&role("d", 24));
    let home = Home::new();
    assert_eq!(home.delete(&account, 30, Reach::Expired).deleted, []);
    assert_eq!(home.delete(&account, 48, Reach::Expired).deleted.len(), 2);
}

#[test]
fn unreadable_tags_keep_a_resource_whatever_is_asked_for() {
    let unreadable = Resource { expires: None, ..function("d", 0) };
    let account = Account::default().with(&unreadable).with(&role("d", 24));
    let home = Home::new();
    assert_eq!(home.delete(&account, 99, Reach::LiveToo).deleted, [role("d", 24)]);
    assert_eq!(account.left(), ["d/function"]);
    let found = home.find(&account, &Query::default(), 99);
    assert_eq!(found.deployments[0].state_of(&unreadable, at(99)), State::Unknown);
}

#[test]
fn lower_ranks_go_first_and_the_rest_waits_for_what_is_stuck() {
    let queue = resource("queue", "d", 10, 24);
    let mut account = Account::default().with(&role("d", 24)).with(&function("d", 24)).with(&queue);
    account = account.with(&role("other", 24));
    account.refused = vec!["d/function"];
    let home = Home::new();
    let report = home.delete(&account, 99, Reach::Expired);
    assert_eq!(report.deleted, [queue, role("other", 24)]);
    let left: Vec<_> = report.left.iter().map(|(left, why)| (left.kind.as_str(), why.as_str())).collect();
    assert_eq!(left[0], ("function", "denied (ask for more)"), "{left:?}");
    assert_eq!(left[1].0, "role");
    assert!(left[1].1.contains("`d/function`"), "{left:?}");
    assert!(!account.deletions().contains(&"d/role".to_owned()), "it was not even tried");
}

#[test]
fn the_ledger_finds_what_was_killed_before_it_was_tagged() {
    let home = Home::new();
    let bucket = resource("bucket", "d", 20, 24);
    home.ledger("d").intent(&bucket);
    let account = Account::default().untagged(&bucket);
    assert_eq!(home.delete(&account, 23, Reach::Expired).deleted, [], "its client may live");
    assert_eq!(home.delete(&account, 24, Reach::Expired).deleted, [bucket]);
    assert_eq!((account.left().len(), home.ledgers()), (0, 0));
}

#[test]
fn another_home_sees_tags_alone() {
    let home = Home::new();
    let bucket = resource("bucket", "d", 20, 24);
    home.ledger("d").intent(&bucket);
    let account = Account::default().untagged(&bucket).with(&function("d", 24));
    assert_eq!(Home::new().delete(&account, 24, Reach::LiveToo).deleted, [function("d", 24)]);
    assert_eq!(account.left(), ["d/bucket"]);
}

#[test]
fn a_ledger_of_things_that_are_gone_is_closed_once_it_has_expired() {
    let home = Home::new();
    home.ledger("d").intent(&function("d", 24));
    let account = Account::default();
    assert_eq!(home.delete(&account, 23, Reach::Expired).deleted, []);
    assert_eq!(home.ledgers(), 1, "its client may live and is about to make it");
    assert_eq!(home.delete(&account, 24, Reach::Expired).deleted, []);
    assert_eq!((home.ledgers(), account.deletions().len()), (0, 0));
}

#[test]
fn a_ledger_in_which_nothing_is_left_is_closed_too() {
    let home = Home::new();
    let ledger = home.ledger("d");
    ledger.intent(&function("d", 24));
    ledger.deleted(&function("d", 24));
    home.delete(&Account::default(), 23, Reach::Expired);
    assert_eq!(home.ledgers(), 1);
    home.delete(&Account::default(), 24, Reach::Expired);
    assert_eq!(home.ledgers(), 0);
}

#[test]
fn a_ledger_stays_open_for_what_could_not_be_deleted() {
    let home = Home::new();
    let ledger = home.ledger("d");
    ledger.intent(&function("d", 24));
    ledger.intent(&role("d", 24));
    let mut account = Account::default().with(&function("d", 24)).with(&role("d", 24));
    account.refused = vec!["d/role"];
    home.delete(&account, 99, Reach::Expired);
    assert_eq!(Ledger::all(&home.cache).unwrap()[0].resources, [role("d", 24)]);
    account.refused.clear();
    home.delete(&account, 99, Reach::Expired);
    assert_eq!((account.left().len(), home.ledgers()), (0, 0));
}

#[test]
fn what_the_ledger_and_tags_know_is_listed_once_and_the_tag_decides() {
    let home = Home::new();
    home.ledger("d").intent(&function("d", 24));
    // Renewed by a client whose home could not be written to.
    let account = Account::default().with(&function("d", 48));
    let found = home.find(&account, &Query::default(), 30);
    assert_eq!(found.deployments.len(), 1);
    assert_eq!(found.deployments[0].resources, [function("d", 48)]);
    assert!(found.deployments[0].in_ledger);
    assert_eq!(found.doomed(Reach::Expired).count(), 0);
}

#[test]
fn other_deployments_and_regions_can_be_left_out() {
    let far = |deployment| Resource { region: "far".into(), ..function(deployment, 24) };
    let account = Account::default().with(&function("one", 24)).with(&function("two", 24)).with(&far("one"));
    let home = Home::new();
    home.ledger("one").intent(&far("one"));
    let ids = |query: Query| home.find(&account, &query, 99).doomed(Reach::Expired).cloned().collect::<Vec<_>>();
    assert_eq!(ids(Query::default().deployment("two".into())), [function("two", 24)]);
    assert_eq!(ids(Query::default().region("far")), [far("one")]);
    assert_eq!(ids(Query::default().region("here").deployment("one".into())), [function("one", 24)]);
    assert_eq!(ids(Query::default().region("nowhere")), []);
}

#[test]
fn a_region_that_can_not_be_listed_is_told_and_hides_nothing_else() {
    let account = Account { blind: true, ..Account::default() }.with(&function("d", 24));
    let found = Home::new().find(&account, &Query::default(), 99);
    assert_eq!((found.failures.len(), found.doomed(Reach::Expired).count()), (1, 1));
}

impl Home {
    fn collect(&self, account: &Account, hour: u64) -> Collection {
        now_or_never(collect(account, &self.cache, "1-here", at(hour)))
    }
}

fn deleted(collection: &Collection) -> Vec<&str> {
    let Collection::Done(report) = collection else { panic!("{collection:?}") };
    report.deleted.iter().map(|resource| resource.id.as_str()).collect()
}

#[test]
fn a_collection_takes_what_has_expired_once_a_day() {
    let home = Home::new();
    let account = Account::default().with(&function("old", 24)).with(&function("new", 48));
    assert_eq!(deleted(&home.collect(&account, 24)), ["old/function"]);
    account.things().push(Thing { resource: function("late", 25), tagged: true });
    for hour in 24..48 {
        assert_eq!(home.collect(&account, hour), Collection::NotDue, "{hour}");
    }
    assert_eq!(deleted(&home.collect(&account, 48)), ["late/function", "new/function"]);
}

#[test]
fn a_collection_that_is_broken_off_is_finished_by_the_next() {
    let home = Home::new();
    let account = Account::default().with(&function("old", 24)).with(&role("old", 24));
    // Polled once and dropped: the account answers its second question only later.
    let slow = Slow { account, answers: Mutex::new(2) };
    let broken_off = collect(&slow, &home.cache, "1-here", at(30));
    assert!(futures_util::FutureExt::now_or_never(broken_off).is_none());
    assert_eq!(slow.account.left(), ["old/role"]);
    assert_eq!(deleted(&home.collect(&slow.account, 30)), ["old/role"]);
    assert_eq!(home.collect(&slow.account, 30), Collection::NotDue);
}

#[test]
fn what_can_not_be_deleted_waits_for_the_next_day() {
    let home = Home::new();
    let mut account = Account { blind: true, ..Account::default() }.with(&function("old", 24));
    account.refused = vec!["old/function"];
    let collection = home.collect(&account, 30);
    assert!(matches!(&collection, Collection::Done(report) if report.left.len() == 1), "{collection:?}");
    assert_eq!(home.collect(&account, 31), Collection::NotDue);
    assert_eq!(account.deletions().len(), 1);
}

#[test]
fn a_collection_clears_what_nobody_can_use_and_keeps_the_rest_of_the_cache() {
    let home = Home::new();
    for path in ["packages/x", "prices/here.json", "runs/1", "stage/old/x", "stage/live/x", "logs/old/x"] {
        home.cache.write(path, b"x").unwrap();
    }
    // The files are of today, so that the day after tomorrow is a matter of the real clock.
    let later = SystemTime::now() + Duration::from_hours(48);
    let live = Resource { expires: Some(later + Duration::from_hours(1)), ..function("live", 0) };
    let account = Account::default().with(&live);
    now_or_never(collect(&account, &home.cache, "", later));
    let left = |path: &str| home.cache.root().join(path).exists();
    assert!(!left("packages/x") && !left("stage/old"));
    assert!(left("prices/here.json") && left("runs/1") && left("stage/live/x") && left("logs/old/x"));
}

/// An account that stops answering deletions after some.
struct Slow {
    account: Account,
    answers: Mutex<usize>,
}

#[async_trait]
impl CloudProvider for Slow {
    fn name(&self) -> &'static str {
        "slow"
    }

    fn capabilities(&self, mode: Mode) -> Capabilities {
        self.account.capabilities(mode)
    }

    async fn deploy(&self, spec: &DeploySpec, cx: &DeployContext) -> Result<Arc<dyn CloudFunction>> {
        self.account.deploy(spec, cx).await
    }

    fn stray(&self, scope: &StrayScope) -> BoxStream<'static, Result<Resource>> {
        self.account.stray(scope)
    }

    async fn delete(&self, resource: &Resource) -> Result<Deleted> {
        let left = {
            let mut answers = self.answers.lock().unwrap();
            *answers -= 1;
            *answers
        };
        if left == 0 {
            std::future::pending::<()>().await;
        }
        self.account.delete(resource).await
    }

    async fn prices(&self, region: &str) -> Result<PriceTable> {
        self.account.prices(region).await
    }
}
