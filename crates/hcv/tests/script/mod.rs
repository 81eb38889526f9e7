//! A server whose answers a test scripts. Requests that the test does not answer get the answer of a single
//! node of HashiCorp Vault.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
};
use uuid::Uuid;
use vaultterm_hcv::{ConnectorOptions, VaultConnector, VaultRemote};
use vaultterm_reconcile::{Mode, Options};
use vaultterm_sealing::SecretText;
use vaultterm_sync::{
    CollectionId, Connected, Connection, ConnectionId, ConnectionSecrets, Connector, Credential, RemoteFault, Schedule,
    Tls,
};

pub(crate) const SECRET_ID: &str = "a-secret-id-of-the-test";
pub(crate) const ROLE_ID: &str = "a-role-id-of-the-test";
pub(crate) const TOKEN: &str = "hvs.a-token-of-the-test";

/// A request as it arrived.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) method: String,
    /// The path below `/v1/`, with the query.
    pub(crate) path: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Asked {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }
}

/// An answer.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: String,
    /// The delay before the answer is sent.
    pub(crate) after: Duration,
}

pub(crate) fn reply(status: u16, body: impl Into<String>) -> Reply {
    Reply { status, headers: Vec::new(), body: body.into(), after: Duration::ZERO }
}

impl Reply {
    pub(crate) fn with(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    pub(crate) fn after(self, after: Duration) -> Self {
        Self { after, ..self }
    }
}

type Answering = dyn Fn(&Asked) -> Option<Reply> + Send + Sync;

/// The server. It ends with the runtime of the test.
#[derive(Clone)]
pub(crate) struct Script {
    pub(crate) address: String,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Script {
    pub(crate) async fn start(answering: impl Fn(&Asked) -> Option<Reply> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has a free port");
        let address = format!("http://{}", listener.local_addr().expect("it is bound"));
        let script = Self { address, asked: Arc::default() };
        let (here, answering): (_, Arc<Answering>) = (script.clone(), Arc::new(answering));
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (here, answering) = (here.clone(), Arc::clone(&answering));
                tokio::spawn(async move { here.serve(client, &*answering).await });
            }
        });
        script
    }

    async fn serve(&self, client: TcpStream, answering: &Answering) -> Option<()> {
        let mut client = BufReader::new(client);
        loop {
            let asked = read(&mut client).await?;
            self.asked.lock().expect("no test panics here").push(asked.clone());
            let Reply { status, headers, body, after } = answering(&asked).unwrap_or_else(|| as_vault(&asked));
            tokio::time::sleep(after).await;
            let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
            let head = format!("HTTP/1.1 {status} Said\r\nContent-Length: {}\r\n{headers}\r\n", body.len());
            client.write_all(head.as_bytes()).await.ok()?;
            client.write_all(body.as_bytes()).await.ok()?;
            client.flush().await.ok()?;
        }
    }

    /// Returns the requests so far.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().expect("no test panics here").clone()
    }

    pub(crate) fn connection(&self) -> Connection {
        Connection {
            id: ConnectionId(Uuid::from_u128(1)),
            name: "test".to_owned(),
            collection_id: CollectionId(Uuid::from_u128(2)),
            address: self.address.clone(),
            namespace: None,
            tls: Tls::default(),
            auth_mount: "approle".to_owned(),
            auth_namespace: None,
            role_id: ROLE_ID.to_owned(),
            mount: "kv".to_owned(),
            path: "team".to_owned(),
            options: Options::defaults(Mode::Bidirectional, "instance-1"),
            schedule: Schedule { interval_seconds: 0, on_change: false, requests_per_second_max: 0 },
            concurrency_max: 32,
            paused: false,
            started: true,
            scope_changed: false,
            guarded: None,
            identity: None,
            revision: 1,
        }
    }

    pub(crate) async fn try_connect(&self) -> Result<Connected<VaultRemote>, RemoteFault> {
        connector().connect(&self.connection(), &secrets()).await
    }

    pub(crate) async fn connect(&self) -> VaultRemote {
        match self.try_connect().await {
            Ok(connected) => connected.remote,
            Err(fault) => panic!("{fault:?}"),
        }
    }

    pub(crate) async fn refusal(&self) -> RemoteFault {
        match self.try_connect().await {
            Ok(_) => panic!("the connection opens"),
            Err(fault) => fault,
        }
    }
}

pub(crate) fn connector() -> VaultConnector {
    VaultConnector::new(ConnectorOptions::default())
}

pub(crate) fn secrets() -> ConnectionSecrets {
    ConnectionSecrets { credential: Credential::SecretId(SecretText::new(SECRET_ID.to_owned())), client_key_pem: None }
}

async fn read(from: &mut BufReader<TcpStream>) -> Option<Asked> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        if from.read_line(&mut line).await.ok()? == 0 {
            return None;
        }
        if line.trim_end().is_empty() {
            break;
        }
        lines.push(line.trim_end().to_owned());
    }
    let headers: Vec<_> = lines[1..]
        .iter()
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    let length = headers.iter().find(|(name, _)| name == "content-length").and_then(|(_, value)| value.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    from.read_exact(&mut body).await.ok()?;
    let mut first = lines[0].split(' ');
    let (method, path) = (first.next()?.to_owned(), first.next()?.to_owned());
    let path = path.split_once("/v1/").map_or(path.clone(), |(_, path)| path.to_owned());
    Some(Asked { method, path, headers, body: String::from_utf8(body).ok()? })
}

/// Answers as a single node of HashiCorp Vault 1.21 with a role that may do anything.
pub(crate) fn as_vault(asked: &Asked) -> Reply {
    let data =
        |data: &str| reply(200, format!(r#"{{"request_id":"2f1e0f0c-6f0b-4a3a-9d7e-0a6b8c5d4e3f","data":{data}}}"#));
    match asked.path.split('?').next().unwrap_or_default() {
        "sys/health" => reply(
            200,
            r#"{"initialized":true,"sealed":false,"standby":false,"performance_standby":false,"replication_performance_mode":"disabled","enterprise":false,"version":"1.21.4","cluster_id":"c1"}"#,
        ),
        "sys/leader" => {
            reply(200, r#"{"ha_enabled":false,"is_self":false,"leader_address":"","performance_standby":false}"#)
        }
        "auth/approle/login" => reply(
            200,
            format!(r#"{{"auth":{{"client_token":"{TOKEN}","policies":["p"],"metadata":{{"role_name":"r"}}}}}}"#),
        ),
        "sys/internal/ui/mounts/kv" => {
            data(r#"{"path":"kv/","type":"kv","options":{"version":"2"},"accessor":"kv_1","uuid":"u-1"}"#)
        }
        "sys/internal/ui/mounts" => data(r#"{"auth":{},"secret":{}}"#),
        "sys/capabilities-self" => {
            let asked: serde_json::Value = serde_json::from_str(&asked.body).unwrap_or_default();
            let paths = asked["paths"].as_array().cloned().unwrap_or_default();
            let granted = r#"["create","read","update","delete","list","patch"]"#;
            let paths: Vec<_> = paths.iter().map(|path| format!("{path}:{granted}")).collect();
            data(&format!("{{{}}}", paths.join(",")))
        }
        "auth/token/revoke-self" => reply(204, ""),
        _ if asked.path.contains("list=true") => reply(404, r#"{"errors":[]}"#),
        path if path.starts_with("kv/data/") && asked.method == "POST" => {
            data(r#"{"created_time":"2026-11-23T19:20:16.5Z","deletion_time":"","destroyed":false,"version":1}"#)
        }
        _ => reply(404, r#"{"errors":[]}"#),
    }
}
