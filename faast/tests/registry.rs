//! Registration: functions are found wherever they are written, without a list.

use faast::prelude::*;

faast::test_worker!();

mod outer {
    pub(crate) mod inner {
        #[faast::function]
        pub(crate) fn deep(n: u8) -> u8 {
            n + 1
        }
    }
}

#[faast::function]
fn private() -> u8 {
    7
}

#[tokio::test]
async fn functions_of_other_modules_are_found() {
    #[faast::function]
    fn within_a_function(text: &str) -> usize {
        text.len()
    }

    let cloud = faast::local().concurrency(1).deploy().await.unwrap();
    assert_eq!(cloud.run(outer::inner::deep::call(1)).await.unwrap(), 2);
    assert_eq!(cloud.run(private::call()).await.unwrap(), 7);

    assert_eq!(cloud.run(within_a_function::call("four")).await.unwrap(), 4);
    assert_eq!(outer::inner::deep::call(1).function(), "registry::outer::inner::deep");
    cloud.cleanup().await.unwrap();
}

#[tokio::test]
async fn functions_of_other_crates_are_found() {
    let cloud = faast::local().concurrency(1).deploy().await.unwrap();
    assert_eq!(cloud.run(functions::double::call(21)).await.unwrap(), 42);
    assert_eq!(cloud.run(functions::nested::half::call(85)).await.unwrap(), 42);
    assert_eq!(functions::double::call(1).function(), "functions::double");
    cloud.cleanup().await.unwrap();
}
