//! The program of the image that tests deploy: a server with the standard library alone, which does what paths tell it.
//!
//! It is compiled by the tests themselves, and is no part of any crate.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;
use std::{env, fs, process, thread};

fn main() {
    match env::args().nth(1).as_deref() {
        Some("serve") => {}
        Some("exit") => process::exit(3),
        Some("sleep") => thread::sleep(Duration::from_secs(600)),
        Some("slow") => thread::sleep(Duration::from_millis(300)),
        other => panic!("no such argument: {other:?}"),
    }
    println!("a line of its start");
    let port = env::var("PORT").unwrap();
    let listener = TcpListener::bind(format!("0.0.0.0:{port}")).unwrap();
    for stream in listener.incoming() {
        if let Ok(stream) = stream {
            answer(stream);
        }
    }
}

fn answer(mut stream: TcpStream) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        // A probe connects and says nothing.
        if reader.read_line(&mut line).unwrap_or(0) == 0 {
            return;
        }
        if line.trim_end().is_empty() {
            break;
        }
        lines.push(line.trim_end().to_owned());
    }
    let header = |name: &str| lines.iter().filter_map(|it| it.split_once(": ")).find(|(it, _)| it.eq_ignore_ascii_case(name));
    let length = header("content-length").map_or(0, |(_, value)| value.parse().unwrap());
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    let target = lines[0].split(' ').nth(1).unwrap().to_owned();
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    match path {
        "/environment" => {
            let mut all: Vec<String> = env::vars().map(|(name, value)| format!("{name}={value}")).collect();
            all.sort();
            reply(&mut stream, &all.join("\n"));
        }
        "/place" => {
            let mut root: Vec<_> = fs::read_dir("/").unwrap().map(|it| it.unwrap().file_name().into_string().unwrap()).collect();
            root.sort();
            let folder = env::current_dir().unwrap();
            let data = fs::read_to_string("data.txt").unwrap();
            reply(&mut stream, &format!("{} {} {}", folder.display(), data, root.join(",")));
        }
        "/headers" => reply(&mut stream, &lines.join("\n")),
        "/echo" => reply(&mut stream, &String::from_utf8_lossy(&body)),
        "/pid" => reply(&mut stream, &process::id().to_string()),
        "/write" => {
            let before = fs::read_to_string("written").unwrap_or_default();
            fs::write("written", "x").unwrap();
            reply(&mut stream, &format!("{} {before}", process::id()));
        }
        // Notes that it began in one file, and waits for another one.
        "/gate" => {
            let (note, gate) = query.split_once(',').unwrap();
            append(note);
            while !fs::exists(gate).unwrap() {
                thread::sleep(Duration::from_millis(2));
            }
            reply(&mut stream, "through");
        }
        "/note" => {
            append(query);
            reply(&mut stream, "noted");
        }
        // Keeps what it was sent, as a line.
        "/keep" => {
            let mut file = fs::OpenOptions::new().create(true).append(true).open(query).unwrap();
            file.write_all(format!("{}\n", String::from_utf8_lossy(&body)).as_bytes()).unwrap();
            reply(&mut stream, "kept");
        }
        "/note-and-exit" => {
            append(query);
            process::exit(1);
        }
        // Waits for its caller to go, and notes it.
        "/watch" => {
            append(query);
            let mut rest = [0];
            let count = reader.read(&mut rest).unwrap_or(0);
            append(&format!("{query}.gone"));
            assert_eq!(count, 0);
        }
        "/exit" => process::exit(7),
        "/abort" => process::abort(),
        "/malformed" => drop(stream.write_all(b"nonsense\r\n\r\n")),
        "/fail" => drop(stream.write_all(b"HTTP/1.1 418 I'm a teapot\r\ncontent-length: 5\r\nfaast: 1\r\n\r\nshort")),
        "/memory" => {
            let mut held = Vec::new();
            loop {
                held.push(vec![1_u8; 8 << 20]);
                thread::sleep(Duration::from_millis(1));
            }
        }
        "/big" => {
            let bytes: usize = query.parse().unwrap();
            let _ = stream.write_all(format!("HTTP/1.1 200 OK\r\ncontent-length: {bytes}\r\n\r\n").as_bytes());
            let _ = stream.write_all(&vec![b'x'; bytes]);
        }
        // Pieces until a file exists; then it ends well, or not.
        "/pieces" => {
            let (how, gate) = query.split_once(',').unwrap();
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nfirst\r\n");
            while !fs::exists(gate).unwrap() {
                thread::sleep(Duration::from_millis(2));
            }
            if how == "exit" {
                process::exit(1);
            }
            let _ = stream.write_all(b"6\r\nsecond\r\n0\r\n\r\n");
        }
        other => panic!("no such path: {other}"),
    }
}

fn append(path: &str) {
    let mut file = fs::OpenOptions::new().create(true).append(true).open(path).unwrap();
    writeln!(file, "{}", process::id()).unwrap();
}

fn reply(stream: &mut TcpStream, text: &str) {
    let _ = stream.write_all(format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{text}", text.len()).as_bytes());
}
