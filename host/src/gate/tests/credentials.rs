//! A credential goes where it belongs and is seen by nobody.

use super::*;

#[tokio::test]
async fn trust_01_a_credential_goes_only_where_its_need_goes() {
    let server = Server::start(|_| Reply::ok("")).await;
    let gate = gate(&server);
    ask(&gate, get(&server, "/logs")).await.unwrap();
    ask(&gate, get(&server, "/me")).await.unwrap();
    let signed: Vec<_> = server
        .requests()
        .iter()
        .map(|request| request.contains(&format!("authorization: SSWS {TOKEN}\r\n")))
        .collect();
    assert_eq!(signed, [true, false]);
    assert!(!server.requests()[1].contains(TOKEN));
}

#[tokio::test]
async fn a_replaced_credential_signs_from_then_on() {
    let server = Server::start(|_| Reply::ok("")).await;
    let gate = gate(&server);
    gate.set_credentials(vec![token("00second")]);
    ask(&gate, get(&server, "/logs")).await.unwrap();
    assert!(server.requests()[0].contains("authorization: SSWS 00second\r\n"));
    assert_eq!(gate.scrub(&format!("{TOKEN} 00second")), "*** ***");
    gate.set_credentials(Vec::new());
    let refusal = refused(&gate, get(&server, "/logs")).await;
    assert_eq!(refusal.reason, RefusalReason::NoCredential);
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn trust_04_what_is_for_check_alone_is_closed_to_reading() {
    let server = Server::start(|_| Reply::ok("")).await;
    let gate = gate(&server);
    let reading = gate.session(Purpose::Read);
    let error = reading.send(get(&server, "/me"), Timeouts::default()).await;
    assert!(matches!(error, Err(GateError::Refused(_))));
    ask(&gate, get(&server, "/me")).await.unwrap();
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn trust_10_a_header_that_says_the_credential_is_not_shown() {
    let server = Server::start(|request| {
        let token = request.split("authorization: SSWS ").nth(1).unwrap();
        let token = token.lines().next().unwrap();
        Reply::answer(
            200,
            &format!("x-echo: you are {token}\r\nx-echo: hello\r\n"),
            "",
        )
    })
    .await;
    let answer = ask(&gate(&server), get(&server, "/logs")).await.unwrap();
    let shown: Vec<_> = answer.headers().get_all("x-echo").iter().collect();
    assert_eq!(shown, ["hello"]);
}
