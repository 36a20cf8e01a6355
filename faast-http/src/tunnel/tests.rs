//! Which proxy is taken, and what becomes of calls behind one that says yes, says no, or breaks.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::thread::{self, JoinHandle};

use bytes::Bytes;
use faast_core::provider::{InvokeError, RetryClass};
use http_body_util::Full;

use super::*;
use crate::connect::Connector;
use crate::not_connected;

const PASSWORD: &str = "open sesame";

/// The same in base64, behind the user's name.
const BASIC: &str = "Proxy-Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==";

fn through(matcher: &Matcher, endpoint: &'static str) -> Option<Proxy> {
    Proxy::of(matcher, &Uri::from_static(endpoint)).unwrap()
}

const LAMBDA: &str = "https://lambda.us-west-2.amazonaws.com";

#[test]
fn an_endpoint_with_tls_has_the_proxy_of_the_variables() {
    let matcher = Matcher::builder().https("http://proxy:3128").http("http://other").no(".internal,10.0.0.0/8").build();
    let proxy = through(&matcher, LAMBDA).unwrap();
    assert_eq!((proxy.tls, proxy.name().as_str()), (false, "proxy:3128"));
    assert_eq!(through(&matcher, "https://lambda.internal"), None);
    assert_eq!(through(&matcher, "https://10.1.2.3:8443"), None);
    // An emulator.
    assert_eq!(through(&matcher, "http://127.0.0.1:4566"), None);
    assert_eq!(through(&Matcher::builder().build(), LAMBDA), None);
}

#[test]
fn a_proxy_has_its_usual_port_and_tls_if_it_says_so() {
    for (url, tls, name) in [
        ("http://proxy", false, "proxy:80"),
        ("proxy:3128", false, "proxy:3128"),
        ("https://proxy", true, "proxy:443"),
        ("http://[::1]:3128", false, "[::1]:3128"),
    ] {
        let proxy = through(&Matcher::builder().all(url).build(), LAMBDA).unwrap();
        assert_eq!((proxy.tls, proxy.name().as_str()), (tls, name), "{url}");
    }
}

#[test]
fn a_proxy_that_speaks_no_http_is_refused_with_what_to_do() {
    let matcher = Matcher::builder().all("socks5://Aladdin:secret@proxy:1080").build();
    let error = Proxy::of(&matcher, &Uri::from_static(LAMBDA)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.message().contains("socks5") && error.hint().unwrap().contains("HTTPS_PROXY"), "{error:?}");
    assert!(!format!("{error:?}").contains("secret"));
}

#[test]
fn user_and_password_are_not_printed() {
    let proxy = through(&Matcher::builder().all("http://Aladdin:PLANTED@proxy").build(), LAMBDA).unwrap();
    assert!(proxy.authorization.is_some());
    let printed = format!("{proxy:?} {}", proxy.name());
    assert!(!printed.contains("PLANTED") && !printed.contains("Basic"), "{printed}");
}

/// A proxy for one connection, which gives this answer, and for a yes connects. Ends with the head that it was sent.
fn proxy(answer: &'static str) -> (u16, JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let serving = thread::spawn(move || {
        let mut client = BufReader::new(listener.accept().unwrap().0);
        let head: Vec<String> = (&mut client).lines().map(Result::unwrap).take_while(|line| !line.is_empty()).collect();
        client.get_mut().write_all(answer.as_bytes()).unwrap();
        if answer.starts_with("HTTP/1.1 200 ") {
            let target = head[0].split(' ').nth(1).unwrap();
            relay(client.get_ref(), &TcpStream::connect(target).unwrap());
        }
        head
    });
    (port, serving)
}

fn relay(mut client: &TcpStream, mut service: &TcpStream) {
    let (mut from, mut to) = (client.try_clone().unwrap(), service.try_clone().unwrap());
    // Both end when the client has closed its side.
    let there = thread::spawn(move || {
        let _ = std::io::copy(&mut from, &mut to);
        let _ = to.shutdown(std::net::Shutdown::Both);
    });
    let _ = std::io::copy(&mut service, &mut client);
    there.join().unwrap();
}

fn connector(proxy_url: String, service: &str) -> Connector {
    let matcher = Matcher::builder().all(proxy_url).build();
    let proxy = through(&matcher, LAMBDA);
    // Without TLS, so that no certificates are needed; what is in between is the same.
    Connector::new(&format!("http://{service}").parse().unwrap(), proxy).unwrap()
}

async fn refused(url: String) -> InvokeError {
    not_connected("Lambda", connector(url, "lambda.test:443").connect().await.unwrap_err())
}

fn url(user: &str, port: u16) -> String {
    format!("http://{user}127.0.0.1:{port}")
}

/// A service that answers one request.
fn service() -> (String, JoinHandle<()>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let serving = thread::spawn(move || {
        let mut client = listener.accept().unwrap().0;
        let mut request = [0; 7];
        client.read_exact(&mut request).unwrap();
        assert_eq!(&request, b"GET /in");
        client.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").unwrap();
        // Until the other side closes it.
        let _ = client.read_to_end(&mut Vec::new());
    });
    (address, serving)
}

#[tokio::test]
async fn requests_go_through_the_tunnel_that_the_proxy_opens() {
    let (address, service) = service();
    let (port, proxy) = proxy("HTTP/1.1 200 Connection established\r\nVia: a proxy\r\n\r\n");
    let user = format!("Aladdin:{}@", PASSWORD.replace(' ', "%20"));
    let mut sender = connector(url(&user, port), &address).connect().await.unwrap();
    let request = http::Request::get("/inside").body(Full::new(Bytes::new())).unwrap();
    assert_eq!(sender.send_request(request).await.unwrap().status(), 204);
    drop(sender);
    let head = tokio::task::spawn_blocking(|| proxy.join().unwrap()).await.unwrap();
    assert_eq!(head, [format!("CONNECT {address} HTTP/1.1"), format!("Host: {address}"), BASIC.to_owned()]);
    service.join().unwrap();
}

#[tokio::test]
async fn a_proxy_that_wants_credentials_is_said_to() {
    let (port, proxy) = proxy("HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n");
    let error = refused(url("", port)).await;
    assert_eq!((error.class, error.kind), (RetryClass::Permanent, ErrorKind::Denied));
    let (wants, example) = ("wants credentials (407)", format!("`http://<user>:<password>@127.0.0.1:{port}`"));
    assert!(error.message.contains(wants) && error.message.contains(&example), "{error}");
    assert_eq!(proxy.join().unwrap().len(), 2, "no credentials were sent");
}

#[tokio::test]
async fn credentials_that_the_proxy_does_not_take_are_not_printed() {
    let (port, proxy) = proxy("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n");
    let error = refused(url("Aladdin:PLANTED@", port)).await;
    assert_eq!((error.class, error.kind), (RetryClass::Permanent, ErrorKind::Denied));
    assert!(error.message.contains("does not take the credentials"), "{error}");
    assert!(!format!("{error:?} {error}").contains("PLANTED"), "{error:?}");
    proxy.join().unwrap();
}

#[tokio::test]
async fn what_the_proxy_says_decides_whether_it_is_asked_again() {
    for (answer, class, words) in [
        ("HTTP/1.1 403 Forbidden\r\n\r\n", RetryClass::Permanent, "does not let this connection through (403)"),
        ("HTTP/1.1 502 Bad Gateway\r\n\r\n", RetryClass::Transient, "can't reach the service (502)"),
        ("HTTP/1.1 429 Too Many Requests\r\n\r\n", RetryClass::Transient, "can't reach the service (429)"),
        ("HTTP/1.1 200", RetryClass::Transient, "closed the connection"),
        ("", RetryClass::Transient, "closed the connection"),
        ("SSH-2.0-server\r\n", RetryClass::Transient, "is no HTTP"),
    ] {
        let (port, proxy) = proxy(answer);
        let error = refused(url("", port)).await;
        assert_eq!(error.class, class, "{error}");
        let name = format!("the proxy at `127.0.0.1:{port}`");
        assert!(error.message.contains(words) && error.message.contains(&name), "{answer:?}: {error}");
        proxy.join().unwrap();
    }
}

#[tokio::test]
async fn a_proxy_that_is_not_there_is_named() {
    let port = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
    let error = refused(url("", port)).await;
    assert_eq!(error.class, RetryClass::Transient);
    assert!(error.message.contains(&format!("the proxy at `127.0.0.1:{port}`: ")), "{error}");
}

#[tokio::test]
async fn an_answer_without_end_is_given_up() {
    let endless: String = std::iter::once("HTTP/1.1 200 OK\r\nX: ").chain(std::iter::repeat_n("a", MAX_HEAD)).collect();
    let error = status(&mut endless.as_bytes()).await.unwrap_err();
    assert!(error.to_string().contains("no end"), "{error}");
}
