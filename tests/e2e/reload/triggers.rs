//! What makes it reload, what is refused, and kills in the midst of it.

use logweir_fixtures as fixtures;

use super::*;

#[test]
fn what_is_wrong_is_refused_at_its_place_and_nothing_changes() {
    let org = Org::with_events(50);
    let (house, running) = started(&org);
    has_lines(&house, "out.ndjson", 50);
    let good = fs::read_to_string(house.path("logweir.yaml")).unwrap();
    let cases = [
        (good.replace("poll: 200ms", "poll: soon"), "logweir.yaml:7"),
        (
            good.replace("plugin: okta", "plugin: oktta"),
            "logweir.yaml:4",
        ),
        (
            good.replace("inputs: [acme]", "inputs: [amce]"),
            "logweir.yaml:13",
        ),
        (good.replace("sources:", "sources: ["), "logweir.yaml"),
        (
            good.replace("200ms", "200ms\n      filtre: x"),
            "did you mean",
        ),
        (
            format!("{good}listen: 0\n"),
            "can't change while Logweir runs",
        ),
        (good.replace("file:token", "file:nowhere"), "nowhere"),
    ];
    for (bad, says) in cases {
        house.write("logweir.yaml", &bad);
        let said = refused(&house, 2);
        assert!(said.contains(says), "it does not say {says}:\n{said}");
    }
    let reload = picture_of(&house, &good)["host"]["reload"].clone();
    assert_eq!(reload["applied"], false, "{reload}");

    house.write("logweir.yaml", &good.replace("poll: 200ms", "poll: soon"));
    running.signal("-HUP");
    wait_until("it is in the log", || {
        log(&house).contains("logweir.yaml:7")
    });
    house.write("logweir.yaml", &good);
    let other = Org::seeded(20, 3);
    house.write("logweir.yaml", &good.replace(&org.url, &other.url));
    let said = refused(&house, 1);
    assert!(said.contains("logweir state forget acme"), "{said}");
    org.persist_now(3);
    has_lines(&house, "out.ndjson", 53);
    stop(running, &house);
    assert_eq!(other.report().requests, 0);
    let report = org.report();
    assert_eq!((report.events_served, report.violations), (53, vec![]));
}

/// The state's folder is in the configuration, so that it has to be read.
fn picture_of(house: &House, good: &str) -> Value {
    house.write("logweir.yaml", good);
    picture(house)
}

#[test]
fn sighup_opens_files_anew_and_reloads() {
    let org = Org::with_events(100);
    let (house, running) = started(&org);
    has_lines(&house, "out.ndjson", 100);
    wait_until("everything is settled", || {
        picture(&house)["host"]["sources"][0]["settled"] == 100
    });
    fs::rename(house.path("out.ndjson"), house.path("out.1.ndjson")).unwrap();
    let sources = [source("acme", &org, "      limit: 20\n", "token")];
    let outputs = [
        output("archive", "acme", "out.ndjson"),
        output("second", "acme", "second.ndjson"),
    ];
    house.write("logweir.yaml", &configuration(&sources, &outputs));
    running.signal("-HUP");
    wait_until("it is reloaded", || {
        log(&house).contains("+ output second; 1 unchanged")
    });
    assert!(log(&house).contains("act=files-reopened"));
    assert!(
        log(&house).contains("act=reloaded by=SIGHUP"),
        "{}",
        log(&house)
    );
    org.persist_now(5);
    has_lines(&house, "second.ndjson", 5);
    has_lines(&house, "out.ndjson", 5);
    stop(running, &house);
    assert_eq!(house.lines("out.1.ndjson").len(), 100);
}

#[test]
fn kills_around_reloads_lose_and_repeat_nothing() {
    let (acme, beta) = (Org::seeded(12_000, 4), Org::seeded(9_000, 5));
    let house = House::new();
    let mut random = StdRng::seed_from_u64(4_711);
    let configure = |kind: u32| {
        let config = format!("      limit: {}\n", 100 + kind);
        let mut sources = vec![source("acme", &acme, &config, "token")];
        let with_beta = !kind.is_multiple_of(3);
        sources.extend(with_beta.then(|| source("beta", &beta, "", "token")));
        let inputs = if with_beta { "acme, beta" } else { "acme" };
        let mut outputs = vec![output("archive", inputs, "all.ndjson")];
        let path = format!("second-{}.ndjson", kind % 2);
        outputs.extend((kind % 4 < 3).then(|| output("second", "acme", &path)));
        house.write("logweir.yaml", &configuration(&sources, &outputs));
    };
    configure(1);
    house.run_ok(&["check"]);
    let mut reloads = 0;
    for _ in 0..25 {
        configure(random.random_range(0..12));
        let mut running = house.start(&["run"]);
        let control = house.path(".logweir/control.sock");
        wait_until("it can be asked", || control.exists());
        for _ in 0..random.random_range(1..4) {
            std::thread::sleep(Duration::from_millis(random.random_range(0..60)));
            configure(random.random_range(0..12));
            reloads += usize::from(house.run(&["reload"]).status.success());
        }
        std::thread::sleep(Duration::from_millis(random.random_range(0..60)));
        running.kill();
    }
    assert!(reloads >= 20, "{reloads} reloads prove nothing");
    configure(1);
    house.run_ok(&["run", "--once"]);
    let all = counted(house.lines("all.ndjson"));
    let want = counted(acme.persisted().into_iter().chain(beta.persisted()));
    assert_eq!(all.values().sum::<usize>(), want.values().sum::<usize>());
    assert!(all == want, "the file does not hold each event once");
    for org in [acme, beta] {
        assert_eq!(org.report().violations, []);
    }
}

#[test]
fn an_org_that_is_connected_beside_a_running_host_is_read_at_once() {
    let orgs = [
        Org::with_events(50),
        Org::seeded(20, 2),
        Org::seeded(30, 3),
        Org::seeded(40, 4),
    ];
    let (house, running) = started(&orgs[0]);
    has_lines(&house, "out.ndjson", 50);
    let connect = |org: &Org, name: &str| {
        let url = format!("url={}", org.url);
        let output = house.run_ok(&[
            "connect",
            "--set",
            &url,
            "--token-file",
            "token",
            "--name",
            name,
            "--yes",
        ]);
        text(&output)
    };
    let said = connect(&orgs[1], "beta");
    assert!(
        said.contains("Logweir runs already. next: logweir reload"),
        "{said}"
    );
    let automatic = fs::read_to_string(house.path("logweir.yaml")).unwrap();
    house.write("logweir.yaml", &automatic.replace(MANUAL, ""));
    assert!(reloaded(&house).contains("+ beta"));
    has_lines(&house, "logs/beta.ndjson", 20);

    let said = connect(&orgs[2], "gamma");
    assert!(
        said.contains("Logweir runs already, and takes it up: + gamma"),
        "{said}"
    );
    assert!(said.contains("next: logweir status"), "{said}");
    has_lines(&house, "logs/gamma.ndjson", 30);

    house.write(
        "logweir.yaml",
        &format!("{automatic}listen: 0\n").replace(MANUAL, ""),
    );
    let said = connect(&orgs[3], "delta");
    assert!(
        said.contains("did not take it up") && said.contains("`listen` can't change"),
        "{said}"
    );
    assert!(said.contains("next: logweir reload"), "{said}");
    stop(running, &house);
}

#[test]
fn who_runs_to_an_end_or_does_not_run_is_not_reloaded() {
    let org = Org::new(OrgConfig {
        events: 3_000,
        latency: Duration::from_millis(300),
        ..OrgConfig::default()
    });
    let house = House::with_one_source(&org.url);
    let said = refused(&house, 1);
    assert!(said.contains("no Logweir runs"), "{said}");
    let running = house.start(&["run", "--once"]);
    let control = house.path(".logweir/control.sock");
    wait_until("it can be asked", || control.exists());
    let said = refused(&house, 1);
    assert!(said.contains("a run that ends by itself"), "{said}");
    drop(running);
}

#[test]
fn trust_21_grants_that_a_reload_changes_are_an_act() {
    let house = House::new();
    let hostile = fixtures::hostile_path().display();
    let granted = |paths: &str| {
        let grant = format!(
            r#"{{ need: api, origin: "{{url}}", methods: [GET], paths: [{paths}], credential: token }}"#
        );
        house.write(
            "logweir.yaml",
            &format!(
                "{MANUAL}sources:\n  own:\n    plugin: {{ path: {hostile} }}\n    config: {{ mode: ok, url: \
                 \"http://127.0.0.1:9\" }}\n    credentials: {{ token: \"${{file:token}}\" }}\n    grants:\n      - {grant}\n\
                 outputs:\n{}",
                output("archive", "own", "out.ndjson")
            ),
        );
    };
    granted("/ok");
    let running = house.start(&["run"]);
    wait_until("it can be asked", || {
        house.run(&["status"]).status.success()
    });
    granted("/ok, /api/v1/logs");
    let said = reloaded(&house);
    assert!(said.contains("~ own (grants)"), "{said}");
    let log = log(&house);
    let line = log.lines().find(|line| line.contains("grants-changed"));
    let line = line.unwrap_or_else(|| panic!("no act in {log}"));
    assert!(
        line.contains("it may now: GET http://127.0.0.1:9 ") && line.contains("/api/v1/logs"),
        "{line}"
    );
    stop(running, &house);
}

#[test]
fn what_was_refused_is_taken_up_when_what_was_missing_is_there_although_no_file_changed() {
    let (acme, beta) = (Org::with_events(50), Org::seeded(20, 2));
    let house = House::new();
    let sources = [
        source("acme", &acme, "", "token"),
        source("beta", &beta, "", "later"),
    ];
    let outputs = [
        output("archive", "acme", "out.ndjson"),
        output("second", "beta", "second.ndjson"),
    ];
    let automatic = |count| {
        let all = configuration(&sources[..count], &outputs[..count]);
        house.write("logweir.yaml", &all.replace(MANUAL, ""));
    };
    automatic(1);
    let running = house.start(&["run"]);
    has_lines(&house, "out.ndjson", 50);
    automatic(2);
    wait_until("it is refused", || {
        log(&house).contains("nothing was reloaded")
    });
    assert_eq!(beta.report().requests, 0);
    fs::copy(house.path("token"), house.path("later")).unwrap();
    has_lines(&house, "second.ndjson", 20);
    let log = log(&house);
    assert!(log.contains("act=reloaded by=changed files"), "{log}");
    assert_eq!(log.matches("nothing was reloaded").count(), 1, "{log}");
    stop(running, &house);
}

#[test]
fn an_authority_in_a_file_that_has_another_content_is_a_difference_once() {
    let org = Org::with_events(50);
    let house = House::new();
    let authority = || {
        let made = rcgen::generate_simple_self_signed(["acme.test".to_owned()]).unwrap();
        house.write("ca.pem", &made.cert.pem());
    };
    authority();
    let network = "    network: { ca_file: ca.pem }\n";
    let sources = [source("acme", &org, "", "token") + network];
    let outputs = [output("archive", "acme", "out.ndjson")];
    house.write("logweir.yaml", &configuration(&sources, &outputs));
    let running = house.start(&["run"]);
    has_lines(&house, "out.ndjson", 50);
    assert_eq!(reloaded(&house), "nothing changed");
    authority();
    assert_eq!(reloaded(&house), "~ acme (network); 1 unchanged");
    assert_eq!(reloaded(&house), "nothing changed");
    org.persist_now(3);
    has_lines(&house, "out.ndjson", 53);
    stop(running, &house);
}

#[test]
fn a_plugin_in_a_file_that_has_another_content_is_a_difference_once() {
    let house = House::new();
    let plugin = house.path("own.wasm");
    fs::write(&plugin, fixtures::hostile()).unwrap();
    house.write(
        "logweir.yaml",
        &format!(
            "{MANUAL}sources:\n  own:\n    plugin: {{ path: own.wasm }}\n    config: {{ mode: ok, url: \
             \"http://127.0.0.1:9\" }}\n    credentials: {{ token: \"${{file:token}}\" }}\n    grants:\n      - {{ need: \
             api, origin: \"{{url}}\", methods: [GET], paths: [/ok], credential: token }}\noutputs:\n{}",
            output("archive", "own", "out.ndjson")
        ),
    );
    let running = house.start(&["run"]);
    wait_until("it can be asked", || {
        house.run(&["status"]).status.success()
    });
    assert_eq!(reloaded(&house), "nothing changed");
    // Another section, which means nothing.
    let section = [0, 5, 4, b'n', b'o', b't', b'e'];
    fs::write(&plugin, [fixtures::hostile(), &section].concat()).unwrap();
    assert_eq!(reloaded(&house), "~ own (plugin); 1 unchanged");
    assert_eq!(reloaded(&house), "nothing changed");
    stop(running, &house);
}
