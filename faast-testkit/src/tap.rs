//! A wire tap: passes connections on to a server, keeps what the client sends, and can be cut, also after a byte.
//!
//! Responsible for the wire alone: it reads nothing of what goes through it. The invariant is that both ends of a
//! connection live and end together.

#![expect(clippy::unwrap_used, reason = "a test whose wire can't be had has nothing to go on with")]

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, Weak};
use std::thread;
use std::time::Duration;

/// A wire to a server of this machine. Accepts connections until it is dropped.
///
/// ```
/// use std::io::{Read as _, Write as _};
/// use std::net::{TcpListener, TcpStream};
///
/// use faast_testkit::tap::Tap;
///
/// let server = TcpListener::bind("127.0.0.1:0")?;
/// let tap = Tap::before(&format!("http://{}", server.local_addr()?));
/// let mut client = TcpStream::connect(tap.endpoint().trim_start_matches("http://"))?;
/// client.write_all(b"hello")?;
/// let mut bytes = [0; 5];
/// server.accept()?.0.read_exact(&mut bytes)?;
/// assert_eq!((&bytes, tap.heard().as_slice()), (b"hello", &b"hello"[..]));
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct Tap {
    address: SocketAddr,
    heard: Arc<Mutex<Vec<u8>>>,
    line: Arc<Mutex<Line>>,
}

/// Written by tests, which cut it, and by the thread that accepts.
#[derive(Debug, Default)]
struct Line {
    cut: bool,
    /// Bytes, in either direction, after which the connection that passes the last of them is closed.
    left: Option<usize>,
    /// Both ends of everything that was passed on.
    passed: Vec<TcpStream>,
}

impl Tap {
    /// In front of `http://<host>:<port>`.
    ///
    /// # Panics
    ///
    /// If the endpoint is no such URL, or there is no free port.
    pub fn before(endpoint: &str) -> Self {
        let behind = endpoint.strip_prefix("http://").unwrap().to_owned();
        let mut listener = Some(listen(SocketAddr::from(([127, 0, 0, 1], 0))));
        let address = listener.as_ref().unwrap().local_addr().unwrap();
        let (heard, line) = (Arc::<Mutex<Vec<u8>>>::default(), Arc::<Mutex<Line>>::default());
        let (kept, watched) = (Arc::clone(&heard), Arc::downgrade(&line));
        thread::spawn(move || {
            while let Some(line) = watched.upgrade() {
                let mut line = line.lock().unwrap();
                if line.cut {
                    // Nothing listens there: connections are refused.
                    listener = None;
                } else if let Ok((client, _)) = listener.get_or_insert_with(|| listen(address)).accept() {
                    client.set_nonblocking(false).unwrap();
                    let Ok(server) = TcpStream::connect(&behind) else { return };
                    line.passed.extend([client.try_clone().unwrap(), server.try_clone().unwrap()]);
                    let (kept, back) = (Arc::clone(&kept), (server.try_clone().unwrap(), client.try_clone().unwrap()));
                    let (there, here) = (watched.clone(), watched.clone());
                    let keep = move |bytes: &[u8]| kept.lock().unwrap().extend_from_slice(bytes);
                    thread::spawn(move || pass(client, server, &there, keep));
                    thread::spawn(move || pass(back.0, back.1, &here, |_| {}));
                    continue;
                }
                drop(line);
                thread::sleep(Duration::from_millis(1));
            }
        });
        Self { address, heard, line }
    }

    /// Ends all connections; none is accepted from now on.
    pub fn cut(&self) {
        let mut line = self.line.lock().unwrap();
        line.cut = true;
        for stream in line.passed.drain(..) {
            // One that has ended is as good.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// Accepts connections again.
    pub fn mend(&self) {
        self.line.lock().unwrap().cut = false;
    }

    /// Passes so many bytes more, and then closes the connection that the last of them went through, once.
    pub fn close_after(&self, bytes: usize) {
        self.line.lock().unwrap().left = Some(bytes);
    }

    /// Whether it still waits for that byte; from now on it does not.
    pub fn take_unclosed(&self) -> bool {
        self.line.lock().unwrap().left.take().is_some()
    }

    /// Where clients connect to: `http://127.0.0.1:<port>`.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Everything that was sent so far, heads of requests included.
    pub fn heard(&self) -> Vec<u8> {
        self.heard.lock().unwrap().clone()
    }
}

fn listen(address: SocketAddr) -> TcpListener {
    let listener = TcpListener::bind(address).unwrap();
    listener.set_nonblocking(true).unwrap();
    listener
}

/// How many of so many bytes may pass, and whether the connection is closed behind them.
fn admit(line: &Weak<Mutex<Line>>, bytes: usize) -> (usize, bool) {
    let Some(line) = line.upgrade() else { return (bytes, false) };
    let mut line = line.lock().unwrap();
    match line.left {
        Some(left) if left <= bytes => {
            line.left = None;
            (left, true)
        }
        Some(left) => {
            line.left = Some(left - bytes);
            (bytes, false)
        }
        None => (bytes, false),
    }
}

fn pass(mut from: TcpStream, mut to: TcpStream, line: &Weak<Mutex<Line>>, mut see: impl FnMut(&[u8])) {
    let mut buffer = vec![0; 64 * 1024];
    // An end of either side is the end of both.
    while let Ok(read @ 1..) = from.read(&mut buffer).or_else(|error| match error.kind() {
        io::ErrorKind::Interrupted => Ok(0),
        _ => Err(error),
    }) {
        let (passed, closed) = admit(line, read);
        see(&buffer[..passed]);
        if to.write_all(&buffer[..passed]).is_err() || closed {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
    let _ = from.shutdown(Shutdown::Both);
}
