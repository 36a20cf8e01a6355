//! Runs tests by name, with the arguments and the closing line of the standard harness, as far as cargo, nextest and CI
//! use them. One after the other: the tests are about processes.

use std::panic::catch_unwind;
use std::{env, process};

pub(crate) fn run(tests: &[(&str, fn())]) {
    let args: Vec<String> = env::args().skip(1).collect();
    let flag = |name: &str| args.iter().any(|arg| arg == name);
    let filters: Vec<&String> = args.iter().filter(|arg| !arg.starts_with('-') && *arg != "terse").collect();
    let wanted = |name: &str| {
        let matches =
            |filter: &&String| if flag("--exact") { name == **filter } else { name.contains(filter.as_str()) };
        !flag("--ignored") && (filters.is_empty() || filters.iter().any(matches))
    };
    let wanted: Vec<_> = tests.iter().filter(|(name, _)| wanted(name)).collect();
    if flag("--list") {
        for (name, _) in &wanted {
            println!("{name}: test");
        }
        return;
    }
    let mut failed = 0;
    for (name, test) in &wanted {
        let good = catch_unwind(test).is_ok();
        println!("test {name} ... {}", if good { "ok" } else { "FAILED" });
        failed += usize::from(!good);
    }
    let (result, passed) = (if failed == 0 { "ok" } else { "FAILED" }, wanted.len() - failed);
    let filtered = tests.len() - wanted.len();
    println!(
        "\ntest result: {result}. {passed} passed; {failed} failed; 0 ignored; 0 measured; {filtered} filtered out\n"
    );
    if failed > 0 {
        process::exit(101);
    }
}
