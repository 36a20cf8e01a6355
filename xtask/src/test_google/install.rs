//! The servers that nobody of this project wrote, and a client for registries.
//!
//! From the Python package registry and from Debian's archive; nothing is installed into the system, so that no root is
//! needed. Google's own emulator of Pub/Sub can be had with gcloud only, and is used where it is.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::command::CommandLine;
use crate::install::{Venv, once, target_folder, text};

/// What pip installs.
const PACKAGES: &[&str] = &["gcp-storage-emulator==2026.7.19"];

/// The registry of Debian, which stands for Artifact Registry.
const REGISTRY: &str = "docker-registry";

/// A client of other people, with what it needs that few machines have; the names depend on Debian's release.
const CLIENTS: &[&str] = &["skopeo libgpgme11 libassuan0", "skopeo libgpgme11t64 libassuan9"];

/// Where gcloud is, in the order of its installers.
const GCLOUD: &[&str] = &["/usr/lib/google-cloud-sdk", "/usr/share/google-cloud-sdk", "/opt/google-cloud-sdk"];
const PUBSUB: &str = "platform/pubsub-emulator/bin/cloud-pubsub-emulator";

/// Starts the client with the libraries beside it.
const WRAPPER: &str = "#!/bin/sh\nhere=$(dirname \"$0\")\n\
                       LD_LIBRARY_PATH=$(echo \"$here\"/usr/lib/*-linux-gnu*) exec \"$here/usr/bin/skopeo\" \"$@\"\n";

/// Where everything is.
pub(super) struct Tools {
    /// The folder for servers' files and logs.
    pub(super) folder: PathBuf,
    venv: Venv,
}

impl Tools {
    /// Installs what is not there yet.
    pub(super) fn install() -> Result<Self> {
        let folder = target_folder()?.join("independent-google");
        let tools = Self { venv: Venv::at(folder.join("venv")), folder };
        let wanted = format!("{}\n{REGISTRY}\n{}\n", PACKAGES.join("\n"), CLIENTS.join("\n"));
        let installed = once(&tools.folder, &wanted, || {
            tools.venv.install(PACKAGES)?;
            tools.debian("registry", REGISTRY)?;
            tools.install_client()
        });
        installed.with_context(|| {
            "the servers for --independent can't be installed; it takes python3 with venv and pip, a package registry, \
             and Debian's `apt-get` and `dpkg`"
        })?;
        Ok(tools)
    }

    /// A program of the Python environment.
    pub(super) fn program(&self, name: &str) -> PathBuf {
        self.venv.program(name)
    }

    pub(super) fn registry(&self) -> PathBuf {
        self.folder.join("registry/usr/bin/docker-registry")
    }

    /// The client for registries, if it could be had.
    pub(super) fn client(&self) -> Option<PathBuf> {
        Some(self.folder.join("client/skopeo")).filter(|path| path.exists())
    }

    /// Google's emulator of Pub/Sub, if gcloud has it here.
    pub(super) fn pubsub() -> Option<PathBuf> {
        let own = std::env::home_dir().map(|home| home.join("google-cloud-sdk"));
        let places = GCLOUD.iter().map(PathBuf::from).chain(own);
        places.map(|place| place.join(PUBSUB)).find(|program| program.exists())
    }

    /// Unpacks packages of Debian below a folder of their own.
    fn debian(&self, name: &str, packages: &str) -> Result<()> {
        const UNPACK: &str = "cd \"$0\" && apt-get download \"$@\" && for it in *.deb; do dpkg -x \"$it\" .; done";
        let folder = self.folder.join(name);
        fs::create_dir_all(&folder)?;
        let command = CommandLine::default().arg("sh").arg("-c").arg(UNPACK).arg(&text(&folder)?);
        packages.split(' ').fold(command, CommandLine::arg).run()
    }

    fn install_client(&self) -> Result<()> {
        let wrapper = self.folder.join("client/skopeo");
        for packages in CLIENTS {
            if self.debian("client", packages).is_ok() {
                fs::write(&wrapper, WRAPPER)?;
                CommandLine::new("chmod +x").arg(&text(&wrapper)?).run()?;
                if works(&wrapper)? {
                    return Ok(());
                }
            }
            fs::remove_dir_all(self.folder.join("client"))?;
        }
        println!("skopeo can't be had here: images are pulled by plain HTTP only");
        Ok(())
    }
}

fn works(program: &Path) -> Result<bool> {
    Ok(CommandLine::default().arg(&text(program)?).arg("--version").succeeds())
}
