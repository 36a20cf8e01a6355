//! The tools that build a program for Lambda, where the running one can't run there.

use faast_core::Arch;
use faast_core::provider::Finding;
use faast_packer::{Target, Toolbox};

use crate::deploy::GLIBC;

/// Looks for them on a thread of its own: they are started to say their versions. Without any of them everything works
/// where the program was built on Linux, for the processor that is asked for.
pub(super) async fn find() -> Vec<Finding> {
    const ARCHS: [Arch; 2] = [Arch::X86_64, Arch::Arm64];
    let look = || Toolbox::find(&ARCHS.map(|arch| Target::new(arch, GLIBC)));
    let Ok(Ok(found)) = tokio::task::spawn_blocking(look).await else { return Vec::new() };
    let here = Arch::of_this_machine();
    ARCHS.into_iter().zip(&found).map(|(arch, toolbox)| judge(arch, here == Some(arch), toolbox)).collect()
}

fn judge(arch: Arch, is_here: bool, toolbox: &Toolbox) -> Finding {
    let there = |there: bool| if there { "yes" } else { "no" };
    let mut finding = if toolbox.can_build() {
        Finding::good("tool", arch.to_string(), format!("this machine can build for {arch}"))
    } else {
        let (major, minor) = GLIBC;
        let but = if cfg!(target_os = "linux") && is_here {
            format!(", which only programs need that use a newer glibc than {major}.{minor}")
        } else {
            String::new()
        };
        let text = format!("there is nothing here to build for {arch} with{but}");
        Finding::note("tool", arch.to_string(), text).with_hint(format!("if that is needed: {}", toolbox.hint))
    };
    for (name, installed) in &toolbox.targets {
        finding =
            finding.with_fact(if name.ends_with("musl") { "musl_target" } else { "gnu_target" }, there(*installed));
    }
    finding
        .with_fact("rustc", there(toolbox.rustc))
        .with_fact("cargo_zigbuild", there(toolbox.zigbuild))
        .with_fact("zig", there(toolbox.zig))
}
