//! The servers that nobody of this project wrote, and the AWS command line.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use crate::command::CommandLine;
use crate::install::{Venv, once, target_folder, text};

/// What pip installs. `MiniStack` runs functions, moto is a second control plane, the rest are clients.
const PACKAGES: &[&str] = &["ministack==1.5.33", "moto[server]==5.2.5", "boto3", "awscli==1.46.3"];

/// The wheel that AWS's own runtime interface emulator comes in, and its hash.
const WHEEL: &str = "aws-sam-cli==1.170.0 \
                     --hash=sha256:24ebaf5ecba38dc1758089968cb89ab61e124b84e92a344fc7a2771a47f4d0bf";

/// Where the emulator is within the wheel, for each processor.
const EMULATOR: &str = "samcli/local/rapid/aws-lambda-rie";

/// The hash of the one for `x86_64`; the wheel's covers the other.
const EMULATOR_SHA256: &str = "6b1e686e62ab2baf5759c412c4864276ef2a88b094fca53ec070637ccba9b9a5";

/// Where everything is.
pub(super) struct Tools {
    /// The folder for servers' files and logs.
    pub(super) folder: PathBuf,
    venv: Venv,
    /// AWS's own runtime interface emulator.
    pub(super) rie: PathBuf,
}

impl Tools {
    /// Installs what is not there yet.
    pub(super) fn install() -> Result<Self> {
        let folder = target_folder()?.join("independent-aws");
        let arch = if cfg!(target_arch = "aarch64") { "arm64" } else { "x86_64" };
        let rie = folder.join("wheel").join(format!("{EMULATOR}-{arch}"));
        let tools = Self { venv: Venv::at(folder.join("venv")), folder, rie };
        let wanted = format!("{}\n{WHEEL}\n", PACKAGES.join("\n"));
        let installed = once(&tools.folder, &wanted, || {
            fs::create_dir_all(tools.folder.join("wheel"))?;
            tools.venv.install(PACKAGES)?;
            tools.install_emulator(&text(&tools.program("pip"))?)
        });
        installed.with_context(|| {
            "the servers for --independent can't be installed; it takes python3 with venv and pip, and a package registry"
        })?;
        Ok(tools)
    }

    /// Cargo's own folder, which theirs is in.
    pub(super) fn target(&self) -> &Path {
        self.folder.parent().unwrap_or(Path::new("target"))
    }

    /// A program of the Python environment.
    pub(super) fn program(&self, name: &str) -> PathBuf {
        self.venv.program(name)
    }

    fn install_emulator(&self, pip: &str) -> Result<()> {
        let folder = self.folder.join("wheel");
        let requirements = folder.join("requirements.txt");
        fs::write(&requirements, WHEEL)?;
        let download = CommandLine::default().arg(pip).arg("download").arg("--quiet").arg("--no-deps");
        let download = download.arg("--require-hashes").arg("--requirement").arg(&text(&requirements)?);
        download.arg("--dest").arg(&text(&folder)?).run()?;
        let wheel = fs::read_dir(&folder)?.filter_map(|entry| Some(entry.ok()?.path()));
        let wheel = wheel.into_iter().find(|path| path.extension().is_some_and(|it| it == "whl"));
        let wheel = wheel.context("pip has downloaded no wheel")?;
        let python = text(&self.program("python"))?;
        let unpack = CommandLine::default().arg(&python).arg("-m").arg("zipfile").arg("-e");
        unpack.arg(&text(&wheel)?).arg(&text(&folder)?).run()?;
        if cfg!(target_arch = "x86_64") {
            let printed = CommandLine::new("sha256sum").arg(&text(&self.rie)?).output()?;
            ensure!(printed.starts_with(EMULATOR_SHA256), "`{}` is another one: {printed}", self.rie.display());
        }
        CommandLine::new("chmod +x").arg(&text(&self.rie)?).run()
    }
}
