//! Every promise of a provider of faast, kept by this one.

faast_testkit::conformance!(provider: http_pool::HttpPool::new(), workers: processes);
