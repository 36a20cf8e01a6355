//! The tools that build a program for Cloud Run, where the running one can't run there.

use faast_core::Arch;
use faast_core::provider::Finding;
use faast_packer::{Target, Toolbox};

/// Looks for them on a thread of its own: they are started to say their versions. Where this is Linux on x86-64, nothing is
/// needed: an image brings the libraries that the program was built with.
pub(super) async fn find() -> Vec<Finding> {
    let look = || Toolbox::find(&[Target::bare(Arch::X86_64)]);
    let Ok(Ok(found)) = tokio::task::spawn_blocking(look).await else { return Vec::new() };
    let runs_here = cfg!(target_os = "linux") && Arch::of_this_machine() == Some(Arch::X86_64);
    found.iter().map(|toolbox| judge(runs_here, toolbox)).collect()
}

fn judge(runs_here: bool, toolbox: &Toolbox) -> Finding {
    if runs_here {
        return Finding::good(
            "tool",
            Arch::X86_64.to_string(),
            "programs of this machine run on Cloud Run as they are",
        );
    }
    if toolbox.can_build() {
        return Finding::good("tool", Arch::X86_64.to_string(), "this machine can build for Cloud Run");
    }
    let text = "there is nothing here to build for Cloud Run with, which has x86-64 processors";
    Finding::problem("tool", Arch::X86_64.to_string(), text).with_hint(toolbox.hint.clone())
}
