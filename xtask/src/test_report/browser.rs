//! A headless Chromium, driven by its own protocol over two pipes: no port, no driver, no other program.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Value, json};

pub(super) struct Browser {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
    next: u64,
    /// What was asked for over the network since a page was opened.
    requests: Vec<String>,
}

/// One page, open in a tab of its own.
pub(super) struct Page<'b> {
    browser: &'b mut Browser,
    session: String,
}

impl Browser {
    pub(super) fn start(folder: &Path) -> Result<Self> {
        let program = std::env::var("CHROMIUM").unwrap_or_else(|_| "chromium".into());
        let profile = folder.join("profile");
        // The protocol is spoken on descriptors 3 and 4, which a shell can set without unsafe code.
        let line = "exec \"$0\" --headless=new --no-sandbox --disable-gpu --hide-scrollbars --no-first-run \
                    --remote-debugging-pipe --user-data-dir=\"$1\" about:blank 3<&0 4>&1 >/dev/null 2>&1 </dev/null";
        let mut child = Command::new("sh")
            .args(["-c", line, &program])
            .arg(profile)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("the browser can't start")?;
        let to = child.stdin.take().context("no pipe")?;
        let from = BufReader::new(child.stdout.take().context("no pipe")?);
        let mut browser = Self { child, to, from, next: 0, requests: Vec::new() };
        let version = browser
            .call(None, "Browser.getVersion", &json!({}))
            .with_context(|| format!("`{program}` does not run; install Debian's package chromium, or set CHROMIUM"))?;
        println!("{}", version["product"].as_str().unwrap_or("a browser"));
        Ok(browser)
    }

    pub(super) fn open(&mut self, path: &Path) -> Result<Page<'_>> {
        let target = self.call(None, "Target.createTarget", &json!({ "url": "about:blank" }))?;
        let attach = json!({ "targetId": target["targetId"], "flatten": true });
        let session =
            self.call(None, "Target.attachToTarget", &attach)?["sessionId"].as_str().context("no session")?.to_owned();
        self.requests.clear();
        let mut page = Page { browser: self, session };
        page.call("Page.enable", &json!({}))?;
        page.call("Network.enable", &json!({}))?;
        page.size(1280)?;
        page.call("Page.navigate", &json!({ "url": format!("file://{}", path.display()) }))?;
        while page.evaluate("document.readyState")? != "complete" || page.evaluate("location.protocol")? != "file:" {}
        Ok(page)
    }

    fn call(&mut self, session: Option<&str>, method: &str, parameters: &Value) -> Result<Value> {
        self.next += 1;
        let mut message = json!({ "id": self.next, "method": method, "params": parameters });
        if let Some(session) = session {
            message["sessionId"] = session.into();
        }
        self.to.write_all(format!("{message}\0").as_bytes())?;
        loop {
            let mut answer = Vec::new();
            ensure!(self.from.read_until(0, &mut answer)? > 0, "the browser has ended");
            answer.pop();
            let mut answer: Value = serde_json::from_slice(&answer)?;
            if answer["method"] == "Network.requestWillBeSent" {
                self.requests.extend(answer["params"]["request"]["url"].as_str().map(str::to_owned));
            }
            if answer["id"] == self.next {
                if let Some(error) = answer.get("error") {
                    bail!("{method}: {error}");
                }
                return Ok(answer["result"].take());
            }
        }
    }

    pub(super) fn close(mut self) -> Result<()> {
        self.call(None, "Browser.close", &json!({}))?;
        self.child.wait()?;
        Ok(())
    }
}

impl Page<'_> {
    pub(super) fn call(&mut self, method: &str, parameters: &Value) -> Result<Value> {
        self.browser.call(Some(&self.session), method, parameters)
    }

    /// The value of a script's expression.
    pub(super) fn evaluate(&mut self, script: &str) -> Result<Value> {
        let parameters = json!({ "expression": script, "returnByValue": true, "awaitPromise": true });
        let mut answer = self.call("Runtime.evaluate", &parameters)?;
        if let Some(exception) = answer.get("exceptionDetails") {
            bail!("`{script}`: {exception}");
        }
        Ok(answer["result"]["value"].take())
    }

    /// A key, pressed and let go.
    pub(super) fn press(&mut self, key: &str) -> Result<()> {
        let code = match key {
            "Tab" => 9,
            "Enter" => 13,
            "End" => 35,
            "Home" => 36,
            "ArrowLeft" => 37,
            "ArrowRight" => 39,
            _ => bail!("no such key: {key}"),
        };
        let text = if key == "Enter" { "\r" } else { "" };
        for kind in ["keyDown", "keyUp"] {
            let event = json!({ "type": kind, "key": key, "code": key, "windowsVirtualKeyCode": code, "text": text });
            self.call("Input.dispatchKeyEvent", &event)?;
        }
        Ok(())
    }

    pub(super) fn size(&mut self, width: u32) -> Result<()> {
        let size = json!({ "width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600 });
        self.call("Emulation.setDeviceMetricsOverride", &size).map(drop)
    }

    pub(super) fn media(&mut self, media: &str, scheme: &str) -> Result<()> {
        let scheme = json!([{ "name": "prefers-color-scheme", "value": scheme }]);
        self.call("Emulation.setEmulatedMedia", &json!({ "media": media, "features": scheme })).map(drop)
    }

    /// All of the page, as PNG.
    pub(super) fn picture(&mut self) -> Result<Vec<u8>> {
        self.evaluate("window.scrollTo(0, 0)")?;
        let shot = self.call("Page.captureScreenshot", &json!({ "captureBeyondViewport": true }))?;
        decode(shot["data"].as_str().context("no picture")?)
    }

    /// As PDF.
    pub(super) fn print(&mut self) -> Result<Vec<u8>> {
        let pdf = self.call("Page.printToPDF", &json!({ "printBackground": false }))?;
        decode(pdf["data"].as_str().context("nothing printed")?)
    }

    /// What the page asked for but itself.
    pub(super) fn requests(&self) -> Vec<&str> {
        let requests = self.browser.requests.iter().map(String::as_str);
        requests.filter(|url| !url.starts_with("file:") && !url.starts_with("blob:") && *url != "about:blank").collect()
    }
}

/// Base64, as the protocol sends bytes.
fn decode(text: &str) -> Result<Vec<u8>> {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let (mut word, mut bits) = (0_u32, 0);
    for digit in text.bytes().filter(|digit| *digit != b'=') {
        let value = DIGITS.iter().position(|it| *it == digit).context("no base64")?;
        word = word << 6 | u32::try_from(value)?;
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            bytes.push(u8::try_from(word >> bits & 0xff)?);
        }
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_decoded() {
        assert_eq!(decode("aGVsbG8=").unwrap(), b"hello");
        assert_eq!(decode("/+8A").unwrap(), [0xff, 0xef, 0]);
        assert!(decode("a*").is_err());
    }
}
