//! A secret that may have changed without a sign, such as what a command prints, is read again once it was refused.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use super::*;

/// Says nothing of a change.
struct Printed {
    plugin: Arc<Plugin>,
    secret: Mutex<&'static str>,
    read: AtomicUsize,
}

struct Handed(Arc<Printed>);

impl Credentials for Handed {
    fn stamp(&self) -> u64 {
        7
    }

    fn resolve(&self) -> Result<Vec<Credential>, String> {
        self.0.read.fetch_add(1, SeqCst);
        let kind = self.0.plugin.description().credential("token").unwrap();
        let secret = SecretString::from(*self.0.secret.lock().unwrap());
        Ok(vec![Credential::new(kind, &secret).unwrap()])
    }
}

/// Takes the new token alone, and says where it is.
async fn peer() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut request = vec![0; 4096];
                while let Ok(length @ 1..) = socket.read(&mut request).await {
                    let asked = String::from_utf8_lossy(&request[..length]).into_owned();
                    let status = match asked.contains("Bearer new-token") {
                        true => "200 OK",
                        false => "401 Unauthorized",
                    };
                    let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n");
                    socket.write_all(answer.as_bytes()).await.unwrap();
                }
            });
        }
    });
    url
}

#[tokio::test]
async fn a_secret_that_was_refused_is_read_again_though_nothing_says_that_it_changed() {
    let (loaded, url) = (loaded().await, peer().await);
    let printed = Arc::new(Printed {
        plugin: Arc::clone(&loaded.hostile),
        secret: Mutex::new("old-token"),
        read: AtomicUsize::new(0),
    });
    let config = json!({"mode": "request", "url": url, "request": {"url": format!("{url}/ok")}});
    let gate = GateConfig {
        source: "hostile".into(),
        grants: Grant::resolve_all(loaded.hostile.description(), &config, Granting::BuiltIn)
            .unwrap(),
        credentials: Vec::new(),
        network: NetworkPolicy::default(),
        limits: GateLimits::default(),
        share: None,
        budgets: Arc::default(),
    };
    let source = ComponentSource::new(
        "hostile".into(),
        Arc::clone(&loaded.plugins),
        Arc::clone(&loaded.hostile),
        config.to_string(),
        Gate::new(gate, &Clients::default()).unwrap(),
        Limits::default(),
        Box::new(Handed(Arc::clone(&printed))),
    );
    let answer = async || {
        let page = source.open(Start::First).await.unwrap().read().await;
        texts(&page.unwrap())[0].clone()
    };
    assert!(answer().await.contains("401"));
    *printed.secret.lock().unwrap() = "new-token";
    assert!(answer().await.contains("200"));
    assert_eq!(printed.read.load(SeqCst), 2);
    assert!(answer().await.contains("200"));
    assert_eq!(printed.read.load(SeqCst), 2, "what is taken stays");
}

#[tokio::test]
async fn trust_15_more_than_a_call_may_hand_over_never_comes_into_the_host() {
    let small = Limits {
        batch_bytes: 1 << 20,
        batch_records: 10,
        ..Limits::default()
    };
    let large = json!({"mode": "huge-batch", "bytes": 64 << 20});
    let Err(StageError::Crashed(why)) = read_within(large, small).await else {
        panic!("it should have ended its instance");
    };
    assert!(why.contains("trapped"), "{why}");
    assert!(!why.contains("its page has"), "it was here: {why}");
}
